"""The shape of a policy file: strict models of what the YAML says; `config.policy_loader` makes values of it."""

from datetime import date
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from config.policy_appraisal import AppraisalPart, ReportsPart
from config.policy_approvals import ApprovalPart, SupplementPart, TerminatePart
from config.policy_archive import AbusePart, NumberingPart, SecrecyPart
from config.policy_base import (
    Cited,
    Condition,
    ConditionPart,
    CountText,
    Lax,
    LimitPart,
    LimitText,
    PeriodText,
    RejectNeed,
    ReplyFields,
    Strict,
    TimeText,
    listed,
)
from config.policy_dispatch import DispatchRulesPart
from config.policy_exchange import ExchangePart
from config.policy_follow import FollowPart
from config.policy_knowledge import KnowledgePart
from config.policy_recordings import RecordingsPart
from config.policy_repeat import RepeatPart
from config.policy_reply import AnswerPart, ReachPart
from config.policy_supervise import AccountabilityPart, CardsPart, RemindPart, RosterPart, SupervisePart
from ticketing.clocks import FirstDay
from ticketing.policy import (
    ApplyWindow,
    CapKind,
    Check,
    ExtensionNeed,
    OnLapse,
    Pick,
    Precision,
    ReturnNeed,
    StatutoryNeed,
    SurveyAt,
)


class Head(Strict):
    id: str = Field(pattern=r"^[a-z][a-z0-9-]{1,31}$")
    version: int = Field(ge=1, le=9_999)
    title: str
    region: str
    effective: Annotated[tuple[date, date | None], Lax]
    basis: Cited


class UpstreamPart(Strict):
    platform: str
    public_intake: bool
    basis: Cited


class CalendarPart(Strict):
    timezone: Literal["Asia/Shanghai"]
    overlays: list[str]
    office_hours: list[Annotated[tuple[TimeText, TimeText], Lax]] = Field(min_length=1)
    basis: Cited


class WorkingDayPart(Strict):
    first: Annotated[FirstDay, Lax]
    ends_at: TimeText
    basis: Cited


class ClocksPart(Strict):
    working_day: WorkingDayPart


class NamesPart(Strict):
    values: list[str] = Field(min_length=1)
    basis: Cited


class SourcesPart(NamesPart):
    """The first is the telephone. key: those whose tickets are 重点交办."""

    key: list[str] = Field(default_factory=list)
    key_basis: Cited | None = None

    @model_validator(mode="after")
    def _key_is_cited(self) -> Self:
        if bool(self.key) != bool(self.key_basis):
            raise ValueError("key and key_basis go together: write both or neither")
        return self


class RejectPart(Strict):
    """sensitive: what such a request says is seen by fewer, and never published. undetermined: see RejectReason."""

    code: str = Field(pattern=r"^[A-Z][A-Z_]{1,39}$")
    label: str
    needs: list[RejectNeed] = Field(default_factory=list)
    sensitive: bool = False
    undetermined: bool = False
    basis: Cited


class RealNamePart(Strict):
    """fields: what a registered request must have of the citizen, unless they want to stay unknown."""

    fields: list[Literal["contact_name", "requester", "requester_kind"]] = Field(min_length=1)
    basis: Cited


class UrgentPart(Strict):
    meaning: str
    phone_notice: bool
    basis: Cited


class HandlePart(Strict):
    pick: Annotated[Pick, Lax]
    pick_basis: Cited
    statutory_basis: Cited
    statutory_needs: list[Annotated[StatutoryNeed, Lax]] = Field(min_length=1)
    statutory_needs_basis: Cited
    progress_every: PeriodText | None = None
    """How often a unit reports progress while a statutory limit runs."""
    progress_basis: Cited | None = None
    limits: list[LimitPart] = Field(min_length=1)

    @model_validator(mode="after")
    def _progress_is_cited(self) -> Self:
        if (self.progress_every is None) != (self.progress_basis is None):
            raise ValueError("progress_every and progress_basis go together: write both or neither")
        return self


class CapPart(Strict):
    kind: Annotated[CapKind, Lax]
    factor: int = Field(default=0, ge=0, le=10)
    value: PeriodText | None = None
    max_count: CountText = None

    @model_validator(mode="after")
    def _has_its_value(self) -> Self:
        by_factor = self.kind is CapKind.FACTOR
        if by_factor and (not self.factor or self.value):
            raise ValueError("kind factor_of_original needs factor, and no value")
        if not by_factor and (self.factor or self.value is None):
            raise ValueError(f"kind {self.kind} needs value, for example 5wd, and no factor")
        return self


