"""Compressing a recording and proving the copy: every kind of sound, every kind of broken file."""

import hashlib
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from recordings.audio import pcm_of
from recordings.custody import codec as codecs
from recordings.custody.codec import Packed, is_like, is_same, measured, measured_file, pack
from recordings.custody.custody import Codec
from tests.support.spoken import (
    ANSWER,
    COMPLAINT,
    QUESTION,
    convert,
    cut_by_kill,
    silence,
    spoken,
    tone,
    write_sln,
    write_wav,
)

Sound = npt.NDArray[np.int16]
CHANCE = np.random.default_rng(12345)


def said(loudness: float = 1.0) -> bytes:
    """A short talk with pauses."""
    talk = spoken(COMPLAINT) + silence(2) + spoken(QUESTION) + silence(1.5) + spoken(ANSWER) + silence(0.37)
    return bytes((np.frombuffer(talk, "<i2") * loudness).clip(-32_768, 32_767).astype("<i2").data)


def noise(seconds: float, level: float) -> bytes:
    values = CHANCE.normal(0, level, int(8_000 * seconds))
    return bytes(values.clip(-32_768, 32_767).astype("<i2").data)


SOUNDS: dict[str, Callable[[], bytes]] = {
    "speech": said,
    "soft speech": lambda: said(0.02),
    "shouting, badly clipped": lambda: said(20),
    "silence": lambda: silence(20),
    "tone": lambda: tone(20),
    "hum": lambda: tone(20, hertz=50),
    "high tone": lambda: tone(20, hertz=3_300),
    "noise": lambda: noise(20, 3_000),
    "idle line": lambda: noise(20, 5),
    "idle line with an offset": lambda: bytes((np.frombuffer(noise(20, 5), "<i2") + 60).astype("<i2").data),
    "37 samples": lambda: said()[8_000:8_074],
    "one sample": lambda: said()[8_000:8_002],
}


