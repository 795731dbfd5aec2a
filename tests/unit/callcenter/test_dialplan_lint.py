"""The dialplan and its neighbours as they are rendered: what must never stand in them, and what must."""

import re
from pathlib import Path

import pytest

from callcenter.stack import asterisk_program
from callcenter.stack.asterisk import Asterisk, CelDatabase
from callcenter.stack.ports import Ports
from callcenter.stack.secrets import Secrets

TOKEN = "an-agi-token-of-this-test"
# Variables whose text a caller, an agent's API or a menu chooses.
OUTSIDE = ("CALL_ID", "UNIQUEID", "LEG", "QUEUE", "QUEUE_PRIO", "QUEUESTATUS", "SPYCHAN", "CITIZEN", "CALLERID(num)")
# Where a value is put into a name, a path or a number that something acts on.
ACTING = ("MixMonitor", "Dial", "ChanSpy", "BridgeWait", "ConfBridge", "AGI", "Gosub", "Goto")


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with every configuration file as Asterisk would read it."""
    folder = tmp_path_factory.mktemp("rendered")
    (folder / "log").mkdir()
    modules = folder / "modules"
    modules.mkdir()
    asterisk = Asterisk(
        folder,
        folder,
        Ports(12000),
        Secrets(agi_token=TOKEN),
        node="a",
        hotline_number="12345",
        prompts_dir=folder / "prompts",
        cel_database=CelDatabase("/run/db", 5432, "callcenter", "asterisk", "secret"),
    )
    asterisk.prepare(asterisk_program.Program(("asterisk",), modules, folder / "share"))
    return asterisk.home / "etc"


@pytest.fixture(scope="module")
def dialplan(rendered: Path) -> list[tuple[str, str, str]]:
    """Every line of the dialplan as (context, extension, application with its arguments), globals left out."""
    lines = []
    context = extension = ""
    for line in (rendered / "extensions.conf").read_text(encoding="utf-8").splitlines():
        if found := re.fullmatch(r"\[(.+)\]", line):
            context = found[1]
        elif found := re.fullmatch(r"(?:exten => ([^,]+),\d+| same => n),(.+)", line):
            extension = found[1] or extension
            lines.append((context, extension, found[2]))
    return lines


def settings(rendered: Path, file: str, section: str) -> dict[str, str]:
    """`name = value` lines of a section; a later one wins."""
    text = (rendered / file).read_text(encoding="utf-8")
    found = re.search(rf"^\[{re.escape(section)}\]\s*\n(.*?)(?=^\[|\Z)", text, re.MULTILINE | re.DOTALL)
    assert found, f"[{section}] is missing in {file}"
    pairs = (line.split("=", 1) for line in found[1].splitlines() if "=" in line and not line.startswith(";"))
    return {name.strip(): value.strip() for name, value in pairs}


def test_nothing_is_left_unfilled(rendered: Path) -> None:
    for file in rendered.iterdir():
        assert "@{" not in file.read_text(encoding="utf-8"), file.name


def test_there_are_no_patterns(dialplan: list[tuple[str, str, str]]) -> None:
    assert [line for line in dialplan if line[1].startswith("_")] == []


def test_the_trunk_reaches_one_number_only(dialplan: list[tuple[str, str, str]]) -> None:
    assert {extension for context, extension, _ in dialplan if context == "from-trunk"} == {"12345"}


@pytest.mark.parametrize("word", ["System", "TrySystem", "SHELL", "EVAL", "ENV", "FILE", "CURL", "ExternalIVR", "EAGI"])
def test_nothing_starts_programs_or_reads_files(dialplan: list[tuple[str, str, str]], word: str) -> None:
    assert [line for line in dialplan if re.search(rf"\b{word}\(", line[2])] == []


def test_recording_runs_no_command_afterwards(dialplan: list[tuple[str, str, str]]) -> None:
    recordings = [line[2] for line in dialplan if line[2].startswith("MixMonitor(")]
    assert recordings
    # MixMonitor(file,options,command): two arguments, so one comma outside of the options' parentheses.
    for line in recordings:
        assert re.sub(r"\$\{[^}]*\}|\w\([^)]*\)", "", line.removeprefix("MixMonitor(")).count(",") == 1


def test_what_comes_from_outside_is_filtered_where_it_is_used(dialplan: list[tuple[str, str, str]]) -> None:
    filtered_before = {"CITIZEN", "QUEUE"}  # Set to their own filtered value; shown by the next test.
    for _, _, line in dialplan:
        if line.split("(")[0] not in ACTING:
            continue
        bare = re.sub(r"\$\{FILTER\([^,]+,\$\{[^}]+\}\)\}", "", line)
        left = {name for name in OUTSIDE if f"${{{name}}}" in bare} - filtered_before
        assert left == set(), line


@pytest.mark.parametrize(("context", "name"), [("callback", "CITIZEN"), ("queue", "QUEUE")])
def test_a_name_is_filtered_before_its_first_use(dialplan: list[tuple[str, str, str]], context: str, name: str) -> None:
    using = [line for where, _, line in dialplan if where == context and f"${{{name}}}" in line]
    assert re.match(rf"Set\(_?{name}=\$\{{FILTER\([0-9a-z-]+,\$\{{{name}\}}\)\}}\)", using[0])


def test_a_dash_in_a_filter_stands_first(dialplan: list[tuple[str, str, str]]) -> None:
    # Anywhere else Asterisk takes it for a range, or drops it without a word.
    for _, _, line in dialplan:
        for allowed in re.findall(r"FILTER\(([^,]+),", line):
            assert "-" not in re.sub(r"(?:A-Z|a-z|0-9)", "", allowed).removeprefix("-"), line


def test_every_place_that_is_jumped_to_exists(dialplan: list[tuple[str, str, str]]) -> None:
    places = {(context, extension) for context, extension, _ in dialplan}
    for _, _, line in dialplan:
        for context, extension in re.findall(r"(?:Goto|Gosub)\(([a-z-]+),([a-z0-9]+),1", line):
            assert (context, extension) in places, line


def test_no_leg_is_recorded_before_it_was_decided_whether_the_call_is(dialplan: list[tuple[str, str, str]]) -> None:
    recording = {where for where, _, line in dialplan if line.startswith("MixMonitor(")}
    assert recording == {"record-citizen", "record-leg"}
    for context in recording:
        lines = [line for where, _, line in dialplan if where == context]
        assert lines[0] == "Gosub(record-decide,s,1)"
        assert '"${RECORDED}" = "no"' in lines[1]


def test_calls_are_recorded_when_nobody_says_until_when_they_are_not(rendered: Path) -> None:
    assert settings(rendered, "extensions.conf", "globals")["NO_RECORDING_UNTIL"] == "0"
    text = (rendered / "extensions.conf").read_text(encoding="utf-8")
    # An empty or strange value is 0 too: the 0 in front of it makes a number of whatever the filter leaves.
    assert "${EPOCH} < 0${FILTER(0-9,${NO_RECORDING_UNTIL})}" in text


@pytest.mark.parametrize(
    ("context", "extension"),
    [
        ("hold", "s"),
        ("conf", "s"),
        ("conf-citizen", "s"),
        ("unit-leg", "s"),
        ("requeue", "s"),
        ("goodbye", "s"),
        ("callback", "s"),
        ("callback", "unit"),
        ("agent-leg", "s"),
        ("spy", "listen"),
        ("spy", "whisper"),
        ("spy", "barge"),
    ],
)
def test_call_control_finds_its_landing_places(
    dialplan: list[tuple[str, str, str]], context: str, extension: str
) -> None:
    assert (context, extension) in {(where, name) for where, name, _ in dialplan}


def test_the_menu_is_asked_with_the_token(rendered: Path, dialplan: list[tuple[str, str, str]]) -> None:
    assert settings(rendered, "extensions.conf", "globals")["AGI_TOKEN"] == f"> {TOKEN}"[2:]
    assert [line for _, _, line in dialplan if line.startswith("AGI(") and "${AGI_TOKEN}" not in line] == []


@pytest.mark.parametrize(
    ("file", "section", "name", "value"),
    [
        ("asterisk.conf", "options", "live_dangerously", "no"),
        ("asterisk.conf", "options", "systemname", "a"),
        ("modules.conf", "modules", "autoload", "no"),
        ("manager.conf", "general", "webenabled", "no"),
        ("manager.conf", "general", "bindaddr", "127.0.0.1"),
        ("manager.conf", "general", "allowmultiplelogin", "no"),
        ("manager.conf", "general", "timestampevents", "yes"),
        ("manager.conf", "general", "channelvars", "CALL_ID,LEG"),
        ("manager.conf", "events", "write", "reporting"),
        ("manager.conf", "events", "deny", "0.0.0.0/0.0.0.0"),
        ("manager.conf", "actions", "write", "originate,call,agent,reporting"),
        ("manager.conf", "actions", "deny", "0.0.0.0/0.0.0.0"),
        ("http.conf", "general", "enabled", "no"),
        ("cel.conf", "general", "events", "ALL"),
        ("rtp.conf", "general", "rtpstart", "12100"),
        ("rtp.conf", "general", "rtpend", "12999"),
        ("cel_pgsql.conf", "global", "usegmtime", "yes"),
    ],
)
def test_a_setting_is_safe(rendered: Path, file: str, section: str, name: str, value: str) -> None:
    assert settings(rendered, file, section)[name] == value


def test_no_endpoint_trusts_or_is_anonymous(rendered: Path) -> None:
    text = (rendered / "pjsip.conf").read_text(encoding="utf-8")
    sections = re.split(r"^(?=\[)", text, flags=re.MULTILINE)
    endpoints = [section for section in sections if re.search(r"^type = endpoint$", section, re.MULTILINE)]
    assert [re.match(r"\[([\w-]+)\]", section)[1] for section in endpoints] == ["trunk", "unit", "agent"]  # type: ignore[index]
    for section in endpoints:
        assert "trust_id_inbound = no" in section
        assert "allow_transfer = no" in section
    assert "anonymous" not in re.sub(r"^;.*$", "", text, flags=re.MULTILINE)


def test_every_agent_has_a_password_of_its_own(rendered: Path) -> None:
    passwords = re.findall(r"^password = (.+)$", (rendered / "pjsip.conf").read_text(encoding="utf-8"), re.MULTILINE)
    assert len(passwords) == len(set(passwords)) == 20
    assert min(map(len, passwords)) >= 40
