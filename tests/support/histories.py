"""What may happen to a ticket, drawn on one page by hand, and what a clerk would remember of it.

Nothing here asks the product's table, guards or effects: it is the other side of a comparison.
"""

from dataclasses import dataclass, field

from callcenter.types import Actor, TicketId, UnitId
from ticketing import commands
from ticketing.aftercare import confidentiality, matters, merging
from ticketing.approvals import approvals
from ticketing.clocks import DeadlineKind
from ticketing.commands import AnyDetail
from ticketing.dispatch import assists, disputes, hops
from ticketing.record import Ticket
from ticketing.supervision import supervision

K = DeadlineKind
COURSE = """
draft: edit register>registered withdraw>withdrawn
registered: edit answer>answered reject>rejected refer>referred withdraw>withdrawn forward>awaiting_dispatch
registered: dispatch>dispatched ask_supplement>awaiting_supplement ask_approval>awaiting_approval merge>merged
awaiting_supplement: supplement>registered reject>rejected withdraw>withdrawn
awaiting_approval: sign_approval decline_approval>registered complete_approval>awaiting_dispatch
awaiting_approval: reject>rejected withdraw>withdrawn merge>merged
awaiting_dispatch: edit answer>answered reject>rejected refer>referred withdraw>withdrawn
awaiting_dispatch: dispatch>dispatched ask_supplement>awaiting_supplement ask_approval>awaiting_approval merge>merged
dispatched: sign>signed deem_signed>signed
signed: start>handling
handling: reply>replied ask_signoff>awaiting_unit_signoff
awaiting_unit_signoff: sign_approval decline_approval>handling reply>replied
replied: reject_reply>handling reject>rejected begin_survey>surveying ask_approval>awaiting_feedback_approval
awaiting_feedback_approval: sign_approval decline_approval>handling begin_survey>surveying
surveying: survey_delivered rate note_cause close>closed rework>awaiting_dispatch
closed: rework>awaiting_dispatch archive>archived
archived: rework>awaiting_dispatch
answered: archive>archived
rejected: archive>archived
referred: archive>archived
withdrawn: archive>archived
terminated: archive>archived
merged: unmerge>awaiting_dispatch begin_survey>surveying
"""
DESK = "registered awaiting_approval awaiting_dispatch"
UNIT = "dispatched signed handling"
AFTER = "replied awaiting_feedback_approval surveying closed"
ENDS = "answered rejected referred withdrawn terminated"
OPEN = f"draft awaiting_supplement {DESK} {UNIT} awaiting_unit_signoff replied awaiting_feedback_approval"
EVERY = f"{OPEN} surveying closed archived merged {ENDS}"
BESIDE = {
    "flag": EVERY,
    "note_abuse": EVERY.replace(" archived", ""),
    "recalculate": EVERY.replace(" archived", "").removeprefix("draft "),
    "link unlink": OPEN,
    "urge": f"{OPEN.removeprefix('draft ')} surveying",
    "end_supervision": f"{DESK} {UNIT} awaiting_unit_signoff {AFTER} {ENDS}",
    "supervise": f"{DESK} {UNIT} awaiting_unit_signoff {AFTER}",
    "answer_supervision warn note_contact": f"{UNIT} awaiting_unit_signoff {AFTER}",
    "keep_commitment": AFTER,
    "look_back": "closed archived",
    "decide_publication": "closed archived answered rejected referred terminated",
    "open_dispute rule_dispute": f"awaiting_dispatch {UNIT}",
    "ask_approval complete_approval": UNIT,
    "sign_approval decline_approval ask_termination terminate>terminated": f"{UNIT} replied surveying",
    "sign_assist give_opinion report_progress": f"{UNIT} awaiting_unit_signoff",
    "edit add_assist ask_return refuse_return grant_return>awaiting_dispatch note_outage hand_back>signed": UNIT,
    "forward_down>dispatched ask_extension grant_extension refuse_extension": "signed handling",
}


