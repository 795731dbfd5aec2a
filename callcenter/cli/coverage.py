"""`callcenter policy coverage`: every clause of the regulations, what does it, and the tests that prove it.

Collected, never typed: citations from the data files, ids from the sources of the code, markers from those of the
tests. A clause is accounted for when nothing of software follows from it and the list says why, or when data or
code does it and at least one test proves it.
"""

import json
import re
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from callcenter.cli.policy import policy

if TYPE_CHECKING:
    from config.clause_loader import Clause

ID = re.compile(r"\b[A-Z]{2}-[0-9]{3}\b")
PACKAGES = ("callcenter", "config", "ivr", "recordings", "ticketing")


@dataclass(frozen=True, slots=True)
class Entry:
    """One clause with what was found. config: `file: key`. tests None: there are no tests here to look at."""

    clause: "Clause"
    config: tuple[str, ...]
    code: tuple[str, ...]
    tests: tuple[str, ...] | None

    @property
    def missing(self) -> str:
        """What is missing, `` when the clause is accounted for."""
        if self.clause.reason:
            return ""
        lacks = [
            *(["no data or code does it"] if not self.config and not self.code else []),
            *(["no test proves it"] if not self.tests else []),
        ]
        return ", ".join(lacks)


@dataclass(frozen=True, slots=True)
class Coverage:
    """Everything found. wrong: unknown ids and unreadable markers, one sentence each."""

    entries: tuple[Entry, ...]
    wrong: tuple[str, ...]
    has_tests: bool

    @property
    def unaccounted(self) -> tuple[Entry, ...]:
        """What keeps the coverage from being whole."""
        return tuple(entry for entry in self.entries if entry.missing)

    @property
    def whole(self) -> bool:
        """Whether every clause is accounted for and nothing is wrong."""
        return self.has_tests and not self.wrong and not self.unaccounted


@dataclass
class Found:
    """Clause id -> where it was seen."""

    places: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def add(self, clause: str, place: str) -> None:
        """One place, once."""
        if place not in self.places[clause]:
            self.places[clause].append(place)

    def of(self, clause: str) -> tuple[str, ...]:
        """Its places, in the order they were seen."""
        return tuple(self.places.get(clause, ()))


def project_root() -> Path:
    """The folder that holds our packages: a source checkout, or where the wheel is installed."""
    return Path(__file__).resolve().parents[2]


def tests_of(root: Path) -> Path | None:
    """The project's tests, in a source checkout."""
    folder = root / "tests"
    return folder if (root / "pyproject.toml").is_file() and folder.is_dir() else None


def collect(root: Path, tests: Path | None) -> Coverage:
    """Set the clauses beside data, code and tests. root: holds the packages. Raises ConfigWrong (the clause list)."""
    from callcenter.cli.clause_tests import read_tests
    from config.clause_loader import load_citations, load_clauses

    clauses = load_clauses(root / "config")
    citations, problems = load_citations(clauses, root / "config")
    cited, named, proven = Found(), Found(), Found()
    for one in citations:
        cited.add(one.clause, f"{one.file}: {one.key}")
    for module, ids in _named(root):
        for clause in ids:
            named.add(clause, module)
    proofs = read_tests(tests, root if tests.is_relative_to(root) else None) if tests is not None else None
    for proof in proofs.found if proofs else ():
        proven.add(proof.clause, proof.node)
    wrong = [str(problem) for problem in problems]
    wrong += [
        *_unknown(clauses, named, "names"),
        *_unknown(clauses, proven, "carries"),
        *(proofs.wrong if proofs else ()),
    ]
    entries = tuple(
        Entry(clause, cited.of(id_), named.of(id_), proven.of(id_) if proofs else None)
        for id_, clause in clauses.items()
    )
    return Coverage(entries, tuple(wrong), proofs is not None)


def _named(root: Path) -> Iterator[tuple[str, tuple[str, ...]]]:
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            ids = ID.findall(path.read_text(encoding="utf-8"))
            if ids:
                yield ".".join(path.relative_to(root).with_suffix("").parts), tuple(dict.fromkeys(ids))


