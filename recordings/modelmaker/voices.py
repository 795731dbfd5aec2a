"""Speech by espeak-ng, and when each phone of it is said. The door of libespeak-ng (ctypes, speak_lib.h).

espeak-ng tells the sample at which each of its phonemes begins, so nothing has to be aligned afterwards.
Voice `cmn-latn-pinyin` fed with pinyin: voice `cmn` of espeak-ng 1.51 reads hanzi as English letters.
"""

import ctypes
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recordings.modelmaker.lexicon import SILENCE, Syllable

LANGUAGE = "cmn-latn-pinyin"
_HEARD = "m1 m2 m3 m5 m7 m8 f1 f2 f3 f5 linda steph Andy Gene Diogo belinda adam edward"
VOICES = (LANGUAGE, *(f"{LANGUAGE}+{variant}" for variant in _HEARD.split()))
_NOT_HEARD = ("m4", "m6", "f4", "Alex", "Annie")
HELD_OUT_VOICES = tuple(f"{LANGUAGE}+{variant}" for variant in _NOT_HEARD)
"""Never trained on."""

_SYNCHRONOUS, _PHONEME_EVENTS, _UTF8 = 2, 1, 1
_RATE, _PITCH, _RANGE = 1, 3, 4
_END_OF_LIST, _PHONEME = 0, 7

Samples = NDArray[np.float32]
Span = tuple[str, float, float]
"""A phone with its start and end, in seconds."""


class NoSynthesiser(Exception):
    """espeak-ng is missing or incomplete; install it with `apt-get install libespeak-ng1 espeak-ng-data`."""


class NoVoice(Exception):
    """This espeak-ng does not have the voice; install a complete espeak-ng-data (1.51 or later)."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """How something is said. words_per_minute 80-450; pitch and spread (of the melody) 0-99."""

    voice: str
    words_per_minute: int = 160
    pitch: int = 50
    spread: int = 50


@dataclass(frozen=True, slots=True)
class Spoken:
    """Mono samples of -1..1 at `rate`, and espeak-ng's phonemes with the second each begins."""

    samples: Samples
    rate: int
    phonemes: tuple[tuple[float, str], ...]

    @property
    def seconds(self) -> float:
        """How long it is."""
        return len(self.samples) / self.rate


class _EventId(ctypes.Union):
    _fields_ = (("number", ctypes.c_int), ("string", ctypes.c_char * 8))


class _Event(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_int) for name in ("type", "uid", "text_position", "length", "audio_position", "sample")),
        ("user_data", ctypes.c_void_p),
        ("id", _EventId),
    )


class Synthesiser:
    """One espeak-ng. There can be one in a process, and what it said before colours what it says next."""

    def __init__(self) -> None:
        """Raises NoSynthesiser."""
        try:
            self._espeak = ctypes.CDLL("libespeak-ng.so.1")
        except OSError as error:
            raise NoSynthesiser("libespeak-ng.so.1 cannot be loaded") from error
        self._rate = int(self._espeak.espeak_Initialize(_SYNCHRONOUS, 0, None, _PHONEME_EVENTS))
        if self._rate <= 0:
            raise NoSynthesiser("espeak-ng does not start; is espeak-ng-data installed?")
        self._pieces: list[Samples] = []
        self._phonemes: list[tuple[float, str]] = []
        kind = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))
        # Kept: ctypes would free it while espeak-ng still calls it.
        self._callback = kind(self._take)
        self._espeak.espeak_SetSynthCallback(self._callback)

    def say(self, pinyin: str, how: Delivery) -> Spoken:
        """Reads pinyin with tone numbers, as `lexicon.spelled` gives it. Raises NoVoice."""
        self._pieces, self._phonemes = [], []
        if self._espeak.espeak_SetVoiceByName(how.voice.encode()):
            raise NoVoice(f"espeak-ng has no voice {how.voice}")
        for parameter, value in ((_RATE, how.words_per_minute), (_PITCH, how.pitch), (_RANGE, how.spread)):
            self._espeak.espeak_SetParameter(parameter, value, 0)
        text = pinyin.encode()
        self._espeak.espeak_Synth(text, ctypes.c_size_t(len(text) + 1), 0, 1, 0, _UTF8, None, None)
        self._espeak.espeak_Synchronize()
        samples = np.concatenate(self._pieces) if self._pieces else np.zeros(0, np.float32)
        return Spoken(samples, self._rate, tuple(self._phonemes))

    def _take(self, samples: Any, count: int, events: Any) -> int:
        if samples and count:
            piece = np.ctypeslib.as_array(samples, (count,))
            self._pieces.append((piece / 32_768).astype(np.float32))
        i = 0
        while events[i].type != _END_OF_LIST:
            if events[i].type == _PHONEME:
                name = events[i].id.string.decode("utf-8", "replace")
                self._phonemes.append((events[i].sample / self._rate, name))
            i += 1
        return 0


@dataclass(frozen=True, slots=True)
class _Group:
    """Phonemes of one syllable, or a pause (no starts); `end_s` is where it ends, of a pause where it begins."""

    starts_s: tuple[float, ...]
    end_s: float


def _groups(phonemes: Sequence[tuple[float, str]], end_s: float) -> Iterator[_Group]:
    current: list[float] = []
    for start_s, name in phonemes:
        if not name.startswith("_"):
            # "(en)" and the like only tell that espeak-ng changed its language.
            current += [] if name.startswith("(") else [start_s]
            continue
        if current:
            yield _Group(tuple(current), start_s)
            current = []
        if name != "_|":  # the bar parts syllables; everything else that begins with _ is a pause
            yield _Group((), start_s)
    if current:
        yield _Group(tuple(current), end_s)


def align(phonemes: Sequence[tuple[float, str]], syllables: Sequence[Syllable], end_s: float) -> list[Span] | None:
    """When each phone of `syllables` is said, silences included, without gaps from the first sound to `end_s`.

    None where espeak-ng said another number of syllables, or of sounds in one, than was written.
    """
    groups = list(_groups(phonemes, end_s))
    if sum(bool(group.starts_s) for group in groups) != len(syllables):
        return None
    spans: list[Span] = []
    waiting = iter(syllables)
    pause_from: float | None = None
    for group in groups:
        if not group.starts_s:
            pause_from = group.end_s if pause_from is None else pause_from
            continue
        phones = next(waiting)
        if len(group.starts_s) < len(phones):
            return None
        start_s = group.starts_s[0]
        if pause_from is not None:
            spans.append((SILENCE, pause_from, start_s))
        elif spans:
            start_s = spans[-1][2]  # the closure between two syllables belongs to the second
        pause_from = None
        bounds = (start_s, *group.starts_s[1 : len(phones)], group.end_s)
        spans += [(phone, bounds[i], bounds[i + 1]) for i, phone in enumerate(phones)]
    last_s = spans[-1][2] if spans else 0.0
    spans.append((SILENCE, last_s if pause_from is None else pause_from, end_s))
    return spans
