"""A policy file as people read it: every value in Chinese, with the article it comes from or the word that it is ours.

The page is made from the checked file itself, key by key, so a value that is in force is always on it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, time
from enum import StrEnum
from importlib.resources.abc import Traversable

from pydantic import BaseModel

from config.policy_approvals import SignerPart
from config.policy_base import ConditionPart
from config.policy_labels import LABELS, SECTIONS
from config.policy_loader import load_policies
from config.policy_models import PolicyFile
from config.policy_words import VALUES
from config.problems import data_root, read_yaml
from ticketing.clocks import Clock, Period
from ticketing.rules import Count
from ticketing.words import CLOCK_NAMES, FLAG_NAMES, Flag

DEFAULT = "default"
HEADS = ("when", "label", "code", "name", "title", "types", "level", "gate")
"""Fields that say which item of a list it is, the first that is filled."""


@dataclass(frozen=True, slots=True)
class Row:
    """One rule. section and name are Chinese; clauses: ids; articles: the same as people cite them; ours: a part of it
    (or all, without clauses) is our own decision because the regulation is silent."""

    section: str
    name: str
    value: str
    clauses: tuple[str, ...]
    articles: tuple[str, ...]
    ours: bool

    @property
    def source(self) -> str:
        """第十二条(二)1, 本系统默认, or both."""
        said = "、".join(self.articles)
        if not self.ours:
            return said
        return f"{said}，部分为本系统默认" if said else "本系统默认"


def read(policy_id: str, folder: Traversable | None = None) -> PolicyFile:
    """The newest version of a policy as its file says it. Raises ConfigWrong with all that is wrong."""
    newest = load_policies(policy_id, folder)[-1].version
    place = folder or data_root() / "policies"
    for name in (f"{policy_id}.yaml", f"{policy_id}.{newest}.yaml"):
        if (place / name).is_file():
            file = PolicyFile.model_validate(read_yaml(place / name, f"policies/{name}"))
            if file.policy.version == newest:
                return file
    raise AssertionError(f"{policy_id}@{newest} was loaded and is gone")


def rows(file: PolicyFile) -> tuple[Row, ...]:
    """Every value of a policy, in the order of the file."""
    found: list[Row] = []
    for name in type(file).model_fields:
        part = getattr(file, name)
        if name in SECTIONS and part is not None:
            found += _Section(file, SECTIONS[name]).rows(part, "")
    return tuple(found)


@dataclass(frozen=True, slots=True)
class _Section:
    file: PolicyFile
    title: str

    def rows(self, part: object, name: str) -> Iterator[Row]:
        if isinstance(part, list):
            for item in part:
                yield self._item(item, name)
        elif isinstance(part, BaseModel):
            yield from self._of_model(part, name)

    def _of_model(self, part: BaseModel, name: str) -> Iterator[Row]:
        fields = type(part).model_fields
        own = _basis(part, "basis")
        for field in fields:
            value = getattr(part, field)
            label = _joined(name, LABELS.get(field, field))
            if field == "basis" or value is None:
                continue
            if field.endswith("_basis") and not _has_rules(value):
                if field.removesuffix("_basis") not in fields:
                    yield self._row(label, "从其规定", value)
            elif _has_rules(value):
                # A part that holds nothing but its source is a rule by being there.
                yield from list(self.rows(value, label)) or [self._row(label, "是", _every_basis(value))]
            else:
                inner = _every_basis(value) if isinstance(value, BaseModel) else []
                yield self._row(label, shown(value), inner or _basis(part, f"{field}_basis") or own)

    def _item(self, item: BaseModel, name: str) -> Row:
        head = next((field for field in HEADS if field in type(item).model_fields and _filled(item, field)), None)
        # A code is for programs where people have the name beside it.
        left_out = (head, "basis", "code" if head in ("label", "name", "title") else "basis")
        rest = [field for field in type(item).model_fields if field not in left_out and _said(item, field)]
        said = "；".join(f"{LABELS.get(field, field)}：{shown(getattr(item, field))}" for field in rest)
        of_head = shown(getattr(item, head)) if head else "其他情形" if "when" in type(item).model_fields else ""
        return self._row(_joined(name, of_head), said or "是", _every_basis(item))

    def _row(self, name: str, value: str, basis: list[str]) -> Row:
        clauses = tuple(clause for clause in basis if clause != DEFAULT)
        articles = tuple(dict.fromkeys(self.file.clauses.get(clause, clause) for clause in clauses))
        return Row(self.title, name or self.title, value, clauses, articles, DEFAULT in basis or not clauses)


def _basis(part: BaseModel, field: str) -> list[str]:
    return list(getattr(part, field, None) or [])


def _every_basis(part: object) -> list[str]:
    """Every source named in a value and in what it holds."""
    if isinstance(part, list):
        return list(dict.fromkeys(clause for item in part for clause in _every_basis(item)))
    if not isinstance(part, BaseModel):
        return []
    found: list[str] = []
    for field in type(part).model_fields:
        value = getattr(part, field)
        cites = (field == "basis" or field.endswith("_basis")) and isinstance(value, list)
        found += value if cites else _every_basis(value)
    return list(dict.fromkeys(found))


def _has_rules(value: object) -> bool:
    """Whether a value holds rules with sources of their own, each of which becomes a row."""
    if isinstance(value, list):
        return bool(value) and all(isinstance(item, BaseModel) and "basis" in type(item).model_fields for item in value)
    return isinstance(value, BaseModel) and "basis" in type(value).model_fields


def _filled(item: BaseModel, field: str) -> bool:
    value = getattr(item, field)
    return value not in (None, [], "", {}) and not (isinstance(value, ConditionPart) and not condition(value))


def _said(item: BaseModel, field: str) -> bool:
    """Whether a field says more than what goes without saying: a plain 否 or 是 that is the default does not."""
    plain = isinstance(getattr(item, field), bool) and getattr(item, field) == type(item).model_fields[field].default
    return _filled(item, field) and not plain


def _joined(left: str, right: str) -> str:
    return " · ".join(word for word in (left, right) if word)


def shown(value: object) -> str:
    """Any value of a policy file as Chinese text."""
    match value:
        case bool():
            return "是" if value else "否"
        case ConditionPart():
            return condition(value) or "所有工单"
        case Period():
            return period(value)
        case Count():
            return count(value)
        case Flag():
            return FLAG_NAMES[value]
        case StrEnum():
            return VALUES.get(str(value), str(value))
        case str():
            return VALUES.get(value, value)
        case time() | date():
            return value.isoformat() if isinstance(value, date) else f"{value:%H:%M}"
        case SignerPart():
            return value.name
        case [[SignerPart(), *_], *_]:
            return "，再由".join(shown(group) for group in value)
        case list() | tuple() | frozenset():
            return "、".join(shown(item) for item in value) or "无"
        case dict():
            return "；".join(f"{LABELS.get(str(key), str(key))}：{shown(item)}" for key, item in value.items())
        case BaseModel():
            filled = [field for field in type(value).model_fields if field != "basis" and _filled(value, field)]
            return "，".join(f"{LABELS.get(field, field)}{shown(getattr(value, field))}" for field in filled)
        case _:
            return "无" if value is None else str(value)


def period(value: Period) -> str:
    """`2wd` as 2个工作日; a time of the clock as 当日 or 10:00."""
    if value.clock in CLOCK_NAMES:
        return f"{value.amount}{CLOCK_NAMES[value.clock]}"
    if value.clock is Clock.CLOCK_TIME:
        hours, minutes = divmod(value.amount, 60)
        return "当日24时" if value.amount == 1440 else f"当个或下个工作日{hours:02d}:{minutes:02d}"
    return str(value)


def count(value: Count) -> str:
    """`>=2` as 第2次及以上."""
    if value.most is None:
        return f"第{value.least}次及以上"
    return f"第{value.least}次" if value.most == value.least else f"第{value.least}至{value.most}次"


def condition(part: ConditionPart) -> str:
    """`if` of a rule; empty when it fits every ticket."""
    words = []
    if part.urgent is not None:
        words.append("突发" if part.urgent else "非突发")
    words += ["、".join(part.type)] if part.type else []
    words += [f"来自{'、'.join(part.source)}"] if part.source else []
    words += [FLAG_NAMES[flag] for flag in part.flags]
    words += [f"{count(part.request_no)}诉求"] if part.request_no else []
    words += [f"{count(part.assignment_no)}交办"] if part.assignment_no else []
    if part.in_hours is not None:
        words.append("工作时间收到" if part.in_hours else "非工作时间收到")
    words += ["或".join(condition(one) for one in part.any)] if part.any else []
    return "且".join(words)
