"""Whose duty is it: a dispute is opened, decided once by the policy's body, and then binds. PURE.

Source: LS-081, LS-082 (联席会议), GZ-034 (机构编制部门), SQ-039 (热线专题协调指定牵头).
"""

from dataclasses import dataclass, replace
from typing import ClassVar

from callcenter.types import UnitId
from ticketing.commands import AnyDetail, Detail
from ticketing.dispatch.rules import DisputeRules
from ticketing.facts import Fact
from ticketing.policy import Policy
from ticketing.record import Context, GuardFailed, Ticket
from ticketing.transition import DISPATCHERS, Part, Transition
from ticketing.words import Event, State

S, E = State, Event
WAITING = (S.AWAITING_DISPATCH, S.DISPATCHED, S.SIGNED, S.HANDLING)


@dataclass(frozen=True, slots=True)
class OpenDispute:
    """reason: why it is not clear whose duty it is. units: those between which it is disputed."""

    event: ClassVar = Event.OPEN_DISPUTE
    reason: str
    units: tuple[UnitId, ...] = ()


@dataclass(frozen=True, slots=True)
class RuleDispute:
    """minutes: the minutes' number or file. participants: who decided, by office."""

    event: ClassVar = Event.RULE_DISPUTE
    lead: UnitId
    reason: str
    minutes: str = ""
    assists: tuple[UnitId, ...] = ()
    participants: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DisputeOpened(Fact):
    """Whose duty it is, is not clear (MC-038: a reason to supervise)."""

    reason: str
    by_returns: bool


@dataclass(frozen=True, slots=True)
class DisputeRuled(Fact):
    lead: UnitId
    assists: tuple[UnitId, ...]


def may_open(ticket: Ticket, detail: OpenDispute, context: Context) -> None:
    rules = _rules(context)
    if ticket.ruled:
        raise GuardFailed.by("本工单职责已经裁定，不再进行申诉处理，须按裁定办理。", rules.ruling_basis)
    if ticket.dispute_open:
        raise GuardFailed("职责争议正在协调，请等待裁定。")
    if not detail.reason.strip():
        raise GuardFailed.by(f"提请{rules.decider}须写明争议所在。", rules.basis)


def may_rule(ticket: Ticket, detail: RuleDispute, context: Context) -> None:
    """One ruling, with lead, participants and minutes. In a unit's hands it can only confirm that unit."""
    rules = _rules(context)
    if not ticket.dispute_open:
        raise GuardFailed("没有待裁定的职责争议。")
    missing = [name for name, given in _needed(rules, detail) if not given]
    if missing:
        raise GuardFailed.by(f"职责裁定还缺：{'、'.join(missing)}。", rules.basis)
    if detail.lead in detail.assists or len(set(detail.assists)) != len(detail.assists):
        raise GuardFailed.by("同一单位不能重复出现在主办、协办之中。", rules.basis)
    if ticket.lead_unit is not None and detail.lead not in (ticket.lead_unit, ticket.authority):
        raise GuardFailed.by("工单仍在原承办单位。裁定由其他单位承办的，请先同意退单，再作裁定。", rules.basis)


def _needed(rules: DisputeRules, detail: RuleDispute) -> tuple[tuple[str, bool], ...]:
    return (
        ("主办单位", bool(detail.lead.strip())),
        ("裁定意见", bool(detail.reason.strip())),
        ("参加单位", bool(detail.participants)),
        ("会议纪要或书面意见", bool(detail.minutes.strip()) or not rules.minutes),
    )


def settled(ticket: Ticket, _: object, __: Context) -> None:
    """Nothing is dispatched while it is being decided whose duty it is."""
    if ticket.dispute_open:
        raise GuardFailed("职责争议正在协调，请等裁定后再派单。")


def not_ruled(ticket: Ticket, _: object, context: Context) -> None:
    """After the ruling nothing is returned and nothing appealed. Source: LS-047, LS-082."""
    if ticket.ruled:
        raise GuardFailed.by("本工单职责已经联合审定，不得退回，也不再进行申诉处理。", _rules(context).ruling_basis)


def _rules(context: Context) -> DisputeRules:
    rules = context.policy.dispatching.dispute if context.policy.dispatching else None
    if rules is None:
        raise GuardFailed("本地规定没有职责争议协调程序。")
    return rules


def _open(ticket: Ticket, _: OpenDispute, __: Context) -> Ticket:
    return replace(ticket, dispute_open=True)


def _rule(ticket: Ticket, _: RuleDispute, __: Context) -> Ticket:
    """The ruling also answers a return that was still open: it is not granted."""
    return replace(ticket, dispute_open=False, ruled=True, return_open=False)


def _told_open(_: Ticket, after: Ticket, detail: OpenDispute, context: Context) -> tuple[Fact, ...]:
    by_itself = context.actor.kind == "system"
    return (DisputeOpened(after.id, after.round, context.now, detail.reason, by_itself),)


def _told_ruled(_: Ticket, after: Ticket, detail: RuleDispute, context: Context) -> tuple[Fact, ...]:
    return (DisputeRuled(after.id, after.round, context.now, detail.lead, detail.assists),)


def _after_returns(ticket: Ticket, _: AnyDetail, policy: Policy) -> Detail | None:
    """A ticket that went back too often is not sent round again: somebody decides, also when leaders signed first."""
    rules = policy.dispatching.dispute if policy.dispatching else None
    if rules is None or ticket.ruled or ticket.dispute_open:
        return None
    if ticket.state is not State.AWAITING_DISPATCH or ticket.returns < rules.after_returns:
        return None
    return OpenDispute(f"工单已被退回{ticket.returns}次，职责归属有争议")


PART = Part(
    rows={
        **{(state, E.OPEN_DISPUTE): Transition(state, DISPATCHERS, (may_open,), system=True) for state in WAITING},
        **{(state, E.RULE_DISPUTE): Transition(state, DISPATCHERS, (may_rule,)) for state in WAITING},
    },
    apply={E.OPEN_DISPUTE: _open, E.RULE_DISPUTE: _rule},
    tell={E.OPEN_DISPUTE: _told_open, E.RULE_DISPUTE: _told_ruled},
    follows=(_after_returns,),
)
