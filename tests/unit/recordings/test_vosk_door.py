"""The door to vosk with the demo model and real (synthetic) speech."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import pytest

from recordings.models import demo_model
from recordings.vosk_door import NEEDED, BrokenModel, Model, NoModel, Recogniser, WrongThread, load, provisional
from recordings.words import Word, joined
from tests.support.spoken import COMPLAINT, QUESTION, silence, spoken


def test_a_model_is_loaded_once() -> None:
    assert load(demo_model()) is load(demo_model() / ".." / "demo_model")


def test_words_grow_while_they_are_spoken_and_end_with_the_pause() -> None:
    recogniser = Recogniser(load(demo_model()), 8_000)
    samples = silence(0.5) + spoken(COMPLAINT) + silence(1.5)
    partials, finals = [], []
    for start in range(0, len(samples), 1_600):
        if recogniser.accept(samples[start : start + 1_600]):
            finals.append(recogniser.result())
            assert recogniser.partial() == ()
        elif words := recogniser.partial():
            partials.append(joined(words))
    assert "".join(map(joined, finals)) == COMPLAINT
    assert len(set(partials)) > 3
    assert all(len(a) <= len(b) + 4 for a, b in pairwise(partials))
    assert any(partials[0] != COMPLAINT and COMPLAINT.startswith(one) for one in partials)
    words = finals[0]
    assert 0.4 < words[0].start_s < 0.8
    assert all(word.start_s < word.end_s and 0 <= word.conf <= 1 for word in words)


def test_one_recogniser_is_refused_in_a_second_thread() -> None:
    recogniser = Recogniser(load(demo_model()), 8_000)
    with ThreadPoolExecutor(1) as pool, pytest.raises(WrongThread):
        pool.submit(recogniser.accept, bytes(160)).result()


def test_several_streams_are_decoded_at_once() -> None:
    model = load(demo_model())

    def decode(text: str) -> str:
        recogniser = Recogniser(model, 8_000)
        recogniser.accept(spoken(text))
        return joined(recogniser.finish())

    wanted = [COMPLAINT, QUESTION] * 3
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(decode, wanted)) == wanted


def test_silence_has_no_words() -> None:
    recogniser = Recogniser(load(demo_model()), 8_000)
    assert not recogniser.accept(silence(3.0))
    assert recogniser.partial() == recogniser.finish() == ()


@pytest.mark.parametrize("name", [*NEEDED, "graph/HCLG.fst", "graph/words.txt"])
def test_an_incomplete_model_names_what_is_missing(tmp_path: Path, name: str) -> None:
    copy = tmp_path / "model"
    shutil.copytree(demo_model(), copy)
    (copy / name).unlink()
    with pytest.raises(NoModel, match=r"mdl|conf|HCLG"):
        load(copy)


def test_no_folder_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(NoModel, match="no such folder"):
        load(tmp_path / "none")


def test_a_model_that_vosk_refuses_is_broken(tmp_path: Path) -> None:
    copy = tmp_path / "model"
    shutil.copytree(demo_model(), copy)
    (copy / "am/final.mdl").write_bytes(b"this is not an acoustic model")
    with pytest.raises(BrokenModel, match="install it again"):
        Model(copy)


def test_a_word_is_shown_before_vosk_knows_its_times() -> None:
    recogniser = Recogniser(load(demo_model()), 8_000)
    samples = silence(0.5) + spoken(COMPLAINT)
    shown: list[tuple[Word, ...]] = []
    for start in range(0, len(samples), 1_600):
        recogniser.accept(samples[start : start + 1_600])
        shown.append(recogniser.partial())
    first = next(words for words in shown if words)
    assert all(word.conf == 0 for word in first)
    exact = recogniser.finish()[0]
    assert first[0].start_s == pytest.approx(exact.start_s, abs=0.5)
    # by then vosk has told the times of the words before
    assert shown[-1][0] == exact


AT = Word("我", 0.5, 0.75, 1.0)


@pytest.mark.parametrize(
    ("now", "timed", "seen", "words"),
    [
        ([], [], [], []),
        (["我"], [], [], [Word("我", 1.6, 2.0, 0.0)]),
        (["我"], [], [Word("我", 1.1, 1.5, 0.0)], [Word("我", 1.1, 1.5, 0.0)]),
        (["我"], [AT], [Word("我", 1.1, 1.5, 0.0)], [AT]),
        (["我", "要"], [AT], [Word("我", 1.1, 1.5, 0.0)], [AT, Word("要", 0.75, 2.0, 0.0)]),
        (["我", "要"], [AT], [AT, Word("要", 0.6, 0.7, 0.0)], [AT, Word("要", 0.75, 0.75, 0.0)]),
        (["你", "要"], [AT], [AT, Word("要", 1.0, 1.3, 0.0)], [Word("你", 0.5, 2.0, 0.0), Word("要", 2.0, 2.0, 0.0)]),
    ],
)
def test_provisional_times_never_overlap(
    now: list[str], timed: list[Word], seen: list[Word], words: list[Word]
) -> None:
    assert list(provisional(now, timed, seen, 2.0)) == words
