"""`callcenter policy coverage`: on small projects, and on this one."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from callcenter.cli import app, coverage
from callcenter.cli.clause_tests import Proof, read_tests

CLAUSES = """schema: hotline-clauses/1
region: 某县
regulation: 某县热线办法
prefix: XX
clauses:
  - {id: XX-001, article: "第一条", level: enforce, category: sign, quote: "两小时内签收"}
  - {id: XX-002, article: "第二条", level: support, category: sign, quote: "记录签收人"}
  - {id: XX-003, article: "第三条", level: context, category: sign, quote: "流程总述", reason: "后文规定"}
"""
POLICY = "sign: [{limit: 2h, basis: XX-001}]\n"
CODE = '"""Who signed. Source: XX-002."""\n'
MARK = "@pytest.mark.clause"
TESTS = f'import pytest\n\n{MARK}("XX-001", "XX-002")\ndef test_signs() -> None: ...\n'


def project(root: Path, *, policy: str = POLICY, code: str = CODE, tests: str | None = TESTS) -> Path:
    (root / "pyproject.toml").write_text("")
    files = {
        "config/clauses/some.yaml": CLAUSES,
        "config/policies/some.yaml": policy,
        "ticketing/approvals/signing.py": code,
    }
    for name in ("callcenter", "ivr", "recordings"):
        (root / name).mkdir()
    if tests is not None:
        files["tests/unit/test_signing.py"] = tests
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    return root


def look(root: Path) -> coverage.Coverage:
    return coverage.collect(root, coverage.tests_of(root))


def missing(root: Path) -> dict[str, str]:
    return {one.clause.id: one.missing for one in look(root).unaccounted}


def test_a_clause_with_a_doer_and_a_test_is_accounted_for(tmp_path: Path) -> None:
    found = look(project(tmp_path))
    assert found.whole
    assert [(one.config, one.code, one.tests) for one in found.entries] == [
        (("policies/some.yaml: sign[0].basis",), (), ("tests/unit/test_signing.py::test_signs",)),
        ((), ("ticketing.approvals.signing",), ("tests/unit/test_signing.py::test_signs",)),
        ((), (), ()),
    ]


@pytest.mark.parametrize(
    ("policy", "code", "tests", "expected"),
    [
        ("sign: []", CODE, TESTS, {"XX-001": "no data or code does it"}),
        (POLICY, "", TESTS, {"XX-002": "no data or code does it"}),
        (POLICY, CODE, "", {"XX-001": "no test proves it", "XX-002": "no test proves it"}),
        ("{}", "", TESTS.replace(', "XX-002"', ""), {
            "XX-001": "no data or code does it", "XX-002": "no data or code does it, no test proves it"
        }),
    ],
)  # fmt: skip
def test_what_is_missing_is_told(tmp_path: Path, policy: str, code: str, tests: str, expected: dict[str, str]) -> None:
    assert missing(project(tmp_path, policy=policy, code=code, tests=tests)) == expected


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"policy": POLICY + "x: {basis: XX-009}"}, "policies/some.yaml: x.basis: XX-009 is no clause"),
        ({"code": CODE + "# XX-008\n"}, "ticketing.approvals.signing names XX-008"),
        ({"tests": TESTS.replace('"XX-002"', '"XX-002", "XX-007"')}, "test_signing.py::test_signs carries XX-007"),
        ({"tests": TESTS.replace('"XX-002"', '"ZZ-001"')}, "carries ZZ-001"),
    ],
)
def test_an_id_that_is_no_clause_is_wrong_wherever_it_stands(
    tmp_path: Path, changed: dict[str, str], told: str
) -> None:
    found = look(project(tmp_path, **changed))
    assert not found.whole
    assert told in "\n".join(found.wrong)


def test_other_things_that_look_like_an_id_are_none(tmp_path: Path) -> None:
    assert look(project(tmp_path, code=CODE + "# RFC-822, SM4-GCM, DB-120\n")).whole


def test_without_tests_nothing_is_proven_and_that_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coverage, "project_root", lambda: project(tmp_path, tests=None))
    told = CliRunner().invoke(app, ["policy", "coverage"])
    assert told.exit_code == 1
    assert "There are no tests here" in told.output
    assert "?" in told.output


def test_tests_beside_an_installed_package_are_somebody_elses(tmp_path: Path) -> None:
    root = project(tmp_path)
    (root / "pyproject.toml").unlink()
    assert not look(root).has_tests


@pytest.mark.parametrize("whole", [True, False])
def test_the_command_says_so_by_its_exit_status(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: bool) -> None:
    root = project(tmp_path, tests=TESTS if whole else TESTS.replace(', "XX-002"', ""))
    monkeypatch.setattr(coverage, "project_root", lambda: root)
    told = CliRunner().invoke(app, ["policy", "coverage"])
    assert told.exit_code == (0 if whole else 1)
    assert f"{3 if whole else 2} of 3 clauses accounted for" in told.output
    assert ("XX-002  第二条  support: no test proves it" in told.output) is not whole


def test_the_same_as_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = project(tmp_path)
    monkeypatch.setattr(coverage, "project_root", lambda: root)
    told = json.loads(CliRunner().invoke(app, ["policy", "coverage", "--json"]).output)
    assert (told["whole"], told["clauses"], told["accounted"], told["wrong"]) == (True, 3, 3, [])
    assert told["rows"][2]["reason"] == "后文规定"


def test_another_folder_of_tests_can_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    root = project(tmp_path / "here", tests=None)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "test_other.py").write_text(TESTS)
    monkeypatch.setattr(coverage, "project_root", lambda: root)
    assert CliRunner().invoke(app, ["policy", "coverage", "--tests", str(tmp_path / "mine")]).exit_code == 0
    told = CliRunner().invoke(app, ["policy", "coverage", "--tests", str(tmp_path / "nowhere")])
    assert "no such folder" in told.output


def marks(folder: Path, source: str, name: str = "test_it.py") -> tuple[list[Proof], list[str]]:
    (folder / name).write_text("import pytest\nfrom pytest import mark\n" + source, encoding="utf-8")
    proofs = read_tests(folder, folder)
    return proofs.found, proofs.wrong


CASE = 'pytest.param(1, marks=pytest.mark.clause("XX-001"))'
FORMS = [
    f'{MARK}("XX-001")\nasync def test_a(): ...',
    '@mark.clause("XX-001")\ndef test_a(): ...',
    'clause = pytest.mark.clause\n@clause("XX-001")\ndef test_a(): ...',
    'pytestmark = pytest.mark.clause("XX-001")\ndef test_a(): ...',
    'pytestmark = [pytest.mark.stack, pytest.mark.clause("XX-001")]\ndef test_a(): ...',
    f'@pytest.mark.parametrize("n", [{CASE}])\ndef test_a(n): ...',
    f'@pytest.mark.parametrize("n", [{CASE[:-1].replace("marks=", "marks=[mark.x, ")}])])\ndef test_a(n): ...',
    f'CASES = [{CASE}]\n@pytest.mark.parametrize("n", CASES)\ndef test_a(n): ...',
    f'CASES: list[object] = [{CASE}]\nALL = [*CASES]\n@pytest.mark.parametrize("n", ALL)\ndef test_a(n): ...',
    f'@pytest.mark.skipif(True, reason="")\n{MARK}("XX-001")\ndef test_a(): ...',
]  # fmt: skip


@pytest.mark.parametrize("source", FORMS)
def test_a_marker_is_found_wherever_pytest_takes_it(tmp_path: Path, source: str) -> None:
    assert marks(tmp_path, source) == ([Proof("XX-001", "test_it.py::test_a")], [])


def test_a_class_hands_its_marker_to_its_tests(tmp_path: Path) -> None:
    source = (
        f'{MARK}("XX-001")\nclass TestIt:\n    def test_a(self): ...\n    {MARK}("XX-002")\n    def test_b(self): ...'
    )
    assert marks(tmp_path, source)[0] == [
        Proof("XX-001", "test_it.py::TestIt::test_a"),
        Proof("XX-001", "test_it.py::TestIt::test_b"),
        Proof("XX-002", "test_it.py::TestIt::test_b"),
    ]


@pytest.mark.parametrize("dead", ["skip", "xfail(strict=True)"])
def test_a_test_that_cannot_fail_proves_nothing(tmp_path: Path, dead: str) -> None:
    assert marks(tmp_path, f'{MARK}("XX-001")\n@pytest.mark.{dead}\ndef test_a(): ...')[0] == []


@pytest.mark.parametrize(
    ("source", "told"),
    [
        (f"IDS = ('XX-001',)\n{MARK}(*IDS)\ndef test_a(): ...", "literal strings"),
        (f"{MARK}()\ndef test_a(): ...", "literal strings"),
        (f'{MARK}(ids="XX-001")\ndef test_a(): ...', "literal strings"),
        (f'{MARK}("XX-001")\ndef helper(): ...', "hangs on no test"),
        (f"CASES = [{CASE}]\ndef test_a(): ...", "hangs on no test"),
        (f'{MARK}("XX-001"\n', "not Python"),
    ],
)
def test_a_marker_that_cannot_be_read_is_wrong(tmp_path: Path, source: str, told: str) -> None:
    found, wrong = marks(tmp_path, source)
    assert found == []
    assert len(wrong) == 1
    assert told in wrong[0]


def test_a_marker_outside_a_test_file_is_wrong(tmp_path: Path) -> None:
    assert "hangs on no test" in marks(tmp_path, f'{MARK}("XX-001")\ndef test_a(): ...', "helper.py")[1][0]


def test_every_clause_of_the_five_regulations_is_accounted_for() -> None:
    """330 of 330: data or code does it and a test proves it, or the list says why nothing of software follows."""
    root = coverage.project_root()
    found = coverage.collect(root, root / "tests")
    assert len(found.entries) == 330
    assert found.wrong == ()
    assert [f"{one.clause.id}: {one.missing}" for one in found.unaccounted] == []
