"""The section `recordings` of a policy file: who says why they listen, whether units may, and what copies need."""

from collections.abc import Callable
from typing import Annotated

from pydantic import BeforeValidator, Field

from callcenter.types import Role
from config.policy_base import Cited, CountText, Lax, Strict, Strings, listed
from ticketing.aftercare.hearing_rules import HearingRules, Watermark
from ticketing.rules import Basis
from ticketing.words import Flag

Roles = Annotated[list[Annotated[Role, Lax]], BeforeValidator(listed)]
Flags = Annotated[list[Annotated[Flag, Lax]], BeforeValidator(listed)]


class ReasonPart(Strict):
    """Any of these is enough: the listener's role, the ticket's type or mark, or that it is confidential."""

    roles: Roles = Field(default=[])
    types: Strings = Field(default=[])
    flags: Flags = Field(default=[])
    confidential: bool = False


class ExportsPart(Strict):
    """second_person_over: copies in a day without another's approval; none: any number."""

    second_person_over: CountText
    watermark: Annotated[Watermark, Lax] = Field(default=Watermark.INAUDIBLE)


class RecordingsPart(Strict):
    reason: ReasonPart = ReasonPart()
    reason_basis: Cited
    unit_listens: bool
    unit_listens_basis: Cited
    exports: ExportsPart
    exports_basis: Cited


def hearing_rules(part: RecordingsPart | None, cite: Callable[[list[str]], Basis]) -> HearingRules | None:
    """The section as a value."""
    if part is None:
        return None
    return HearingRules(
        reason_roles=frozenset(part.reason.roles),
        reason_types=frozenset(part.reason.types),
        reason_flags=frozenset(part.reason.flags),
        reason_confidential=part.reason.confidential,
        reason_basis=cite(part.reason_basis),
        unit_listens=part.unit_listens,
        unit_listens_basis=cite(part.unit_listens_basis),
        second_person_over=part.exports.second_person_over,
        watermark=part.exports.watermark,
        exports_basis=cite(part.exports_basis),
    )
