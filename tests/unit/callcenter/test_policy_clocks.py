"""`callcenter policy clocks` as a program: a list in, a list out, nothing else needed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

CASE = {"id": "a", "type": "投诉", "dispatched_at": "2022-09-30T10:00:00+08:00", "extension": {"granted": "max"}}


def run(folder: Path, given: bytes, policy: str = "mengcheng") -> subprocess.CompletedProcess[bytes]:
    """Without settings, in an empty directory."""
    root = str(Path(__file__).resolve().parents[3])
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": root, "PYTHONUTF8": "0", "LC_ALL": "C"}
    command = [sys.executable, "-m", "callcenter", "policy", "clocks", "--policy", policy]
    return subprocess.run(command, input=given, capture_output=True, cwd=folder, env=environment, check=False)


def test_every_case_is_answered_in_order_and_one_wrong_case_ends_with_1(tmp_path: Path) -> None:
    same = [CASE, {"id": "坏\ud800", "type": "表扬"}, CASE]
    done = run(tmp_path, json.dumps(same).encode())
    told = json.loads(done.stdout.decode("utf-8"))
    assert [one["id"] for one in told] == ["a", "坏\ud800", "a"]
    assert (told[0]["handle_due"], told[0]["extended_due"]) == (
        "2022-10-19T23:59:59+08:00",
        "2022-10-26T23:59:59+08:00",
    )
    assert "没有这一诉求类型" in told[1]["error"]
    assert (done.returncode, done.stderr) == (1, b"")


@pytest.mark.parametrize("given", ["[]", "\ufeff[]\n", json.dumps([CASE], ensure_ascii=False)])
def test_a_right_list_ends_with_0(tmp_path: Path, given: str) -> None:
    done = run(tmp_path, given.encode())
    assert (done.returncode, len(json.loads(done.stdout))) == (0, len(json.loads(given.lstrip("\ufeff"))))


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (b"", b"is not JSON"),
        (b"[{]", b"is not JSON"),
        (b"{}", b"is not a list"),
        (b'"' + b"\xff\xfe" + b'"', b"is not UTF-8"),
        (b"[" * 100_000, b"nested too deeply"),
    ],
)
def test_what_is_no_list_of_cases_ends_with_2_and_a_sentence(tmp_path: Path, given: bytes, says: bytes) -> None:
    done = run(tmp_path, given)
    assert (done.returncode, done.stdout) == (2, b"")
    assert says in done.stderr
    assert b"Traceback" not in done.stderr


def test_an_unknown_policy_is_named(tmp_path: Path) -> None:
    done = run(tmp_path, b"[]", "atlantis")
    assert done.returncode == 2
    assert b"config/policies/atlantis.yaml: no such policy" in done.stderr
