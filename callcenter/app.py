"""The composition root: settings and configuration in, values out. Everybody else receives values."""

import contextlib
import functools
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import time

from callcenter import (
    calendars,
    flow,
    flow_tickets,
)
from callcenter.board import Board
from callcenter.custody.opening import ground_of
from callcenter.db import Database, DatabaseAway
from callcenter.settings import Settings
from callcenter.upstream import UpstreamLink
from callcenter.vault import Vault
from config.calendar_loader import load_calendar
from config.menu_loader import Menus, load_menus
from config.policy_loader import load_policies, policy_ids
from config.prefill_loader import load_prefill
from config.problems import ConfigWrong
from config.report_kit import load_kit
from config.sms_loader import SmsConfig, load_sms
from config.unit_loader import Directory, load_directory
from recordings.custody.ground import Ground as Custody
from ticketing.appraisal.reports import ReportKit
from ticketing.clocks import Calendar
from ticketing.policy import Rules
from ticketing.prefill.data import PrefillData

log = logging.getLogger(__name__)


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
        return flow_tickets.Ground(self.vault, self.rules, self.messages.texts, self.messages.hours, above)

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


@functools.cache
def shipped_rules(policy_id: str) -> Rules | None:
    """Another regulation as it is shipped, for computing only; None when there is none, or a wrong one."""
    try:
        return load_rules(policy_id) if policy_id in policy_ids() else None
    except ConfigWrong as wrong:
        log.warning("policy is wrong", extra={"policy": policy_id, "problems": str(wrong)})
        return None


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
