"""Speech for the demo model: when each phone is said, what a line does to it, and what the network is told."""

import random
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recordings.modelmaker.examples import Job, Way, example, hear, plan, spread
from recordings.modelmaker.features import FRAME_S, frame_labels, output_frames
from recordings.modelmaker.heldout import HeldOut, held_out_texts
from recordings.modelmaker.lexicon import SILENCE, spelled
from recordings.modelmaker.network import CONTEXT, LAYERS
from recordings.modelmaker.sentences import Corpus
from recordings.modelmaker.telephone import NOT_SPEECH, RATE, alaw, not_speech, pcm
from recordings.modelmaker.voices import HELD_OUT_VOICES, VOICES, Delivery, NoVoice, Span, Synthesiser, align

MA, ER = ("m", "a1"), ("er4",)


@pytest.fixture(scope="module")
def synthesiser() -> Synthesiser:
    return Synthesiser()


@pytest.mark.parametrize(
    ("phonemes", "syllables", "spans"),
    [
        (
            [(0.0, "m"), (0.1, "a1"), (0.3, "_|")],
            [MA],
            [("m", 0.0, 0.1), ("a1", 0.1, 0.3), (SILENCE, 0.3, 1.0)],
        ),
        (
            [(0.0, "m"), (0.1, "a"), (0.2, "_|"), (0.25, "e"), (0.3, "r"), (0.5, "_:")],
            [MA, ER],
            [("m", 0.0, 0.1), ("a1", 0.1, 0.2), ("er4", 0.2, 0.5), (SILENCE, 0.5, 1.0)],
        ),
        (
            [(0.0, "_:"), (0.1, "(en)"), (0.2, "m"), (0.3, "a"), (0.4, "_:"), (0.5, "_:"), (0.7, "e"), (0.9, "_|")],
            [MA, ER],
            [
                (SILENCE, 0.0, 0.2),
                ("m", 0.2, 0.3),
                ("a1", 0.3, 0.4),
                (SILENCE, 0.4, 0.7),
                ("er4", 0.7, 0.9),
                (SILENCE, 0.9, 1.0),
            ],
        ),
        ([(0.0, "m"), (0.1, "a"), (0.3, "_|")], [MA, ER], None),
        ([(0.0, "a"), (0.3, "_|")], [MA], None),
        ([(0.0, "m"), (0.1, "a")], [MA], [("m", 0.0, 0.1), ("a1", 0.1, 1.0), (SILENCE, 1.0, 1.0)]),
    ],
)
def test_phonemes_become_phones_with_times(
    phonemes: list[tuple[float, str]], syllables: list[tuple[str, ...]], spans: list[Span] | None
) -> None:
    assert align(phonemes, syllables, 1.0) == spans


def test_espeak_says_what_is_written(synthesiser: Synthesiser) -> None:
    text, syllables = spelled([["您好"], ["我", "要", "反映", "路灯", "坏", "了"]])
    spoken = synthesiser.say(text, Delivery(VOICES[0]))
    spans = align(spoken.phonemes, syllables, spoken.seconds)
    assert spans
    assert [phone for phone, _, _ in spans if phone != SILENCE] == [phone for s in syllables for phone in s]
    assert all(end_s == start_s for (_, _, end_s), (_, start_s, _) in pairwise(spans))
    assert spans[-1][2] == spoken.seconds > 1
    assert np.abs(spoken.samples).max() > 0.05


def test_espeak_has_every_voice(synthesiser: Synthesiser) -> None:
    for voice in (*VOICES, *HELD_OUT_VOICES):
        assert len(synthesiser.say("ma1", Delivery(voice)).samples)
    assert not set(VOICES) & set(HELD_OUT_VOICES)


def test_voice_espeak_does_not_have_is_refused(synthesiser: Synthesiser) -> None:
    with pytest.raises(NoVoice, match="xx-none"):
        synthesiser.say("ma1", Delivery("xx-none"))


@given(st.lists(st.floats(0.001, 0.3), min_size=1, max_size=30), st.integers(0, 20))
def test_every_phone_has_a_frame_in_its_turn(lasts_s: list[float], spare: int) -> None:
    ends = np.cumsum(lasts_s).tolist()
    spans = [(str(i), start_s, end_s) for i, (start_s, end_s) in enumerate(zip([0.0, *ends], ends, strict=False))]
    frames = max(len(spans), round(ends[-1] / FRAME_S)) + spare
    labels = frame_labels(spans, frames, {str(i): i for i in range(len(spans))})
    assert labels is not None
    assert len(labels) == frames
    assert sorted(set(labels.tolist())) == list(range(len(spans)))
    assert (np.diff(labels) >= 0).all()


