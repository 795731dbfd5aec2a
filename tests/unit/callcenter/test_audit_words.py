"""Every deed that is written into the audit has a name people read."""

import ast
from collections.abc import Iterator
from pathlib import Path

from callcenter.commands import Kind
from callcenter.web.audit_words import ACTIONS, name_of

SOURCES = Path(__file__).resolve().parents[3] / "callcenter"


def deeds() -> Iterator[tuple[str, str]]:
    """Action and file of every `Audited(actor, action, ...)`; names of constants are looked up in their file."""
    for path in sorted(SOURCES.rglob("*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        known = constants(tree)
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
            if getattr(call.func, "id", "") == "Audited" and len(call.args) > 1:
                action = call.args[1]
                if isinstance(action, ast.Constant):
                    yield str(action.value), path.name
                elif isinstance(action, ast.Name) and action.id in known:
                    yield known[action.id], path.name


def constants(tree: ast.Module) -> dict[str, str]:
    found: dict[str, str] = {}
    for node in (node for node in tree.body if isinstance(node, ast.Assign)):
        for name, value in pairs_of(node.targets[0], node.value):
            if isinstance(name, ast.Name) and isinstance(value, ast.Constant):
                found[name.id] = str(value.value)
    return found


def pairs_of(names: ast.expr, value: ast.expr) -> list[tuple[ast.expr, ast.expr]]:
    """`A, B = "a", "b"` is two."""
    if isinstance(names, ast.Tuple) and isinstance(value, ast.Tuple):
        return list(zip(names.elts, value.elts, strict=True))
    return [(names, value)]


def test_every_deed_has_a_name() -> None:
    found = list(deeds())
    assert len(found) > 50
    assert sorted({f"{action} in {file}" for action, file in found if action not in ACTIONS}) == []


def test_every_command_to_a_call_has_a_name() -> None:
    assert {kind for kind in Kind if f"call.{kind}" not in ACTIONS} == set()


def test_what_nobody_has_named_stands_as_it_is() -> None:
    assert name_of("new.deed") == "new.deed"
