"""Keeps a folder of prompts up to date with their texts and recordings.

The folder holds `<name>.wav` (8 kHz, 16-bit, mono) and `prompts.json`, which remembers for each file of what it was
made; a file that is as remembered is left alone. Safe to run twice at once: files are replaced whole.
"""

import hashlib
import json
import os
import re
import secrets
import wave
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from ivr.prompts.reading import UnreadableText, reading
from ivr.prompts.voice import PEAK, RATE_HZ, VOICE, WORDS_PER_MIN, VoiceFailed, speak, write_wav

MANIFEST = "prompts.json"
RECORDED = Path(__file__).parent / "recorded"
"""Recordings of a person shipped with the package, by language."""

_NAME = re.compile(r"[a-z][a-z0-9-]{0,39}")
_LINE = re.compile(r"([a-z][a-z0-9-]*):[ ]+([^\"'|>&*!%@`{\[\s].*?)\s*")
# Part of every hash: raise it when the same input is to sound different.
_MAKER = f"1 {VOICE} {WORDS_PER_MIN} {PEAK} {RATE_HZ}"


class PromptsWrong(Exception):
    """Prompts cannot be made; each line names one and says what to mend."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(problems))


@dataclass(frozen=True, slots=True)
class Made:
    """What a run did, names sorted. spoken: by espeak-ng. recorded: copied. kept: was up to date."""

    spoken: tuple[str, ...]
    recorded: tuple[str, ...]
    kept: tuple[str, ...]


def make(texts: Mapping[str, str], out: Path, recorded: Path | None = None) -> Made:
    """Make or refresh `out/<name>.wav` for every text. recorded: folder whose `<name>.wav` win, None for none.

    Raises PromptsWrong with every prompt that cannot be made, VoiceMissing when espeak-ng is needed and not there.
    """
    sources, problems = _sources(texts, recorded)
    if problems:
        raise PromptsWrong(problems)
    out.mkdir(parents=True, exist_ok=True)
    remembered = _remembered(out)
    stale = [source for source in sources if not _is_fresh(out, source, remembered)]
    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        errors = [error for error in pool.map(lambda source: _try_render(out, source), stale) if error]
    if errors:
        raise PromptsWrong(errors)
    _remember(out, sources)
    done = {source.name for source in stale}
    return Made(
        spoken=tuple(sorted(one.name for one in sources if one.name in done and not one.recording)),
        recorded=tuple(sorted(one.name for one in sources if one.name in done and one.recording)),
        kept=tuple(sorted(one.name for one in sources if one.name not in done)),
    )


def read_texts(file: Path) -> dict[str, str]:
    """The texts of a prompts file: `name: text` lines, comments and empty lines. Raises PromptsWrong.

    That is the plainest corner of YAML, and all of it this package understands.
    """
    texts: dict[str, str] = {}
    problems = []
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        if match is None or " #" in line:
            problems.append(f"{file.name}:{number}: write `name: text`, without quotes or a comment behind it")
        elif match[1] in texts:
            problems.append(f"{file.name}:{number}: {match[1]} stands twice; take one out")
        else:
            texts[match[1]] = match[2]
    if problems:
        raise PromptsWrong(problems)
    return texts


@dataclass(frozen=True, slots=True)
class _Source:
    """What one prompt is made of. recording: the bytes of a checked wav file, or pinyin is spoken."""

    name: str
    pinyin: str
    recording: bytes
    digest: str


def _sources(texts: Mapping[str, str], recorded: Path | None) -> tuple[list[_Source], list[str]]:
    sources, problems = [], []
    for name, text in sorted(texts.items()):
        try:
            sources.append(_source(name, text, recorded / f"{name}.wav" if recorded else None))
        except (UnreadableText, PromptsWrong) as error:
            problems.append(f"{name}: {error}")
    return sources, problems


def _source(name: str, text: str, recording: Path | None) -> _Source:
    if not _NAME.fullmatch(name):
        raise PromptsWrong(["a prompt's name is small letters, digits and -"])
    if recording and recording.is_file():
        _check_recording(recording)
        content = recording.read_bytes()
        return _Source(name, "", content, hashlib.sha256(content).hexdigest())
    pinyin = reading(text)
    return _Source(name, pinyin, b"", hashlib.sha256(f"{_MAKER}\n{pinyin}".encode()).hexdigest())


def _check_recording(file: Path) -> None:
    try:
        with wave.open(str(file), "rb") as sound:
            shape = (sound.getframerate(), sound.getsampwidth(), sound.getnchannels())
            frames = sound.getnframes()
    except (wave.Error, EOFError):
        shape, frames = (0, 0, 0), 0
    if shape != (RATE_HZ, 2, 1) or frames < RATE_HZ // 4:
        raise PromptsWrong([f"{file} is not 8 kHz 16-bit mono; convert it: sox IN -r 8000 -c 1 -b 16 {file.name}"])


def _try_render(out: Path, source: _Source) -> str:
    """'' or what went wrong."""
    part = out / f".{source.name}.{secrets.token_hex(4)}.part"
    try:
        if source.recording:
            part.write_bytes(source.recording)
        else:
            write_wav(part, speak(source.pinyin, part.with_suffix(".espeak")))
        part.replace(out / f"{source.name}.wav")
    except VoiceFailed as error:
        return f"{source.name}: {error}"
    finally:
        part.unlink(missing_ok=True)
    return ""


def _is_fresh(out: Path, source: _Source, remembered: Mapping[str, object]) -> bool:
    file = out / f"{source.name}.wav"
    # The file's own digest too: one that was cut short or edited by hand is made again.
    return file.is_file() and remembered.get(source.name) == {"of": source.digest, "file": _digest(file)}


def _remember(out: Path, sources: list[_Source]) -> None:
    notes = {one.name: {"of": one.digest, "file": _digest(out / f"{one.name}.wav")} for one in sources}
    part = out / f".{MANIFEST}.{secrets.token_hex(4)}.part"
    part.write_text(json.dumps(notes, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    part.replace(out / MANIFEST)


def _remembered(out: Path) -> Mapping[str, object]:
    try:
        notes = json.loads((out / MANIFEST).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return notes if isinstance(notes, dict) else {}


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
