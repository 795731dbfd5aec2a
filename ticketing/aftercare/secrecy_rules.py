"""What a policy says of secrets: classes, whose identity is hidden, publication, release, abuse, numbers. PURE."""

from dataclasses import dataclass

from ticketing.rules import Basis


@dataclass(frozen=True, slots=True)
class Coded:
    """A code and how people read it."""

    code: str
    label: str


@dataclass(frozen=True, slots=True)
class SecrecyRules:
    """classes: what kinds of sensitive content there are. masked_types: requests whose citizen is shown to nobody
    without need. purposes: what a number may be looked at for. release: export and copy of confidential material
    need a second person's approval; publication: nothing is public before somebody decided so."""

    classes: tuple[Coded, ...]
    classes_basis: Basis
    masked_types: frozenset[str]
    masked_basis: Basis
    purposes: tuple[Coded, ...]
    publication_basis: Basis
    release_basis: Basis

    def knows(self, code: str) -> bool:
        """Whether there is such a class."""
        return any(one.code == code for one in self.classes)


@dataclass(frozen=True, slots=True)
class AbuseRules:
    """kinds: what nuisance is. authorities: to whom it may be handed over. Nobody is ever blocked by the system."""

    kinds: tuple[Coded, ...]
    authorities: tuple[str, ...]
    basis: Basis


@dataclass(frozen=True, slots=True)
class Numbering:
    """Archive numbers without gaps. pattern: fields {iso_year}, {iso_week} and {seq}, a new count every week."""

    pattern: str
    basis: Basis
