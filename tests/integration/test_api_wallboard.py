"""The wallboard's figures from calls made by hand, what its answer shows of this moment, screens, orders to agents."""

from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter import accounts, wallboard, wallboard_rows
from callcenter.db import Database
from callcenter.tables import agent, audit, big_screen, call, leg, listener_gap, missed_call, user_session
from callcenter.types import PhoneNumber
from callcenter.wallboard import DayCounts, Doing, doing
from tests.support.web import PHONE, Web, serving, with_people
from ticketing.clocks import SHANGHAI

DAY = datetime(2026, 11, 23, tzinfo=SHANGHAI).astimezone(UTC)
NEXT = DAY + timedelta(days=1)
NOW = DAY + timedelta(hours=10)


@dataclass(frozen=True)
class Told:
    """One call as its times in seconds from its beginning. at_h: local hour it began; adds: counts it is one of."""

    name: str
    adds: str = ""
    queued: float | None = None
    answered: float | None = None
    ended: float | None = None
    why: str = "answered"
    at_h: float = 9
    queue: str = "hotline"
    direction: str = "in"


CASES = (
    Told("answered at once", "calls offered answered in_time", 20, 23, 200),
    Told("answered in the last second of the norm", "calls offered answered in_time", 20, 35, 200),
    Told("answered a moment too late", "calls offered answered", 20, 35.001, 200),
    Told("answered late, still talking", "calls offered answered", 10, 70),
    Told("hung up in 5 s", "calls offered abandoned abandoned_in_time short", 20, None, 25, "abandoned"),
    Told("hung up in 12 s", "calls offered abandoned abandoned_in_time", 20, None, 32, "abandoned"),
    Told("hung up in a minute", "calls offered abandoned", 20, None, 80, "abandoned"),
    Told("left for a call-back", "calls offered diverted", 20, None, 140, "timeout"),
    Told("hung up in the menu", "calls left_menu", None, None, 9, "ivr_drop"),
    Told("heard that it is closed", "calls left_menu", None, None, 30, "message"),
    Told("in the menu now", "calls", at_h=9.999),
    Told("waits, not yet 15 s", "calls offered waiting fresh", 0, at_h=10 - 10 / 3600),
    Told("waits longer", "calls offered waiting", 0, at_h=10 - 40 / 3600),
    Told("its entry into the queue was not heard", "calls offered answered in_time", None, 8, 60, at_h=8, queue=""),
    Told("another queue, another hour", "calls offered answered in_time", 5, 9, 60, at_h=8, queue="english"),
    Told("a call-back", direction="callback", answered=4, ended=60),
    Told("yesterday", "", 5, 9, 60, at_h=-0.001),
    Told("tomorrow", "", 5, 9, 60, at_h=24),
)


def row_of(told: Told, number: int, day: datetime = DAY) -> dict[str, Any]:
    begun = day + timedelta(hours=told.at_h)

    def at(seconds: float | None) -> datetime | None:
        return None if seconds is None else begun + timedelta(seconds=seconds)

    return {
        "id": f"a-1763800000.{number}",
        "node": "a",
        "direction": told.direction,
        "state": "ended" if told.ended else "queued",
        "queue": told.queue or None,
        "started_at": begun,
        "queued_at": at(told.queued),
        "agent_answered_at": at(told.answered),
        "ended_at": at(told.ended),
        "exit_reason": told.why if told.ended else None,
    }


def about(seconds: float) -> Any:
    return pytest.approx(seconds)


async def with_cases(tx: AsyncConnection) -> None:
    await tx.execute(insert(call), [row_of(told, number) for number, told in enumerate(CASES)])


async def test_each_call_is_counted_where_it_belongs(tx: AsyncConnection) -> None:
    """Every case on a day of its own, so that each is alone."""
    wrong = []
    for number, told in enumerate(CASES):
        later = timedelta(days=3 * number)
        await tx.execute(insert(call).values(**row_of(told, number, DAY + later)))
        found = (await wallboard_rows.day(tx, DAY + later, NEXT + later, NOW + later)).whole
        added = {name for name, count in asdict(found).items() if count}
        wrong += [] if added == set(told.adds.split()) else [(told.name, added)]
    assert wrong == []


