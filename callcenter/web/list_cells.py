"""One value of a list as people read it in a table: local times, 是 and 否, names for fields and codes."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from pydantic import BaseModel

from callcenter.web.list_words import WORDS
from ticketing.clocks import SHANGHAI

Cell = str | int | float | None
VALUES: Mapping[str, Mapping[str, str]] = {
    "party": {"citizen": "市民", "agent": "话务员", "unit": "承办单位", "supervisor": "班长"},
    "direction": {"in": "呼入", "callback": "回拨", "outbound": "呼出"},
    "source": {"here": "本系统", "imported": "导入"},
}
"""Field -> code -> words; another value is written as it is."""


def fields_of(row: type[BaseModel]) -> tuple[str, ...]:
    """Without what only programs need: the version, a code beside its name, text with markup."""
    fields = row.model_fields
    programs = {name for name in fields if name == "version" or f"{name}_name" in fields or name.endswith("_html")}
    programs |= {"detail"} if "told" in fields else set()
    return tuple(name for name in fields if name not in programs)


def head_of(row: type[BaseModel], name: str) -> str | None:
    """What a column is called, None when nobody has said."""
    return WORDS.get(f"{row.__name__}.{name}") or WORDS.get(name)


def cell_of(name: str, value: object) -> Cell:
    """One value as it stands in a cell: local times, 是 and 否, lists joined."""
    if value is None or value == "":
        return None
    if isinstance(value, bool):
        return "是" if value else "否"
    if isinstance(value, int | float):
        return value
    return _text(name, value)


def _text(name: str, value: object) -> str:
    if isinstance(value, datetime):
        return f"{value.astimezone(SHANGHAI):%Y-%m-%d %H:%M:%S}"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, BaseModel):
        return _pairs((head_of(type(value), key) or key, getattr(value, key)) for key in fields_of(type(value)))
    if isinstance(value, Mapping):
        return _pairs((WORDS.get(str(key), str(key)), one) for key, one in value.items())
    if isinstance(value, list | tuple | set | frozenset):
        return "；".join(str(cell_of(name, one)) for one in value)
    text = str(value)
    return VALUES.get(name, {}).get(text, text)


def _pairs(pairs: Any) -> str:
    shown = ((name, cell_of("", value)) for name, value in pairs)
    return "，".join(f"{name}：{value}" for name, value in shown if value is not None)
