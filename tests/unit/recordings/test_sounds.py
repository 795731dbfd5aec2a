"""Sounds: whichever part is read, it is that part of the whole; what is broken says so."""

import io
import os
import wave
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recordings.custody.custody import Codec
from recordings.custody.sealed import Damaged
from recordings.listening.decoded import NotDecodable
from recordings.listening.peaks import drawn, peaks_of
from recordings.listening.sounds import (
    HEADER_BYTES,
    MarkedSound,
    MutedSound,
    NoSound,
    Sound,
    StereoSound,
    TonedSound,
    Track,
    Wav,
    open_kept,
    open_spool,
    wav_header,
)
from recordings.listening.watermark import Mark
from tests.support.custody import custody_for_tests
from tests.support.listening import RATE, Plain, damage, keep, speech
from tests.support.spoken import write_wav

KEY = b"k" * 32


def made(kind: str) -> Sound:
    said = Plain(speech(3.0))
    match kind:
        case "muted":
            return MutedSound(said, [(4_000, 5_000), (900, 901), (23_990, 99_000)])
        case "marked":
            return MarkedSound(said, Mark(KEY, 7))
        case "toned":
            return TonedSound(said)
        case "stereo":
            return StereoSound(
                [
                    Track(said, 1_000, left=True),
                    Track(Plain(speech(1.0, seed=2)), 0, left=False),
                    Track(Plain(speech(1.0, seed=3)), 5_000, left=False),
                ]
            )
        case _:
            return MarkedSound(
                MutedSound(Plain(np.stack([speech(2.0), speech(2.0, seed=4)], axis=1)), [(0, 99)]), Mark(KEY, 1)
            )


@pytest.mark.parametrize("kind", ["muted", "marked", "toned", "stereo", "marked stereo"])
@given(data=st.data())
@settings(max_examples=25, deadline=None)
def test_any_part_is_that_part_of_the_whole(kind: str, data: st.DataObject) -> None:
    sound = made(kind)
    whole = sound.read(0, sound.frames)
    assert whole.shape == (sound.frames, sound.channels)
    first = data.draw(st.integers(0, sound.frames + 10))
    count = data.draw(st.integers(0, sound.frames + 10))
    assert np.array_equal(sound.read(first, count), whole[first : first + count])