def _unknown(clauses: Mapping[str, object], found: Found, verb: str) -> Iterator[str]:
    prefixes = {clause[:3] for clause in clauses}
    for clause, places in sorted(found.places.items()):
        # Other things are called XX-000 too; a prefix of ours with a number that is none is a slip.
        if clause not in clauses and (verb == "carries" or clause[:3] in prefixes):
            yield f"{places[0]} {verb} {clause}, which is no clause of config/clauses"


@policy.command()
def coverage(
    tests: Annotated[Path | None, typer.Option(help="folder of tests; default: those of the checkout")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON document instead of tables")] = False,
) -> None:
    """Every clause, what does it and which tests prove it. Exit 1 when one is unaccounted for."""
    from callcenter.cli import fail
    from config.problems import ConfigWrong

    root = project_root()
    if tests is not None and not tests.is_dir():
        raise fail(f"{tests}: no such folder; name the folder of tests")
    try:
        found = collect(root, tests.resolve() if tests is not None else tests_of(root))
    except ConfigWrong as wrong:
        raise fail(str(wrong)) from None
    if as_json:
        typer.echo(json.dumps(_document(found), ensure_ascii=False, indent=1))
    else:
        _tables(found)
    for sentence in found.wrong:
        sys.stderr.write(f"wrong: {sentence}\n")
    if not found.has_tests:
        sys.stderr.write(
            "There are no tests here: an installed package does not bring them. Run this in a source checkout, or\n"
            "give --tests DIR.\n"
        )
    if not found.whole:
        raise typer.Exit(1)


def _document(found: Coverage) -> dict[str, object]:
    rows = [
        {
            "id": one.clause.id,
            "region": one.clause.region,
            "article": one.clause.article,
            "level": one.clause.level,
            "category": one.clause.category,
            "quote": one.clause.quote,
            "reason": one.clause.reason,
            "config": one.config,
            "code": one.code,
            "tests": one.tests,
            "missing": one.missing,
        }
        for one in found.entries
    ]
    counts = {"clauses": len(rows), "accounted": len(rows) - len(found.unaccounted)}
    return {"whole": found.whole, **counts, "wrong": found.wrong, "rows": rows}


def _tables(found: Coverage) -> None:
    from rich.console import Console

    console = Console(width=None if sys.stdout.isatty() else 160, highlight=False)
    for region in dict.fromkeys(one.clause.region for one in found.entries):
        _region(console.print, region, [one for one in found.entries if one.clause.region == region], found.has_tests)
    lost = found.unaccounted
    if lost:
        console.print("\n[bold]unaccounted for[/bold]")
        for one in lost:
            console.print(f"  {one.clause.id}  {one.clause.article}  {one.clause.level}: {one.missing}")
            console.print(f"           {one.clause.quote}", markup=False)
    console.print(f"\n{len(found.entries) - len(lost)} of {len(found.entries)} clauses accounted for")


def _region(show: Callable[[object], None], region: str, entries: Sequence[Entry], has_tests: bool) -> None:
    from rich.table import Table

    table = Table("clause", "article", "level", "done by", "proven by", title=region, title_justify="left")
    for one in entries:
        state = "" if not one.missing else "[red]"
        proof = _some(one.tests or ()) if has_tests else "?"
        what = (one.clause.reason, "") if one.clause.reason else (_some((*one.config, *one.code)), proof)
        table.add_row(f"{state}{one.clause.id}", one.clause.article, one.clause.level, *what)
    show(table)
    done = sum(not one.missing for one in entries)
    levels = ", ".join(
        f"{level} {sum(one.clause.level == level and not one.missing for one in entries)}/{count}"
        for level, count in _counted(str(one.clause.level) for one in entries).items()
    )
    show(f"{region}: {done} of {len(entries)} accounted for ({levels})")


def _counted(words: Iterable[str]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for word in words:
        counts[word] = counts.get(word, 0) + 1
    return counts


def _some(places: Sequence[str], most: int = 2) -> str:
    from rich.markup import escape

    shown = "\n".join(places[:most])
    return escape(shown + (f"\n(+{len(places) - most} more)" if len(places) > most else ""))
