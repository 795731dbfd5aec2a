"""A policy as a page: every key has a Chinese name, every row a source, nothing that is in force is missing."""

import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from config.policy_labels import LABELS, SECTIONS
from config.policy_loader import policy_ids
from config.policy_models import PolicyFile
from config.policy_page import Row, read, rows

WITHOUT_ROWS = {"schema_name", "clauses"}


@cache
def page(policy_id: str) -> tuple[Row, ...]:
    return rows(read(policy_id))


def models(kind: Any) -> Iterator[type[BaseModel]]:
    for inner in get_args(kind):
        yield from models(inner)
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        yield kind


def keys(model: type[BaseModel], seen: set[type[BaseModel]]) -> Iterator[str]:
    """Every key below a section."""
    if model in seen:
        return
    seen.add(model)
    for name, info in model.model_fields.items():
        if model is not PolicyFile:
            yield name
        for inner in models(info.annotation):
            yield from keys(inner, seen)


def test_every_section_and_key_has_a_chinese_name() -> None:
    assert set(PolicyFile.model_fields) - WITHOUT_ROWS == set(SECTIONS)
    found = set(keys(PolicyFile, set()))
    unnamed = {key for key in found - LABELS.keys() if key != "basis" and key.removesuffix("_basis") not in LABELS}
    assert unnamed == set()


@pytest.mark.parametrize("policy_id", policy_ids())
def test_every_clause_the_file_lists_stands_on_the_page(policy_id: str) -> None:
    shown = {clause for row in page(policy_id) for clause in row.clauses}
    assert shown == set(read(policy_id).clauses)


@pytest.mark.parametrize("policy_id", policy_ids())
def test_a_row_says_its_article_or_that_it_is_ours(policy_id: str) -> None:
    for row in page(policy_id):
        assert row.value
        assert row.name
        assert row.source.startswith("第") or "本系统默认" in row.source, row


@pytest.mark.parametrize(
    ("policy_id", "section", "name", "value", "source"),
    [
        ("longsheng", "办理时限", "咨询", "时限：2个工作日", "第十二条(二)1"),
        ("longsheng", "办理时限", "突发", "时限：24小时", "第十二条(二)7"),
        ("suqian", "办理时限", "能够直接答复", "时限：4小时", "第十条(三)"),
        ("weixi", "派单时限", "其他情形", "10:00", "第六条"),
        ("mengcheng", "延期", "所有工单", "合计不超过", "第十九条"),
    ],
)
def test_rules_read_as_sentences(policy_id: str, section: str, name: str, value: str, source: str) -> None:
    found = [row for row in page(policy_id) if row.section == section and value in row.value]
    assert found, [row for row in page(policy_id) if row.section == section]
    assert any(source in row.source for row in found), [row.source for row in found]
    assert name == "所有工单" or any(name in row.name for row in found), [row.name for row in found]


def test_defaults_are_the_rows_that_are_ours() -> None:
    ours = [row for row in page("longsheng") if row.ours]
    assert any(row.section == "派单时限" for row in ours), "the text only says 及时转派"
    assert not any(row.section == "办理时限" and row.clauses == ("LS-031",) for row in ours)


def run(*words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, "-m", "callcenter", *words], capture_output=True, text=True, check=False)


def test_the_command_line_shows_defaults_and_differences() -> None:
    shown = run("policy", "show", "longsheng", "--markdown")
    assert shown.returncode == 0
    assert re.search(r"\| 咨询 \| .*2个工作日.* \| 第十二条\(二\)1 \|", shown.stdout)
    assert "由本系统确定的事项" in run("policy", "defaults", "ganzhou", "--markdown").stdout
    differs = run("policy", "diff", "longsheng", "mengcheng", "--markdown").stdout
    assert "| 事项 | longsheng | mengcheng |" in differs
    wrong = run("policy", "show", "atlantis")
    assert (wrong.returncode, wrong.stdout) == (1, "")
    assert "no such policy" in wrong.stderr