def _drawn() -> dict[str, dict[str, str]]:
    arrows = [line.split(": ") for line in COURSE.strip().splitlines()]
    arrows += [[state, events] for events, states in BESIDE.items() for state in states.split()]
    drawing: dict[str, dict[str, str]] = {}
    for state, events in arrows:
        for event in events.split():
            name, _, to = event.partition(">")
            assert name not in drawing.setdefault(state, {}), f"{name} is drawn twice at {state}"
            drawing[state][name] = to or state
    return drawing


DRAWN = _drawn()
"""state -> event -> the state after it."""
FINAL = frozenset(ENDS.split()) | {"closed", "archived"}
AT_A_UNIT = frozenset(f"{UNIT} awaiting_unit_signoff {AFTER}".split())
SAID_ELSEWHERE = frozenset({"supervise", "answer_supervision", "warn"})
"""Events whose facts only the rows beside the ticket can tell: they carry the row's number."""

CLOCKS: dict[DeadlineKind, str] = {
    K.DISPATCH: "registered awaiting_dispatch",
    K.SUPPLEMENT: "awaiting_supplement",
    K.SIGN: "dispatched",
    K.RETURN: f"{UNIT} awaiting_unit_signoff",
    K.HANDLE: f"{UNIT} awaiting_unit_signoff",
    K.PROGRESS: f"{UNIT} awaiting_unit_signoff",
    K.CONTACT: f"{UNIT} awaiting_unit_signoff replied awaiting_feedback_approval surveying",
    K.SURVEY: "surveying",
    K.COMMITMENT: AFTER,
    # When a unit gives the ticket back the hub ends what it was supervised for; here it may still run then.
    K.SUPERVISION: f"awaiting_supplement merged {DESK} {UNIT} awaiting_unit_signoff {AFTER}",
}
"""Where each clock may run."""
GATE_OPEN: dict[str, str] = {
    "before_dispatch": "awaiting_approval",
    "scope": "awaiting_approval",
    "signoff": "awaiting_unit_signoff",
    "before_feedback": "awaiting_feedback_approval",
    "report": UNIT,
    "termination": f"{UNIT} replied surveying",
}
SIGNATURES = {
    ("ganzhou", "before_dispatch"): 2,
    ("ganzhou", "report"): 1,
    ("longsheng", "report"): 2,
    ("suqian", "scope"): 1,
    ("mengcheng", "before_dispatch"): 1,
    ("mengcheng", "signoff"): 1,
    ("mengcheng", "before_feedback"): 3,
    ("mengcheng", "report"): 1,
    ("mengcheng", "termination"): 4,
}
"""How many signatures each text asks for; a gate that is not here is none of that text's."""
GATE_OF = {"ask_signoff": "signoff", "ask_termination": "termination"}
RETURNS_DISPUTED = 2
COMPLETES = {"complete_approval", "terminate"}


def needs_signature(region: str, ticket: Ticket) -> bool:
    """Whether the text has leaders sign before a dispatch: 甘州 第十一条(四), 蒙城 第十条(四)."""
    if region == "mengcheng":
        return "key" in ticket.flags or ticket.request_no >= 2
    told = "leader" in ticket.flags and not ticket.leader_instruction
    return region == "ganzhou" and ("key" in ticket.flags or told)