def test_phones_are_labelled_where_they_are_said() -> None:
    spans = [(SILENCE, 0.0, 0.3), ("a1", 0.3, 0.6), (SILENCE, 0.6, 0.9)]
    labels = frame_labels(spans, 30, {SILENCE: 0, "a1": 1})
    assert labels is not None
    assert labels.tolist() == [0] * 10 + [1] * 10 + [0] * 10


def test_more_phones_than_frames_are_no_example() -> None:
    assert frame_labels([("a", 0.0, 0.1), ("b", 0.1, 0.2)], 1, {"a": 1, "b": 2}) is None


@pytest.mark.parametrize(("frames", "output"), [(1, 1), (3, 1), (4, 2), (300, 100)])
def test_network_gives_a_frame_for_three(frames: int, output: int) -> None:
    assert output_frames(frames) == output


def test_network_sees_fifteen_frames_on_either_side() -> None:
    assert CONTEXT == 15
    assert [layer.offsets for layer in LAYERS[:3]] == [(-2, -1, 0, 1, 2), (-1, 0, 1), (-3, 0, 3)]


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=50))
def test_alaw_is_close_and_changes_nothing_twice(values: list[float]) -> None:
    samples = np.array(values)
    coded = alaw(samples)
    assert (np.abs(coded - samples) <= np.maximum(np.abs(samples) / 32, 1 / 4096) + 1e-3).all()
    assert np.array_equal(alaw(coded), coded)


@pytest.mark.parametrize("kind", NOT_SPEECH)
def test_line_without_speech_is_a_few_seconds_of_sound(kind: str) -> None:
    sound = not_speech(kind, np.random.default_rng(1))
    assert 2 * RATE <= len(sound) <= 6 * RATE
    assert sound.any() == (kind != "silence")
    assert np.array_equal(sound, not_speech(kind, np.random.default_rng(1)))


def test_samples_beyond_full_scale_are_cut() -> None:
    assert pcm(np.array([2.0, -2.0, 0.5])).tolist() == [32_767, -32_768, 16_384]


def test_plan_holds_sentences_any_words_and_no_speech() -> None:
    said = [[["停水", "了"]], [["你好"], ["停电", "了"]]]
    jobs = plan(said, ["水", "电"], 800, seed=1)
    assert jobs == plan(said, ["水", "电"], 800, seed=1)
    assert len({job.seed for job in jobs}) == 800
    assert {job.not_speech for job in jobs} == {"", *NOT_SPEECH}
    assert sum(bool(job.not_speech) for job in jobs) == 40
    assert {clauses for job in jobs if len(clauses := job.clauses) == 2} == {(("你好",), ("停电", "了"))}
    assert {job.way for job in jobs} == {Way.TRAINING}


def test_no_speech_is_one_silence() -> None:
    heard = hear(Job(1, not_speech="ringing"))
    assert heard
    assert heard.spans == ((SILENCE, 0.0, len(heard.pcm) / RATE),)


def test_what_cannot_be_read_is_no_example() -> None:
    assert example(Job(1, (("abc",),)), {}) is None


def test_work_comes_back_in_order() -> None:
    numbers = list(range(40))
    random.Random(1).shuffle(numbers)
    assert spread(abs, [-number for number in numbers], 2, parts=3) == numbers


def test_held_out_texts_have_four_groups_and_are_repeatable() -> None:
    slots = {"place": ["甲村", "乙村"], "trouble": ["停水", "停电"], "town": ["甲镇"], "estate": ["幸福小区"]}
    corpus = Corpus(("我要反映{place}的{trouble}", "你好"), slots)
    texts = held_out_texts(corpus, 1)
    assert list(texts) == ["template", "free", "script", "plain"]
    assert texts == held_out_texts(corpus, 1)
    assert "我要反映甲村的停水" in texts["template"]
    assert "你好" not in texts["template"]
    assert all(texts.values())


def test_manifest_line_is_strict() -> None:
    line = HeldOut(group="free", file="free-001.wav", text="停水了", start_s=0.3, end_s=1.2)
    assert HeldOut.model_validate_json(line.model_dump_json()) == line