@pytest.mark.parametrize("codec", [Codec.FLAC, Codec.OPUS])
@pytest.mark.parametrize("sound", SOUNDS)
def test_every_sound_is_compressed_and_proved(tmp_path: Path, sound: str, codec: Codec) -> None:
    samples = SOUNDS[sound]()
    packed = pack(write_sln(tmp_path / "a.sln", samples), codec)
    inside = packed.contents
    assert (inside.codec, inside.frames, inside.sample_rate, inside.channels) == (codec, len(samples) // 2, 8_000, 1)
    assert inside.samples_sha256 == packed.file_sha256 == hashlib.sha256(samples).hexdigest()
    assert inside.plain_bytes == len(packed.data)
    found = measured(io.BytesIO(packed.data))
    assert found.frames == len(samples) // 2
    assert codec is Codec.OPUS or found.samples_sha256 == inside.samples_sha256


def test_peaks_show_the_loudest_sample_of_every_tenth_of_a_second(tmp_path: Path) -> None:
    samples = np.zeros(8_000, "<i2")
    samples[[0, 799, 800, 2_400, 7_999]] = [100, -16_384, 32_767, -32_768, 8_192]
    packed = pack(write_sln(tmp_path / "a.sln", samples.tobytes()), Codec.FLAC)
    assert list(packed.contents.peaks) == [128, 255, 0, 255, 0, 0, 0, 0, 0, 64]


@pytest.mark.parametrize("seconds", [59.95, 60.0, 60.05, 125.5])
def test_peaks_go_on_across_blocks(tmp_path: Path, seconds: float) -> None:
    packed = pack(write_sln(tmp_path / "a.sln", tone(seconds)), Codec.FLAC)
    assert len(packed.contents.peaks) == int(np.ceil(seconds * 10))
    assert set(packed.contents.peaks) == {78}


def test_a_rate_that_is_no_multiple_of_ten_keeps_time(tmp_path: Path) -> None:
    packed = pack(write_wav(tmp_path / "a.wav", tone(90, rate=11_025), rate=11_025), Codec.FLAC)
    assert (len(packed.contents.peaks), packed.contents.duration_s) == (900, 90.0)


def test_both_channels_are_kept(tmp_path: Path) -> None:
    left, right = (np.frombuffer(one, "<i2")[:16_000] for one in (tone(2), noise(2, 2_000)))
    both = np.column_stack([left, right]).tobytes()
    packed = pack(write_wav(tmp_path / "a.wav", both, channels=2), Codec.FLAC)
    assert (packed.contents.channels, packed.contents.frames) == (2, 16_000)
    assert packed.contents.samples_sha256 == hashlib.sha256(both).hexdigest()
    assert is_like(io.BytesIO(packed.data), Codec.FLAC, measured(io.BytesIO(packed.data)))


def test_a_header_never_finished_hides_no_audio(tmp_path: Path) -> None:
    path = cut_by_kill(write_wav(tmp_path / "a.wav", said()))
    packed = pack(path, Codec.FLAC)
    assert packed.contents.frames == (path.stat().st_size - 44) // 2


def opus_of(samples: bytes, tmp_path: Path) -> tuple[Packed, Path]:
    path = write_sln(tmp_path / "whole.sln", samples)
    packed = pack(path, Codec.OPUS)
    assert packed.contents.codec is Codec.OPUS
    return packed, path


def silenced(samples: bytes, from_s: float, seconds: float) -> bytes:
    start, end = int(from_s * 16_000), int((from_s + seconds) * 16_000)
    return samples[:start] + bytes(end - start) + samples[end:]


SPOILT: dict[str, Callable[[bytes], bytes]] = {
    "another talk": lambda s: s[::-1][1:] + s[:1],
    "a lost third of a second": lambda s: silenced(s, 0.5, 0.3),
    "half a second later": lambda s: bytes(8_000) + s[:-8_000],
    "half as loud": lambda s: (np.frombuffer(s, "<i2") // 2).astype("<i2").tobytes(),
    "shorter": lambda s: s[:-2],
    "silence": lambda s: bytes(len(s)),
    "noise": lambda s: noise(len(s) / 16_000 + 1, 2_000)[: len(s)],
}


@pytest.mark.parametrize("spoilt", SPOILT)
def test_a_lossy_copy_of_something_else_is_noticed(tmp_path: Path, spoilt: str) -> None:
    packed, path = opus_of(said(), tmp_path)
    pcm = pcm_of(path)
    assert pcm
    assert is_like(io.BytesIO(packed.data), Codec.OPUS, measured_file(path, pcm, levels=True))
    other, _ = opus_of(SPOILT[spoilt](said()), tmp_path)
    write_sln(path, said())
    assert not is_like(io.BytesIO(other.data), Codec.OPUS, measured_file(path, pcm, levels=True))
    assert is_same(io.BytesIO(other.data), Codec.OPUS, packed, path) is None


def test_what_opus_would_change_too_much_is_kept_without_loss(tmp_path: Path) -> None:
    """Every other sample up and down: the highest tone there is, which Opus makes half as loud again."""
    samples = (np.where(np.arange(160_000) % 2, 20_000, -20_000)).astype("<i2").tobytes()
    assert pack(write_sln(tmp_path / "a.sln", samples), Codec.OPUS).contents.codec is Codec.FLAC
    odd = write_wav(tmp_path / "a.wav", tone(2, rate=11_025), rate=11_025)
    assert pack(odd, Codec.OPUS).contents.codec is Codec.FLAC


def unreadable(folder: Path) -> dict[str, Path]:
    """Files that are not what Asterisk writes."""
    garbage = folder / "garbage.wav"
    garbage.write_bytes(b"RIFF....WAVEjunk" + noise(1, 9_000))
    lying = write_wav(folder / "rate.wav", tone(1), rate=1)
    adpcm = convert(write_wav(folder / "pcm.wav", tone(1)), folder / "adpcm.wav", "-c:a", "adpcm_ms")
    return {"garbage": garbage, "rate": lying, "adpcm": adpcm, "empty": write_sln(folder / "empty.sln", b"")}


@pytest.mark.parametrize("what", ["garbage", "rate", "adpcm", "empty"])
def test_what_has_no_plain_samples_is_kept_as_it_came(tmp_path: Path, what: str) -> None:
    path = unreadable(tmp_path)[what]
    packed = pack(path, Codec.FLAC)
    assert (packed.contents.codec, packed.data) == (Codec.RAW, path.read_bytes())
    assert packed.contents.samples_sha256 is None
    assert is_same(io.BytesIO(packed.data), Codec.RAW, packed, path) == packed.contents
    assert is_same(io.BytesIO(packed.data + b"x"), Codec.RAW, packed, path) is None


@pytest.mark.parametrize("codec", [Codec.FLAC, Codec.OPUS])
def test_a_copy_made_with_another_setting_is_the_same_recording(tmp_path: Path, codec: Codec) -> None:
    path = write_sln(tmp_path / "a.sln", said())
    now, before = pack(path, Codec.FLAC), pack(path, codec)
    there = is_same(io.BytesIO(before.data), codec, now, path)
    assert there == before.contents
    assert is_same(io.BytesIO(before.data[: len(before.data) // 2]), codec, now, path) is None
    assert is_same(io.BytesIO(b"nothing of the kind"), codec, now, path) is None


def test_an_error_of_the_reader_is_not_the_end_of_the_file(tmp_path: Path) -> None:
    class Failing(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            if self.tell() > 4_096:
                raise OSError("the disk is gone")
            return super().read(size)

    packed = pack(write_sln(tmp_path / "a.sln", noise(30, 3_000)), Codec.FLAC)
    with pytest.raises(OSError, match="the disk is gone"):
        codecs.measured(Failing(packed.data))
