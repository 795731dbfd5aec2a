"""The dispatch catalogue: whose duty a matter is, by which rule; and a suggestion with its reasons. PURE.

A unit is suggested for what the catalogue says, for what it looks after, for where it happened, and for what became of
such dispatches before. Nothing is dispatched by itself: a dispatcher decides.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from callcenter.types import UnitId
from ticketing.dispatch.rules import DispatchRules, RoutingKey
from ticketing.dispatch.units import Unit, UnitKind
from ticketing.record import Ticket

MOST = 5
RULED, STRONG, ORDER = 60, 40, (30, 20, 12, 8)
"""Weights: a ruling on the subject, an entry of the catalogue for the subject, the routing keys in their order."""
PAST = 10
"""The most that past dispatches add or take."""


class DutyOf(StrEnum):
    """Whose duty an entry is."""

    DEPARTMENT = "department"
    """部门职责: a township gets it only with a written reason."""
    TOWNSHIP = "township"
    SHARED = "shared"


@dataclass(frozen=True, slots=True)
class Entry:
    """One line. subject: its code or name; keywords: words that name the matter. basis: 三定, 权责清单, a law."""

    code: str
    subject: str
    keywords: tuple[str, ...]
    unit: UnitId
    basis: str
    duty_of: DutyOf = DutyOf.SHARED


@dataclass(frozen=True, slots=True)
class Experience:
    """What became of dispatches of this subject to this unit."""

    accepted: int = 0
    returned: int = 0
    refused_returns: int = 0
    ruled: int = 0


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A unit with what speaks for it. via: the department it goes through, in two hops. score: 0 and up."""

    unit: UnitId
    name: str
    score: int
    reasons: tuple[str, ...]
    basis: str
    via: UnitId | None = None


@dataclass
class _Case:
    """One unit's case while it is being made."""

    score: int = 0
    reasons: list[str] = field(default_factory=list)
    basis: str = ""

    def add(self, score: int, reason: str, basis: str = "") -> None:
        self.score += score
        self.reasons.append(reason)
        self.basis = self.basis or basis


def text_of(ticket: Ticket) -> str:
    """What the request says, for words to be found in."""
    return "\n".join((ticket.subject, ticket.title, ticket.content, ticket.place, ticket.named_unit))


def matching(entries: Iterable[Entry], ticket: Ticket) -> tuple[Entry, ...]:
    """The entries this ticket falls under: by subject first, then by words; the one with most words first."""
    text = text_of(ticket)

    def words(entry: Entry) -> int:
        return sum(word in text for word in entry.keywords)

    found = [(_names(entry, ticket.subject), words(entry), entry) for entry in entries]
    hits = [one for one in found if one[0] or one[1]]
    return tuple(entry for _, _, entry in sorted(hits, key=lambda hit: (-hit[0], -hit[1], hit[2].code)))


def _names(entry: Entry, subject: str) -> bool:
    return bool(entry.subject) and bool(subject) and (subject == entry.subject or subject.startswith(entry.subject))


def suggest(
    ticket: Ticket,
    units: Mapping[UnitId, Unit],
    entries: Iterable[Entry],
    past: Mapping[UnitId, Experience],
    rules: DispatchRules,
) -> tuple[Suggestion, ...]:
    """At most five units, the best first; those no longer active are left out. Source: LS-023, LS-026, GZ-022, SQ-048.

    past: by unit, for this ticket's subject.
    """
    cases: dict[UnitId, _Case] = {}

    def case(unit: UnitId) -> _Case:
        return cases.setdefault(unit, _Case())

    for entry in matching(entries, ticket):
        strong = STRONG if _names(entry, ticket.subject) else STRONG // 2
        names = entry.subject or "、".join(entry.keywords[:3])
        case(entry.unit).add(strong, f"派单目录{entry.code}：{names}", entry.basis)
    for unit in units.values():
        for weight, reason in _routing(ticket, unit, units, rules):
            case(unit.id).add(weight, reason)
    for unit_id, seen in past.items():
        for weight, reason in _experience(seen):
            case(unit_id).add(weight, reason)
    made = [_suggestion(unit_id, one, units, rules) for unit_id, one in cases.items() if unit_id in units]
    fit = [one for one in made if units[one.unit].active and one.score > 0]
    return tuple(sorted(fit, key=lambda one: (-one.score, one.unit))[:MOST])


def _routing(
    ticket: Ticket, unit: Unit, units: Mapping[UnitId, Unit], rules: DispatchRules
) -> Iterable[tuple[int, str]]:
    text = text_of(ticket)
    where = f"{ticket.place}\n{ticket.content}"
    for weight, key in zip(ORDER, rules.routing, strict=False):
        if key is RoutingKey.FUNCTION and (hit := _first(unit.functions, text)):
            yield weight, f"职能职责：{hit}"
        if key is RoutingKey.TERRITORY and (hit := _first(unit.territory, where)):
            yield weight, f"属地管理：{hit}"
        if key is RoutingKey.INDUSTRY and (hit := _first(unit.industry, text)):
            yield weight, f"行业管理：{hit}"
        if key is RoutingKey.COMPETENT and unit.kind is UnitKind.DEPARTMENT:
            led = [one for one in units.values() if one.parent == unit.id and _first(one.functions, text)]
            if led:
                yield weight, f"谁主管谁负责：主管{led[0].name}"


def _first(words: Iterable[str], text: str) -> str:
    return next((word for word in words if word in text), "")


def _experience(seen: Experience) -> Iterable[tuple[int, str]]:
    if seen.ruled:
        yield RULED, f"职责裁定：同类事项已裁定由其承办{seen.ruled}次"
    if seen.accepted or seen.returned:
        total = seen.accepted + seen.returned
        weight = round(PAST * (seen.accepted - seen.returned) / total)
        yield weight, f"以往同类工单：承办{seen.accepted}件，退回{seen.returned}件"


def _suggestion(unit_id: UnitId, case: _Case, units: Mapping[UnitId, Unit], rules: DispatchRules) -> Suggestion:
    unit = units[unit_id]
    via = unit.parent if rules.two_hop is not None and unit.kind is UnitKind.ENTERPRISE else None
    reasons = list(case.reasons)
    if via is not None and via in units:
        reasons.append(f"先派其主管部门{units[via].name}，由其转派（{rules.two_hop}）")
    basis = case.basis or (f"职能职责：{'、'.join(unit.functions[:5])}" if unit.functions else "")
    return Suggestion(unit_id, unit.name, case.score, tuple(reasons), basis, via)


def told_at_once(ticket: Ticket, rules: DispatchRules) -> tuple[tuple[str, tuple[UnitId, ...]], ...]:
    """The linkage topics this request falls under, each with the units told at once. Source: LS-078."""
    if rules.linkage is None:
        return ()
    text = text_of(ticket)
    hit = [topic for topic in rules.linkage.topics if _first((topic.name, *topic.keywords), text)]
    return tuple((topic.name, topic.units) for topic in hit)


def goes_first(ticket: Ticket, rules: DispatchRules | None) -> bool:
    """Whether this ticket is dispatched before all others: urgent ones, and what the policy names (WX-008)."""
    named = rules is not None and rules.first is not None and rules.first.when.fits(ticket.case)
    return ticket.urgent or named


def queue_key(ticket: Ticket, due_at: datetime | None, rules: DispatchRules | None) -> tuple[bool, bool, float, str]:
    """Where a ticket stands among those that wait for a dispatcher: first ones, then by due time, then by number."""
    moment = due_at.timestamp() if due_at else float("inf")
    return not ticket.urgent, not goes_first(ticket, rules), moment, ticket.id
