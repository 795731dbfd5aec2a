"""A row of the ticket's table: what comes next, who may, under which rules; and how ideas add rows of their own. PURE.

An idea (approvals, returns, supervision...) is a module with the commands it adds, their guards and effects, and a
`Part`: its rows. `ticketing.ticket` joins all parts into the one table.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeVar

from callcenter.types import Role
from ticketing.clocks import DeadlineKind
from ticketing.commands import AnyDetail, Detail
from ticketing.facts import Fact
from ticketing.policy import Anchor, Policy
from ticketing.record import Context, Ticket
from ticketing.words import Event, State

Guard = Callable[[Ticket, Any, Context], None]
DESK = frozenset({Role.AGENT, Role.DISPATCHER})
DISPATCHERS = frozenset({Role.DISPATCHER})
UNITS = frozenset({Role.UNIT})
UNIT_ROLES = frozenset({Role.UNIT, Role.UNIT_HEAD})
HEADS = frozenset({Role.UNIT_HEAD})
LEADERS = frozenset({Role.LEADER})
REVIEWERS = frozenset({Role.REVIEWER, Role.SUPERVISOR})
CALLERS_BACK = frozenset({Role.AGENT, Role.REVIEWER, Role.SUPERVISOR})
NOBODY: frozenset[Role] = frozenset()
ROLE_NAMES = {
    Role.AGENT: "话务员",
    Role.DISPATCHER: "派单员",
    Role.UNIT: "主办单位",
    Role.UNIT_HEAD: "单位主要负责人",
    Role.LEADER: "签批领导",
    Role.REVIEWER: "审核员",
    Role.SUPERVISOR: "督办员",
    Role.AUDITOR: "审计员",
    Role.ADMIN: "管理员",
}
UNIT_CLOCKS = frozenset(
    {DeadlineKind.SIGN, DeadlineKind.CONTACT, DeadlineKind.HANDLE, DeadlineKind.RETURN, DeadlineKind.PROGRESS}
)
"""What a unit's part of a round must keep; cancelled when the unit is out."""


class By(StrEnum):
    """Which unit of a ticket acts, where a unit does."""

    LEAD = "lead"
    ASSIST = "assist"
    AUTHORITY = "authority"
    """The department above the unit, in a dispatch of two hops."""
    ANY_UNIT = "any_unit"


@dataclass(frozen=True, slots=True)
class Transition:
    """One row of the table: what comes next, who may, which rules, and what it does to the clocks.

    anchor: limits counting from this moment start. system: whether the system (or the platform above) may do it too.
    """

    next: State
    roles: frozenset[Role]
    guards: tuple[Guard, ...] = ()
    system: bool = False
    anchor: Anchor | None = None
    meets: frozenset[DeadlineKind] = frozenset()
    cancels: frozenset[DeadlineKind] = frozenset()
    resumes: frozenset[DeadlineKind] = frozenset()
    by: By = By.LEAD


Follow = Callable[[Ticket, AnyDetail, Policy], Detail | None]
"""After a command on a ticket (as it is now): what the system does by itself next."""
Apply = Callable[[Ticket, Any, Context], Ticket]
Tell = Callable[[Ticket, Ticket, Any, Context], tuple[Fact, ...]]


@dataclass(frozen=True, slots=True)
class Part:
    """What one idea adds. rows: (state, event) -> Transition. apply: event -> the ticket's new values.

    tell: event -> facts, given the ticket before and after. Events missing in `apply` change the state alone; those
    missing in `tell` tell nothing but what `ticketing.records` tells of its rows.
    """

    rows: Mapping[tuple[State, Event], Transition] = field(default_factory=dict)
    apply: Mapping[Event, Apply] = field(default_factory=dict)
    tell: Mapping[Event, Tell] = field(default_factory=dict)
    follows: tuple[Follow, ...] = ()


K = TypeVar("K")
V = TypeVar("V")


def joined(*maps: Mapping[K, V]) -> dict[K, V]:
    """One map of all; a key that two of them hold is a mistake in the code (AssertionError at import)."""
    whole: dict[K, V] = {}
    for one in maps:
        doubled = whole.keys() & one.keys()
        assert not doubled, f"two parts hold {doubled}"
        whole |= one
    return whole
