"""The processes: what each opens, and what runs in it until the end."""

import asyncio
import functools
import logging
import signal
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from enum import StrEnum
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter import (
    calendars,
    flow_dispatch,
    flow_knowledge,
    flow_supervision,
    flow_tickets,
    heartbeat,
    jobs,
    metrics,
    surge,
    ticket_call_work,
    units,
    upstream_outbox,
    work,
)
from callcenter.ami import AmiClient
from callcenter.app import (
    MADE_PROMPTS,
    App,
    installation_of,
    load_report_kit,
    opened,
    policy_page,
    regulations,
    shipped_rules,
)
from callcenter.archive import work as archive_work
from callcenter.attachments import work as attachments_work
from callcenter.attachments.cabinet import Cabinet
from callcenter.backup import keeping as backup_keeping
from callcenter.board import BoardEvent
from callcenter.call_deeds import CallDeeds
from callcenter.call_parse import WANTED
from callcenter.citizen import work as citizen_work
from callcenter.command_runner import CommandRunner
from callcenter.control import Control
from callcenter.custody import completeness_work, guarding, intake_work, keeping_keys, playbacks, retention_work
from callcenter.custody.disk_watch import DiskWatch
from callcenter.custody.storage_rows import places_of
from callcenter.listener import Listener
from callcenter.reconciler import Reconciler
from callcenter.settings import Settings
from callcenter.sms import service as sms
from callcenter.sms.facts import SmsFact
from callcenter.sms.intake import Intake
from callcenter.sms.kannel import KannelSender
from callcenter.sms.submit import SUBMIT_RETRIES, Submitter
from callcenter.softphones import Softphones
from callcenter.speech import LiveDesk
from callcenter.types import PhoneNumber
from callcenter.upstream import forget_nonces
from callcenter.upstream_client import UpstreamClient
from ivr.menu import MenuContext
from ivr.server import IvrServer
from ivr.session import IncomingCall
from recordings import vosk_door
from recordings.live import LiveTap
from ticketing.clocks import local_day
from ticketing.facts import Fact

if TYPE_CHECKING:
    from callcenter.reports.work import ReportWork

log = logging.getLogger(__name__)

QUEUE_SIZE = 20_000


class Part(StrEnum):
    """The processes; `all` runs every one in a single process."""

    SERVE = "serve"
    LISTEN = "listen"
    IVR = "ivr"
    SPEECH = "speech"
    WORK = "work"


