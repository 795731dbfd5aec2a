"""Metric sets (config/metrics) and report templates (config/reports), and whether the policies name what is there."""

import hashlib
import json
from collections.abc import Iterable, Iterator
from importlib.resources.abc import Traversable
from typing import Annotated, Literal, Self, TypeVar

from pydantic import Field, ValidationError, model_validator

from config.policy_base import Lax, Strict
from config.problems import ConfigProblem, ConfigWrong, data_root, from_validation, read_yaml
from ticketing.appraisal.figures import Better, Exclusion, Metric, MetricSet
from ticketing.appraisal.reports import Format, ReportKit, Section, Shown, Template
from ticketing.appraisal.score import Scheme, Way
from ticketing.appraisal.words import BadTest, Moment, Population, Test, parse_test
from ticketing.policy import Policy
from ticketing.words import Flag, RatingSource, State

KNOWN_VALUES: dict[str, frozenset[str]] = {
    "state": frozenset(State),
    "flags": frozenset(Flag),
    "rating_source": frozenset(RatingSource),
    "decision": frozenset({"requested", "granted", "refused", "handed_back"}),
}
_File = TypeVar("_File", bound=Strict)
RATINGS = frozenset({"rating", "service_rating"})


class ExclusionPart(Strict):
    when: list[str] = Field(alias="if", min_length=1)
    reason: str = Field(min_length=1)


class MetricPart(Strict):
    id: str = Field(pattern=r"^[a-z][a-z0-9_]{1,39}$")
    name: str = Field(min_length=1)
    group: str = Field(min_length=1)
    of: Annotated[Population, Lax]
    at: Annotated[Moment, Lax]
    among: list[str] = Field(default_factory=list)
    counted: list[str] | None = None
    exclude: list[ExclusionPart] = Field(default_factory=list)
    what: str = Field(min_length=1)
    whole: str = ""
    better: Annotated[Better, Lax]
    note: str = ""

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if (self.counted is None) == bool(self.whole):
            raise ValueError("a rate has counted and whole; a plain count has neither")
        if self.at is Moment.COUNTED and self.of is not Population.WORK:
            raise ValueError("at: only work is counted by attribution; write happened")
        among = self._tests(self.among)
        tests = [*among, *self._tests(self.counted or []), *(t for e in self.exclude for t in self._tests(e.when))]
        for test in tests:
            unknown = sorted(set(test.values) - KNOWN_VALUES[test.field]) if test.field in KNOWN_VALUES else ()
            if unknown:
                raise ValueError(f"{test}: {', '.join(unknown)} is no value of {test.field}")
        if any(test.field in RATINGS for test in tests) and self.rating_source is None:
            raise ValueError("ratings of different sources are never blended: add rating_source=citizen, or manual")
        return self

    def _tests(self, texts: Iterable[str]) -> tuple[Test, ...]:
        try:
            return tuple(parse_test(one, self.of) for one in texts)
        except BadTest as error:
            raise ValueError(str(error)) from None

    @property
    def rating_source(self) -> RatingSource | None:
        """The one source `among` asks for."""
        named = [test.values for test in self._tests(self.among) if test.field == "rating_source"]
        return RatingSource(named[0][0]) if len(named) == 1 and len(named[0]) == 1 else None

    def value(self) -> Metric:
        return Metric(
            id=self.id,
            name=self.name,
            group=self.group,
            population=self.of,
            moment=self.at,
            among=self._tests(self.among),
            counted=None if self.counted is None else self._tests(self.counted),
            exclusions=tuple(Exclusion(self._tests(one.when), one.reason) for one in self.exclude),
            what=self.what,
            whole=self.whole,
            better=self.better,
            rating_source=self.rating_source,
            note=self.note,
        )


class MetricsFile(Strict):
    schema_name: Literal["hotline-metrics/1"] = Field(alias="schema")
    id: str = Field(pattern=r"^[a-z][a-z0-9-]{1,31}$")
    version: int = Field(ge=1, le=9_999)
    title: str
    exclusions: dict[str, list[ExclusionPart]] = Field(default_factory=dict)
    """Lists named by anchors, for use below."""
    metrics: list[MetricPart] = Field(min_length=1)

    @model_validator(mode="after")
    def _ids_are_unique(self) -> Self:
        ids = [one.id for one in self.metrics]
        twice = sorted({one for one in ids if ids.count(one) > 1})
        if twice:
            raise ValueError(f"{', '.join(twice)} stands twice among metrics")
        return self


