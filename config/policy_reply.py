"""The sections `answer` and `reach` of a policy file: replies beyond their fields, and how citizens are reached."""

from collections.abc import Callable

from pydantic import Field

from config.policy_base import Cited, PeriodText, ReplyFields, Strict, TimeText
from ticketing.aftercare.reply_rules import AnswerRules, Defect, Outcome, ReachRules
from ticketing.rules import Basis

Cite = Callable[[list[str]], Basis]


class OutcomePart(Strict):
    """reviewed: a person of the hotline must accept it. rejects: the code of `reject` it leads to."""

    code: str = Field(pattern=r"^[a-z][a-z_]{1,39}$")
    label: str
    needs: ReplyFields = Field(default_factory=list)
    reviewed: bool = False
    rejects: str = ""
    basis: Cited


class DefectPart(Strict):
    code: str = Field(pattern=r"^[A-Z][A-Z_]{1,39}$")
    label: str
    basis: Cited


class AnswerPart(Strict):
    """contact_basis, told_basis, opinion_basis: left out where the regulation asks for no such thing."""

    outcomes: list[OutcomePart]
    defects: list[DefectPart] = Field(min_length=1)
    contact_basis: Cited | None = None
    told_basis: Cited | None = None
    opinion_basis: Cited | None = None
    commitment: PeriodText
    basis: Cited


class ReachPart(Strict):
    tries: int = Field(ge=1, le=20)
    per_ticket: int = Field(ge=1, le=20)
    per_person: int = Field(ge=1, le=20)
    opens: TimeText
    closes: TimeText
    basis: Cited


def answer_rules(part: AnswerPart | None, cite: Cite) -> AnswerRules | None:
    """The section as a value."""
    if part is None:
        return None
    return AnswerRules(
        outcomes=tuple(
            Outcome(o.code, o.label, tuple(o.needs), o.reviewed, o.rejects, cite(o.basis)) for o in part.outcomes
        ),
        defects=tuple(Defect(d.code, d.label, cite(d.basis)) for d in part.defects),
        contact=cite(part.contact_basis) if part.contact_basis else None,
        told=cite(part.told_basis) if part.told_basis else None,
        opinion=cite(part.opinion_basis) if part.opinion_basis else None,
        commitment=part.commitment,
        basis=cite(part.basis),
    )


def reach_rules(part: ReachPart | None, cite: Cite) -> ReachRules | None:
    """The section as a value."""
    if part is None:
        return None
    return ReachRules(part.tries, part.per_ticket, part.per_person, part.opens, part.closes, cite(part.basis))