async def test_the_rates_of_a_day_are_what_their_formulas_say(tx: AsyncConnection) -> None:
    await with_cases(tx)
    day = await wallboard_rows.day(tx, DAY, NEXT, NOW)
    assert day.whole == DayCounts(15, 12, 2, 1, 6, 4, 3, 2, 1, 1, 2)
    shown = {one.id: (one.numerator, one.denominator) for one in wallboard.rates(day.whole)}
    assert shown == {
        "service_level": (4, 10),  # 12 in the queue - 1 short - 1 that may still be answered in time
        "connected": (6, 10),
        "abandoned": (2, 9),
        "level_of_answered": (4, 6),
        "level_with_abandoned": (6, 9),
    }
    assert {hour: counts.answered for hour, counts in day.hours.items()} == {8: 2, 9: 4}
    assert {queue: counts.offered for queue, counts in day.queues.items()} == {"english": 1, "hotline": 10}
    # From the first tone, the menu counted: 8, 9, 23, 35, 35.001, 70; in the queue: 3, 4, 8, 15, 15.001, 60.
    assert (day.human.count, day.human.median_s) == (6, about(29))
    assert (day.wait.count, day.wait.median_s) == (6, about(11.5))
    assert (day.patience.count, day.patience.median_s, day.patience.p90_s) == (3, 12, about(50.4))


async def test_a_day_without_a_call_has_no_rates(tx: AsyncConnection) -> None:
    day = await wallboard_rows.day(tx, DAY, NEXT, NOW)
    assert (day.whole, day.human.median_s, day.hours) == (DayCounts(), None, {})
    assert {one.share for one in wallboard.rates(day.whole)} == {None}


@pytest.mark.parametrize(
    ("desired", "observed", "leg", "shown"),
    [
        ("ready", "idle", None, Doing.READY),
        ("ready", "unknown", None, Doing.READY),
        ("ready", "unavailable", None, Doing.UNREACHABLE),
        ("paused", "unavailable", None, Doing.PAUSED),
        ("logged_out", "unavailable", None, Doing.LOGGED_OUT),
        ("wrap_up", "idle", None, Doing.WRAP_UP),
        ("ready", "ringing", False, Doing.RINGING),
        ("ready", "in_use", True, Doing.TALKING),
        ("logged_out", "in_use", True, Doing.TALKING),
    ],
)
def test_what_an_agent_does(desired: str, observed: str, leg: bool | None, shown: Doing) -> None:
    assert doing(desired, observed, leg=leg) == shown


async def test_a_long_history_is_not_read(tx: AsyncConnection) -> None:
    """The day's calls, the open ones and the ledger come from indexes, however many rows lie behind them."""
    many = """INSERT INTO call (id, node, state, started_at, ended_at, queued_at)
              SELECT 'a-1700000000.' || n, 'a', 'ended', at, at + interval '60 s', at
              FROM (SELECT n, CAST(:now AS timestamptz) - n * interval '1 min' AS at
                    FROM generate_series(1, 60000) n) AS past"""
    await tx.execute(text(many), {"now": NOW})
    missed = """INSERT INTO missed_call (call_id, reason, at, due_at, state)
                SELECT id, 'abandoned', ended_at, ended_at, 'recovered' FROM call"""
    await tx.execute(text(missed))
    await tx.execute(text("ANALYZE call, missed_call"))
    span = {"since": DAY, "until": NEXT, "now": NOW}
    asked = {**span, "within": 15, "short": 5}
    plans = [
        await plan(tx, wallboard_rows.DAY.text, asked),
        await plan(tx, wallboard_rows.LEDGER.text, {**span, "half": timedelta(minutes=30)}),
        await plan(tx, str(select(call.c.id).where(call.c.ended_at.is_(None))), {}),
    ]
    assert [line for found in plans for line in found if "Seq Scan" in line] == []


async def plan(tx: AsyncConnection, query: str, values: dict[str, Any]) -> list[str]:
    return [str(row[0]) for row in await tx.execute(text(f"EXPLAIN {query}"), values)]


# ---- by the API ----------------------------------------------------------------------------------------------------


@pytest.fixture
async def web(db: Database, tmp_path: Path) -> AsyncIterator[Web]:
    async with serving(db, tmp_path) as one:
        yield await with_people(one)