async def run(settings: Settings, parts: frozenset[Part]) -> None:
    """Run these parts until SIGTERM or SIGINT; a part that breaks ends the process with its error."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with opened(settings) as app, AsyncExitStack() as stack:
        running = [await RUNNERS[part](app, stack) for part in sorted(parts)]
        running.append([app.calendars.run()])
        tasks = [asyncio.ensure_future(one) for group in running for one in group]
        await _serve_metrics(settings, parts, stack)
        await _until(stop, tasks)


async def _until(stop: asyncio.Event, tasks: Sequence["asyncio.Future[None]"]) -> None:
    stopping = asyncio.ensure_future(stop.wait())
    everything: list[asyncio.Future[Any]] = [stopping, *tasks]
    await asyncio.wait(everything, return_when=asyncio.FIRST_COMPLETED)
    broken = [task for task in tasks if task.done()]
    for task in everything:
        task.cancel()
    await asyncio.gather(*everything, return_exceptions=True)
    for task in broken:
        task.result()


METRICS_AT = {Part.LISTEN: 0, Part.IVR: 1, Part.SPEECH: 2, Part.WORK: 3}
"""Which port after `metrics_port` a process of its own serves its numbers on; `serve` has them at its own /metrics."""


async def _serve_metrics(settings: Settings, parts: frozenset[Part], stack: AsyncExitStack) -> None:
    if Part.SERVE in parts or not settings.metrics_port:
        return

    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=metrics.render(), headers={"Content-Type": metrics.CONTENT_TYPE})

    application = web.Application()
    application.router.add_get("/metrics", answer)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    port = settings.metrics_port + min(METRICS_AT[part] for part in parts)
    await web.TCPSite(runner, "127.0.0.1", port).start()


Running = list[Awaitable[None]]


async def _listen(app: App, stack: AsyncExitStack) -> Running:
    settings = app.settings
    events = _ami(settings, "events", settings.ami_events_secret.get_secret_value(), WANTED)
    actions = _ami(settings, "actions", settings.ami_actions_secret.get_secret_value(), frozenset())
    control = Control(
        actions,
        node=settings.node,
        caller_number=PhoneNumber(settings.hotline_number),
        audiosocket_address=(settings.audiosocket_host, settings.audiosocket_port),
    )
    listener = Listener(app.database, events, app.ground, app.board, settings.cel_file, settings.spool_dir)
    deeds = CallDeeds(app.database, control, listener.tracker, app.vault, app.stream_secret)
    runner = CommandRunner(app.database, deeds, settings.node)
    reconciler = Reconciler(app.database, events, control, app.board)

    async def linked(_: bool) -> None:
        reconciler.wake()

    listener.on_link, listener.on_event = linked, reconciler.on_event
    async with app.database.transaction() as tx:
        await units.keep(tx, app.data.units)
        await units.seed(tx, app.directory.units, app.directory.entries, datetime.now(UTC))
        # Before the first beat of this run, which will hide when the last one ended.
        await listener.load(tx, await heartbeat.last(tx, _beat_name(app, Part.LISTEN)))
    for client in (events, actions):
        await client.start()
        stack.push_async_callback(client.close)
    metrics.LISTENER_CALLS.set_function(lambda: len(listener.tracker.calls))
    disks = DiskWatch(app.database, app.board, actions, settings.node, places_of(app.custody))
    able = _beat(app, Part.LISTEN, lambda: events.up and actions.up)
    return [listener.run(), runner.run(), reconciler.run(), disks.run(), able]


def _ami(settings: Settings, user: str, secret: str, wanted: frozenset[str]) -> AmiClient:
    return AmiClient(
        host=settings.ami_host,
        port=settings.ami_port,
        username=user,
        secret=secret,
        wanted=wanted,
        queue_size=QUEUE_SIZE,
    )


async def _ivr(app: App, stack: AsyncExitStack) -> Running:
    async def context_for(_: IncomingCall) -> MenuContext:
        now = datetime.now(UTC)
        async with app.database.transaction() as tx:
            on = await surge.is_on(tx, now)
        return MenuContext(now=now, is_workday=app.rules.calendar.works(local_day(now)), surge=on)

    settings = app.settings
    ivr = IvrServer(
        settings.agi_host,
        settings.agi_port,
        settings.agi_token.get_secret_value(),
        app.menus.by_script,
        settings.prompts_dir or MADE_PROMPTS,
        context_for,
    )
    await ivr.start()
    stack.push_async_callback(ivr.stop)
    return [_beat(app, Part.IVR)]


async def _speech(app: App, stack: AsyncExitStack) -> Running:
    settings = app.settings
    model = await asyncio.to_thread(vosk_door.load, settings.model_dir)
    live_desk = LiveDesk(app.database, app.board, app.vault, app.data, settings.node, app.stream_secret)

    def problem(message: str, error: BaseException) -> None:
        log.warning(message, extra={"error": repr(error)})

    tap = LiveTap(
        settings.audiosocket_host,
        settings.audiosocket_port,
        model,
        live_desk.on_words,
        problem,
        resolve=live_desk.call_of,
    )
    await tap.start()
    stack.push_async_callback(tap.close)
    return [_beat(app, Part.SPEECH)]


async def _work(app: App, stack: AsyncExitStack) -> Running:
    settings = app.settings
    ground = app.tickets
    token = settings.sms_callback_token.get_secret_value()
    sender = KannelSender(
        settings.kannel_url,
        settings.kannel_user,
        settings.kannel_password.get_secret_value(),
        f"http://127.0.0.1:{settings.sms_callback_port}/kannel/dlr?token={token}",
    )
    stack.push_async_callback(sender.close)

    async def tell(tx: AsyncConnection, facts: tuple[SmsFact, ...]) -> None:
        await flow_tickets.tell_sms(tx, ground, facts)

    await stack.enter_async_context(
        Intake(token, app.database.transaction, app.vault.identity_of, tell, _count_callback).serving(
            settings.sms_callback_port
        )
    )
    model = await asyncio.to_thread(vosk_door.load, settings.model_dir) if settings.transcripts else None
    about_calls = work.CallWork(app.database, app.board, app.vault, app.data, app.custody, model)
    about_tickets = flow_tickets.TicketWork(app.database, app.board, ground)
    about_talks = ticket_call_work.TicketCallWork(app.database, app.board, ground)
    about_supervision = flow_supervision.SupervisionWork(
        app.database, app.board, app.rules, lambda tx, told, now: flow_tickets.tell(tx, ground, told, now)
    )
    reporting = await _about_reports(app)
    submitter = Submitter(app.database.transaction, sender, app.vault.number_of, app.messages.hours, tell)
    handlers: Mapping[str, jobs.Handler] = {
        # A worker takes only jobs it has handlers for; those of the others wait for a worker that has a model.
        **({"call.transcribe": about_calls.transcribe} if model is not None else {}),
        sms.SUBMIT_JOB: submitter,
        **about_tickets.handlers(),
        **about_talks.handlers(),
        **_to_upstream(app, stack),
        **reporting.handlers(),
        calendars.REVIEW_JOB: calendars.CalendarWork(app.database, app.board, ground, app.calendars).review,
    }
    worker = jobs.Worker(
        app.database.asyncpg_dsn,
        handlers,
        policies={sms.SUBMIT_JOB: SUBMIT_RETRIES, upstream_outbox.SEND_JOB: upstream_outbox.RETRIES},
        on_run=_count_job,
    )
    worker.every(30, "sms.lost", about_tickets.give_up_lost)
    worker.every(15, "surveys.due", about_tickets.sweep_surveys)
    worker.every(60, "deadlines.due", about_tickets.sweep_deadlines)
    worker.every(30, "deadlines.near", about_supervision.sweep_rungs)
    worker.every(60, "explanations.missed", about_supervision.sweep_explanations)
    about_knowledge = flow_knowledge.KnowledgeWork(app.database, app.board, ground)
    worker.every(300, "knowledge.late", about_knowledge.sweep)
    worker.every(60, "dispatch.due", _about_dispatch(app).sweep)
    worker.every(300, "upstream.nonces", functools.partial(forget_nonces, app.database))
    worker.every(300, "reports.due", reporting.sweep)
    await _about_custody(worker, app, stack)
    stack.callback(worker.stop)
    return [worker.run(), _beat(app, Part.WORK)]


async def _about_custody(worker: jobs.Worker, app: App, stack: AsyncExitStack) -> None:
    """What is done about kept recordings, the audit, the archive and the public page, each part by itself."""
    await keeping_keys.register(worker, app.database, app.custody)
    guarding.register(worker, app, stack)
    citizen_work.register(worker, app.database)
    archive_work.register(worker, app)
    retention_work.register(worker, app)
    backup_keeping.register(worker, app)
    intake_work.register(worker, app.database, app.custody)
    completeness_work.register(worker, completeness_work.CompletenessWork(app.database, app.custody))
    playbacks.register(worker, app.database)
    attachments_work.register(worker, app.database, Cabinet(app.custody, app.vault))


async def _about_reports(app: App) -> "ReportWork":
    """Who makes reports. Raises FontMissing: a report in a font without Chinese would be a page of empty boxes."""
    # Only this process needs the libraries documents are written with.
    from callcenter.reports.work import ReportWork

    kit, settings = load_report_kit(app.rules), app.settings
    reporting = ReportWork(app.database, app.rules, kit, settings.reports_folder, settings.report_font)
    await reporting.font()
    return reporting


def _to_upstream(app: App, stack: AsyncExitStack) -> Mapping[str, jobs.Handler]:
    """Who sends to the platform above; nobody where none is connected, and what is to be told waits."""
    if app.upstream is None or not app.upstream.url:
        return {}
    client = UpstreamClient(app.upstream)
    stack.push_async_callback(client.close)
    return {upstream_outbox.SEND_JOB: upstream_outbox.Sender(app.database.transaction, client.send, app.upstream.ours)}


def _about_dispatch(app: App) -> flow_dispatch.DispatchWork:
    ground = app.tickets

    async def tell(tx: AsyncConnection, told: Iterable[Fact], now: datetime) -> tuple[BoardEvent, ...]:
        return await flow_tickets.tell(tx, ground, told, now)

    return flow_dispatch.DispatchWork(app.database, app.board, app.rules, app.vault, app.messages.hours, tell)


def _beat(app: App, part: Part, able: Callable[[], bool] = lambda: True) -> Awaitable[None]:
    return heartbeat.beat(app.database, _beat_name(app, part), able)


def _beat_name(app: App, part: Part) -> str:
    return f"{part}:{app.settings.node}"


def _count_job(run: jobs.Run) -> None:
    metrics.JOBS.labels(run.kind, run.outcome).inc()


def _count_callback(outcome: str) -> None:
    metrics.SMS_CALLBACKS.labels(outcome).inc()


def _softphones(settings: Settings) -> Softphones | None:
    kept = settings.softphone_secrets
    return Softphones(settings.softphone_url, kept, settings.demo_handset) if settings.softphone_url and kept else None


async def _serve(app: App, stack: AsyncExitStack) -> Running:
    # Only this process needs the API's modules.
    from callcenter.citizen.open311 import keys_of
    from callcenter.reports.orders import ReportDesk
    from callcenter.web import live, server
    from callcenter.web.context import Services
    from callcenter.web.groups import GROUPS

    settings = app.settings
    services = Services(
        database=app.database,
        board=app.board,
        vault=app.vault,
        rules=app.rules,
        calendars=app.calendars,
        ground=app.tickets,
        node=settings.node,
        spool=settings.spool_dir,
        version=version("callcenter"),
        custody=app.custody,
        archive=settings.archive_folder,
        reports=ReportDesk(load_report_kit(app.rules), settings.reports_folder, settings.report_font),
        upstream=app.upstream,
        regulation=shipped_rules,
        pages=policy_page,
        regulations=regulations(),
        installation=installation_of(settings, app.menus),
        subjects=app.data.subjects,
        softphones=_softphones(settings),
        open311=keys_of({name: key.get_secret_value() for name, key in settings.open311_keys.items()}),
    )
    application = server.build(services, GROUPS, settings.console_dir)
    hub = live.LiveHub(app.board)
    application[live.HUB] = hub
    # Live streams never end by themselves; a stopping server does not wait for them.
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    await web.TCPSite(runner, settings.api_host, settings.api_port).start()
    return [hub.run(), _beat(app, Part.SERVE)]


Runner = Callable[[App, AsyncExitStack], Awaitable[Running]]

RUNNERS: Mapping[Part, Runner] = {
    Part.LISTEN: _listen,
    Part.IVR: _ivr,
    Part.SPEECH: _speech,
    Part.WORK: _work,
    Part.SERVE: _serve,
}
"""Part -> what starts it: opens what it needs on the stack, returns what runs until the end."""
