"""The section `dispatch_rules` of a policy file: routing, handlers, two hops, linkage, disputes, assists."""

from collections.abc import Callable
from typing import Annotated

from pydantic import Field

from callcenter.types import UnitId
from config.policy_base import Cited, Condition, Lax, PeriodText, Strict
from ticketing.dispatch.rules import (
    OURS,
    AssistRules,
    DispatchRules,
    DisputeRules,
    FilingRule,
    HandlerRule,
    Linkage,
    Listed,
    Missing,
    Priority,
    RoutingKey,
    Topic,
    UpstreamDecides,
)
from ticketing.policy import Basis, When

Cite = Callable[[list[str]], Basis]


class RoutingPart(Strict):
    """order: what weighs most first."""

    order: list[Annotated[RoutingKey, Lax]] = Field(min_length=1)
    basis: Cited


class CitedPart(Strict):
    """Something the regulation asks for; the section is left out where it does not."""

    basis: Cited


class PriorityPart(Strict):
    when: Condition = Field(alias="if")
    basis: Cited


class HandlersPart(Strict):
    least: int = Field(ge=1, le=20)
    missing: Annotated[Missing, Lax]
    basis: Cited


class FilingPart(Strict):
    limit: PeriodText
    remind: PeriodText
    basis: Cited


class TopicPart(Strict):
    name: str
    keywords: list[str] = Field(min_length=1)
    units: list[str] = Field(default_factory=list)


class LinkagePart(Strict):
    topics: list[TopicPart] = Field(min_length=1)
    basis: Cited


class ListedPart(Strict):
    values: list[str] = Field(min_length=1)
    basis: Cited


class UpstreamDecidesPart(Strict):
    sources: list[str] = Field(min_length=1)
    basis: Cited


class ReturnsListedPart(Strict):
    """From so many returns on, a ticket or a unit stands on the list of repeated returns."""

    least: int = Field(ge=2, le=20)
    basis: Cited


class DisputePart(Strict):
    decider: str
    bodies: list[str] = Field(default_factory=list)
    after_returns: int = Field(ge=1, le=10)
    minutes: bool
    basis: Cited
    ruling_basis: Cited


class AssistPart(Strict):
    opinion: PeriodText
    basis: Cited


class DispatchRulesPart(Strict):
    routing: RoutingPart
    instruction: CitedPart | None = None
    duty_basis: CitedPart | None = None
    first: PriorityPart | None = None
    handlers: HandlersPart | None = None
    filing: FilingPart | None = None
    off_hours: CitedPart | None = None
    two_hop: CitedPart | None = None
    linkage: LinkagePart | None = None
    ways: ListedPart | None = None
    referrals: ListedPart | None = None
    upstream_extension: UpstreamDecidesPart | None = None
    returns_listed: ReturnsListedPart | None = None
    inaction: CitedPart | None = None
    dispute: DisputePart | None = None
    assist: AssistPart | None = None
    personal: CitedPart | None = None


def dispatch_rules(
    part: DispatchRulesPart | None, cite: Cite, when: Callable[[Condition], When]
) -> DispatchRules | None:
    """The section as a value."""
    if part is None:
        return None
    told, listed = part.linkage, part.returns_listed
    return DispatchRules(
        routing=tuple(part.routing.order),
        routing_basis=cite(part.routing.basis),
        instruction=_cited(part.instruction, cite),
        duty_basis=_cited(part.duty_basis, cite),
        first=Priority(when(part.first.when), cite(part.first.basis)) if part.first else None,
        handlers=_handlers(part.handlers, cite),
        filing=_filing(part.filing, cite),
        off_hours=_cited(part.off_hours, cite),
        two_hop=_cited(part.two_hop, cite),
        linkage=Linkage(tuple(_topic(topic) for topic in told.topics), cite(told.basis)) if told else None,
        ways=_listed(part.ways, cite),
        referrals=_listed(part.referrals, cite),
        upstream_extension=_upstream(part.upstream_extension, cite),
        returns_listed_from=listed.least if listed else 2,
        returns_listed_basis=cite(listed.basis) if listed else OURS,
        inaction_basis=_cited(part.inaction, cite),
        dispute=_dispute(part.dispute, cite),
        assist=AssistRules(part.assist.opinion, cite(part.assist.basis)) if part.assist else None,
        personal=_cited(part.personal, cite) or OURS,
    )


def _cited(part: CitedPart | None, cite: Cite) -> Basis | None:
    return cite(part.basis) if part else None


def _handlers(part: HandlersPart | None, cite: Cite) -> HandlerRule | None:
    return HandlerRule(part.least, part.missing, cite(part.basis)) if part else None


def _filing(part: FilingPart | None, cite: Cite) -> FilingRule | None:
    return FilingRule(part.limit, part.remind, cite(part.basis)) if part else None


def _topic(part: TopicPart) -> Topic:
    return Topic(part.name, tuple(part.keywords), tuple(UnitId(unit) for unit in part.units))


def _listed(part: ListedPart | None, cite: Cite) -> Listed | None:
    return Listed(tuple(part.values), cite(part.basis)) if part else None


def _upstream(part: UpstreamDecidesPart | None, cite: Cite) -> UpstreamDecides | None:
    return UpstreamDecides(frozenset(part.sources), cite(part.basis)) if part else None


def _dispute(part: DisputePart | None, cite: Cite) -> DisputeRules | None:
    if part is None:
        return None
    return DisputeRules(
        decider=part.decider,
        bodies=tuple(part.bodies),
        after_returns=part.after_returns,
        minutes=part.minutes,
        basis=cite(part.basis),
        ruling_basis=cite(part.ruling_basis),
    )
