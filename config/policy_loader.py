"""Regulations from config/policies, as values of `ticketing.policy`; all that is wrong is told at once."""

import hashlib
import json
from collections.abc import Iterator
from importlib.resources.abc import Traversable

from pydantic import BaseModel, ValidationError

from config.policy_models import LimitPart, PolicyFile
from config.problems import ConfigProblem, ConfigWrong, data_root, from_validation, read_yaml
from ticketing.clocks import Clock, OfficeHours, WorkdayClock
from ticketing.policy import (
    ArchiveRules,
    Basis,
    CalendarChoice,
    Cause,
    Check,
    ExtensionRules,
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

DEFAULT = "default"
# Cases of a return that the code decides; any other `check: auto` would be a promise nobody keeps.
AUTOMATIC_REFUSALS = frozenset({"no_basis", "extension_requested"})


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
        raise ConfigWrong(from_validation(name, error)) from None
    problems = [ConfigProblem(name, key, what) for key, what in (*_uncited(parsed), *_contradictions(parsed))]
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


def _uncited(parsed: PolicyFile) -> Iterator[tuple[str, str]]:
    """Every cited clause that the list at the end lacks, and every listed clause nobody cites."""
    cited: set[str] = set()
    for key, clause in _citations(parsed, ""):
        cited.add(clause)
        if clause not in parsed.clauses:
            yield key, f"{clause} is not in the list `clauses`; add its article there, or write default"
    for clause in sorted(parsed.clauses.keys() - cited):
        yield f"clauses.{clause}", "no value cites it; cite it where it belongs, or remove the line"


def _citations(part: object, key: str) -> Iterator[tuple[str, str]]:
    if isinstance(part, list):
        for index, item in enumerate(part):
            yield from _citations(item, f"{key}.{index}")
    if not isinstance(part, BaseModel):
        return
    for name, info in type(part).model_fields.items():
        value = getattr(part, name)
        inner = f"{key}.{info.alias or name}".lstrip(".")
        if isinstance(value, list) and (name == "basis" or name.endswith("_basis")):
            yield from ((inner, clause) for clause in value if clause != DEFAULT)
        else:
            yield from _citations(value, inner)


def _contradictions(parsed: PolicyFile) -> Iterator[tuple[str, str]]:
    """What no single value shows: names used but not listed, types without a limit, ranges turned round."""
    begins, ends = parsed.policy.effective
    if ends is not None and ends < begins:
        yield "policy.effective", "it ends before it begins; turn the two dates round"
    limits = (
        ("sign", parsed.sign),
        ("handle.limits", parsed.handle.limits),
        ("return.windows", parsed.returns.windows),
    )
    for key, rules in limits:
        for index, rule in enumerate(rules):
            yield from _unknown(f"{key}.{index}.if.type", rule.when.type, parsed.types.values)
            yield from _unknown(f"{key}.{index}.if.source", rule.when.source, parsed.sources.values)
    for index, contents in enumerate(parsed.reply.by_type):
        yield from _unknown(f"reply.by_type.{index}.types", contents.types, parsed.types.values)
    for name in parsed.types.values:
        if not any(_catches(rule, name) for rule in parsed.handle.limits):
            yield "handle.limits", f"no rule for {name}; add one, with limit: none if it has no limit"
    for key, rules in (("sign", parsed.sign), ("return.windows", parsed.returns.windows)):
        if rules[-1].when.model_fields_set:
            yield key, "the last rule must be without `if`, so that every ticket has one"
    if parsed.dispatch.limit is None:
        yield "dispatch.limit", "write a limit, for example 2h; without one a registered ticket can be forgotten"
    if parsed.survey.window.clock not in (Clock.NATURAL_HOUR, Clock.NATURAL_MINUTE):
        yield "survey.window", "write hours or minutes, for example 24h; an SMS is answered by day and night"
    yield from _unknown("survey.closing", parsed.survey.closing, parsed.survey.levels)
    yield from _unknown("survey.no_reply", [parsed.survey.no_reply], [*parsed.survey.levels, "none"])
    yield from _office_hours(parsed)
    for index, case in enumerate(parsed.returns.refuse_if):
        if case.check is Check.AUTO and case.code not in AUTOMATIC_REFUSALS:
            yield f"return.refuse_if.{index}.check", f"write human: the system cannot decide {case.code} by itself"


def _catches(rule: LimitPart, request_type: str) -> bool:
    return not rule.when.urgent and not rule.when.source and (not rule.when.type or request_type in rule.when.type)


def _unknown(key: str, used: list[str], known: list[str]) -> Iterator[tuple[str, str]]:
    for name in used:
        if name not in known:
            yield key, f"{name} is not known here; write one of {', '.join(known)}"


def _office_hours(parsed: PolicyFile) -> Iterator[tuple[str, str]]:
    times = [moment for span in parsed.calendar.office_hours for moment in span]
    if times != sorted(set(times)):
        yield "calendar.office_hours", 'write the spans in ascending order, each ["from", "to"]'


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
            sources=tuple(file.sources.values),
            rejects=tuple(RejectReason(r.code, r.label, frozenset(r.needs), self.cite(r.basis)) for r in file.reject),
            urgent=UrgentRules(file.urgent.meaning, file.urgent.phone_notice, self.cite(file.urgent.basis)),
            dispatch=self.limit("dispatch", file.dispatch),
            sign=self.limits("sign", file.sign),
            handle=HandleRules(
                self.limits("handle.limits", file.handle.limits),
                file.handle.pick,
                self.cite(file.handle.pick_basis),
                self.cite(file.handle.statutory_basis),
            ),
            extension=self.extension(),
            returns=self.returns(),
            lead=LeadRules(file.lead.reply_by_lead, self.cite(file.lead.basis)),
            reply=self.reply(),
            survey=self.survey(),
            overdue=OverdueRules(file.overdue.explanation, self.cite(file.overdue.basis)),
            archive=ArchiveRules(
                tuple(file.archive.package), file.archive.recording_years, self.cite(file.archive.basis)
            ),
        )

    def cite(self, basis: list[str]) -> Basis:
        clauses = tuple(clause for clause in basis if clause != DEFAULT)
        articles = tuple(dict.fromkeys(self.file.clauses[clause] for clause in clauses))
        return Basis(clauses, articles, partly_ours=bool(clauses) and DEFAULT in basis)

    def limit(self, rule_id: str, part: LimitPart) -> LimitRule:
        when = When(part.when.urgent, frozenset(part.when.type), frozenset(part.when.source))
        return LimitRule(rule_id, when, part.limit, part.start, self.cite(part.basis))

    def limits(self, key: str, parts: list[LimitPart]) -> tuple[LimitRule, ...]:
        return tuple(self.limit(f"{key}[{index}]", part) for index, part in enumerate(parts))

    def calendar(self) -> CalendarChoice:
        part = self.file.calendar
        return CalendarChoice(tuple(part.overlays), OfficeHours(tuple(part.office_hours)), self.cite(part.basis))

    def extension(self) -> ExtensionRules:
        part = self.file.extension
        basis = self.cite(part.basis)
        return ExtensionRules(part.approver, part.factor, part.max_count, part.citizen_informed, basis)

    def returns(self) -> ReturnRules:
        part = self.file.returns
        cases = tuple(RefusalCase(c.code, c.label, c.check, self.cite(c.basis)) for c in part.refuse_if)
        return ReturnRules(self.limits("return.windows", part.windows), cases, part.needs_basis, self.cite(part.basis))

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
        )