async def with_live(web: Web) -> datetime:
    """One call waits, one talks and is listened to, one rings an agent; two agents are at work."""
    now = datetime.now(UTC)
    async with web.db.transaction() as tx:
        caller = await web.vault.identity_of(tx, PhoneNumber(PHONE))
        base = {"node": "a", "caller": caller, "queue": "hotline", "started_at": now, "queued_at": now}
        talk = {"agent_id": "8001", "agent_answered_at": now}
        waits = {"agent_id": None, "agent_answered_at": None}
        rows = [
            {**base, "id": "a-1.1", "state": "queued", **waits},
            {**base, "id": "a-1.2", "state": "talking", **talk},
            {**base, "id": "a-1.3", "state": "ringing", **waits},
        ]
        await tx.execute(insert(call), rows)
        own = {"name": "", "created_at": now}
        legs = [
            {**own, "call_id": "a-1.1", "channel_id": "1.1", "party": "citizen", "who": "", "answered_at": now},
            {**own, "call_id": "a-1.2", "channel_id": "2.1", "party": "citizen", "who": "", "answered_at": now},
            {**own, "call_id": "a-1.2", "channel_id": "2.2", "party": "agent", "who": "8001", "answered_at": now},
            {**own, "call_id": "a-1.2", "channel_id": "2.3", "party": "supervisor", "who": "8009", "answered_at": now},
            {**own, "call_id": "a-1.3", "channel_id": "3.1", "party": "citizen", "who": "", "answered_at": now},
            {**own, "call_id": "a-1.3", "channel_id": "3.2", "party": "agent", "who": "8002", "answered_at": None},
        ]
        await tx.execute(insert(leg), legs)
        await tx.execute(update(agent).where(agent.c.id.in_(["8001", "8002"])).values(desired="ready", observed="idle"))
    return now


async def test_this_moment_is_shown_with_who_talks_to_whom_and_no_number(web: Web) -> None:
    await with_live(web)
    board = await web.get("supervisor", "/api/wallboard")
    assert {key: board["live"][key] for key in ("waiting", "talking", "in_menu")} == {
        "waiting": 2,
        "talking": 1,
        "in_menu": 0,
    }
    found = {row["id"]: (row["state"], row["agent"], row["listeners"]) for row in board["calls"]}
    assert found == {
        "a-1.1": ("queued", "", []),
        "a-1.2": ("talking", "8001", ["8009"]),
        "a-1.3": ("ringing", "8002", []),
    }
    assert {row["extension"]: (row["doing"], row["call"]) for row in board["agents"]} == {
        "8001": ("talking", "a-1.2"),
        "8002": ("ringing", "a-1.3"),
        "8009": ("logged_out", None),
    }
    assert {row["caller"] for row in board["calls"]} == {"138****8000"}
    assert [(row["queue"], row["waiting_now"]) for row in board["queues"]] == [("hotline", 2)]
    assert PHONE not in str(board)
    assert [one["id"] for one in board["rates"] if not one["formula"]] == []


async def test_many_viewers_cost_one_reading(web: Web) -> None:
    first = await web.get("supervisor", "/api/wallboard")
    await with_live(web)
    again = [await web.get(who, "/api/wallboard") for who in ("supervisor", "admin")]
    assert [one["at"] for one in again] == [first["at"]] * 2


async def test_what_is_wrong_with_the_exchange_is_on_the_board(web: Web) -> None:
    async with web.db.transaction() as tx:
        row = {"node": "a", "from_at": NOW, "until_at": None, "cause": "restart"}
        await tx.execute(insert(listener_gap).values(**row))
    await web.post("supervisor", "/api/surge/on", {"minutes": 30})
    troubles = (await web.get("supervisor", "/api/wallboard"))["troubles"]
    assert datetime.fromisoformat(troubles["blind_since"]) == NOW
    assert troubles["surge_until"] is not None
    assert troubles["unrecorded_since"] is None


async def test_the_ledger_is_counted_by_what_became_of_it(tx: AsyncConnection) -> None:
    base = {"reason": "abandoned", "attempts": 0, "asked": False, "resolved_at": None}
    rows = [
        ("open", NOW - timedelta(minutes=10), None, True),
        ("open", NOW - timedelta(minutes=40), None, False),
        ("open", NOW - timedelta(days=3), None, False),
        ("recovered", NOW - timedelta(hours=1), 20, False),
        ("superseded", NOW - timedelta(hours=1), 50, False),
        ("recovered", NOW - timedelta(days=3), 20, False),
        ("unreachable", NOW - timedelta(hours=1), 25, False),
        ("no_number", NOW - timedelta(hours=1), None, False),
    ]
    for number, (state, at, after, asked) in enumerate(rows):
        await tx.execute(insert(call).values(id=f"a-9.{number}", node="a", state="ended", started_at=at, ended_at=at))
        told = base | {"call_id": f"a-9.{number}", "state": state, "at": at, "due_at": at + timedelta(minutes=30)}
        resolved = at + timedelta(minutes=after) if after else None
        await tx.execute(insert(missed_call).values(**told | {"asked": asked, "resolved_at": resolved}))
    found = await wallboard_rows.callbacks(tx, DAY, NEXT, NOW)
    assert asdict(found) == {"entered": 5, "asked": 1, "done": 2, "in_half_hour": 1, "open": 3, "overdue": 2}


