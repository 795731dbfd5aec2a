"""Regulations from config/policies, as values of `ticketing.policy`; all that is wrong is told at once."""

import hashlib
import json
from collections.abc import Iterator
from importlib.resources.abc import Traversable

from pydantic import ValidationError

from config.policy_appraisal import appraisal_rules, report_rules
from config.policy_approvals import approval_rules, supplement_rules, termination_rules
from config.policy_archive import abuse_rules, numbering, secrecy_rules
from config.policy_base import DEFAULT, ConditionPart, LimitPart
from config.policy_checks import contradictions, uncited_clauses, unlisted_clauses
from config.policy_dispatch import dispatch_rules
from config.policy_exchange import exchange_rules
from config.policy_follow import follow_rules
from config.policy_knowledge import knowledge_rules
from config.policy_models import PolicyFile
from config.policy_recordings import hearing_rules
from config.policy_repeat import repeat_rules
from config.policy_reply import answer_rules, reach_rules
from config.policy_supervise import accountability_rules, card_rules, remind_rules, roster_rules, supervise_rules
from config.problems import ConfigProblem, ConfigWrong, data_root, from_validation, read_yaml
from ticketing.clocks import OfficeHours, WorkdayClock
from ticketing.intake_rules import RealNameRules
from ticketing.policy import (
    ArchiveRules,
    Basis,
    CalendarChoice,
    Cap,
    Cause,
    ExtensionRule,
    ExtensionRules,
    Grace,
    HandleRules,
    LeadRules,
    LimitRule,
    OverdueRules,
    Policy,
    RefusalCase,
    RejectReason,
    ReplyRules,
    ReturnRules,
    SurveyRules,
    TypeContents,
    Upstream,
    UrgentRules,
    When,
)


def load_policies(policy_id: str, folder: Traversable | None = None) -> tuple[Policy, ...]:
    """Every version of one policy: `<id>.yaml` and the older `<id>.<version>.yaml`, oldest first.

    Raises ConfigWrong with all that is wrong in all of them.
    """
    place = folder or data_root() / "policies"
    names = sorted(f.name for f in place.iterdir() if f.name.split(".")[0] == policy_id and f.name.endswith(".yaml"))
    problems: list[ConfigProblem] = []
    policies: list[Policy] = []
    for name in names:
        try:
            policies.append(load_policy_file(place / name, f"policies/{name}"))
        except ConfigWrong as wrong:
            problems += wrong.problems
    if not names:
        problems.append(ConfigProblem(f"policies/{policy_id}.yaml", "", "no such policy; write it, or name another"))
    problems += _family_problems(policy_id, names, policies)
    if problems:
        raise ConfigWrong(problems)
    return tuple(sorted(policies, key=lambda policy: policy.version))


def policy_ids(folder: Traversable | None = None) -> tuple[str, ...]:
    """The ids there are files for."""
    place = folder or data_root() / "policies"
    return tuple(sorted({f.name.split(".")[0] for f in place.iterdir() if f.name.endswith(".yaml")}))


def load_policy_file(file: Traversable, name: str) -> Policy:
    """One file as a Policy. name: its path below config/. Raises ConfigWrong with all that is wrong in it."""
    data = read_yaml(file, name)
    try:
        parsed = PolicyFile.model_validate(data)
    except ValidationError as error:
        unlisted = (ConfigProblem(name, key, what) for key, what in unlisted_clauses(data))
        raise ConfigWrong([*from_validation(name, error), *unlisted]) from None
    found = (*unlisted_clauses(data), *uncited_clauses(data), *contradictions(parsed))
    problems = [ConfigProblem(name, key, what) for key, what in found]
    if problems:
        raise ConfigWrong(problems)
    return _Builder(parsed).policy(_digest(data))


def _family_problems(policy_id: str, names: list[str], policies: list[Policy]) -> Iterator[ConfigProblem]:
    for policy in policies:
        if policy.id != policy_id:
            yield ConfigProblem(f"policies/{policy_id}.yaml", "policy.id", f"write {policy_id}, as the file is named")
    versions = [policy.version for policy in policies]
    for version in sorted({v for v in versions if versions.count(v) > 1}):
        where = ", ".join(names)
        yield ConfigProblem(f"policies/{policy_id}.yaml", "policy.version", f"{version} stands twice in {where}")


