"""Speech the model has never heard, as files with what is said in them: made by the maker, read by `evaluate`."""

import wave
from collections.abc import Iterable, Iterator
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from recordings.modelmaker.examples import Job, Utterance, Way, hear, spread
from recordings.modelmaker.segmenter import Segmenter
from recordings.modelmaker.sentences import FREE_FILE, LONG, PAUSE, SHORT, Corpus, lines, script, sentences
from recordings.modelmaker.telephone import NOT_SPEECH, RATE, Pcm

MANIFEST = "heldout.jsonl"
TEMPLATE_SENTENCES = 150
TIMES = {"template": 1, "free": 2, "script": 3, "plain": 1}
"""How often a sentence of each group is said, each time by another voice over another line."""
NOT_SPEECH_TIMES = 5
_SEED = 99_000_000
"""Far from the seeds of training."""


class HeldOut(BaseModel):
    """One line of the manifest. Times of the first and the last sound, in seconds; `text` is empty for no speech."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)
    group: str = Field(description="template, free, script, plain, or a kind of no speech")
    file: str
    text: str
    start_s: float
    end_s: float


def held_out_texts(corpus: Corpus, seed: int) -> dict[str, list[str]]:
    """Group -> sentences that training must not have: drawn from the templates, in free wording, and a script's lines
    twice: over the same bad lines, and by the plain voice of the demonstration."""
    drawn = dict.fromkeys(said for said in sentences(corpus, 20 * TEMPLATE_SENTENCES, seed + 1))
    telling = [said for said in drawn if SHORT <= len(said) <= 2 * LONG]
    return {
        "template": telling[:TEMPLATE_SENTENCES],
        "free": list(lines(FREE_FILE)),
        "script": script(corpus, seed + 2),
        "plain": script(corpus, seed + 2),
    }


def bare(text: str) -> str:
    """Without pauses, as it is compared."""
    return text.replace(PAUSE, "")


def write_held_out(folder: Path, texts: dict[str, list[str]], segmenter: Segmenter, processes: int) -> int:
    """Writes the sounds and the manifest; answers how many there are."""
    wanted = [(group, text) for group, all_of_it in texts.items() for text in all_of_it for _ in range(TIMES[group])]
    wanted += [(kind, "") for kind in NOT_SPEECH for _ in range(NOT_SPEECH_TIMES)]
    jobs = [
        Job(
            _SEED + i,
            tuple(tuple(clause) for clause in segmenter.clauses(text)),
            "" if text else group,
            Way.PLAIN if group == "plain" else Way.HELD_OUT,
        )
        for i, (group, text) in enumerate(wanted)
    ]
    folder.mkdir(parents=True, exist_ok=True)
    made = [one for one in zip(wanted, spread(hear, jobs, processes), strict=True) if one[1] is not None]
    written = list(_written(folder, ((group, text, heard) for (group, text), heard in made if heard)))
    (folder / MANIFEST).write_text("".join(f"{one.model_dump_json()}\n" for one in written), encoding="utf-8")
    return len(written)


def _written(folder: Path, made: Iterable[tuple[str, str, Utterance]]) -> Iterator[HeldOut]:
    for number, (group, text, heard) in enumerate(made):
        name = f"{group}-{number:03d}.wav"
        _write_wav(folder / name, heard.pcm)
        # the first and the last span are silence
        start_s, end_s = heard.spans[0][2], heard.spans[-1][1]
        yield HeldOut(group=group, file=name, text=bare(text), start_s=round(start_s, 3), end_s=round(end_s, 3))


def _write_wav(path: Path, pcm: Pcm) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(pcm.tobytes())


def read_manifest(folder: Path) -> list[HeldOut]:
    """What `write_held_out` wrote. Raises OSError, pydantic.ValidationError."""
    rows = (folder / MANIFEST).read_text(encoding="utf-8").splitlines()
    return [HeldOut.model_validate_json(row) for row in rows]
