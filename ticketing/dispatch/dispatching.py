"""The rules of a dispatch that need the directory: active, handlers, the accused, hops, townships, rulings. PURE.

The table's guards see a ticket alone; these see what the database knows of units, and run in the same transaction.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from callcenter.types import UnitId
from ticketing.commands import Dispatch
from ticketing.dispatch.catalogue import DutyOf, Entry, matching
from ticketing.dispatch.rules import DispatchRules, Missing
from ticketing.dispatch.units import Unit, UnitKind, names_accused
from ticketing.facts import Fact
from ticketing.policy import Basis, Policy
from ticketing.record import GuardFailed, Ticket
from ticketing.words import Flag

OTHER_STATE_ORGAN = "OTHER_STATE_ORGAN"


@dataclass(frozen=True, slots=True)
class UnitHasNoHandler(Fact):
    """A ticket went to a unit that has registered nobody to work it."""

    unit: UnitId


@dataclass(frozen=True, slots=True)
class DutyPersonNeeded(Fact):
    """A ticket went out outside office hours: the person on duty is to be told (SQ-025)."""

    unit: UnitId
    urgent: bool


@dataclass(frozen=True, slots=True)
class Ruling:
    """What was decided of whose duty this ticket is."""

    lead: UnitId
    assists: tuple[UnitId, ...]


@dataclass(frozen=True, slots=True)
class Known:
    """What the database knows: the units named (those it has), the catalogue, earlier returns, the ruling.

    names: of every unit a sentence may speak of.
    """

    units: Mapping[UnitId, Unit]
    entries: tuple[Entry, ...] = ()
    returned_by: frozenset[UnitId] = frozenset()
    ruling: Ruling | None = None
    names: Mapping[UnitId, str] = field(default_factory=dict)

    def name(self, unit: UnitId) -> str:
        """What it is called; its id where nobody knows."""
        return self.names.get(unit, unit)


def check(ticket: Ticket, detail: Dispatch, known: Known, policy: Policy) -> None:
    """Raises GuardFailed when this ticket may not go there like this."""
    rules = policy.dispatching
    for unit in known.units.values():
        _active(unit)
        _within_reach(unit, policy)
        not_the_accused(ticket, unit, policy)
    lead = known.units.get(detail.lead)
    if rules is not None:
        _has_handler(lead, rules)
        _by_its_authority(lead, known, rules)
        _basis_named(detail, lead, known, rules)
    _as_ruled(detail, known, rules)
    _not_again(detail, known)
    _not_to_a_township(ticket, detail, lead, known)


def warned(detail: Dispatch, known: Known, rules: DispatchRules | None) -> tuple[UnitId, ...]:
    """Units without enough handlers, where that is only a warning (GZ-014)."""
    rule = rules.handlers if rules else None
    if rule is None or rule.missing is not Missing.WARN:
        return ()
    named = [known.units[unit] for unit in (detail.lead, *detail.assists) if unit in known.units]
    return tuple(unit.id for unit in named if len(unit.handlers) < rule.least)


def _active(unit: Unit) -> None:
    if not unit.active:
        raise GuardFailed(f"{unit.name}已停用，不能派单。请从单位名录中选择其他单位。")


def _within_reach(unit: Unit, policy: Policy) -> None:
    """Party organs, courts and the army are no handling units, except those that administer as well. Source: LS-006."""
    refused = policy.reject_reason(OTHER_STATE_ORGAN)
    if unit.administrative or refused is None:
        return
    raise GuardFailed.by(
        f"{unit.name}不履行行政管理职能，不能作为承办单位。请以「{refused.label}」不予受理，并告知诉求人应向哪里反映。",
        refused.basis,
    )


def _has_handler(lead: Unit | None, rules: DispatchRules) -> None:
    rule = rules.handlers
    if lead is None or rule is None or rule.missing is not Missing.BLOCK or len(lead.handlers) >= rule.least:
        return
    raise GuardFailed.by(
        f"{lead.name}没有登记具办人员（至少{rule.least}名）,不能派单。请先在单位名录中登记，或改派其他单位。",
        rule.basis,
    )


def not_the_accused(ticket: Ticket, unit: Unit, policy: Policy) -> None:
    """A request about a person does not go to a unit where only that person would work it. Source: LS-003."""
    if not ticket.accused:
        return
    left = [one for one in unit.handlers if not names_accused(ticket.accused, one.name)]
    if unit.handlers and not left:
        basis = policy.dispatching.personal if policy.dispatching else Basis()
        raise GuardFailed.by(
            f"{unit.name}的经办人就是被反映人，不能派给被反映人办理。请派其上级或主管部门，或请该单位另行指定经办人。",
            basis,
        )


def not_by_the_accused(ticket: Ticket, names: frozenset[str], policy: Policy) -> None:
    """Whoever the request complains of neither signs nor works it, under any of their names. Source: LS-003."""
    if ticket.accused and any(names_accused(ticket.accused, name) for name in names):
        basis = policy.dispatching.personal if policy.dispatching else Basis()
        raise GuardFailed.by("您是本工单的被反映人，不能办理。请交由单位其他人员办理。", basis)


def _by_its_authority(lead: Unit | None, known: Known, rules: DispatchRules) -> None:
    """Companies and institutions get their tickets from the department above them. Source: LS-090."""
    if lead is None or rules.two_hop is None or lead.kind is not UnitKind.ENTERPRISE or lead.parent is None:
        return
    above = known.name(lead.parent)
    raise GuardFailed.by(f"{lead.name}是企事业单位，由其主管部门转派。请派给主管部门（{above}）。", rules.two_hop)


def _basis_named(detail: Dispatch, lead: Unit | None, known: Known, rules: DispatchRules) -> None:
    """A dispatch says by which duty list it goes there; the catalogue may say it. Source: LS-026."""
    if rules.duty_basis is None or lead is None or basis_for(detail, lead, known):
        return
    raise GuardFailed.by("派单须注明依据：部门「三定」方案、权责清单或有关法规政策。", rules.duty_basis)


def basis_for(detail: Dispatch, lead: Unit | None, known: Known) -> str:
    """The basis given, or the one the catalogue or the directory knows for this unit."""
    if detail.basis.strip():
        return detail.basis
    entry = next((entry for entry in known.entries if entry.unit == detail.lead), None)
    if entry is not None:
        return f"派单目录{entry.code}：{entry.basis}"
    return f"单位职责：{'、'.join(lead.functions[:5])}" if lead is not None and lead.functions else ""


def _as_ruled(detail: Dispatch, known: Known, rules: DispatchRules | None) -> None:
    """After a ruling the ticket goes where it says, and nowhere else. Source: LS-081, LS-082, SQ-039."""
    ruling = known.ruling
    if ruling is None or detail.lead == ruling.lead:
        return
    basis = rules.dispute.ruling_basis if rules and rules.dispute else Basis()
    raise GuardFailed.by(f"本工单职责已裁定由{known.name(ruling.lead)}主办，须按裁定派单。", basis)


def _not_again(detail: Dispatch, known: Known) -> None:
    """A unit that returned a ticket gets it back only with a reason, or by a ruling."""
    ruled = known.ruling is not None and known.ruling.lead == detail.lead
    if detail.lead in known.returned_by and not ruled and not detail.reason.strip():
        raise GuardFailed("该单位已退回过本工单。确需再次派给该单位的，请写明理由，或提请职责争议协调。")


def _not_to_a_township(ticket: Ticket, detail: Dispatch, lead: Unit | None, known: Known) -> None:
    """A department's duty is not pushed down to a township without a written reason."""
    if lead is None or lead.kind is not UnitKind.TOWNSHIP or detail.reason.strip():
        return
    entry = next(iter(matching(known.entries, ticket)), None)
    if entry is None or entry.duty_of is not DutyOf.DEPARTMENT:
        return
    raise GuardFailed(
        f"按派单目录{entry.code}({entry.basis}),本事项属于部门职责，不能直接派给乡镇（街道）。请派{known.name(entry.unit)};确需属地办理的，请写明理由。"
    )


def is_personal(ticket: Ticket) -> bool:
    """About a member of staff: seen by fewer (LS-003)."""
    return Flag.STAFF in ticket.flags or bool(ticket.accused)
