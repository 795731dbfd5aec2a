"""The small parts of the stack: ports, secrets, pid files, run folder, templates."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callcenter.stack import pids, ports, secrets, templates
from callcenter.stack.errors import PartMissing, StackBusy, StackFailed
from callcenter.stack.folder import LONGEST_SOCKET_PATH, RunFolder
from callcenter.stack.paths import program


def test_no_port_is_used_twice_in_a_block() -> None:
    numbers = list(ports.Ports(12000).services())
    assert len(numbers) == len(set(numbers))
    first, last = ports.Ports(12000).rtp
    assert all(12000 <= port < first for _, port in numbers)
    assert last == 12999


def test_a_claimed_block_is_not_given_out_again() -> None:
    one = ports.claim()
    two = ports.claim(one.ports.start)
    try:
        assert one.ports != two.ports
    finally:
        one.release()
        two.release()


def test_the_block_one_had_before_is_tried_first() -> None:
    assert ports.candidates(17000)[:2] == [17000, 12000]


@pytest.mark.parametrize("preferred", [None, 0, 12001, 80, 65535])
def test_a_block_begins_where_blocks_begin(preferred: int | None) -> None:
    claim = ports.claim(preferred)
    claim.release()
    assert claim.ports.start % ports.BLOCK == 0
    assert ports.FIRST <= claim.ports.start <= ports.LAST


def test_a_block_with_a_taken_port_is_passed_over() -> None:
    first = ports.claim()
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind((ports.LOOPBACK, first.ports.ami))
        taken.listen()
        first.release()
        other = ports.claim(first.ports.start)
    other.release()
    assert other.ports != first.ports


def test_secrets_are_made_once_and_kept(tmp_path: Path) -> None:
    file = tmp_path / "secrets.json"
    made = secrets.load_or_create(file)
    assert secrets.load_or_create(file) == made
    assert file.stat().st_mode & 0o777 == 0o600


def test_two_stacks_share_no_secret() -> None:
    one, two = secrets.Secrets(), secrets.Secrets()
    values = [*_all(one), *_all(two)]
    assert len(values) == len(set(values))


def _all(made: secrets.Secrets) -> list[str]:
    names = [name for name in made.__dataclass_fields__ if name != "agents"]
    return [*(getattr(made, name) for name in names), *made.agents.values()]


def test_a_secret_needs_no_quoting_anywhere() -> None:
    for value in _all(secrets.Secrets()):
        assert value.replace("-", "").replace("_", "").isalnum()


def test_secrets_do_not_print_themselves() -> None:
    made = secrets.Secrets()
    assert made.ami_events not in repr(made)


def test_secrets_others_can_read_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "secrets.json"
    secrets.load_or_create(file)
    file.chmod(0o644)
    with pytest.raises(StackFailed, match="chmod 600"):
        secrets.load_or_create(file)


@pytest.mark.parametrize("text", ["", "{", '{"unknown": 1}', "[]"])
def test_damaged_secrets_are_told(tmp_path: Path, text: str) -> None:
    file = tmp_path / "secrets.json"
    secrets.write_private(file, text)
    with pytest.raises(StackFailed, match="damaged"):
        secrets.load_or_create(file)


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    yield child
    child.kill()
    child.wait()


def test_a_pid_file_is_read_back(tmp_path: Path, sleeper: subprocess.Popen[bytes]) -> None:
    pid = pids.of(sleeper.pid, signal.SIGINT)
    pids.write(tmp_path / "x.pid", pid)
    assert pids.read(tmp_path / "x.pid") == pid
    assert pid.alive


@pytest.mark.parametrize("text", ["", "12", "a b c", "1 2 3 4"])
def test_a_torn_pid_file_names_nobody(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.pid").write_text(text, encoding="ascii")
    assert pids.read(tmp_path / "x.pid") is None


def test_a_reused_pid_is_not_ours(sleeper: subprocess.Popen[bytes]) -> None:
    stranger = pids.Pid(sleeper.pid, "1")
    assert not stranger.alive
    stranger.send(signal.SIGKILL)
    assert sleeper.poll() is None


def test_a_process_ends_when_asked(sleeper: subprocess.Popen[bytes]) -> None:
    assert pids.end(pids.of(sleeper.pid), patience_s=10)
    assert sleeper.wait() == -signal.SIGTERM


def test_a_process_that_does_not_listen_is_killed() -> None:
    code = "import signal, time; signal.signal(15, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert child.stdout is not None
    assert child.stdout.readline() == b"deaf\n"
    assert not pids.end(pids.of(child.pid), patience_s=0.05)
    child.stdout.close()
    assert child.wait() == -signal.SIGKILL


def test_a_pid_that_does_not_run_is_told() -> None:
    with pytest.raises(ProcessLookupError):
        pids.of(2**22 + 1)


def test_one_stack_at_a_time_lives_in_a_run_folder(tmp_path: Path) -> None:
    first, second = RunFolder(tmp_path / "run"), RunFolder(tmp_path / "run")
    first.open()
    with pytest.raises(StackBusy, match="make stop"):
        second.open()
    first.close()
    second.open()
    second.close()


def test_nobody_else_may_look_into_a_run_folder(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.open()
    folder.close()
    assert {path.stat().st_mode & 0o777 for path in (folder.path, folder.pids, folder.sockets())} == {0o700}


@pytest.mark.parametrize("name", ["a b", "a,b", "a;b", "a$b", "a(b)", 'a"b', "a&b", "a%b"])
def test_a_path_a_service_would_misread_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(StackFailed, match="move the checkout"):
        RunFolder(tmp_path / name)


def test_a_chinese_path_is_fine(tmp_path: Path) -> None:
    assert RunFolder(tmp_path / "热线").path.name == "热线"


def test_a_deep_run_folder_gets_a_short_path_for_sockets(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / ("x" * 60) / ("y" * 60))
    folder.open()
    short = folder.sockets()
    assert len(os.fsencode(short / ".s.PGSQL.5432")) < LONGEST_SOCKET_PATH
    assert short.samefile(folder.path / "sockets")
    assert folder.sockets() == short
    folder.close()
    folder.remove()
    assert not short.parent.exists()


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("port = @{port}", "port = 5"),
        ("${EXTEN} $[1 + 2] a@b PJSIP/600@unit @", "${EXTEN} $[1 + 2] a@b PJSIP/600@unit @"),
        ("@{port}@{port}", "55"),
    ],
)
def test_only_our_placeholders_are_filled(text: str, filled: str) -> None:
    assert templates.render(text, {"port": 5}) == filled


def test_a_placeholder_without_a_value_is_told() -> None:
    with pytest.raises(StackFailed, match=r"pjsip.conf: no value for @\{secret\}"):
        templates.render("@{secret}", {}, "pjsip.conf")


@given(st.text(alphabet=st.characters(exclude_characters="@")))
def test_text_without_placeholders_stays_as_it_is(text: str) -> None:
    assert templates.render(text, {}) == text


def test_a_missing_program_is_named_with_the_way_to_get_it() -> None:
    with pytest.raises(PartMissing, match="no-such-program is not installed; run `make setup`"):
        program("no-such-program", "run `make setup`")
