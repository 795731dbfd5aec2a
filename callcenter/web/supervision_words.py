"""What the regulation lets a supervisor choose from: reasons, forms, cards, steps, ends; and the units by name."""

from sqlalchemy import select

from callcenter.types import Role
from callcenter.web.context import Context
from callcenter.web.router import Out, Routes
from ticketing import store
from ticketing.clocks import DeadlineKind
from ticketing.dispatch.units_tables import unit
from ticketing.policy import Policy
from ticketing.supervision.rules import CARD_NAMES, FORM_NAMES, On

api = Routes("supervision")
READERS = frozenset(
    {Role.DISPATCHER, Role.REVIEWER, Role.SUPERVISOR, Role.AUDITOR, Role.UNIT, Role.UNIT_HEAD, Role.LEADER}
)


class BasedChoice(Out):
    """One value to send, with the article it comes from."""

    code: str
    name: str
    basis: str


class FormChoice(Out):
    code: str
    name: str


class ReasonChoice(BasedChoice):
    """by_hand: may be chosen by a person; the others begin by themselves as well."""

    by_hand: bool


class FindingChoice(BasedChoice):
    at_least: int


class CaseReasonChoice(BasedChoice):
    """staff: may name a member of the hotline's own staff."""

    staff: bool


class SeverityChoice(BasedChoice):
    """recipients: to whom a proposal goes."""

    recipients: list[str]


class RungChoice(BasedChoice):
    """severe: only for the gravest severity."""

    severe: bool


class UnitName(Out):
    id: str
    name: str
    active: bool


class SupervisionWords(Out):
    """Empty lists: the regulation that runs here has nothing of the kind."""

    triggers: list[ReasonChoice]
    forms: list[FormChoice]
    forms_basis: str
    joint: list[str]
    joint_basis: str
    delegate: bool
    cards: list[BasedChoice]
    findings: list[FindingChoice]
    reasons: list[CaseReasonChoice]
    severities: list[SeverityChoice]
    ladder: list[RungChoice]
    outcomes: list[BasedChoice]
    roster_kinds: list[str]
    leader_session_weeks: int | None
    session_basis: str
    deadline_kinds: list[str]
    units: list[UnitName]


@api.get("/api/supervision-words", READERS)
async def supervision_words(ctx: Context) -> SupervisionWords:
    """督办、预警、问责、值班可选的事项及其依据，和承办单位名称；承办单位只见本单位"""
    scope = store.unit_scope(ctx.actor)
    query = select(unit.c.id, unit.c.name, unit.c.active).order_by(unit.c.name)
    async with ctx.transaction() as tx:
        rows = await tx.execute(query if scope is None else query.where(unit.c.id == scope))
        units = [UnitName(id=row.id, name=row.name, active=row.active) for row in rows]
    policy = ctx.services.rules.at(ctx.now)
    return SupervisionWords.model_validate({**_supervising(policy), **_accounting(policy), "units": units})


def _supervising(policy: Policy) -> dict[str, object]:
    rules, cards, roster = policy.supervise, policy.cards, policy.roster
    triggers = rules.triggers if rules else ()
    return {
        "triggers": [
            ReasonChoice(code=one.code, name=one.label, basis=str(one.basis), by_hand=one.on is not On.KNOWLEDGE)
            for one in triggers
        ],
        "forms": [FormChoice(code=one, name=FORM_NAMES[one]) for one in (rules.forms if rules else ())],
        "forms_basis": str(rules.forms_basis) if rules else "",
        "joint": list(rules.joint) if rules else [],
        "joint_basis": str(rules.joint_basis) if rules else "",
        "delegate": rules.delegate if rules else False,
        "cards": [
            BasedChoice(code=one.level, name=CARD_NAMES[one.level], basis=str(one.basis))
            for one in (cards.levels if cards else ())
        ],
        "roster_kinds": list(roster.kinds) if roster else [],
        "leader_session_weeks": roster.leader_session_weeks if roster else None,
        "session_basis": str(roster.session_basis) if roster else "",
        "deadline_kinds": list(DeadlineKind),
    }


def _accounting(policy: Policy) -> dict[str, object]:
    rules = policy.accountability
    if rules is None:
        return {"findings": [], "reasons": [], "severities": [], "ladder": [], "outcomes": []}
    return {
        "findings": [
            FindingChoice(code=one.finding, name=one.label, basis=str(one.basis), at_least=one.at_least)
            for one in rules.findings
        ],
        "reasons": [
            CaseReasonChoice(code=one.code, name=one.label, basis=str(one.basis), staff=one.staff)
            for one in rules.reasons
        ],
        "severities": [
            SeverityChoice(code=one.code, name=one.label, basis=str(one.basis), recipients=list(one.recipients))
            for one in rules.severities
        ],
        "ladder": [
            RungChoice(code=one.code, name=one.label, basis=str(one.basis), severe=one.severe) for one in rules.ladder
        ],
        "outcomes": [BasedChoice(code=one.code, name=one.label, basis=str(one.basis)) for one in rules.outcomes],
    }
