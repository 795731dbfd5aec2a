"""Secrets: marks, publication, whom a ticket is shown, nuisance, archive numbers, the citizen's own view."""

from dataclasses import fields, replace
from datetime import date

import pytest

from callcenter.types import Actor, Role
from tests.support.regions import DAY, MONDAY, act, handling, policy_of, rated, registered, with_unit
from tests.support.tickets import AGENT, AUDITOR, DISPATCHER, REVIEWER, SUPERVISOR, WATER_MAN, local
from ticketing import commands
from ticketing.aftercare.abuse import AbuseNoted, AbuseStep, Evidence, EvidenceKind, NoteAbuse
from ticketing.aftercare.archive_numbers import Week, archive_number, week_of
from ticketing.aftercare.citizen_view import NEXT_STEPS, Progress, progress_of
from ticketing.aftercare.confidentiality import (
    PUBLIC,
    WITHHELD,
    DecidePublication,
    Mark,
    PublicationDecided,
    is_secret,
    masks_citizen,
    may_see,
)
from ticketing.record import GuardFailed, NotYours, Ticket
from ticketing.words import Flag, State

HIDE = Mark("诉求人要求保密", confidential=True)
LEADER = Actor("user", "ling-dao", frozenset({Role.LEADER}))


def done(region: str = "longsheng", **values: object) -> Ticket:
    return replace(rated(region, "满意"), state=State.CLOSED, closed_at=MONDAY, **values)  # type: ignore[arg-type]


@pytest.mark.parametrize("actor", [AGENT, REVIEWER, DISPATCHER])
@pytest.mark.parametrize("state", [State.REGISTERED, State.HANDLING, State.CLOSED, State.ARCHIVED])
def test_anybody_of_the_hotline_hides_a_citizen_at_any_time(actor: Actor, state: State) -> None:
    ticket = replace(registered("longsheng"), state=state)
    assert act("longsheng", ticket, HIDE, actor)[0].confidential


@pytest.mark.parametrize(
    "detail",
    [Mark("可以公开", confidential=False), Mark("无关", drop=frozenset({Flag.STAFF})), Mark("无关", sensitivity="")],
)
def test_only_a_reviewer_uncovers(detail: Mark) -> None:
    ticket = replace(
        registered("longsheng"), confidential=True, flags=frozenset({Flag.STAFF}), sensitivity="work_secret"
    )
    with pytest.raises(GuardFailed, match="审核员或督办员"):
        act("longsheng", ticket, detail, AGENT)
    assert act("longsheng", ticket, detail, REVIEWER)[0] != ticket


@pytest.mark.clause("LS-096", "GZ-019", "WX-031")
@pytest.mark.parametrize(
    ("region", "code"),
    [
        *(("longsheng", code) for code in ("personal", "work_secret", "sensitive", "non_public")),
        ("ganzhou", "state_secret"),
        ("weixi", "non_public"),
    ],
)
def test_sensitive_content_has_a_class_and_is_never_published(region: str, code: str) -> None:
    marked = act(region, done(region, publication=PUBLIC), Mark("涉及工作秘密", sensitivity=code), REVIEWER)[0]
    assert (marked.sensitivity, marked.publication) == (code, WITHHELD)
    with pytest.raises(GuardFailed, match="不得公开"):
        act(region, marked, DecidePublication(True, "公开", True, True), REVIEWER)
    with pytest.raises(GuardFailed, match="没有「gossip」这种涉密类别"):
        act(region, marked, Mark("x", sensitivity="gossip"), REVIEWER)


@pytest.mark.clause("LS-084", "WX-031", "GZ-019", "MC-062")
@pytest.mark.parametrize("region", ["longsheng", "weixi", "ganzhou", "mengcheng"])
def test_nothing_is_public_without_consent_fitness_and_a_decision(region: str) -> None:
    ticket = done(region)
    assert ticket.publication == ""
    for consent, suitable in ((False, True), (True, False), (False, False)):
        with pytest.raises(GuardFailed, match="默认不公开"):
            act(region, ticket, DecidePublication(True, "典型案例", consent, suitable), REVIEWER)
    public, told = act(region, ticket, DecidePublication(True, "典型案例", True, True), REVIEWER)
    assert (public.publication, told) == (PUBLIC, (PublicationDecided(ticket.id, 1, MONDAY, True),))
    for secret in ({"confidential": True}, {"flags": frozenset({Flag.SENSITIVE})}, {"flags": frozenset({Flag.STAFF})}):
        hidden = replace(ticket, **secret)
        assert is_secret(hidden)
        with pytest.raises(GuardFailed, match="不得公开"):
            act(region, hidden, DecidePublication(True, "典型案例", True, True), REVIEWER)
    with pytest.raises(NotYours):
        act(region, ticket, DecidePublication(False, "不公开"), AGENT)


