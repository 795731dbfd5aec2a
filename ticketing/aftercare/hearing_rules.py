"""What a policy says of hearing recordings and of copies of them. PURE."""

from dataclasses import dataclass
from enum import StrEnum

from callcenter.types import Role
from ticketing.rules import OURS, Basis
from ticketing.words import Flag


class Watermark(StrEnum):
    """How a copy tells whose it is."""

    INAUDIBLE = "inaudible"
    AUDIBLE = "audible"
    """A soft double tone as well."""


@dataclass(frozen=True, slots=True)
class HearingRules:
    """reason_*: who is asked why they listen, and for which tickets everybody is. unit_listens: whether a unit may
    hear the calls of tickets it leads. second_person_over: copies a person may make in a day without another's
    approval; None: any number. A copy always needs a reason, hides long numbers and is marked."""

    reason_roles: frozenset[Role] = frozenset()
    reason_types: frozenset[str] = frozenset()
    reason_flags: frozenset[Flag] = frozenset()
    reason_confidential: bool = False
    reason_basis: Basis = OURS
    unit_listens: bool = False
    unit_listens_basis: Basis = OURS
    second_person_over: int | None = None
    watermark: Watermark = Watermark.INAUDIBLE
    exports_basis: Basis = OURS


SILENT = HearingRules()
"""A policy without the section."""