class ExtensionRulePart(Strict):
    when: Condition = Field(default=ConditionPart(), alias="if")
    cap: CapPart
    approver: str
    basis: Cited


class ExtensionOverPart(Strict):
    """When limit and extensions together go beyond `value`, these are needed as well."""

    value: PeriodText
    needs: list[Annotated[ExtensionNeed, Lax]] = Field(min_length=1)
    basis: Cited


class ExtensionPart(Strict):
    rules: list[ExtensionRulePart]
    window: Annotated[ApplyWindow, Lax]
    window_basis: Cited
    needs: list[Annotated[ExtensionNeed, Lax]] = Field(default_factory=list)
    if_total_over: ExtensionOverPart | None = None
    basis: Cited


class RefusalPart(Strict):
    code: str = Field(pattern=r"^[a-z][a-z_]{1,39}$")
    label: str
    check: Annotated[Check, Lax]
    basis: Cited


class GracePart(Strict):
    add: PeriodText
    times: int = Field(ge=1, le=10)
    basis: Cited


class ReturnPart(Strict):
    windows: list[LimitPart] = Field(min_length=1)
    needs: list[Annotated[list[Annotated[ReturnNeed, Lax]], BeforeValidator(listed), Field(min_length=1)]]
    """Each item: one thing a return must bring, or a list of which one is enough."""
    on_lapse: Annotated[OnLapse, Lax]
    lapse_basis: Cited
    grace: GracePart | None = None
    refuse_if: list[RefusalPart]
    basis: Cited


class LeadPart(Strict):
    reply_by_lead: bool
    basis: Cited


class PrecisionPart(Strict):
    normal: Annotated[Precision, Lax]
    urgent: Annotated[Precision, Lax]


class TypeContentsPart(Strict):
    types: list[str] = Field(min_length=1)
    one_of: list[ReplyFields] = Field(min_length=1)
    basis: Cited


class ReplyPart(Strict):
    required: ReplyFields
    precision: PrecisionPart
    if_unfinished: ReplyFields
    unfinished_basis: Cited
    by_type: list[TypeContentsPart]
    basis: Cited


class CausePart(Strict):
    code: str = Field(pattern=r"^[A-Z][A-Z_]{1,39}$")
    label: str
    objective: bool


class SurveyPart(Strict):
    at: Annotated[SurveyAt, Lax]
    window: PeriodText
    window_basis: Cited
    levels: list[str] = Field(min_length=2)
    closing: list[str] = Field(min_length=1)
    no_reply: str
    no_reply_basis: Cited
    undelivered_basis: Cited
    unsatisfied_basis: Cited
    manual_call: PeriodText
    review: PeriodText
    causes: list[CausePart]
    basis: Cited


class OverduePart(Strict):
    explanation: LimitText
    basis: Cited


class ArchivePart(Strict):
    package: list[str]
    recording_years: int = Field(ge=3, le=100)
    basis: Cited


class PolicyFile(Strict):
    """One file of config/policies."""

    schema_name: Literal["hotline-policy/1"] = Field(alias="schema")
    policy: Head
    upstream: UpstreamPart
    calendar: CalendarPart
    clocks: ClocksPart
    types: NamesPart
    sources: SourcesPart
    requesters: NamesPart | None = None
    real_name: RealNamePart | None = None
    grades: NamesPart | None = None
    reject: list[RejectPart]
    urgent: UrgentPart
    dispatch: list[LimitPart] = Field(min_length=1)
    sign: list[LimitPart] = Field(min_length=1)
    contact: list[LimitPart] = Field(default_factory=list)
    handle: HandlePart
    extension: ExtensionPart
    returns: ReturnPart = Field(alias="return")
    lead: LeadPart
    reply: ReplyPart
    survey: SurveyPart
    overdue: OverduePart
    archive: ArchivePart
    dispatch_rules: DispatchRulesPart | None = None
    exchange: ExchangePart | None = None
    answer: AnswerPart | None = None
    reach: ReachPart | None = None
    follow: FollowPart | None = None
    repeat: RepeatPart | None = None
    numbering: NumberingPart | None = None
    secrecy: SecrecyPart | None = None
    recordings: RecordingsPart | None = None
    abuse: AbusePart | None = None
    knowledge: KnowledgePart | None = None
    supervise: SupervisePart | None = None
    remind: RemindPart | None = None
    cards: CardsPart | None = None
    accountability: AccountabilityPart | None = None
    roster: RosterPart | None = None
    approval: ApprovalPart | None = None
    terminate: TerminatePart | None = None
    supplement: SupplementPart | None = None
    appraisal: AppraisalPart | None = None
    reports: ReportsPart | None = None
    clauses: dict[str, str]
