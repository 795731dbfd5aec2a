"""The sections `numbering`, `secrecy` and `abuse` of a policy file."""

from collections.abc import Callable
from typing import Annotated

from pydantic import AfterValidator, Field

from config.policy_base import Cited, Strict
from ticketing.aftercare.secrecy_rules import AbuseRules, Coded, Numbering, SecrecyRules
from ticketing.rules import Basis

Cite = Callable[[list[str]], Basis]


def _pattern(text: str) -> str:
    example = "write a pattern such as GZ-{iso_year}W{iso_week}-{seq:05d}"
    try:
        texts = {text.format(iso_year=y, iso_week=w, seq=s) for y, w, s in ((2026, 1, 1), (2027, 1, 1), (2026, 2, 1))}
        texts.add(text.format(iso_year=2026, iso_week=1, seq=2))
    except (KeyError, ValueError, IndexError):
        raise ValueError(example) from None
    if len(texts) < 4:
        raise ValueError(f"year, week and number must all stand in it; {example}")
    return text


class NumberingPart(Strict):
    pattern: Annotated[str, AfterValidator(_pattern)]
    basis: Cited


class CodedPart(Strict):
    code: str = Field(pattern=r"^[a-z][a-z_]{1,39}$")
    label: str


class SecrecyPart(Strict):
    classes: list[CodedPart] = Field(min_length=1)
    classes_basis: Cited
    masked_types: list[str]
    masked_basis: Cited
    purposes: list[CodedPart] = Field(min_length=1)
    publication_basis: Cited
    release_basis: Cited


class AbusePart(Strict):
    kinds: list[CodedPart] = Field(min_length=1)
    authorities: list[str] = Field(min_length=1)
    basis: Cited


def _coded(parts: list[CodedPart]) -> tuple[Coded, ...]:
    return tuple(Coded(part.code, part.label) for part in parts)


def numbering(part: NumberingPart | None, cite: Cite) -> Numbering | None:
    """The section as a value."""
    return Numbering(part.pattern, cite(part.basis)) if part else None


def secrecy_rules(part: SecrecyPart | None, cite: Cite) -> SecrecyRules | None:
    """The section as a value."""
    if part is None:
        return None
    return SecrecyRules(
        classes=_coded(part.classes),
        classes_basis=cite(part.classes_basis),
        masked_types=frozenset(part.masked_types),
        masked_basis=cite(part.masked_basis),
        purposes=_coded(part.purposes),
        publication_basis=cite(part.publication_basis),
        release_basis=cite(part.release_basis),
    )


def abuse_rules(part: AbusePart | None, cite: Cite) -> AbuseRules | None:
    """The section as a value."""
    return AbuseRules(_coded(part.kinds), tuple(part.authorities), cite(part.basis)) if part else None
