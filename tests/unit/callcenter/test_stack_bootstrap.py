"""`make setup` when parts are missing, present, or refuse: what it says and what it leaves alone."""

import sys
from pathlib import Path

import pytest

from callcenter.stack import bootstrap
from callcenter.stack.bootstrap import SetupFailed


@pytest.fixture(autouse=True)
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Set-up looks at an empty checkout of its own; commands it would run are refused."""
    names = {"ROOT": "", "CACHE": ".cache", "VENV": ".venv", "PYTHON": ".venv/bin/python", "LOCK": "requirements.lock"}
    for name, place in names.items():
        monkeypatch.setattr(bootstrap, name, tmp_path / place)
    (tmp_path / ".cache").mkdir()
    (tmp_path / ".venv").mkdir()
    (tmp_path / "requirements.lock").write_text("aiohttp==3.14.5\n", encoding="utf-8")
    return tmp_path


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What would have been run."""
    run: list[list[str]] = []

    def take(name: str, argv: list[str], env: dict[str, str] | None = None) -> str:
        run.append(argv)
        return name

    monkeypatch.setattr(bootstrap, "_run", take)
    return run


def test_the_environment_is_made_with_hashes_and_only_once(commands: list[list[str]]) -> None:
    assert bootstrap.environment() == "made from requirements.lock"
    assert any("--require-hashes" in argv for argv in commands)
    assert all("--no-deps" in argv for argv in commands if "-e" in argv)
    commands.clear()
    assert bootstrap.environment() == "as requirements.lock says"
    assert commands == []


def test_a_changed_lock_makes_the_environment_anew(commands: list[list[str]], checkout: Path) -> None:
    bootstrap.environment()
    (checkout / "requirements.lock").write_text("aiohttp==3.14.6\n", encoding="utf-8")
    assert bootstrap.environment() == "made from requirements.lock"


def test_apt_is_not_asked_when_everything_is_there(commands: list[list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "_missing_packages", list)
    assert bootstrap.programs() == "all there"
    assert commands == []


def test_what_apt_did_not_bring_is_named(commands: list[list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "_missing_packages", lambda: ["kannel"])
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(SetupFailed, match="still missing: kannel"):
        bootstrap.programs()
    assert [argv[:2] for argv in commands] == [["sudo", "apt-get"], ["sudo", "apt-get"]]


@pytest.mark.parametrize(
    ("there", "sentence"),
    [(set(), "no apt-get here; install with your system's tool: kannel"), ({"apt-get"}, "not root and no sudo")],
)
def test_without_the_means_the_packages_are_named(
    monkeypatch: pytest.MonkeyPatch, there: set[str], sentence: str
) -> None:
    monkeypatch.setattr(bootstrap, "_missing_packages", lambda: ["kannel"])
    monkeypatch.setattr("shutil.which", lambda name: name if name in there else None)
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(SetupFailed, match=sentence):
        bootstrap.programs()


@pytest.mark.parametrize(
    ("uid", "works", "there", "begin"),
    [
        (0, False, set(), ["mmdebstrap", "--mode=root"]),
        (1000, True, {"unshare"}, ["unshare", "--user", "--map-root-user", "mmdebstrap", "--mode=root"]),
        (1000, False, {"unshare", "fakechroot"}, ["mmdebstrap", "--mode=fakechroot"]),
    ],
)
def test_asterisk_is_fetched_with_the_rights_one_has(
    monkeypatch: pytest.MonkeyPatch, uid: int, works: bool, there: set[str], begin: list[str]
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: uid)
    monkeypatch.setattr(bootstrap, "_works", lambda argv: works)
    monkeypatch.setattr("shutil.which", lambda name: name if name in there else None)
    assert bootstrap._mmdebstrap() == begin


def test_without_any_right_the_way_out_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(SetupFailed, match="apt-get install fakechroot fakeroot"):
        bootstrap._mmdebstrap()


def test_a_failed_command_shows_the_end_of_its_log(checkout: Path) -> None:
    with pytest.raises(SetupFailed, match="no space left") as failed:
        bootstrap._run("pip", [sys.executable, "-c", "import sys; print('no space left'); sys.exit(3)"])
    log = checkout / ".cache" / "logs" / "pip.log"
    assert str(log) in str(failed.value)
    assert log.read_text(encoding="utf-8") == "no space left\n"


def test_an_old_python_is_refused_with_the_way_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bootstrap, "OLDEST_PYTHON", (4, 0))
    assert bootstrap.main() == 1
    assert "make setup PYTHON=" in capsys.readouterr().err


def test_a_step_that_fails_ends_set_up_with_its_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken() -> str:
        raise SetupFailed("the mirror is away")

    monkeypatch.setattr(bootstrap, "STEPS", (("first", lambda: "done"), ("second", broken)))
    assert bootstrap.main() == 1
    shown = capsys.readouterr()
    assert "first" in shown.out
    assert shown.err == "setup failed: second: the mirror is away\n"
