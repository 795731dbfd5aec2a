"""The only door to vosk: models are loaded once, a recogniser belongs to one stream and one thread.

vosk releases the GIL while it decodes, so threads use all cores. `python -m recordings.vosk_door FOLDER` loads a
model and decodes a moment of silence: a broken model can abort the process, so it is tried in one of its own.
"""

import json
import sys
import threading
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import vosk

from recordings.words import Word

vosk.SetLogLevel(-1)

NEEDED = ("am/final.mdl", "conf/model.conf", "conf/mfcc.conf")
GRAPHS = (("graph/HCLG.fst", "graph/words.txt"), ("graph/HCLr.fst", "graph/Gr.fst"))
"""A model has one of these: a whole graph with its words, or the two halves of a dynamic one."""
FIRST_WORD_S = 0.4
"""How long before its first appearance a first word began, about: frames, look-ahead and the word itself."""
_NOT_WORDS = frozenset({"[unk]", "<unk>", "<UNK>", "[noise]"})


class NoModel(Exception):
    """There is no complete speech model in the folder; install one with `callcenter models install`."""


class BrokenModel(Exception):
    """vosk refuses the model, or it was changed since it was installed; install it again."""


class WrongThread(RuntimeError):
    """A recogniser was used from another thread than the one that made it; that corrupts its state."""


class Model:
    """A loaded model, shared by any number of recognisers in any threads. `name` is its folder's name."""

    def __init__(self, path: Path) -> None:
        """Loads the folder `path`. Raises NoModel when files are missing, BrokenModel when vosk refuses them."""
        check_files(path)
        self.path = path
        self.name = path.name
        try:
            self.handle: Any = vosk.Model(model_path=str(path))
        except Exception as error:  # vosk raises nothing more exact
            raise BrokenModel(f"vosk cannot load the model in {path}; install it again") from error


def check_files(path: Path) -> None:
    """Raises NoModel, naming the first file that is missing."""
    if not path.is_dir():
        raise NoModel(f"no speech model at {path}: there is no such folder")
    for name in NEEDED:
        if not (path / name).is_file():
            raise NoModel(f"the speech model at {path} is incomplete: {name} is missing")
    if not any(all((path / name).is_file() for name in graph) for graph in GRAPHS):
        raise NoModel(f"the speech model at {path} is incomplete: graph/HCLG.fst is missing")


_loading = threading.Lock()


def load(path: Path) -> Model:
    """The model in `path`, loaded once per process. Takes 0.05 s (demo model) to some seconds: call it in a thread.

    Raises NoModel, BrokenModel; a failure is not remembered.
    """
    with _loading:
        return _load(path.resolve())


@lru_cache(maxsize=4)
def _load(path: Path) -> Model:
    return Model(path)


class Recogniser:
    """Turns one stream of mono 16-bit samples into words. Make it and use it in one thread only."""

    def __init__(self, model: Model, sample_rate: int) -> None:
        """sample_rate: of the samples, 8000 to 48000; the model resamples."""
        self._thread = threading.get_ident()
        self._vosk = vosk.KaldiRecognizer(model.handle, float(sample_rate))
        self._vosk.SetWords(True)
        self._rate = sample_rate
        self._heard_bytes = 0
        self._seen: tuple[Word, ...] = ()

    def accept(self, samples: bytes) -> bool:
        """Hears some samples; True when a pause has ended an utterance, which `result` then gives."""
        self._check_thread()
        self._heard_bytes += len(samples)
        return bool(self._vosk.AcceptWaveform(samples))

    def result(self) -> tuple[Word, ...]:
        """The words of the utterance that has just ended."""
        self._check_thread()
        self._seen = ()
        return _words(self._vosk.Result(), "result")

    def partial(self) -> tuple[Word, ...]:
        """The words of the utterance so far; they may still change.

        vosk knows the times of a word about two seconds after it knows the word. Until then its end is when it
        was first seen, its start the end of the word before, and `conf` is 0.
        """
        self._check_thread()
        self._vosk.SetPartialWords(False)
        # Right after the end of an utterance vosk answers {"text": ""} instead of a partial.
        now = json.loads(self._vosk.PartialResult()).get("partial", "").split()
        self._vosk.SetPartialWords(True)
        timed = _words(self._vosk.PartialResult(), "partial_result")
        heard_s = self._heard_bytes / (2 * self._rate)
        self._seen = provisional([word for word in now if word not in _NOT_WORDS], timed, self._seen, heard_s)
        return self._seen

    def finish(self) -> tuple[Word, ...]:
        """The words of the last utterance; the recogniser is used up."""
        self._check_thread()
        self._seen = ()
        return _words(self._vosk.FinalResult(), "result")

    def _check_thread(self) -> None:
        if threading.get_ident() != self._thread:
            raise WrongThread("a recogniser was used outside its own thread")


def provisional(now: Sequence[str], timed: Sequence[Word], seen: Sequence[Word], heard_s: float) -> tuple[Word, ...]:
    """The words `now` with the best times there are: vosk's own, those of an earlier look, or this moment.

    timed: words vosk has times for; seen: the answer of the last look; heard_s: length of the stream so far.
    """
    begin = next((one[0].start_s for one in (timed, seen) if one), max(0.0, heard_s - FIRST_WORD_S))
    words: list[Word] = []
    for place, text in enumerate(now):
        known = next((one[place] for one in (timed, seen) if place < len(one) and one[place].word == text), None)
        before_s = words[-1].end_s if words else begin
        # An earlier guess must not overlap the times vosk has given to the word before.
        word = known or Word(text, before_s, heard_s, 0.0)
        words.append(replace(word, start_s=max(word.start_s, before_s), end_s=max(word.end_s, before_s)))
    return tuple(words)


def _words(answer: str, key: str) -> tuple[Word, ...]:
    # Without any word vosk leaves the key out.
    found = json.loads(answer).get(key, [])
    return tuple(
        Word(item["word"], round(item["start"], 3), round(item["end"], 3), round(item.get("conf", 1.0), 4))
        for item in found
        if item["word"] not in _NOT_WORDS
    )


def _try_out(path: Path) -> None:
    recogniser = Recogniser(Model(path), 8_000)
    recogniser.accept(bytes(8_000))
    recogniser.finish()


if __name__ == "__main__":
    _try_out(Path(sys.argv[1]))
