"""What no single value of a policy file shows: clauses not listed, names not known, types without a limit."""

from collections.abc import Iterator

from pydantic import BaseModel

from config.policy_approvals import approval_problems
from config.policy_base import DEFAULT, ConditionPart, LimitPart
from config.policy_models import PolicyFile
from ticketing.policy import Anchor, Check

# Cases of a return that the code decides; any other `check: auto` would be a promise nobody keeps.
AUTOMATIC_REFUSALS = frozenset({"no_basis", "extension_requested", "duty_fixed"})


def unlisted_clauses(data: object) -> Iterator[tuple[str, str]]:
    """Every cited clause that the list at the end lacks, with its key; works on a file that is wrong elsewhere."""
    listed = _listed(data)
    for key, clause in _citations(data, ""):
        if clause not in listed:
            yield key, f"{clause} is not in the list `clauses`; add its article there, or write default"


def uncited_clauses(data: object) -> Iterator[tuple[str, str]]:
    """Every clause of the list that no value cites."""
    cited = {clause for _, clause in _citations(data, "")}
    for clause in sorted(_listed(data) - cited):
        yield f"clauses.{clause}", "no value cites it; cite it where it belongs, or remove the line"


def _listed(data: object) -> set[str]:
    clauses = data.get("clauses") if isinstance(data, dict) else None
    return {str(clause) for clause in clauses} if isinstance(clauses, dict) else set()


def _citations(part: object, key: str) -> Iterator[tuple[str, str]]:
    if isinstance(part, list):
        for index, item in enumerate(part):
            yield from _citations(item, f"{key}.{index}")
    if not isinstance(part, dict):
        return
    for name, value in part.items():
        inner = f"{key}.{name}".lstrip(".")
        if (name == "basis" or str(name).endswith("_basis")) and not isinstance(value, dict):
            cited = value if isinstance(value, list) else [value]
            yield from ((inner, clause) for clause in cited if isinstance(clause, str) and clause != DEFAULT)
        else:
            yield from _citations(value, inner)


def contradictions(parsed: PolicyFile) -> Iterator[tuple[str, str]]:
    """What no single value shows: names used but not listed, types without a limit, ranges turned round."""
    begins, ends = parsed.policy.effective
    if ends is not None and ends < begins:
        yield "policy.effective", "it ends before it begins; turn the two dates round"
    for key, condition_part in _conditions(parsed, ""):
        yield from _unknown(f"{key}.type", condition_part.type, parsed.types.values)
        yield from _unknown(f"{key}.source", condition_part.source, parsed.sources.values)
        yield from _unknown(f"{key}.grade", condition_part.grade, parsed.grades.values if parsed.grades else [])
    yield from _unknown("sources.key", parsed.sources.key, parsed.sources.values)
    if parsed.recordings:
        yield from _unknown("recordings.reason.types", parsed.recordings.reason.types, parsed.types.values)
    if parsed.exchange:
        yield from _unknown("exchange.sources", parsed.exchange.sources, parsed.sources.values)
    for index, contents in enumerate(parsed.reply.by_type):
        yield from _unknown(f"reply.by_type.{index}.types", contents.types, parsed.types.values)
    for name in parsed.types.values:
        if not any(_catches(rule, name) for rule in parsed.handle.limits):
            yield "handle.limits", f"no rule for {name}; add one, with limit: none if it has no limit"
    limits = {
        "dispatch": parsed.dispatch,
        "sign": parsed.sign,
        "contact": parsed.contact,
        "handle.limits": parsed.handle.limits,
        "return.windows": parsed.returns.windows,
    }
    for key, rules in limits.items():
        yield from _limits(key, rules)
    yield from _unknown("survey.closing", parsed.survey.closing, parsed.survey.levels)
    yield from _unknown("survey.no_reply", [parsed.survey.no_reply], [*parsed.survey.levels, "none"])
    if parsed.supervise is not None:
        codes = [cause.code for cause in parsed.survey.causes]
        yield from _unknown("supervise.untrue_causes", parsed.supervise.untrue_causes, codes)
    yield from _office_hours(parsed)
    codes = [reason.code for reason in parsed.reject]
    yield from approval_problems(
        parsed.approval, parsed.supplement, codes, any(reason.undetermined for reason in parsed.reject)
    )
    for index, case in enumerate(parsed.returns.refuse_if):
        if case.check is Check.AUTO and case.code not in AUTOMATIC_REFUSALS:
            yield f"return.refuse_if.{index}.check", f"write human: the system cannot decide {case.code} by itself"


def _limits(key: str, rules: list[LimitPart]) -> Iterator[tuple[str, str]]:
    if rules and key != "handle.limits" and rules[-1].when.model_fields_set:
        yield key, "the last rule must be without `if`, so that every ticket has one"
    for index, rule in enumerate(rules):
        early = rule.start is Anchor.REGISTERED
        if early != (key == "dispatch"):
            fit = "registered" if key == "dispatch" else "dispatch or sign"
            yield f"{key}.{index}.from", f"write {fit}: that is when this limit can begin"
        if rule.choose_from and key != "handle.limits":
            yield f"{key}.{index}.choose_from", "take it out: only a handling limit is chosen by the dispatcher"


def _conditions(part: object, key: str) -> Iterator[tuple[str, ConditionPart]]:
    """Every `if` of the file with its key."""
    if isinstance(part, list):
        for index, item in enumerate(part):
            yield from _conditions(item, f"{key}.{index}")
    if isinstance(part, ConditionPart):
        yield key, part
    if isinstance(part, BaseModel):
        for name, info in type(part).model_fields.items():
            yield from _conditions(getattr(part, name), f"{key}.{info.alias or name}".lstrip("."))


def _catches(rule: LimitPart, request_type: str) -> bool:
    """Whether the rule holds for every ticket of that type."""
    return rule.when.model_fields_set <= {"type"} and (not rule.when.type or request_type in rule.when.type)


def _unknown(key: str, used: list[str], known: list[str]) -> Iterator[tuple[str, str]]:
    for name in used:
        if name not in known:
            yield key, f"{name} is not known here; write one of {', '.join(known)}"


def _office_hours(parsed: PolicyFile) -> Iterator[tuple[str, str]]:
    times = [moment for span in parsed.calendar.office_hours for moment in span]
    if times != sorted(set(times)):
        yield "calendar.office_hours", 'write the spans in ascending order, each ["from", "to"]'
