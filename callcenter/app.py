"""The composition root: settings and configuration in, values out. Everybody else receives values."""

import contextlib
import functools
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import time
from importlib.resources import files
from pathlib import Path

from callcenter import (
    calendars,
    flow,
    flow_tickets,
)
from callcenter.board import Board
from callcenter.custody.opening import ground_of
from callcenter.db import Database, DatabaseAway
from callcenter.installation import Installation, Notice
from callcenter.policy_pages import Clause, PolicyLine, PolicyPage
from callcenter.settings import Settings
from callcenter.upstream import UpstreamLink
from callcenter.vault import Vault
from config import policy_page as config_page
from config.calendar_loader import load_calendar, read_files, statutory_days
from config.clause_loader import load_clauses
from config.menu_loader import Menus, load_menus
from config.policy_loader import load_policies, policy_ids
from config.prefill_loader import load_prefill
from config.problems import ConfigWrong
from config.report_kit import load_kit
from config.sms_loader import SmsConfig, load_sms
from config.unit_loader import Directory, load_directory
from recordings.custody.ground import Ground as Custody
from recordings.models import demo_model
from ticketing.appraisal.reports import ReportKit
from ticketing.clocks import Calendar
from ticketing.policy import Rules
from ticketing.prefill.data import PrefillData

log = logging.getLogger(__name__)

MADE_PROMPTS = Path(str(files("ivr").joinpath("prompts", "made")))
"""The recordings that come with the program."""


@dataclass(frozen=True, slots=True)
class App:
    """What every process stands on."""

    settings: Settings
    database: Database
    board: Board
    vault: Vault
    rules: Rules
    calendars: calendars.CalendarKeeper
    data: PrefillData
    directory: Directory
    menus: Menus
    messages: SmsConfig
    upstream: UpstreamLink | None
    custody: Custody

    @property
    def ground(self) -> flow.Ground:
        """What the story of calls stands on."""
        wrap_up_s, live_words = self.settings.wrap_up_s, self.settings.live_words
        return flow.Ground(self.settings.node, self.vault, self.rules, wrap_up_s, live_words)

    @property
    def tickets(self) -> flow_tickets.Ground:
        """What the story of tickets stands on."""
        above = self.upstream is not None and bool(self.upstream.url)
        return flow_tickets.Ground(
            self.vault, self.rules, self.messages.texts, self.messages.hours, above, self.settings.public_url
        )

    @property
    def stream_secret(self) -> bytes:
        """Signs live audio streams between the listener and the speech process."""
        return self.settings.agi_token.get_secret_value().encode()


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[App]:
    """The services of one process. Raises ConfigWrong, VaultKeyMalformed, CustodyNotSet, StoreWrong, KeyFileWrong."""
    database, board = Database(settings.database_url), Board(settings.redis_url)
    try:
        rules = load_rules(settings.policy)
        keeper = calendars.CalendarKeeper(database, rules, composer(rules))
        # PostgreSQL may come later; until then the shipped calendar counts, and the keeper asks again.
        with contextlib.suppress(DatabaseAway):
            await keeper.refresh()
        yield App(
            settings=settings,
            database=database,
            board=board,
            vault=Vault(settings.vault_key.get_secret_value()),
            rules=rules,
            calendars=keeper,
            data=load_prefill(settings.policy),
            directory=load_directory(settings.policy, rules.policies[-1]),
            menus=load_menus(),
            messages=_messages(settings),
            upstream=_upstream(settings),
            custody=ground_of(settings),
        )
    finally:
        await board.close()
        await database.close()


def load_rules(policy_id: str, imported: Mapping[str, str] | None = None) -> Rules:
    """The regulation that runs here and its calendar. imported: calendar files of the operator, by name.

    Raises ConfigWrong with every problem.
    """
    policies = load_policies(policy_id)
    return Rules(policies, load_calendar(policies[-1].calendar.overlays, imported=imported))