@dataclass
class Model:
    """What a clerk would have written down. The page says where it goes; these are the things that must not double."""

    region: str
    state: str = "draft"
    accepted: int = 1
    round: int = 1
    registered: bool = False
    lead: UnitId | None = None
    authority: UnitId | None = None
    assists: tuple[UnitId, ...] = ()
    master: TicketId | None = None
    ratings: dict[int, str] = field(default_factory=dict)
    return_open: bool = False
    returns: int = 0
    extension_open: bool = False
    dispute_open: bool = False
    ruled: bool = False
    gate: str = ""
    asked_by: str = ""
    signers: tuple[str, ...] = ()
    cleared: set[str] = field(default_factory=set)
    supervising: set[str] = field(default_factory=set)
    promised: bool = False

    def took(self, detail: AnyDetail, actor: Actor) -> None:
        """Writes down one accepted command; what must not happen is an assertion."""
        self.accepted += 1
        self._units(detail)
        self._requests(detail)
        self._signed(detail, actor)
        self._after_the_reply(detail)
        self.state = DRAWN[self.state][detail.event]
        if self.gate and self.state not in GATE_OPEN[self.gate].split():
            self.gate = ""
        if isinstance(detail, commands.Rework):
            self.round += 1
            self.cleared.clear()

    def _units(self, detail: AnyDetail) -> None:
        match detail:
            case commands.Register():
                self.registered = True
            case commands.Dispatch():
                assert self.registered, "dispatched although nobody registered it"
                assert self.lead is None, "dispatched twice"
                assert self.master is None or self.round > 1, "a merged ticket was dispatched by itself"
                assert not self.dispute_open, "dispatched while it is disputed whose duty it is"
                self.lead, self.assists = detail.lead, detail.assists
            case commands.AddAssist():
                self.assists += (detail.unit,)
            case hops.ForwardDown():
                assert self.authority is None, "passed on twice"
                assert not self.return_open, "passed on while its return is judged"
                self.lead, self.authority = detail.unit, self.lead
            case hops.HandBack():
                assert self.authority is not None, "handed back to nobody"
                self.lead, self.authority = self.authority, None
            case commands.GrantReturn() | commands.Rework():
                self.lead = self.authority = None
                self.assists = ()
            case merging.Merge():
                assert self.lead is None, "merged although a unit has it"
                self.master = detail.master
            case merging.Unmerge():
                self.master = None
            case assists.SignAssist() | assists.GiveOpinion():
                assert self.assists, "nobody assists"

    def _requests(self, detail: AnyDetail) -> None:
        match detail:
            case commands.AskReturn():
                assert not self.return_open, "a second return is asked for"
                assert not self.ruled, "returned after the ruling"
                self.return_open = True
            case commands.GrantReturn() | commands.RefuseReturn():
                assert self.return_open, "a return was decided that nobody asked for"
                self.return_open = False
                self.returns += detail.event == "grant_return"
            case commands.AskExtension():
                assert not self.extension_open, "a second extension is asked for"
                self.extension_open = True
            case commands.GrantExtension() | commands.RefuseExtension():
                assert self.extension_open, "an extension was decided that nobody asked for"
                self.extension_open = False
            case disputes.OpenDispute():
                assert not self.dispute_open
                assert not self.ruled, "disputed after the ruling"
                self.dispute_open = True
            case disputes.RuleDispute():
                assert self.dispute_open, "ruled without a dispute"
                self.dispute_open, self.ruled, self.return_open = False, True, False
            case supervision.Supervise():
                assert detail.trigger not in self.supervising, "supervised twice for one reason"
                self.supervising.add(detail.trigger)
            case supervision.EndSupervision():
                self.supervising.remove(detail.trigger)
        if detail.event in ("grant_return", "rework", "reply", "terminate"):
            self.extension_open = False
        if detail.event in ("rework", "terminate"):
            self.return_open, self.returns = False, 0

    def _signed(self, detail: AnyDetail, actor: Actor) -> None:
        asked = {"ask_approval": getattr(detail, "gate", ""), **GATE_OF}
        if detail.event in asked:
            new = str(asked[detail.event])
            assert (self.region, new) in SIGNATURES, f"{self.region} knows no {new}"
            beside = new in ("report", "termination")
            assert not (beside and self.gate), f"{new} pushed {self.gate} out"
            self.gate, self.asked_by, self.signers = new, str(actor), ()
            return
        match detail:
            case approvals.SignApproval():
                assert self.gate, "signed although nothing is asked for"
                assert str(actor) not in (*self.signers, self.asked_by), "signed twice by one, or by who asked"
                self.signers += (str(actor),)
            case approvals.DeclineApproval():
                assert self.gate
                self.gate = ""
        at_the_gate = self.state in ("awaiting_unit_signoff", "awaiting_feedback_approval")
        if detail.event in COMPLETES or (at_the_gate and detail.event in ("reply", "begin_survey")):
            assert len(self.signers) == SIGNATURES[self.region, self.gate], "went on without every signature"
            self.cleared.add(self.gate)
            self.gate = ""

    def _after_the_reply(self, detail: AnyDetail) -> None:
        match detail:
            case commands.Reply():
                assert self.region != "mengcheng" or self.state == "awaiting_unit_signoff", "replied without the seal"
                self.promised = not detail.contents.finished
            case commands.Rate():
                assert self.round not in self.ratings, "a second rating counted in one round"
                self.ratings[self.round] = detail.rating
            case matters.Link():
                assert detail.request_no > 1
            case confidentiality.DecidePublication():
                assert self.state in FINAL
            case commands.Archive():
                assert not self.supervising, "put away while somebody owes an answer"
                assert not self.promised, "put away while something is promised"
        ends = ("keep_commitment", "reject_reply", "decline_approval", "rework", "terminate", "reject")
        if detail.event in ends:
            self.promised = False


