"""What people may ask of a ticket, with all a clerk would fill in: the moves of random histories.

Mostly what is likely by somebody who may; sometimes anything by anyone.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random

from callcenter.types import CITIZEN, Actor, Role, TicketId, UnitId
from tests.support.histories import DRAWN
from tests.support.regions import calendar_of, policy_of
from tests.support.tickets import ROADS, WATER, contents
from ticketing import commands
from ticketing.aftercare import abuse, confidentiality, contacts, matters, merging, rechecks
from ticketing.aftercare.commitments import KeepCommitment
from ticketing.aftercare.follow_rules import CheckKind
from ticketing.approvals import approvals, supplement, termination
from ticketing.approvals.rules import Rank
from ticketing.approvals.signing import Gate
from ticketing.clocks import Calendar, Clock, DeadlineKind, Period, local_day
from ticketing.commands import AnyDetail, Changes, ReworkMode
from ticketing.dispatch import assists, disputes, hops, returns
from ticketing.dispatch.asking import UPSTREAM, new_deadline, room_of
from ticketing.limits import recalculation
from ticketing.policy import Policy, StatutoryLimit
from ticketing.record import Context, GuardFailed, Ticket
from ticketing.supervision import supervision
from ticketing.supervision.rules import Card
from ticketing.ticket import TRANSITIONS
from ticketing.words import Flag, RatingSource, State

HOUSING = UnitId("housing")
UNITS = (WATER, ROADS, HOUSING)
OTHER = TicketId("20260501000007")
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
STEPS = (timedelta(minutes=4), timedelta(minutes=20), timedelta(hours=1), timedelta(hours=5), timedelta(hours=26))
SYSTEM = Actor("system", "ticketing")
PLATFORM = Actor(UPSTREAM, "upstream")
AGENT = Actor("user", "hua-wu", frozenset({Role.AGENT}))
DISPATCHER = Actor("user", "pai-dan", frozenset({Role.DISPATCHER}))
REVIEWER = Actor("user", "shen-he", frozenset({Role.REVIEWER}))
SUPERVISORS = tuple(Actor("user", f"du-ban-{n}", frozenset({Role.SUPERVISOR})) for n in (1, 2))
AUDITOR = Actor("user", "shen-ji", frozenset({Role.AUDITOR}))
EARLY_ENDS = frozenset({"withdraw", "answer", "reject", "refer", "archive", "merge", "terminate"})
FORWARD = frozenset(
    {
        *("register", "forward", "dispatch", "sign", "start", "reply", "ask_signoff", "begin_survey", "rate", "close"),
        *("sign_approval", "supplement", "complete_approval", "note_cause", "rework", "unmerge", "note_contact"),
        *("grant_return", "ask_extension", "grant_extension", "rule_dispute"),
    }
)
"""What a ticket waits for; drawn more often than what runs beside it."""


@dataclass(frozen=True, slots=True)
class Scene:
    """A ticket at a moment, and the rules it is under."""

    ticket: Ticket
    policy: Policy
    calendar: Calendar
    now: datetime
    chance: Random

    def one(self, *choices: str) -> str:
        """One of these."""
        return self.chance.choice(choices)

    def often(self, share: float = 0.8) -> bool:
        """True in that share of cases."""
        return self.chance.random() < share

    @property
    def unit(self) -> UnitId:
        """Any unit."""
        return self.chance.choice(UNITS)


def _fields(s: Scene) -> Changes:
    policy = s.policy
    source = s.chance.choice(policy.sources) if s.often(0.3) else policy.sources[0]
    return Changes(
        request_type=s.chance.choice(policy.request_types),
        source=source,
        content="小区停水两天了，希望尽快恢复供水。",
        place="桂龙路",
        contact_name="李女士",
        urgent=s.often(0.2),
        confidential=s.often(0.1),
        requester_kind=policy.requester_kinds[0] if policy.requester_kinds else None,
        flags=frozenset(s.chance.sample(list(Flag), 1)) if s.often(0.25) else None,
    )


def _reject(s: Scene) -> AnyDetail:
    reason = s.chance.choice(s.policy.rejects)
    found = s.policy.answer.outcome(s.ticket.outcome) if s.policy.answer else None
    code = found.rejects if found and found.rejects not in ("", "any") else reason.code
    told = {"referred_to": "县人民法院", "earlier_ticket": OTHER, "verification": "已核实", "citation": "信访条例"}
    return commands.Reject(code, "已告知诉求人", **told)  # type: ignore[arg-type]


def _answer(s: Scene) -> AnyDetail:
    ways = s.policy.dispatching.ways if s.policy.dispatching else None
    return commands.Answer("办事大厅周一至周五开放", "12", way=ways.values[0] if ways else "")


def _refer(s: Scene) -> AnyDetail:
    ways = s.policy.dispatching.ways if s.policy.dispatching else None
    return commands.Refer("110", "请拨打110", ways.values[-1] if ways else "")


def _dispatch(s: Scene) -> AnyDetail:
    lead = s.unit
    others = tuple(unit for unit in UNITS if unit != lead)
    statutory = StatutoryLimit(Period(20, Clock.WORKING_DAY), "水法第三条", "局长") if s.often(0.15) else None
    return commands.Dispatch(
        lead,
        s.chance.choice([(), (), others[:1], others]),
        instruction="请核实并尽快恢复供水",
        basis="权责清单",
        phone_notice=commands.PhoneNotice(s.now, "值班室"),
        statutory=statutory,
        reason="已与诉求人说明",
    )


def _ask_extension(s: Scene) -> AnyDetail:
    context = Context(SYSTEM, s.policy, s.calendar, s.now)
    try:
        most = room_of(s.ticket, context).most
        amount = s.chance.randint(1, min(most, 5)) if most else 1
        due = local_day(new_deadline(s.ticket, amount, context).due_at)
    except GuardFailed:
        amount, due = 1, None
    return commands.AskExtension(amount, "配件未到", s.now, "王局长", "蒙水印字1号", due)


def _contents(s: Scene) -> commands.Contents:
    done = s.often()
    outcome = s.chance.choice([one.code for one in s.policy.answer.outcomes]) if s.policy.answer else ""
    explained = {"explanation": "已当面解释", "statement": "属于不受理情形", "verification": "已现场核实"}
    signed = {"signed_by": "王局长", "opinion_document": "意见书1号", "result_told_at": s.now, "result_told_by": "电话"}
    stage = {} if done else {"stage_result": "已立项", "follow_up_plan": "下月动工"}
    if not done and s.often(0.5):
        stage["follow_up_by"] = local_day(s.now) + s.chance.randint(1, 9) * DAY  # type: ignore[assignment]
    values = {**explained, **signed, **stage, "finished": done, "outcome": outcome if s.often(0.5) else ""}
    return contents(s.now, **values)


def _rate(s: Scene) -> AnyDetail:
    window = s.ticket.due(DeadlineKind.SURVEY)
    source = s.chance.choice(list(RatingSource))
    rating = s.chance.choice(s.policy.survey.levels)
    if source is RatingSource.DEFAULT:
        rating = s.policy.survey.no_reply or rating
    service = s.chance.choice(s.policy.survey.levels) if s.policy.follow and s.policy.follow.service else ""
    delivered = window.deadline.from_at if window else None
    return commands.Rate(rating, source, delivered_at=delivered, service=service)


def _cause(s: Scene) -> AnyDetail:
    said = s.chance.choice(s.policy.survey.levels) if s.often(0.3) else ""
    return commands.NoteCause(s.chance.choice(s.policy.survey.causes).code, "电话了解", said)


def _close(s: Scene) -> AnyDetail:
    return s.chance.choice(
        [
            commands.Close(),
            commands.Close("已当面解释", "UNREACHABLE"),
            commands.Close("答复依法依规", lawful=True),
            commands.Close("三次未接通", unrated=True),
        ]
    )


def _rework(s: Scene) -> AnyDetail:
    mode = ReworkMode.EXPLAIN if s.often(0.2) else ReworkMode.HANDLE
    return commands.Rework("问题没有解决", mode, not_done=True, untrue=s.often(0.2))


def _reject_reply(s: Scene) -> AnyDetail:
    return commands.RejectReply(s.policy.answer.defects[0].code if s.policy.answer else "VAGUE", "没有说清楚")


def _ask_approval(s: Scene) -> AnyDetail:
    likely = {State.REPLIED: Gate.BEFORE_FEEDBACK, State.REGISTERED: Gate.SCOPE}.get(s.ticket.state, Gate.REPORT)
    gate = likely if s.often(0.6) else s.chance.choice(list(Gate))
    return approvals.AskApproval(gate, "情况复杂，请批示")


def _sign_approval(s: Scene) -> AnyDetail:
    wrote = "请从速办理" if s.often(0.3) else ""
    return approvals.SignApproval("", "同意", wrote, "公章1号", "市热办〔2026〕1号")


def _ask_termination(s: Scene) -> AnyDetail:
    judged = tuple(termination.Judgement(one, "已多次依法答复") for one in (s.ticket.id, OTHER))
    return termination.AskTermination("同一诉求已依法答复", judged)


def _return(s: Scene) -> AnyDetail:
    return commands.AskReturn("不属于本单位职责", "三定方案第三条", "交通局", "转交通局办理", nothing_ours=True)


def _refuse_return(s: Scene) -> AnyDetail:
    cases = s.policy.returns.refusals
    return commands.RefuseReturn(s.chance.choice(cases).code if cases else "", "属于本单位职责")


def _rule_dispute(s: Scene) -> AnyDetail:
    lead = s.ticket.lead_unit if s.ticket.lead_unit and s.often() else s.unit
    return disputes.RuleDispute(lead, "由其牵头", "纪要〔2026〕3号", (), ("县委编办", "县司法局"))


def _link(s: Scene) -> AnyDetail:
    rules = tuple(rule.code for rule in s.policy.repeat.rules[:1]) if s.policy.repeat and s.often(0.4) else ()
    return matters.Link(OTHER, 1, s.chance.randint(2, 5), 2, rules, "主要负责人" if rules else "")


def _mark(s: Scene) -> AnyDetail:
    one = frozenset(s.chance.sample(list(Flag), 1))
    added = bool(s.ticket.flags & one)
    hide = None if s.often() else not s.ticket.confidential
    return confidentiality.Mark("核对标记", hide, add=frozenset() if added else one, drop=one if added else frozenset())


def _trigger(s: Scene) -> str:
    open_ones = sorted(s.ticket.supervising)
    if open_ones and s.often(0.9):
        return s.chance.choice(open_ones)
    return s.chance.choice(s.policy.supervise.triggers).code if s.policy.supervise else "OTHER"


def _supervise(s: Scene) -> AnyDetail:
    code = s.chance.choice(s.policy.supervise.triggers).code if s.policy.supervise else "OTHER"
    units = [None, *s.ticket.assist_units, *([s.ticket.lead_unit] if s.ticket.lead_unit else [])]
    return supervision.Supervise(code, "请尽快办理", s.chance.choice(units))


def _abuse(s: Scene) -> AnyDetail:
    kind = s.policy.abuse.kinds[0].code if s.policy.abuse else ""
    proof = (abuse.Evidence(abuse.EvidenceKind.CALL, "a-1763800000.12"),)
    return abuse.NoteAbuse(abuse.AbuseStep.NOTED, "反复骚扰", kind, proof)


def _contact(s: Scene) -> AnyDetail:
    reached = s.chance.choice(list(contacts.Reached))
    purpose = s.chance.choice(list(contacts.Purpose))
    return contacts.NoteContact(s.now, "电话", "已说明情况", purpose, reached, "诉求人要求此时联系")


def _outage(s: Scene) -> AnyDetail:
    return returns.NoteOutage(s.now - HOUR, s.now, "外网中断", "电信通知1号")


def _recalculate(s: Scene) -> AnyDetail:
    moved = tuple(
        recalculation.Moved(due.deadline.kind, due.deadline.due_at, due.deadline.due_at, applied=True)
        for due in s.ticket.dues
        if due.open
    )
    return recalculation.Recalculate(s.calendar.version, moved, "放假安排通知")


def _publish(s: Scene) -> AnyDetail:
    return confidentiality.DecidePublication(s.often(0.5), "已审核", consent=True, suitable=True)


MOVES: dict[str, Callable[[Scene], AnyDetail]] = {
    "edit": lambda s: commands.Edit(Changes(place="别处") if s.often(0.7) else _fields(s), "核对"),
    "register": lambda s: commands.Register(_fields(s), "来电人直接拨打，经站长同意"),
    "answer": _answer,
    "reject": _reject,
    "refer": _refer,
    "forward": lambda s: commands.Forward(),
    "withdraw": lambda s: commands.Withdraw("诉求人要求撤回"),
    "dispatch": _dispatch,
    "add_assist": lambda s: commands.AddAssist(s.unit, "需要挖开路面"),
    "sign": lambda s: commands.Sign("张师傅"),
    "start": lambda s: commands.Start(commands.Contact(s.now, "电话", "已受理"), "王局长", Rank.PRINCIPAL),
    "ask_return": _return,
    "grant_return": lambda s: commands.GrantReturn("确属他人职责"),
    "refuse_return": _refuse_return,
    "ask_extension": _ask_extension,
    "grant_extension": lambda s: commands.GrantExtension(s.chance.randint(1, max(1, s.ticket.extension_asked))),
    "refuse_extension": lambda s: commands.RefuseExtension("理由不充分"),
    "reply": lambda s: commands.Reply(_contents(s)),
    "reject_reply": _reject_reply,
    "begin_survey": lambda s: commands.BeginSurvey("经核对可以回访", "主工单已办结：已恢复供水" if s.often() else ""),
    "survey_delivered": lambda s: commands.SurveyDelivered(s.now),
    "rate": _rate,
    "note_cause": _cause,
    "close": _close,
    "rework": _rework,
    "archive": lambda s: commands.Archive(),
    "ask_supplement": lambda s: supplement.AskSupplement("请补充具体门牌号"),
    "supplement": lambda s: supplement.Supplement(Changes(place="桂龙路12号"), "已补充"),
    "ask_approval": _ask_approval,
    "sign_approval": _sign_approval,
    "decline_approval": lambda s: approvals.DeclineApproval("请补充材料"),
    "complete_approval": lambda s: approvals.CompleteApproval(),
    "ask_signoff": lambda s: approvals.AskSignoff(_contents(s)),
    "ask_termination": _ask_termination,
    "terminate": lambda s: termination.Terminate(),
    "forward_down": lambda s: hops.ForwardDown(s.unit, "三日内办结"),
    "hand_back": lambda s: hops.HandBack("不属于本单位职责", "三定方案"),
    "deem_signed": lambda s: returns.DeemSigned(),
    "open_dispute": lambda s: disputes.OpenDispute("职责不清", (WATER, ROADS)),
    "rule_dispute": _rule_dispute,
    "sign_assist": lambda s: assists.SignAssist("李师傅"),
    "give_opinion": lambda s: assists.GiveOpinion("同意一并开挖", refused=s.often(0.2)),
    "report_progress": lambda s: assists.ReportProgress("正在勘察"),
    "note_outage": _outage,
    "note_contact": _contact,
    "keep_commitment": lambda s: KeepCommitment("已全部完工", s.now),
    "urge": lambda s: matters.Urge("诉求人来电询问"),
    "look_back": lambda s: rechecks.LookBack(
        s.chance.choice(list(CheckKind)), s.chance.choice(list(rechecks.Found)), "现场查看"
    ),
    "link": _link,
    "unlink": lambda s: matters.Unlink("核对后不是同一事项"),
    "merge": lambda s: merging.Merge(OTHER, "同一停水事件"),
    "unmerge": lambda s: merging.Unmerge("情况不同，单独办理"),
    "flag": _mark,
    "supervise": _supervise,
    "answer_supervision": lambda s: supervision.AnswerSupervision(_trigger(s), "已抢修"),
    "end_supervision": lambda s: supervision.EndSupervision(_trigger(s), "已办结"),
    "warn": lambda s: supervision.Warn(s.chance.choice(list(Card)), "临近期限"),
    "note_abuse": _abuse,
    "recalculate": _recalculate,
    "decide_publication": _publish,
}


def people_of(policy: Policy) -> tuple[Actor, ...]:
    """Everybody who has to do with tickets under this text; a leader for every title it names."""
    gates = [*(policy.approval.gates if policy.approval else ())]
    gates += [policy.termination.rule] if policy.termination else []
    titles = sorted({signer.name for gate in gates for group in gate.chain for signer in group})
    lead = frozenset({Role.LEADER})
    leaders = [Actor("user", f"leader-{n}", lead, titles=frozenset({title})) for n, title in enumerate(titles)]
    handlers = [Actor("user", f"{unit}-man", frozenset({Role.UNIT}), unit) for unit in UNITS]
    heads = [Actor("user", f"{unit}-head", frozenset({Role.UNIT_HEAD}), unit) for unit in UNITS]
    desk = (AGENT, DISPATCHER, REVIEWER, *SUPERVISORS, AUDITOR)
    return (*desk, *handlers, *heads, *leaders, SYSTEM, PLATFORM, CITIZEN)


@dataclass
class Moves:
    """Draws what happens next under one region's text. skip: events never drawn."""

    region: str
    skip: frozenset[str] = frozenset()
    policy: Policy = field(init=False)
    calendar: Calendar = field(init=False)
    people: tuple[Actor, ...] = field(init=False)
    fitting: dict[tuple[str, str], list[Actor]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.policy, self.calendar = policy_of(self.region), calendar_of(self.region)
        self.people = people_of(self.policy)
        for (state, event), row in TRANSITIONS.items():
            may = [one for one in self.people if (one.roles & row.roles) or (row.system and one.kind != "user")]
            self.fitting[state, event] = may

    def next_step(self, chance: Random, ticket: Ticket, state: str, now: datetime) -> tuple[AnyDetail, Actor]:
        """What somebody asks now."""
        scene = Scene(ticket, self.policy, self.calendar, now, chance)
        if chance.random() < 0.06:
            name = chance.choice([move for move in MOVES if move not in self.skip])
            return MOVES[name](scene), chance.choice(self.people)
        name = self._likely(chance, state, ticket)
        return MOVES[name](scene), self._somebody(chance, ticket, state, name)

    def _likely(self, chance: Random, state: str, ticket: Ticket) -> str:
        names = [name for name in DRAWN[state] if name not in self.skip]
        if ticket.signing is not None and "sign_approval" in names and chance.random() < 0.5:
            return "sign_approval"
        if ticket.authority is not None and "hand_back" in names and chance.random() < 0.3:
            return "hand_back"
        if ticket.matter is None and "link" in names and chance.random() < 0.03:
            return "link"
        forward = [name for name in names if name in FORWARD and not self._vain(name, ticket)]
        if forward and chance.random() < 0.7:
            return chance.choice(forward)
        kept = [name for name in names if name not in EARLY_ENDS or chance.random() < 0.25]
        return chance.choice(kept or names)

    def _vain(self, name: str, ticket: Ticket) -> bool:
        """Whether even a beginner would not ask for it now."""
        open_for = {
            "grant_return": ticket.return_open,
            "grant_extension": bool(ticket.extension_asked),
            "rule_dispute": ticket.dispute_open,
            "reply": self.region != "mengcheng" and not ticket.return_open,
            "ask_signoff": self.region == "mengcheng" and not ticket.return_open,
            "sign_approval": ticket.signing is not None,
            "complete_approval": False,
        }
        return not open_for.get(name, True)

    def _somebody(self, chance: Random, ticket: Ticket, state: str, name: str) -> Actor:
        fitting = self.fitting.get((state, name)) or list(self.people)
        if name in ("sign_approval", "decline_approval") and ticket.signing is not None:
            able = [one for one in self.people if ticket.signing.step_for(one) is not None]
            return chance.choice(able or fitting)
        ours = (None, ticket.lead_unit, ticket.authority, *ticket.assist_units)
        return chance.choice([one for one in fitting if one.unit in ours] or fitting)