def _digest(data: object) -> str:
    return hashlib.sha256(json.dumps(data, sort_keys=True, default=str, ensure_ascii=False).encode()).hexdigest()


def condition(part: ConditionPart) -> When:
    """`if` of a rule as a value."""
    return When(
        urgent=part.urgent,
        types=frozenset(part.type),
        sources=frozenset(part.source),
        flags=frozenset(part.flags),
        request_no=part.request_no,
        assignment_no=part.assignment_no,
        in_hours=part.in_hours,
        units=frozenset(part.unit),
        grades=frozenset(part.grade),
        any_of=tuple(condition(one) for one in part.any),
    )


class _Builder:
    """Makes the values; cites each with its articles."""

    def __init__(self, parsed: PolicyFile) -> None:
        self.file = parsed

    def policy(self, digest: str) -> Policy:
        file = self.file
        head = file.policy
        return Policy(
            id=head.id,
            version=head.version,
            title=head.title,
            region=head.region,
            effective_from=head.effective[0],
            effective_to=head.effective[1],
            basis=self.cite(head.basis),
            digest=digest,
            upstream=Upstream(file.upstream.platform, file.upstream.public_intake, self.cite(file.upstream.basis)),
            calendar=self.calendar(),
            workdays=WorkdayClock(file.clocks.working_day.first, file.clocks.working_day.ends_at),
            request_types=tuple(file.types.values),
            grades=tuple(file.grades.values if file.grades else ()),
            sources=tuple(file.sources.values),
            rejects=self.rejects(),
            urgent=UrgentRules(file.urgent.meaning, file.urgent.phone_notice, self.cite(file.urgent.basis)),
            dispatch=self.limits("dispatch", file.dispatch),
            sign=self.limits("sign", file.sign),
            contact=self.limits("contact", file.contact),
            answer=answer_rules(file.answer, self.cite),
            reach=reach_rules(file.reach, self.cite),
            follow=follow_rules(file.follow, self.cite),
            repeat=repeat_rules(file.repeat, self.cite),
            numbering=numbering(file.numbering, self.cite),
            secrecy=secrecy_rules(file.secrecy, self.cite),
            hearing=hearing_rules(file.recordings, self.cite),
            abuse=abuse_rules(file.abuse, self.cite),
            knowledge=knowledge_rules(file.knowledge, self.cite),
            supervise=supervise_rules(file.supervise, self.cite, condition),
            remind=remind_rules(file.remind, self.cite),
            cards=card_rules(file.cards, self.cite),
            accountability=accountability_rules(file.accountability, self.cite, condition),
            roster=roster_rules(file.roster, self.cite),
            approval=approval_rules(file.approval, self.cite, condition),
            termination=termination_rules(file.terminate, self.cite),
            supplement=supplement_rules(file.supplement, self.cite),
            requester_kinds=tuple(file.requesters.values) if file.requesters else (),
            key_sources=frozenset(file.sources.key),
            key_basis=self.cite(file.sources.key_basis or [DEFAULT]),
            real_name=self.real_name(),
            handle=self.handle(),
            extension=self.extension(),
            returns=self.returns(),
            lead=LeadRules(file.lead.reply_by_lead, self.cite(file.lead.basis)),
            reply=self.reply(),
            survey=self.survey(),
            overdue=OverdueRules(file.overdue.explanation, self.cite(file.overdue.basis)),
            archive=self.archive(),
            dispatching=dispatch_rules(file.dispatch_rules, self.cite, condition),
            exchange=exchange_rules(file.exchange, self.cite),
            appraisal=appraisal_rules(file.appraisal, self.cite),
            reports=report_rules(file.reports, self.cite),
        )

    def cite(self, basis: list[str]) -> Basis:
        clauses = tuple(clause for clause in basis if clause != DEFAULT)
        articles = tuple(dict.fromkeys(self.file.clauses[clause] for clause in clauses))
        return Basis(clauses, articles, partly_ours=bool(clauses) and DEFAULT in basis)

    def rejects(self) -> tuple[RejectReason, ...]:
        return tuple(
            RejectReason(r.code, r.label, frozenset(r.needs), self.cite(r.basis), r.sensitive, r.undetermined)
            for r in self.file.reject
        )

    def real_name(self) -> RealNameRules | None:
        part = self.file.real_name
        return RealNameRules(tuple(part.fields), self.cite(part.basis)) if part else None

    def archive(self) -> ArchiveRules:
        part = self.file.archive
        return ArchiveRules(tuple(part.package), part.recording_years, self.cite(part.basis))

    def limit(self, rule_id: str, part: LimitPart) -> LimitRule:
        return LimitRule(
            rule_id=rule_id,
            when=condition(part.when),
            period=part.period,
            start=part.start,
            basis=self.cite(part.basis),
            least=part.choose_from,
            hard=part.hard,
        )

    def limits(self, key: str, parts: list[LimitPart]) -> tuple[LimitRule, ...]:
        return tuple(self.limit(f"{key}[{index}]", part) for index, part in enumerate(parts))

    def calendar(self) -> CalendarChoice:
        part = self.file.calendar
        return CalendarChoice(tuple(part.overlays), OfficeHours(tuple(part.office_hours)), self.cite(part.basis))

    def handle(self) -> HandleRules:
        part = self.file.handle
        return HandleRules(
            limits=self.limits("handle.limits", part.limits),
            pick=part.pick,
            pick_basis=self.cite(part.pick_basis),
            statutory_basis=self.cite(part.statutory_basis),
            statutory_needs=frozenset(part.statutory_needs),
            progress_every=part.progress_every,
            progress_basis=self.cite(part.progress_basis or [DEFAULT]),
        )

    def extension(self) -> ExtensionRules:
        part, over = self.file.extension, self.file.extension.if_total_over
        rules = tuple(
            ExtensionRule(
                condition(rule.when),
                Cap(rule.cap.kind, rule.cap.factor, rule.cap.value, rule.cap.max_count),
                rule.approver,
                self.cite(rule.basis),
            )
            for rule in part.rules
        )
        return ExtensionRules(
            rules=rules,
            window=part.window,
            window_basis=self.cite(part.window_basis),
            needs=frozenset(part.needs),
            over=over.value if over else None,
            over_needs=frozenset(over.needs if over else ()),
            over_basis=self.cite(over.basis) if over else Basis(),
            basis=self.cite(part.basis),
        )

    def returns(self) -> ReturnRules:
        part = self.file.returns
        cases = tuple(RefusalCase(c.code, c.label, c.check, self.cite(c.basis)) for c in part.refuse_if)
        grace = part.grace
        return ReturnRules(
            windows=self.limits("return.windows", part.windows),
            refusals=cases,
            needs=tuple(frozenset(group) for group in part.needs),
            on_lapse=part.on_lapse,
            lapse_basis=self.cite(part.lapse_basis),
            grace=Grace(grace.add, grace.times, self.cite(grace.basis)) if grace else None,
            basis=self.cite(part.basis),
        )

    def reply(self) -> ReplyRules:
        part = self.file.reply
        by_type = tuple(
            TypeContents(frozenset(t.types), tuple(tuple(group) for group in t.one_of), self.cite(t.basis))
            for t in part.by_type
        )
        return ReplyRules(
            required=tuple(part.required),
            precision=part.precision.normal,
            urgent_precision=part.precision.urgent,
            if_unfinished=tuple(part.if_unfinished),
            unfinished_basis=self.cite(part.unfinished_basis),
            by_type=by_type,
            basis=self.cite(part.basis),
        )

    def survey(self) -> SurveyRules:
        part = self.file.survey
        return SurveyRules(
            at=part.at,
            window=part.window,
            levels=tuple(part.levels),
            closing=frozenset(part.closing),
            no_reply=None if part.no_reply == "none" else part.no_reply,
            no_reply_basis=self.cite(part.no_reply_basis),
            undelivered_basis=self.cite(part.undelivered_basis),
            unsatisfied_basis=self.cite(part.unsatisfied_basis),
            causes=tuple(Cause(c.code, c.label, c.objective) for c in part.causes),
            manual_call=part.manual_call,
            review=part.review,
            basis=self.cite(part.basis),
            window_basis=self.cite(part.window_basis),
        )