def check(ticket: Ticket, model: Model) -> None:
    """Whether the ticket says what the model says. AssertionError names what differs."""
    said = (ticket.state, ticket.version, ticket.round, ticket.lead_unit, ticket.authority, ticket.assist_units)
    kept = (model.state, model.accepted, model.round, model.lead, model.authority, model.assists)
    assert said == kept
    flags = (ticket.return_open, bool(ticket.extension_asked), ticket.dispute_open, ticket.ruled)
    assert flags == (model.return_open, model.extension_open, model.dispute_open, model.ruled)
    assert ticket.rating == model.ratings.get(model.round)
    assert (ticket.rating is None) == (ticket.rating_source is None)
    assert ticket.supervising == model.supervising
    assert ticket.master == model.master
    assert (ticket.lead_unit is not None) <= (model.state in AT_A_UNIT | FINAL), "a unit has what nobody has"
    assert model.lead is not None or model.state not in UNIT.split(), "nobody has what a unit has"
    units = [unit for unit in (ticket.lead_unit, ticket.authority, *ticket.assist_units) if unit]
    assert len(units) == len(set(units)), "one unit has two parts"
    _check_signatures(ticket, model)
    _check_clocks(ticket, model)


def _check_signatures(ticket: Ticket, model: Model) -> None:
    assert ticket.approval == model.gate, "signatures are asked for behind their gate, or lost"
    assert (ticket.signing is not None) == bool(model.gate)


def _check_clocks(ticket: Ticket, model: Model) -> None:
    running = [due.deadline for due in ticket.dues if due.open]
    names = [one.rule_id if one.kind is K.SUPERVISION else one.kind for one in running]
    assert len(names) == len(set(names)), "two clocks of one kind run at once"
    for one in running:
        assert model.state in CLOCKS[one.kind].split(), f"the {one.kind} clock runs at {model.state}"
    kinds = {one.kind for one in running}
    assert (K.COMMITMENT in kinds) == model.promised
    assert not (K.SURVEY in kinds and ticket.rating is not None), "silence is waited for after the rating"
    if model.state in FINAL:
        assert ticket.closed_at is not None
        assert model.state == "closed" or not running, "a clock runs on after the end"


def settled(ticket: Ticket, model: Model, closing: frozenset[str]) -> None:
    """Nothing is left undone that the system does by itself. closing: ratings that close a ticket."""
    assert ticket.signing is None or not ticket.signing.complete, "every signature is there and nothing follows"
    if model.state == "awaiting_dispatch" and needs_signature(model.region, ticket):
        assert "before_dispatch" in model.cleared, "it waits for a dispatcher, and for nobody's signature"
    if model.state == "awaiting_dispatch" and model.returns >= RETURNS_DISPUTED:
        assert model.dispute_open or model.ruled, "sent back again and again, and nobody is asked whose duty it is"
    if model.state == "surveying" and ticket.rating in closing:
        assert ticket.service_rating not in (*closing, ""), "the citizen is satisfied and nothing follows"
    assert not (model.state in ENDS.split() and model.supervising), "supervised for ever"
