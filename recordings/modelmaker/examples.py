"""Utterances become training examples, on several cores and yet the same every time."""

import functools
import multiprocessing
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TypeVar

import numpy as np

from recordings.modelmaker.features import Features, Labels, frame_labels, mfcc, output_frames
from recordings.modelmaker.lexicon import SILENCE, NotASyllable, spelled
from recordings.modelmaker.telephone import (
    HELD_OUT,
    NOT_SPEECH,
    RATE,
    TRAINING,
    UNHARMED,
    Pcm,
    Samples,
    not_speech,
    resampled,
    through_a_line,
)
from recordings.modelmaker.voices import HELD_OUT_VOICES, VOICES, Delivery, Span, Synthesiser, align

PARTS = 16
"""The work is cut into so many parts whatever the number of processes, each in a process of its own: the sound of
espeak-ng depends on what it said before."""
NOT_SPEECH_EVERY, ANY_WORDS_EVERY = 20, 5
"""One utterance in so many is no speech at all; one in so many is any words, so that all syllables are heard."""
BACKGROUND = ["我要反映小区停水问题请尽快处理", "您好请问具体地址是哪里"] * 4
BACKGROUND_S = 20
J = TypeVar("J")
R = TypeVar("R")


class Way(Enum):
    """How an utterance is said: by voices and over lines to learn from, by others over worse lines to be tested on,
    or by the plain voice with nothing done to it, as the demonstration and the tests speak."""

    TRAINING = "training"
    HELD_OUT = "held out"
    PLAIN = "plain"


_LINES = {Way.TRAINING: TRAINING, Way.HELD_OUT: HELD_OUT, Way.PLAIN: UNHARMED}


@dataclass(frozen=True, slots=True)
class Job:
    """One utterance to be made: `clauses` of words, or a kind of no speech. The seed decides everything else."""

    seed: int
    clauses: tuple[tuple[str, ...], ...] = ()
    not_speech: str = ""
    way: Way = Way.TRAINING


@dataclass(frozen=True, slots=True)
class Utterance:
    """What came down the line: 8 kHz samples, and when each phone was said."""

    pcm: Pcm
    spans: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Example:
    """Features of an utterance and the pdf of each output frame."""

    features: Features
    labels: Labels


def plan(said: Sequence[Sequence[Sequence[str]]], words: Sequence[str], count: int, seed: int) -> list[Job]:
    """`count` utterances to train on: mostly of `said` (clauses of words each), some of any `words`, some no speech."""
    rng = random.Random(seed)  # noqa: S311 - repeatable, nothing secret
    kinds = list(NOT_SPEECH)
    jobs: list[Job] = []
    for i in range(count):
        own_seed = seed * 1_000_003 + i
        if i % NOT_SPEECH_EVERY == NOT_SPEECH_EVERY // 2:
            jobs.append(Job(own_seed, not_speech=kinds[i // NOT_SPEECH_EVERY % len(kinds)]))
        elif i % ANY_WORDS_EVERY == 1:
            jobs.append(Job(own_seed, (tuple(rng.choice(words) for _ in range(rng.randint(3, 9))),)))
        else:
            jobs.append(Job(own_seed, tuple(tuple(clause) for clause in rng.choice(said))))
    return jobs


def hear(job: Job) -> Utterance | None:
    """The utterance as it comes out of a telephone line; None where espeak-ng read something else than was written."""
    rng = np.random.default_rng(job.seed)
    if job.not_speech:
        sound = not_speech(job.not_speech, rng)
        return Utterance(sound, ((SILENCE, 0.0, len(sound) / RATE),))
    try:
        text, syllables = spelled(job.clauses)
    except NotASyllable:
        return None
    spoken = _synthesiser().say(text, _delivery(rng, job.way))
    # Three of five speakers get another vocal tract.
    warp = 1.0 if job.way is not Way.TRAINING or rng.random() < 0.4 else rng.uniform(0.88, 1.14)
    samples = resampled(spoken.samples, spoken.rate, warp)
    stretch = len(samples) / RATE / spoken.seconds
    spans = align([(at_s * stretch, name) for at_s, name in spoken.phonemes], syllables, len(samples) / RATE)
    if spans is None:
        return None
    samples, spans = _between_silences(samples, spans, *rng.uniform(0.1, 0.6, 2))
    return Utterance(through_a_line(samples, rng, _babble(), _LINES[job.way]), tuple(spans))


def example(job: Job, pdf_ids: Mapping[str, int]) -> Example | None:
    """What the network learns from the utterance; None where there is none."""
    heard = hear(job)
    if heard is None:
        return None
    features = mfcc(heard.pcm)
    labels = frame_labels(heard.spans, output_frames(len(features)), pdf_ids)
    return None if labels is None else Example(features, labels)


def spread(work: Callable[[J], R], jobs: Sequence[J], processes: int, parts: int = PARTS) -> list[R]:
    """work(job) for each job, in order. `work` is a function of a module, or a partial of one."""
    done: dict[int, R] = {}
    # spawn: torch's and numpy's threads do not survive a fork
    with multiprocessing.get_context("spawn").Pool(processes, maxtasksperchild=1) as pool:
        todo = [(work, jobs[part::parts]) for part in range(parts)]
        for part, results in enumerate(pool.imap(_work_off, todo, chunksize=1)):
            done.update({part + parts * i: result for i, result in enumerate(results)})
    return [done[i] for i in range(len(jobs))]


def _work_off(part: tuple[Callable[[J], R], Sequence[J]]) -> list[R]:
    work, jobs = part
    return [work(job) for job in jobs]


def _delivery(rng: np.random.Generator, way: Way) -> Delivery:
    if way is Way.PLAIN:
        return Delivery(VOICES[0])
    voices = VOICES if way is Way.TRAINING else HELD_OUT_VOICES
    voice = voices[int(rng.integers(0, len(voices)))]
    return Delivery(voice, int(rng.integers(115, 215)), int(rng.integers(20, 80)), int(rng.integers(20, 90)))


def _between_silences(samples: Samples, spans: list[Span], lead_s: float, tail_s: float) -> tuple[Samples, list[Span]]:
    samples = np.concatenate([np.zeros(int(lead_s * RATE)), samples, np.zeros(int(tail_s * RATE))])
    lead_s = int(lead_s * RATE) / RATE
    moved = [(phone, start_s + lead_s, end_s + lead_s) for phone, start_s, end_s in spans]
    moved[-1] = (SILENCE, moved[-1][1], len(samples) / RATE)
    first = moved[1:] if moved[0][0] == SILENCE else moved
    return samples, [(SILENCE, 0.0, first[0][1]), *first]


@functools.cache
def _synthesiser() -> Synthesiser:
    return Synthesiser()


@functools.cache
def _babble() -> Samples:
    """Six people talking at once."""
    rng = np.random.default_rng(7)
    babble = np.zeros(BACKGROUND_S * RATE)
    for i in range(6):
        text, _ = spelled([BACKGROUND])
        spoken = _synthesiser().say(text, Delivery(VOICES[3 * i], 150 + 12 * i, 30 + 8 * i))
        samples = resampled(spoken.samples, spoken.rate)
        babble += np.resize(np.roll(samples, int(rng.integers(0, 40_000))), len(babble))
    return babble
