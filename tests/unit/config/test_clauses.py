"""The clause list and the citations of the data files."""

from collections import Counter
from pathlib import Path

import pytest

from config.clause_loader import Level, load_citations, load_clauses
from config.problems import ConfigWrong

HEAD = "schema: hotline-clauses/1\nregion: 某县\nregulation: 某县热线办法\nprefix: XX\nclauses:\n"
ONE = '  - {id: XX-001, article: "第一条", level: enforce, category: sign, quote: "两小时内签收"}\n'
TWO = '  - {id: XX-002, article: "第二条", level: context, category: sign, quote: "流程总述", reason: "后文规定"}\n'


def project(folder: Path, clauses: str = HEAD + ONE + TWO, **policies: str) -> Path:
    (folder / "clauses").mkdir()
    (folder / "clauses" / "some.yaml").write_text(clauses, encoding="utf-8")
    (folder / "policies").mkdir()
    for name, text in policies.items():
        (folder / "policies" / f"{name}.yaml").write_text(text, encoding="utf-8")
    return folder


def test_the_list_holds_every_clause_of_the_five_regulations() -> None:
    clauses = load_clauses()
    assert Counter(clause.policy for clause in clauses.values()) == {
        "ganzhou": 73,
        "longsheng": 98,
        "mengcheng": 66,
        "suqian": 52,
        "weixi": 41,
    }
    assert Counter(clause.level for clause in clauses.values()) == {
        Level.ENFORCE: 235,
        Level.SUPPORT: 81,
        Level.CONTEXT: 14,
    }


def test_a_context_clause_says_why_no_test_follows() -> None:
    assert all(bool(one.reason) == (one.level is Level.CONTEXT) for one in load_clauses().values())


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (ONE.replace("XX-001", "XX-1"), "id"),
        (ONE + ONE, "stands twice"),
        (ONE.replace("XX-001", "YY-001"), "does not begin with XX"),
        (ONE.replace("enforce", "maybe"), "level"),
        (ONE.replace("enforce", "context"), "reason"),
        (TWO.replace("context", "support"), "reason"),
        (ONE.replace("quote", "quoted"), "no such key"),
    ],
)
def test_a_wrong_list_is_told_with_its_place(tmp_path: Path, line: str, told: str) -> None:
    with pytest.raises(ConfigWrong, match=told):
        load_clauses(project(tmp_path, HEAD + line))


def test_a_citation_names_its_file_and_key(tmp_path: Path) -> None:
    text = "sign:\n- {limit: 2h, basis: XX-001}\n- {limit: 3h, basis: [XX-002, default]}\nclauses: {XX-001: 第一条}\n"
    place = project(tmp_path, some=text)
    found, problems = load_citations(load_clauses(place), place)
    assert [(one.clause, one.file, one.key) for one in found] == [
        ("XX-001", "policies/some.yaml", "sign[0].basis"),
        ("XX-002", "policies/some.yaml", "sign[1].basis"),
    ]
    assert not problems


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("some", "a: {basis: XX-009}", "policies/some.yaml: a.basis: XX-009 is no clause"),
        ("other", "a: {basis: XX-001}", "belongs to some"),
        ("some", "clauses: {XX-009: 第九条}", "clauses.XX-009: is no clause"),
        ("some", "clauses: {XX-001: 第九条}", "clauses.XX-001: write 第一条"),
        ("some", "a: [XX-001\n", "mend the YAML"),
    ],
)
def test_a_wrong_citation_is_told_with_its_place(tmp_path: Path, name: str, text: str, told: str) -> None:
    place = project(tmp_path, **{name: text})
    assert told in "\n".join(str(one) for one in load_citations(load_clauses(place), place)[1])


def test_an_older_version_of_a_policy_cites_the_same_list(tmp_path: Path) -> None:
    place = project(tmp_path, **{"some.1": "a: {basis: XX-001}"})
    assert load_citations(load_clauses(place), place)[1] == ()