class ShownPart(Strict):
    show: Annotated[Section, Lax]
    heading: str = Field(min_length=1)


class TemplateFile(Strict):
    schema_name: Literal["hotline-report/1"] = Field(alias="schema")
    id: str = Field(pattern=r"^[a-z][a-z0-9-]{1,31}$")
    formats: list[Annotated[Format, Lax]] = Field(min_length=1)
    sections: list[ShownPart] = Field(min_length=1)


def load_kit(policies: Iterable[Policy] = (), root: Traversable | None = None) -> ReportKit:
    """Every metric set and template, and that these policies name known ones. Raises ConfigWrong with all problems."""
    place = root or data_root()
    problems: list[ConfigProblem] = []
    sets = [_metric_set(data, one) for data, one in _parsed(place, "metrics", MetricsFile, problems)]
    templates = [_template(one) for _, one in _parsed(place, "reports", TemplateFile, problems)]
    names = [one.name for one in sets]
    for name in sorted({one for one in names if names.count(one) > 1}):
        problems.append(ConfigProblem("metrics", name, "this version stands in two files; raise the newer one's"))
    kit = ReportKit(tuple(sets), tuple(templates))
    if not problems:
        problems += [problem for policy in policies for problem in _references(policy, kit)]
    if problems:
        raise ConfigWrong(problems)
    return kit


def _parsed(
    place: Traversable, folder: str, model: type[_File], problems: list[ConfigProblem]
) -> Iterator[tuple[object, _File]]:
    for file in sorted(place.joinpath(folder).iterdir(), key=lambda one: one.name):
        if not file.name.endswith(".yaml"):
            continue
        name = f"{folder}/{file.name}"
        try:
            data = read_yaml(file, name)
            yield data, model.model_validate(data)
        except ConfigWrong as wrong:
            problems += wrong.problems
        except ValidationError as error:
            problems += from_validation(name, error)


def _metric_set(data: object, parsed: MetricsFile) -> MetricSet:
    digest = hashlib.sha256(json.dumps(data, sort_keys=True, default=str, ensure_ascii=False).encode()).hexdigest()
    return MetricSet(parsed.id, parsed.version, parsed.title, tuple(one.value() for one in parsed.metrics), digest)


def _template(parsed: TemplateFile) -> Template:
    sections = tuple(Shown(one.show, one.heading) for one in parsed.sections)
    return Template(parsed.id, sections, tuple(parsed.formats))


def _references(policy: Policy, kit: ReportKit) -> Iterator[ConfigProblem]:
    """What a policy names that is not there."""
    file = f"policies/{policy.id}.yaml"
    appraisal, reports = policy.appraisal, policy.reports
    if reports is not None and appraisal is None:
        yield ConfigProblem(file, "reports", "reports print figures; add a section appraisal that names the metrics")
    if appraisal is not None:
        known = next((one for one in kit.metric_sets if one.name == appraisal.metrics), None)
        if known is None:
            names = ", ".join(one.name for one in kit.metric_sets)
            yield ConfigProblem(file, "appraisal.metrics", f"no such set in config/metrics; known are {names}")
        else:
            yield from _metrics_named(policy, known, file)
    templates = {one.id for one in kit.templates}
    for index, one in enumerate(reports.definitions if reports else ()):
        if one.template not in templates:
            where = f"reports.definitions.{index}.template"
            yield ConfigProblem(file, where, f"no such template; known are {', '.join(sorted(templates))}")


def _metrics_named(policy: Policy, known: MetricSet, file: str) -> Iterator[ConfigProblem]:
    appraisal = policy.appraisal
    assert appraisal is not None
    rank = known.metric(appraisal.rank_by)
    if rank is None or not rank.is_rate:
        yield ConfigProblem(file, "appraisal.rank.by", f"write a rate of {known.name}, for example on_time_close")
    schemes: list[tuple[str, Scheme]] = [("units", appraisal.units)]
    schemes += [("platform", appraisal.platform)] if appraisal.platform else []
    for key, scheme in schemes:
        for index, item in enumerate(scheme.items):
            if item.way is Way.INPUT:
                continue
            metric = known.metric(item.metric)
            if metric is None or metric.is_rate != (item.way is Way.RATE):
                kind = "rate" if item.way is Way.RATE else "count"
                where = f"appraisal.{key}.items.{index}.metric"
                yield ConfigProblem(
                    file, where, f"{item.metric} is no {kind} of {known.name}; way {item.way} needs one"
                )