async def test_a_screen_reads_figures_with_its_own_key_until_it_is_taken_back(web: Web) -> None:
    await with_live(web)
    made = await web.post("supervisor", "/api/big-screens", {"name": "大厅"})
    shown = {"Authorization": f"Bearer {made['key']}"}
    answer = await web.ask(None, "GET", "/api/big-screen", headers=shown)
    assert answer.status == 200
    assert {"calls", "agents"}.isdisjoint(answer.body)
    assert [told for told in ("8001", "138****8000", "agent") if told in answer.raw.decode()] == []
    (row,) = (await web.get("admin", "/api/big-screens"))["rows"]
    assert (row["name"], row["seen_at"] is None, "key" in row) == ("大厅", False, False)
    async with web.db.transaction() as tx:
        kept = (await tx.execute(select(big_screen))).one()
    assert made["key"].encode() not in bytes(kept.key_hash)
    # The key is for this one door.
    for path in ("/api/wallboard", "/api/me", "/api/calls"):
        assert (await web.ask(None, "GET", path, headers=shown)).status == 401
    await web.post("admin", f"/api/big-screens/{made['id']}/revoke")
    refused = await web.ask(None, "GET", "/api/big-screen", headers=shown)
    assert (refused.status, refused.code) == (401, "screen_unknown")
    assert (await web.ask("admin", "POST", f"/api/big-screens/{made['id']}/revoke", {})).status == 404


async def test_what_a_page_reads_by_itself_keeps_nobody_signed_in(web: Web) -> None:
    token = await web.sign_in("supervisor", datetime.now(UTC) - timedelta(minutes=10))
    own = user_session.c.token_hash == accounts.fingerprint(token)
    shown = {"Authorization": f"Bearer {token}"}

    async def seen() -> datetime:
        async with web.db.transaction() as tx:
            return datetime.fromisoformat(
                str((await tx.execute(select(user_session.c.seen_at).where(own))).scalar_one())
            )

    before = await seen()
    automatic = await web.ask(None, "GET", "/api/wallboard", headers={**shown, "X-Automatic": "1"})
    assert (automatic.status, await seen()) == (200, before)
    assert (await web.ask(None, "GET", "/api/wallboard", headers=shown)).status == 200
    assert await seen() > before


async def test_a_supervisor_pauses_and_logs_out_an_agent_with_a_reason(web: Web) -> None:
    await web.post("agent", "/api/desk/login")
    assert (await web.ask("supervisor", "POST", "/api/agents/8001/pause", {"reason": " "})).status == 422
    await web.post("supervisor", "/api/agents/8001/pause", {"reason": "离席未示忙"})
    assert (await state(web)) == ("paused", "班长置忙")
    await web.post("agent", "/api/desk/ready")
    await web.post("supervisor", "/api/agents/8001/logout", {"reason": "下班忘记签出"})
    assert (await state(web)) == ("logged_out", "")
    again = await web.ask("supervisor", "POST", "/api/agents/8001/logout", {"reason": "下班忘记签出"})
    assert (again.status, again.code) == (409, "agent_logged_out")
    assert (await web.ask("supervisor", "POST", "/api/agents/7/pause", {"reason": "没有这个人"})).status == 404
    async with web.db.transaction() as tx:
        told = select(audit.c.action, audit.c.detail).where(audit.c.subject == "agent:8001").order_by(audit.c.id)
        kept = [(row.action, row.detail["reason"]) for row in await tx.execute(told)]
    assert kept == [("agent.paused", "离席未示忙"), ("agent.logged_out", "下班忘记签出")]


async def state(web: Web) -> tuple[str, str]:
    async with web.db.transaction() as tx:
        row = (await tx.execute(select(agent.c.desired, agent.c.reason).where(agent.c.id == "8001"))).one()
    return row.desired, row.reason
