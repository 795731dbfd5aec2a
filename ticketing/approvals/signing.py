"""A set of signatures being collected on a ticket: its steps in order, who signed, what is still open. PURE.

Steps of one order are signed side by side, in any order; the next order opens when all of them are signed.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from callcenter.types import Actor, Role, UnitId

if TYPE_CHECKING:
    from ticketing.commands import Contents


class Gate(StrEnum):
    """What waits for the signatures."""

    BEFORE_DISPATCH = "before_dispatch"
    SIGNOFF = "signoff"
    """The unit's result, signed and sealed by its principal."""
    BEFORE_FEEDBACK = "before_feedback"
    REPORT = "report"
    """A report to the leaders beside the handling: a 呈批件, or a matter raised to a higher level."""
    SCOPE = "scope"
    """Whether the request is taken in at all, where the first receiver cannot tell."""
    TERMINATION = "termination"


GATE_NAMES: dict[Gate, str] = {
    Gate.BEFORE_DISPATCH: "派单前签批",
    Gate.SIGNOFF: "单位签批办理结果",
    Gate.BEFORE_FEEDBACK: "反馈前签批",
    Gate.REPORT: "呈报领导批示",
    Gate.SCOPE: "受理认定",
    Gate.TERMINATION: "终结办理",
}


class SignerKind(StrEnum):
    """How a step knows its signer."""

    TITLE = "title"
    """A leader whose account holds this title, for all units or for the ticket's unit alone (`title@unit`)."""
    OFFICE = "office"
    """The same for a title of the hotline's own office: what they write is no leader's instruction."""
    UNIT_HEAD = "unit_head"
    SUPERVISOR = "supervisor"
    EXTERNAL = "external"
    """A body outside; a supervisor notes what it decided, with its reference number."""


@dataclass(frozen=True, slots=True)
class Signer:
    """Whose signature is asked for, as people call them."""

    name: str
    kind: SignerKind = SignerKind.TITLE


class StepState(StrEnum):
    OPEN = "open"
    SIGNED = "signed"
    DECLINED = "declined"


@dataclass(frozen=True, slots=True)
class Step:
    """One signature. order: from 1; those of one order are signed side by side."""

    order: int
    signer: Signer
    state: StepState = StepState.OPEN
    signed_by: str = ""


def may_sign(actor: Actor, signer: Signer, unit: UnitId | None) -> bool:
    """Whether this person is that signer, for a ticket of this unit."""
    match signer.kind:
        case SignerKind.TITLE | SignerKind.OFFICE:
            held = {signer.name, f"{signer.name}@{unit}"} & actor.titles
            return Role.LEADER in actor.roles and bool(held)
        case SignerKind.UNIT_HEAD:
            return Role.UNIT_HEAD in actor.roles and actor.unit is not None and actor.unit == unit
        case SignerKind.EXTERNAL if actor.kind == "unit_platform":
            return True
        case _:
            return Role.SUPERVISOR in actor.roles


@dataclass(frozen=True, slots=True)
class Approval:
    """Signatures being collected. rule_id, basis, reading: the rule that asks for them, and how its text is read.

    unit: whose head signs for the unit. contents: the reply the unit wants to give, at sign-off.
    """

    gate: Gate
    rule_id: str
    steps: tuple[Step, ...]
    asked_by: str
    unit: UnitId | None = None
    why: str = ""
    basis: str = ""
    reading: str = ""
    seal: bool = False
    contents: "Contents | None" = None

    @property
    def current(self) -> tuple[Step, ...]:
        """The steps that can be signed now."""
        still = [step for step in self.steps if step.state is StepState.OPEN]
        first = min((step.order for step in still), default=0)
        return tuple(step for step in still if step.order == first)

    @property
    def complete(self) -> bool:
        """Every step is signed."""
        return all(step.state is StepState.SIGNED for step in self.steps)

    def step_for(self, actor: Actor, name: str = "") -> Step | None:
        """The open step this person signs now; name: which, where they hold several titles."""
        fitting = (step for step in self.current if not name or step.signer.name == name)
        return next((step for step in fitting if may_sign(actor, step.signer, self.unit)), None)

    def marked(self, step: Step, state: StepState, by: str) -> "Approval":
        """With that step signed or declined."""
        done = replace(step, state=state, signed_by=by)
        return replace(self, steps=tuple(done if one is step else one for one in self.steps))


def steps_of(chain: tuple[tuple[Signer, ...], ...]) -> tuple[Step, ...]:
    """Open steps, as a policy lists them: one after the other, an inner list side by side."""
    return tuple(Step(order, signer) for order, group in enumerate(chain, 1) for signer in group)
