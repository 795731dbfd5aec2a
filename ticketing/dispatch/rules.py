"""What a regulation says of dispatching: routing, contents, handlers, two hops, linkage, disputes, assists. PURE.

A part that is None is one the regulation does not have.
"""

from dataclasses import dataclass
from enum import StrEnum

from callcenter.types import UnitId
from ticketing.clocks import Period
from ticketing.rules import Basis, When

OURS = Basis()


class RoutingKey(StrEnum):
    """What speaks for a unit; a policy names them in the order of their weight."""

    FUNCTION = "function"
    """What the unit looks after (职能职责)."""
    TERRITORY = "territory"
    """Where it happened (属地)."""
    INDUSTRY = "industry"
    """The line of business (行业管理)."""
    COMPETENT = "competent"
    """The department that supervises it (谁主管谁负责)."""


class Missing(StrEnum):
    """What a unit without enough handlers means for a dispatch to it."""

    BLOCK = "block"
    WARN = "warn"


@dataclass(frozen=True, slots=True)
class HandlerRule:
    """How many handlers a unit registers at least (MC-003: 配备至少1名具办人员)."""

    least: int
    missing: Missing
    basis: Basis


@dataclass(frozen=True, slots=True)
class FilingRule:
    """How soon after it a change of people is filed (LS-016), and how long before that the unit is reminded."""

    limit: Period
    remind: Period
    basis: Basis


@dataclass(frozen=True, slots=True)
class Topic:
    """One matter of 联动: words that name it, and the units told at once."""

    name: str
    keywords: tuple[str, ...]
    units: tuple[UnitId, ...]


@dataclass(frozen=True, slots=True)
class Linkage:
    """Source: LS-078."""

    topics: tuple[Topic, ...]
    basis: Basis


@dataclass(frozen=True, slots=True)
class Listed:
    """Names to choose from."""

    values: tuple[str, ...]
    basis: Basis


@dataclass(frozen=True, slots=True)
class Priority:
    """Which tickets are dispatched before all others (WX-008)."""

    when: When
    basis: Basis


@dataclass(frozen=True, slots=True)
class UpstreamDecides:
    """Tickets from these sources: the platform above decides on an extension (WX-016)."""

    sources: frozenset[str]
    basis: Basis


@dataclass(frozen=True, slots=True)
class DisputeRules:
    """Who decides whose duty it is. after_returns: so many granted returns of one ticket open a dispute by themselves.

    final: nothing is returned or appealed after the ruling.
    """

    decider: str
    bodies: tuple[str, ...]
    after_returns: int
    minutes: bool
    basis: Basis
    ruling_basis: Basis


@dataclass(frozen=True, slots=True)
class AssistRules:
    """opinion: how long an assisting unit has for its opinion."""

    opinion: Period
    basis: Basis


@dataclass(frozen=True, slots=True)
class DispatchRules:
    """instruction, duty_basis: required where the regulation asks for them; the Basis says where it does."""

    routing: tuple[RoutingKey, ...] = (RoutingKey.FUNCTION, RoutingKey.TERRITORY)
    routing_basis: Basis = OURS
    instruction: Basis | None = None
    duty_basis: Basis | None = None
    first: Priority | None = None
    handlers: HandlerRule | None = None
    filing: FilingRule | None = None
    off_hours: Basis | None = None
    two_hop: Basis | None = None
    linkage: Linkage | None = None
    ways: Listed | None = None
    referrals: Listed | None = None
    upstream_extension: UpstreamDecides | None = None
    returns_listed_from: int = 2
    returns_listed_basis: Basis = OURS
    inaction_basis: Basis | None = None
    dispute: DisputeRules | None = None
    assist: AssistRules | None = None
    personal: Basis = OURS
    """Where it stands that requests about staff are a kind of their own (LS-003)."""