def notices(imported: Mapping[str, str]) -> tuple[Notice, ...]:
    """Every calendar file in force, with the names of its days. Raises CalendarRefused."""
    try:
        read = read_files(imported=imported)
    except ConfigWrong as wrong:
        raise calendars.CalendarRefused(str(wrong)) from None
    years = [
        Notice(f"cn-{y}", f"{y}", f.source, y, (y,), f.holidays, f.makeup_workdays, f"cn-{y}" in imported)
        for y, f in read.years.items()
    ]
    overlays = [
        Notice(n, f.name, f.source, None, tuple(f.years), f.holidays, f.makeup_workdays, n in imported)
        for n, f in read.overlays.items()
    ]
    law = read.statutory
    unsure = [
        Notice(f"cn-{y}", f"{y}", law.source, y, (y,), statutory_days(law, y), {}, imported=False, provisional=True)
        for y in law.years
        if y not in read.years
    ]
    return (*years, *unsure, *overlays)


def installation_of(settings: Settings, menus: Menus) -> Installation:
    """What an administrator looks at: menus, prompts, speech models, calendar files."""
    demo = settings.model_dir.resolve() == demo_model().resolve()
    return Installation(
        menus=menus.by_script,
        prompts=menus.prompts,
        prompts_dir=settings.prompts_dir or MADE_PROMPTS,
        model_dir=settings.model_dir,
        models_dir=settings.models_dir or (Path(".cache/models") if demo else settings.model_dir.parent),
        live_words=settings.live_words,
        transcripts=settings.transcripts,
        second_clock=settings.second_clock,
        notices=notices,
    )


@functools.cache
def shipped_rules(policy_id: str) -> Rules | None:
    """Another regulation as it is shipped, for computing only; None when there is none, or a wrong one."""
    try:
        return load_rules(policy_id) if policy_id in policy_ids() else None
    except ConfigWrong as wrong:
        log.warning("policy is wrong", extra={"policy": policy_id, "problems": str(wrong)})
        return None


@functools.cache
def policy_page(policy_id: str) -> PolicyPage | None:
    """A regulation as a page, with its clauses; None when there is none. Some 0.1 s the first time."""
    if policy_id not in policy_ids():
        return None
    file = config_page.read(policy_id)
    lines = tuple(
        PolicyLine(row.section, row.name, row.value, row.clauses, row.source, row.ours)
        for row in config_page.rows(file)
    )
    clauses = tuple(
        Clause(one.id, one.article, one.quote, one.level) for one in load_clauses().values() if one.policy == policy_id
    )
    head = file.policy
    return PolicyPage(policy_id, head.title, head.region, str(head.version), lines, clauses)


def regulations() -> tuple[str, ...]:
    """Ids of every regulation there is a file for."""
    return policy_ids()


def composer(rules: Rules) -> calendars.Compose:
    """What lays imported files over the shipped ones, for the policy in use."""

    def compose(imported: Mapping[str, str]) -> Calendar:
        try:
            return load_calendar(rules.policies[-1].calendar.overlays, imported=imported)
        except ConfigWrong as wrong:
            raise calendars.CalendarRefused(str(wrong)) from None

    return compose


def _upstream(settings: Settings) -> UpstreamLink | None:
    if settings.upstream_secret is None:
        return None
    secret = settings.upstream_secret.get_secret_value().encode()
    return UpstreamLink(settings.upstream_system, settings.upstream_ours, secret, settings.upstream_url)


def load_report_kit(rules: Rules) -> ReportKit:
    """Metrics and report templates, with all that the regulation names. Raises ConfigWrong with every problem."""
    return load_kit(rules.policies)


def _messages(settings: Settings) -> SmsConfig:
    messages = load_sms()
    if not settings.sms_all_day:
        return messages
    return replace(messages, hours=replace(messages.hours, opens=time.min, closes=time.max))
