"""How well a model hears: character error rate (CER) on what `heldout` wrote, by the product's own recogniser.

    python -m recordings.modelmaker.evaluate MODEL_FOLDER... HELD_OUT_FOLDER [--errors N]

Runs where vosk is, in the product's environment. Several models are compared on the same sounds.
"""

import argparse
import time
import wave
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError

from recordings.modelmaker.heldout import HeldOut, read_manifest
from recordings.vosk_door import BrokenModel, Model, NoModel, Recogniser, load
from recordings.words import Word, joined

PIECE_S = 0.1
"""Audio handed to the recogniser at once, as in a live call."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What the model made of one sound."""

    of: HeldOut
    text: str
    words: tuple[Word, ...]
    grew: bool
    """Partial results were seen to grow."""
    audio_s: float

    @property
    def errors(self) -> int:
        """Characters to insert, delete or replace."""
        return edits(self.of.text, self.text)


@dataclass(slots=True)
class Score:
    """Sum over one group of sounds."""

    sounds: int = 0
    perfect: int = 0
    errors: int = 0
    characters: int = 0

    def add(self, heard: Heard) -> None:
        """One more sound."""
        self.sounds += 1
        self.perfect += not heard.errors
        self.errors += heard.errors
        self.characters += len(heard.of.text)

    def __str__(self) -> str:
        perfect = f"{self.perfect} of {self.sounds} without an error"
        if not self.characters:
            return f"{perfect} (nothing is said; {self.errors} characters were heard)"
        return f"CER {self.errors / self.characters:7.2%}  {self.errors}/{self.characters} characters, {perfect}"


@dataclass(slots=True)
class Report:
    """How one model did."""

    scores: dict[str, Score] = field(default_factory=dict)
    worst: list[Heard] = field(default_factory=list)
    edges_s: list[float] = field(default_factory=list)
    """Distance of the first word's start and the last word's end from the truth, where every word is right."""
    spoken: int = 0
    grew: int = 0
    audio_s: float = 0.0
    cpu_s: float = 0.0

    def add(self, heard: Heard) -> None:
        """One more sound."""
        self.scores.setdefault(heard.of.group, Score()).add(heard)
        self.audio_s += heard.audio_s
        if heard.errors:
            self.worst.append(heard)
        if heard.of.text:
            self.spoken += 1
            self.grew += heard.grew
        if heard.words and not heard.errors:
            first, last = heard.words[0], heard.words[-1]
            self.edges_s += [abs(first.start_s - heard.of.start_s), abs(last.end_s - heard.of.end_s)]

    def lines(self, errors: int) -> Iterator[str]:
        """For the terminal; `errors`: how many of the worst to show."""
        yield from (f"  {group:<12}{score}" for group, score in self.scores.items())
        edge_ms = 1000 * sum(self.edges_s) / max(1, len(self.edges_s))
        yield (
            f"  {self.audio_s:.0f} s of audio, {self.cpu_s / max(self.audio_s, 1e-9):.3f} s of CPU for a second of it;"
            f" partial results grew in {self.grew} of {self.spoken};"
            f" first and last word {edge_ms:.0f} ms off on average"
        )
        worst = sorted(self.worst, key=lambda heard: -heard.errors / max(1, len(heard.of.text)))
        for heard in worst[:errors]:
            yield f"  {heard.of.file}\n    said  {heard.of.text}\n    heard {heard.text}"


def edits(said: str, heard: str) -> int:
    """Levenshtein distance in characters."""
    row = list(range(len(heard) + 1))
    for i, mine in enumerate(said, 1):
        diagonal, row[0] = row[0], i
        for j, theirs in enumerate(heard, 1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (mine != theirs))
    return row[-1]


def listen(model: Model, path: Path, of: HeldOut) -> Heard:
    """Decodes one WAV in small pieces, as they come in a call."""
    words: list[Word] = []
    partials: list[str] = []
    with wave.open(str(path)) as file:
        rate, length = file.getframerate(), file.getnframes()
        recogniser = Recogniser(model, rate)
        while samples := file.readframes(int(rate * PIECE_S)):
            if recogniser.accept(samples):
                words += recogniser.result()
            else:
                partials.append(joined(recogniser.partial()))
    words += recogniser.finish()
    return Heard(of, joined(words), tuple(words), len(set(partials) - {""}) > 1, length / rate)


def evaluate(model: Model, folder: Path) -> Report:
    """The model on all sounds of the folder. Raises what `read_manifest` raises."""
    report = Report()
    began_s = time.process_time()
    for of in read_manifest(folder):
        report.add(listen(model, folder / of.file, of))
    report.cpu_s = time.process_time() - began_s
    return report


def main(arguments: Sequence[str] | None = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m recordings.modelmaker.evaluate", description=__doc__)
    parser.add_argument("models", type=Path, nargs="+", metavar="MODEL_FOLDER")
    parser.add_argument("held_out", type=Path, metavar="HELD_OUT_FOLDER")
    parser.add_argument("--errors", type=int, default=0, metavar="N", help="show the N worst sentences")
    chosen = parser.parse_args(arguments)
    for path in chosen.models:
        try:
            report = evaluate(load(path), chosen.held_out)
        except (NoModel, BrokenModel, OSError, ValidationError) as problem:
            parser.exit(1, f"{problem}\n")
        size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
        print(f"{path}: {size / 1e6:.2f} MB", *report.lines(chosen.errors), sep="\n")


if __name__ == "__main__":
    main()
