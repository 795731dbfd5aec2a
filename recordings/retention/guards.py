"""Whether every guard of the recordings still stands: the triggers are there, always on, and say what they should."""

from collections.abc import Mapping

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from recordings.retention.triggers import FUNCTIONS, TRIGGERS

_TRIGGERS = text("""
    SELECT t.tgname, c.relname, p.proname, t.tgenabled::text AS enabled
    FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_proc p ON p.oid = t.tgfoid
    WHERE NOT t.tgisinternal AND c.relnamespace = 'public'::regnamespace""")
_FUNCTIONS = text("""
    SELECT proname, prosrc, prosecdef FROM pg_proc WHERE pronamespace = 'public'::regnamespace
    AND proname = ANY(:names)""")

Triggers = Mapping[str, tuple[str, str, str]]


async def findings(
    tx: AsyncConnection, triggers: Triggers = TRIGGERS, functions: Mapping[str, str] = FUNCTIONS
) -> list[str]:
    """One sentence for each guard that is gone, switched off or changed; none when all is well."""
    there = {row.tgname: row for row in await tx.execute(_TRIGGERS)}
    wrong: list[str] = []
    for name, (table, _, function) in triggers.items():
        row = there.get(name)
        if row is None:
            wrong.append(f"guard {name} on {table} is gone; run `callcenter migrate` on a copy and compare")
        elif (row.relname, row.proname) != (table, function):
            wrong.append(f"guard {name} on {table} does something else: {row.proname} on {row.relname}")
        elif row.enabled != "A":
            wrong.append(f"guard {name} on {table} is switched off; ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name}")
    return wrong + await _changed(tx, functions)


async def _changed(tx: AsyncConnection, functions: Mapping[str, str]) -> list[str]:
    there = {row.proname: row for row in await tx.execute(_FUNCTIONS, {"names": list(functions)})}
    wrong: list[str] = []
    for name, statement in functions.items():
        row = there.get(name)
        if row is None:
            wrong.append(f"function {name} of the guards is gone")
        elif _plain(row.prosrc) != _plain(statement.split("$$")[1]) or not row.prosecdef:
            wrong.append(f"function {name} of the guards is not the one that was shipped")
    return wrong


def _plain(source: str) -> list[str]:
    return source.split()
