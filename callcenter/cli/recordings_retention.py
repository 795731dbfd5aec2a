"""`callcenter recordings`: why and until when recordings are kept; holds, releases by two persons, certificates.

Who holds or releases signs in for the deed: `--as LOGIN`, the password is asked for (or comes by standard input).
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from callcenter.cli import fail
from callcenter.cli.look import _show
from callcenter.cli.processes import settings_or_fail
from callcenter.cli.recordings import recordings_app
from callcenter.types import CALL_ID_PATTERN, CallId, RecordingId

if TYPE_CHECKING:
    from callcenter.accounts import Person
    from callcenter.db import Database

As = Annotated[str, typer.Option("--as", metavar="LOGIN", help="who does it; the password is asked for")]
Reason = Annotated[str, typer.Option(help="why, at least ten characters")]
Until = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="its last day; left out: no cap")]
Json = Annotated[bool, typer.Option("--json", help="JSON lines instead of a table")]
Number = Annotated[int, typer.Argument(metavar="RECORDING", help="number of the recording")]
HoldNumber = Annotated[int, typer.Argument(metavar="HOLD", help="see `callcenter recordings holds`")]


def _run(work: "Callable[[Database], Awaitable[Any]]") -> Any:
    from callcenter.custody.retention_desk import REFUSALS
    from callcenter.db import Database, DatabaseAway
    from callcenter.web.problems import sentence_of

    async def run() -> Any:
        database = Database(settings_or_fail().database_url)
        try:
            return await work(database)
        finally:
            await database.close()

    try:
        return asyncio.run(run())
    except DatabaseAway as error:
        raise fail(f"PostgreSQL does not answer: {error}") from None
    except REFUSALS as error:
        raise fail(str(error) or sentence_of(error)) from None


async def _person(database: "Database", login: str, password: str) -> "Person":
    """Who signs in for one deed. Wrong passwords count and lock as at the console."""
    from callcenter import accounts
    from callcenter.audit import Audited, note
    from callcenter.custody.retention_desk import KEEPERS
    from callcenter.types import Actor
    from callcenter.web import passwords

    now = datetime.now(UTC)
    async with database.transaction() as tx:
        known = await accounts.credentials(tx, login)
        right = await passwords.matches(known.password_hash if known else None, password)
        locked = known is not None and known.locked_until is not None and known.locked_until > now
        person = None
        if known is not None and right and not known.disabled and not locked:
            token = await accounts.open_session(tx, known.id, now)
            person = await accounts.person_of(tx, token, now)
            await accounts.close_session(tx, token)
        elif known is not None and not locked:
            await accounts.wrong_password(tx, known.id, now)
        actor = Actor("user", login if known else "unknown")
        detail = {"by": "command line"}
        await note(tx, Audited(actor, "session.login", f"user:{known.id if known else 0}", person is not None, detail))
    if person is None:
        raise fail("login or password is wrong, or the account is disabled or locked")
    if not person.roles & KEEPERS or person.must_change_password:
        raise fail(f"{login} may not do this: a supervisor, auditor or administrator with a password of their own may")
    return person


def _as(login: str, deed: "Callable[[Database, Person], Awaitable[Any]]") -> Any:
    password = typer.prompt(f"password of {login}", hide_input=True, err=True)

    async def work(database: "Database") -> Any:
        return await deed(database, await _person(database, login, password))

    return _run(work)


def _day(until: datetime | None) -> date | None:
    return until.date() if until else None


@recordings_app.command(name="why")
def why(recording: Number) -> None:
    """Why a recording is kept, until when and by which rule."""
    from callcenter.custody import retention_desk as desk

    async def work(database: "Database") -> str:
        async with database.transaction() as tx:
            return desk.why(await desk.look(tx, RecordingId(recording)))[1]

    typer.echo(_run(work))


@recordings_app.command(name="holds")
def list_holds(
    everything: Annotated[bool, typer.Option("--all", help="released ones too")] = False, as_json: Json = False
) -> None:
    """Legal holds."""
    from recordings.retention import holds

    async def work(database: "Database") -> list[dict[str, Any]]:
        async with database.transaction() as tx:
            found = await holds.holds(tx, standing=not everything, limit=100_000)
            asked = {one.hold_id: one for one in await holds.releases_of(tx, [one.id for one in found])}
        return [
            {
                "hold": one.id,
                "of": one.call_id or f"recording {one.recording_id}",
                "until": one.until or "no cap",
                "placed": f"{one.placed_at:%Y-%m-%d} {one.placed_by}",
                "released": one.released_at,
                "release asked by": asked[one.id].asked_by if one.id in asked else None,
                "reason": one.reason,
            }
            for one in found
        ]

    _show(_run(work), as_json)


@recordings_app.command()
def hold(
    subject: Annotated[str, typer.Argument(help="number of a recording, or id of a call")],
    reason: Reason,
    who: As,
    until: Until = None,
) -> None:
    """Hold a recording, or all of a call; recycled ones come back."""
    from callcenter.custody import retention_desk as desk

    if not (subject.isdigit() or CALL_ID_PATTERN.fullmatch(subject)):
        raise fail(f"{subject}: neither the number of a recording nor the id of a call")
    which = RecordingId(int(subject)) if subject.isdigit() else CallId(subject)
    placed = _as(who, lambda database, person: desk.hold(database, person.actor, which, reason, _day(until)))
    typer.echo(f"hold {placed.hold.id} placed")
    for one in placed.brought_back:
        typer.echo(f"  recording {one} was in recycle and is kept again")
    for one in placed.too_late:
        typer.echo(f"  too late for recording {one}: its deletion has begun")


@recordings_app.command()
def release(
    hold_id: HoldNumber,
    who: As,
    reason: Annotated[str, typer.Option(help="why, at least ten characters; the first of two persons")] = "",
    until: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="shorten to this day instead")] = None,
    grant: Annotated[bool, typer.Option("--grant", help="the second person agrees")] = False,
    refuse: Annotated[bool, typer.Option("--refuse", help="the second person does not")] = False,
) -> None:
    """End or shorten a hold: one person asks with --reason, another one decides with --grant or --refuse."""
    from callcenter.custody import retention_desk as desk

    if (bool(reason), grant, refuse).count(True) != 1:
        raise fail("give one of --reason (to ask), --grant or --refuse (to decide)")
    if reason:
        _as(who, lambda database, person: desk.ask_release(database, person.actor, hold_id, reason, _day(until)))
        typer.echo(f"release of hold {hold_id} is asked for; another person decides")
        return
    _as(who, lambda database, person: desk.decide_release(database, person.actor, hold_id, granted=grant))
    typer.echo(f"release of hold {hold_id} {'granted' if grant else 'refused'}")


@recordings_app.command()
def restore(recording: Number, reason: Reason, who: As, until: Until = None) -> None:
    """Bring a recording back within the thirty days of recycle, and hold it."""
    from callcenter.custody import retention_desk as desk

    id_ = RecordingId(recording)
    placed = _as(who, lambda database, person: desk.restore(database, person.actor, id_, reason, _day(until)))
    typer.echo(f"recording {recording} is kept again, by hold {placed.hold.id}")


@recordings_app.command()
def recycle(recording: Number, who: As) -> None:
    """Put a recording whose time is over into recycle now; refused for any other."""
    from callcenter.custody import retention_desk as desk

    _as(who, lambda database, person: desk.recycle(database, person.actor, RecordingId(recording)))
    typer.echo(f"recording {recording} is in recycle for thirty days")


@recordings_app.command(name="keep-until")
def keep_until(
    recording: Number,
    day: Annotated[datetime, typer.Argument(formats=["%Y-%m-%d"], help="a later day than now")],
    who: As,
) -> None:
    """Keep a recording longer; the day is never brought forward."""
    from callcenter.custody import retention_desk as desk

    id_ = RecordingId(recording)
    later = _as(who, lambda database, person: desk.keep_longer(database, person.actor, id_, day.date()))
    typer.echo(f"recording {recording} is kept until {later}")


@recordings_app.command()
def due(as_json: Json = False) -> None:
    """Recordings whose day has come and that nobody holds, and those in recycle. Deletes nothing."""
    from callcenter.custody.tickets_of_calls import open_tickets
    from recordings.retention import expiry
    from recordings.retention.rules import local_day

    async def work(database: "Database") -> list[dict[str, Any]]:
        async with database.transaction() as tx:
            now = await expiry.database_now(tx)
            found = await expiry.due(tx, local_day(now), limit=10_000)
            waiting = await open_tickets(tx, {one.call_id for one in found})
            recycled = await expiry.recycled(tx)
        rows = [
            {"recording": one.id, "state": "due", "since": one.not_before, "waits for": waiting.get(one.call_id)}
            for one in found
        ]
        return rows + [
            {"recording": id_, "state": "recycled", "since": at, "waits for": "thirty days"} for id_, at in recycled
        ]

    _show(_run(work), as_json)


@recordings_app.command()
def certificates(
    recording: Annotated[int | None, typer.Option(help="of this recording only")] = None,
) -> None:
    """Certificates of deleted recordings as JSON lines, each checked against its checksum; exit 1 when one is wrong."""
    from recordings.retention import expiry

    async def work(database: "Database") -> int:
        wrong, after = 0, 0
        async with database.transaction() as tx:
            if recording is not None:
                one = await expiry.certificate_of(tx, RecordingId(recording))
                return _print([one] if one else [])
            while page := await expiry.certificates(tx, after=after, limit=1_000):
                wrong += _print(page)
                after = page[-1][0]
        return wrong

    if _run(work):
        raise fail("certificates do not match their checksums; run `callcenter verify`")


def _print(found: Any) -> int:
    """How many do not match."""
    wrong = 0
    for number, one, sha256 in found:
        body = json.loads(one.canonical().removeprefix(b"deletion1"))
        typer.echo(json.dumps({"number": number, **body, "sha256": sha256}, ensure_ascii=False))
        wrong += one.sha256 != sha256
    return wrong