@pytest.fixture(scope="module")
def hour_of_day(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("said") / "a.sln"
    path.write_bytes(speech(40.0).tobytes())
    return path


@pytest.mark.parametrize("codec", [Codec.FLAC, Codec.OPUS])
async def test_a_kept_recording_is_read_anywhere(tmp_path: Path, hour_of_day: Path, codec: Codec) -> None:
    custody = custody_for_tests(tmp_path / "spool", codec=codec)
    kept = await keep(custody, hour_of_day)
    original = np.fromfile(hour_of_day, "<i2")
    sound = open_kept(custody, kept)
    try:
        whole = sound.read(0, sound.frames)[:, 0]
        assert len(whole) == len(original)
        if codec is Codec.FLAC:
            assert np.array_equal(whole, original)
        for first, count in ((300_000, 4_000), (0, 10), (160_001, 9_999), (319_990, 50), (320_000, 5), (5, 8_000)):
            part = sound.read(first, count)[:, 0].astype(int)
            assert len(part) == max(0, min(count, len(whole) - first))
            # An Opus decoder needs a moment until it stands where it stood when it came from the beginning.
            near = 0 if codec is Codec.FLAC else 2_000
            assert len(part) == 0 or np.abs(part - whole[first : first + count]).max() <= near
        assert sound.read(0, 100)[:, 0].tolist() == whole[:100].tolist()
    finally:
        sound.close()
    sound.close()


def _play(sound: Sound) -> None:
    for first in range(0, sound.frames, 8_000):
        sound.read(first, 8_000)


async def test_damage_in_the_middle_is_told_when_it_is_reached_and_never_as_sound(
    tmp_path: Path, hour_of_day: Path
) -> None:
    custody = custody_for_tests(tmp_path / "spool")
    kept = await keep(custody, hour_of_day)
    damage(custody, kept, 0.5)
    sound = open_kept(custody, kept)
    assert len(sound.read(0, 8_000)) == 8_000
    with pytest.raises(Damaged):
        _play(sound)
    with pytest.raises(Damaged):
        sound.read(0, 10)
    sound.close()
    whole = open_kept(custody, kept, from_copy=True)
    assert len(whole.read(0, whole.frames)) == whole.frames
    whole.close()


async def test_what_was_never_sound_is_not_played(tmp_path: Path) -> None:
    custody = custody_for_tests(tmp_path / "spool")
    noise = tmp_path / "a.bin"
    noise.write_bytes(os.urandom(5_000))
    kept = await keep(custody, noise)
    assert kept.contents is not None
    assert kept.contents.codec is Codec.RAW
    with pytest.raises(NoSound):
        open_kept(custody, kept)


async def test_another_length_than_was_stored_is_not_played(tmp_path: Path, hour_of_day: Path) -> None:
    custody = custody_for_tests(tmp_path / "spool")
    kept = await keep(custody, hour_of_day)
    assert kept.contents is not None
    with pytest.raises(NotDecodable):
        open_kept(custody, replace(kept, contents=replace(kept.contents, frames=kept.contents.frames + 1)))


@given(cuts=st.lists(st.integers(1, 500), min_size=1, max_size=40))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_way_of_reading_gives_the_same_wav(tmp_path: Path, cuts: list[int]) -> None:
    samples = bytes(range(250)) * 4
    (tmp_path / "a.sln").write_bytes(samples)
    sound = open_spool(tmp_path, "a.sln")
    wav = Wav(sound)
    try:
        heard = b""
        for cut in (*cuts, *[1_000] * 3):
            heard += wav.read(len(heard), min(cut, wav.size_bytes - len(heard)))
    finally:
        sound.close()
    assert heard == wav_header(len(samples), 8_000, 1) + samples
    assert wav.size_bytes == HEADER_BYTES + len(samples)


@given(first=st.integers(0, 900), length=st.integers(1, 900), channels=st.sampled_from([1, 2]))
def test_only_whole_frames_that_were_sent_count(first: int, length: int, channels: int) -> None:
    wav = Wav(Plain(np.zeros((200, channels), np.int16)))
    end = min(first + length, wav.size_bytes)
    begins, ends = wav.frames_in(first, end)
    sent = range(first, end)
    places = [range(HEADER_BYTES + n * wav.frame_bytes, HEADER_BYTES + (n + 1) * wav.frame_bytes) for n in range(200)]
    assert [n for n, place in enumerate(places) if set(place) <= set(sent)] == list(range(begins, ends))


@pytest.mark.parametrize("name", ["../secret.sln", "/etc/passwd", "sub/a.sln", "a\0.sln", "", ".", "..", "x" * 5_000])
def test_names_that_lead_elsewhere_open_nothing(tmp_path: Path, name: str) -> None:
    spool = tmp_path / "spool"
    (spool / "sub").mkdir(parents=True)
    for place in (tmp_path / "secret.sln", spool / "sub" / "a.sln"):
        place.write_bytes(b"secret" * 10)
    with pytest.raises(NoSound):
        open_spool(spool, name)


def test_a_refused_file_leaves_nothing_open(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(b"noise")
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        with pytest.raises(NoSound):
            open_spool(tmp_path, "a.bin")
    assert len(os.listdir("/proc/self/fd")) == before


def test_muted_places_are_silent_and_the_rest_is_untouched() -> None:
    said = speech(4.0)
    heard = MutedSound(Plain(said), [(8_000, 12_000), (20_000, 20_400)]).read(0, 99_999)[:, 0]
    silent = np.zeros(len(said), bool)
    silent[8_000:12_000] = silent[20_000:20_400] = True
    assert not heard[silent].any()
    assert np.array_equal(heard[~silent], said[~silent])
    assert said[silent].any()


def test_stereo_keeps_the_speakers_apart_and_each_at_its_place() -> None:
    citizen, agent, unit = (Plain(np.full(n, value, np.int16)) for n, value in ((1_000, 100), (500, 7), (500, 30_000)))
    loud = Plain(np.full(300, 30_000, np.int16))
    tracks = [Track(citizen, 200, True), Track(agent, 0, False), Track(unit, 400, False), Track(loud, 500, False)]
    heard = StereoSound(tracks).read(0, 5_000)
    assert heard.shape == (1_200, 2)
    assert heard[:, 0].tolist() == [0] * 200 + [100] * 1_000
    right = [7] * 400 + [30_007] * 100 + [32_767] * 300 + [30_000] * 100 + [0] * 300
    assert heard[:, 1].tolist() == right


def test_the_tone_comes_every_fifteen_seconds_and_is_soft() -> None:
    heard = TonedSound(Plain(np.zeros(RATE * 40, np.int16))).read(0, RATE * 40)[:, 0].astype(float)
    sounding = {n for n in range(40) if np.abs(heard[n * RATE : (n + 1) * RATE]).max() > 100}
    assert sounding == {0, 15, 30}
    assert np.abs(heard).max() < 700


def test_the_outline_is_the_loudest_of_every_step(tmp_path: Path) -> None:
    samples = np.zeros(RATE, np.int16)
    samples[810], samples[4_000], samples[7_999] = -32_768, 16_384, 1_000
    sound = Plain(samples)
    outline = peaks_of(sound)
    assert list(outline) == [0, 255, 0, 0, 0, 128, 0, 0, 0, 8]
    assert drawn(outline, 10) == (0.1, tuple(outline))
    assert drawn(outline, 4) == (0.3, (255, 128, 0, 8))
    assert drawn(b"", 10) == (0.1, ())


async def test_the_outline_of_a_file_is_the_one_that_is_kept_with_it(tmp_path: Path, hour_of_day: Path) -> None:
    custody = custody_for_tests(tmp_path / "spool")
    kept = await keep(custody, hour_of_day)
    sound = open_spool(hour_of_day.parent, hour_of_day.name)
    try:
        assert kept.contents is not None
        assert peaks_of(sound) == kept.contents.peaks
    finally:
        sound.close()


def test_the_header_is_one_that_others_read(tmp_path: Path) -> None:
    samples = speech(0.5).tobytes()
    write_wav(tmp_path / "a.wav", samples)
    sound = open_spool(tmp_path, "a.wav")
    wav = Wav(sound)
    with wave.open(io.BytesIO(wav.read(0, 44) + wav.read(44, 99_999))) as heard:
        assert heard.getparams()[:4] == (1, 2, RATE, len(samples) // 2)
        assert heard.readframes(99_999) == samples
    sound.close()
