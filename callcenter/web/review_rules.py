"""The policy's choices for a reviewer, each with its article, as the screen shows them. PURE."""

from collections.abc import Sequence
from typing import Any

from callcenter.web.review_shapes import AbuseRow, AbuseRules, ClosingRows, CodeRow, ReworkRows
from callcenter.web.ticket_shapes import Veil
from ticketing.aftercare import closing
from ticketing.aftercare.follow_rules import Unrated
from ticketing.policy import Policy
from ticketing.record import Ticket


def code_rows(coded: Sequence[Any], article: str = "") -> list[CodeRow]:
    """Codes with their labels; those with a basis of their own show it."""
    return [
        CodeRow(
            code=getattr(one, "code", None) or str(one.kind),
            label=one.label,
            article=str(getattr(one, "basis", article)),
            objective=bool(getattr(one, "objective", False)),
        )
        for one in coded
    ]


def closing_rows(ticket: Ticket, policy: Policy) -> ClosingRows:
    """In which ways this ticket can be closed by a person."""
    rules, follow = policy.survey, policy.follow
    rounds_used = follow is not None and follow.rounds is not None and ticket.round > follow.rounds
    unrated = follow is not None and follow.unrated is Unrated.CLOSE and ticket.rating is None
    return ClosingRows(
        satisfied=closing.satisfied(ticket, policy) or closing.settled_by_call(ticket, policy),
        explained=str(rules.unsatisfied_basis),
        explained_causes=[cause.code for cause in rules.causes if cause.objective or rounds_used],
        any=rounds_used,
        lawful=str(follow.lawful) if follow is not None and follow.lawful is not None else "",
        unrated=str(follow.unrated_basis) if follow is not None and unrated else "",
    )


def rework_rows(policy: Policy) -> ReworkRows:
    """What a new round asks for."""
    follow = policy.follow
    if follow is None:
        return ReworkRows(judged="", explain="", rounds=None, rounds_article="", untrue="")
    return ReworkRows(
        judged=str(follow.judged) if follow.judged is not None else "",
        explain=str(follow.explain_basis) if follow.explain is not None else "",
        rounds=follow.rounds,
        rounds_article=str(follow.rounds_basis),
        untrue=str(follow.untrue_basis),
    )


def abuse_rules(
    policy: Policy, records: Sequence[Any], people: dict[str, str], me: str, veil: Veil
) -> AbuseRules | None:
    """Kinds of nuisance and what is on record of this ticket; None: the policy knows no such thing."""
    rules = policy.abuse
    if rules is None:
        return None
    names = {one.code: one.label for one in rules.kinds}
    return AbuseRules(
        article=str(rules.basis),
        kinds=code_rows(rules.kinds, str(rules.basis)),
        authorities=list(rules.authorities),
        records=[
            AbuseRow(
                id=row.id,
                kind_name=names.get(row.kind, row.kind),
                state=row.state,
                note=veil.text(row.note),
                evidence=[str(one.get("ref", "")) for one in row.evidence],
                noted_at=row.noted_at,
                noted_by=people.get(row.noted_by, row.noted_by),
                mine=row.noted_by == me,
            )
            for row in records
        ],
    )
