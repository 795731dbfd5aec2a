"""The people of the demonstration: those every hotline has, and whoever the policy in use asks to sign."""

from collections.abc import Mapping
from dataclasses import dataclass

from callcenter.types import AgentId, Role, UnitId
from ticketing.approvals.offices import offices_of
from ticketing.policy import Policy


@dataclass(frozen=True, slots=True)
class Position:
    """A person of the demonstration. titles: offices a leader signs for."""

    login: str
    name: str
    roles: frozenset[Role]
    unit: UnitId | None = None
    extension: AgentId | None = None
    queues: tuple[str, ...] = ()
    titles: frozenset[str] = frozenset()


HANDLING_UNIT = UnitId("urban")
"""The unit of the story; every region's list has it."""
PEOPLE: Mapping[str, Position] = {
    one.login: one
    for one in (
        Position("agent1", "王敏", frozenset({Role.AGENT}), extension=AgentId("8001"), queues=("hotline",)),
        Position(
            "agent2", "李强", frozenset({Role.AGENT}), extension=AgentId("8002"), queues=("hotline", "enterprise")
        ),
        Position("dispatcher", "派单员", frozenset({Role.DISPATCHER})),
        Position(HANDLING_UNIT, "城管局经办人", frozenset({Role.UNIT}), unit=HANDLING_UNIT),
        Position(f"{HANDLING_UNIT}-head", "城管局主要负责人", frozenset({Role.UNIT_HEAD}), unit=HANDLING_UNIT),
        Position("water", "自来水公司经办人", frozenset({Role.UNIT}), unit=UnitId("water")),
        Position("reviewer", "审核回访员", frozenset({Role.REVIEWER}), extension=AgentId("8008")),
        Position("supervisor", "班长", frozenset({Role.SUPERVISOR}), extension=AgentId("8009")),
        Position("auditor", "审计员", frozenset({Role.AUDITOR})),
        Position("admin", "管理员", frozenset({Role.ADMIN})),
    )
}


def people_of(policy: Policy) -> Mapping[str, Position]:
    """PEOPLE, and a leader for every office whose signature this policy asks for."""
    leaders = (
        Position(f"leader{number}", title, frozenset({Role.LEADER}), titles=frozenset({title}))
        for number, title in enumerate(offices_of(policy), 1)
    )
    return {**PEOPLE, **{one.login: one for one in leaders}}