@pytest.mark.clause("WX-013", "GZ-065", "MC-048")
@pytest.mark.parametrize("region", ["weixi", "ganzhou", "mengcheng"])
@pytest.mark.parametrize(("request_type", "masked"), [("投诉", True), ("举报", True), ("咨询", False)])
def test_who_complains_or_reports_is_shown_to_nobody_without_need(region: str, request_type: str, masked: bool) -> None:
    ticket = replace(registered(region), request_type=request_type)
    assert masks_citizen(ticket, policy_of(region)) is masked
    assert masks_citizen(replace(ticket, confidential=True), policy_of(region))


@pytest.mark.parametrize("flag", [Flag.STAFF, Flag.SENSITIVE])
@pytest.mark.parametrize(
    ("actor", "sees"),
    [
        (AGENT, False),
        (DISPATCHER, True),
        (REVIEWER, True),
        (SUPERVISOR, True),
        (AUDITOR, True),
        (LEADER, True),
        (WATER_MAN, True),
    ],
)
def test_tickets_about_staff_and_secrets_are_seen_by_fewer(flag: Flag, actor: Actor, sees: bool) -> None:
    ticket = replace(handling("longsheng"), flags=frozenset({flag}))
    assert may_see(actor, ticket) is sees
    assert may_see(AGENT, replace(ticket, state=State.REGISTERED))
    assert may_see(AGENT, replace(ticket, flags=frozenset()))


# ---- nuisance -----------------------------------------------------------------------------------------------------

NOTED = NoteAbuse(
    AbuseStep.NOTED, "一日内来电四十次辱骂话务员", "insulting", (Evidence(EvidenceKind.CALL, "a-1763800000.12"),)
)


@pytest.mark.clause("MC-022")
@pytest.mark.parametrize(
    ("detail", "says"),
    [
        (replace(NOTED, note=" "), "写明情况"),
        (replace(NOTED, kind="rude"), "选定滋扰情形"),
        (replace(NOTED, evidence=()), "须附证据"),
        (NoteAbuse(AbuseStep.CONFIRMED, "属实"), "选定要复核"),
        (NoteAbuse(AbuseStep.HANDED_OVER, "移交", record=1, authority="物业"), "选定移交的部门"),
    ],
)
def test_nuisance_is_noted_with_evidence_and_handed_over_by_the_book(detail: NoteAbuse, says: str) -> None:
    with pytest.raises(GuardFailed, match=says) as refused:
        act("mengcheng", registered("mengcheng"), detail, AGENT)
    assert refused.value.article == "第十三条"


@pytest.mark.clause("MC-022", "LS-009")
def test_nobody_is_blocked_for_nuisance() -> None:
    ticket = registered("mengcheng")
    after, told = act("mengcheng", ticket, NOTED, AGENT)
    assert replace(after, version=ticket.version, updated_at=ticket.updated_at) == ticket
    assert isinstance(told[0], AbuseNoted)
    with pytest.raises(GuardFailed, match="没有移交滋扰行为的程序"):
        act("longsheng", registered("longsheng"), NOTED, AGENT)
    refused = act("longsheng", registered("longsheng"), commands.Reject("ABUSE", "已告知"), AGENT)[0]
    assert refused.state is State.REJECTED


# ---- archive numbers, the citizen's view --------------------------------------------------------------------------


@pytest.mark.clause("GZ-054")
@pytest.mark.parametrize(
    ("now", "week", "number"),
    [
        (local(2026, 6, 1, 0, 0), Week(2026, 23), "GZ-2026W23-00007"),
        (local(2026, 5, 31, 23, 59), Week(2026, 22), "GZ-2026W22-00007"),
        (local(2027, 1, 1, 12, 0), Week(2026, 53), "GZ-2026W53-00007"),
        (local(2024, 12, 30, 8, 0), Week(2025, 1), "GZ-2025W1-00007"),
    ],
)
def test_archive_numbers_count_by_iso_week(now: object, week: Week, number: str) -> None:
    rule = policy_of("ganzhou").numbering
    assert rule is not None
    assert (week_of(now), archive_number(rule, week, 7)) == (week, number)  # type: ignore[arg-type]
    assert week.begins_on.isoweekday() == 1
    assert Week(2026, 23).begins_on == date(2026, 6, 1)


@pytest.mark.clause("MC-064")
def test_a_citizen_sees_status_unit_next_step_and_promise_and_no_identity() -> None:
    ticket = with_unit("mengcheng")
    seen = progress_of(ticket, "县水务局")
    assert (seen.status, seen.unit, seen.next_step) == ("已签收", "县水务局", "承办单位将与您联系")
    assert seen.promised_at is not None
    assert seen.promised_at > MONDAY + 5 * DAY
    assert {field.name for field in fields(Progress)}.isdisjoint({"requester", "contact_name", "content", "call_id"})
    assert progress_of(replace(ticket, flags=frozenset({Flag.STAFF})), "县水务局").unit == ""
    assert progress_of(registered("mengcheng"), "县水务局").unit == ""
    assert all(
        NEXT_STEPS.get(state) or "没有后续步骤" in progress_of(replace(ticket, state=state), "").next_step
        for state in State
    )
