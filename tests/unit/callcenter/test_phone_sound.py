"""A-law, voices and tone detection of the test phone."""

import wave
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from callcenter.stack.phone_ear import Ear, listen
from callcenter.stack.phone_sound import (
    FRAME_S,
    FRAME_SAMPLES,
    RATE_HZ,
    SILENT,
    TONE_HZ,
    NotSpeech,
    Samples,
    Sound,
    Voice,
    alaw_decode,
    alaw_encode,
    resample,
    speech,
    tone,
)

# ITU-T G.711 table 1a, decision and output values of some steps and segment edges, 13-bit scaled to 16.
G711 = [(0, 0xD5), (8, 0xD5), (16, 0xD4), (-1, 0x55), (-24, 0x54), (512, 0xF5), (32767, 0xAA), (-32768, 0x2A)]


@pytest.mark.parametrize(("sample", "code"), G711)
def test_alaw_codes_are_those_of_the_standard(sample: int, code: int) -> None:
    assert alaw_encode(np.array([sample], np.int16)) == bytes([code])


def test_every_alaw_code_survives_decoding_and_encoding() -> None:
    assert alaw_encode(alaw_decode(bytes(range(256)))) == bytes(range(256))


@given(st.integers(-32768, 32767))
def test_alaw_is_within_half_a_step(sample: int) -> None:
    decoded = int(alaw_decode(alaw_encode(np.array([sample], np.int16)))[0])
    assert abs(decoded - sample) <= max(16, abs(sample) / 16)
    assert decoded == 0 or (decoded > 0) == (sample >= 0)


def _tones(*sounds: Sound, level: float = 0.2, phase: float = 0.3) -> Samples:
    t = np.arange(800) / RATE_HZ
    mixed = sum(np.sin(2 * np.pi * TONE_HZ[s] * t + phase) for s in sounds)
    return np.asarray(mixed * 32767 * level, dtype=np.int16)


def _noise(rms: float, seed: int = 1) -> Samples:
    return np.random.default_rng(seed).normal(0, rms, 800).astype(np.int16)


@pytest.mark.parametrize("sound", list(TONE_HZ))
def test_each_party_is_recognised_alone(sound: Sound) -> None:
    assert listen(alaw_decode(alaw_encode(_tones(sound)))) == {sound}


@pytest.mark.parametrize(
    "parties",
    [
        (Sound.CITIZEN, Sound.AGENT),
        (Sound.AGENT, Sound.UNIT),
        (Sound.CITIZEN, Sound.AGENT, Sound.UNIT),
        (Sound.AGENT, Sound.UNIT, Sound.SUPERVISOR),
    ],
)
@pytest.mark.parametrize("noise_rms", [0, 300, 1000])
def test_mixed_parties_are_recognised_in_noise(parties: tuple[Sound, ...], noise_rms: float) -> None:
    assert listen(_tones(*parties) + _noise(noise_rms)) == set(parties)


def test_a_party_ten_times_quieter_is_still_heard() -> None:
    assert listen(_tones(Sound.AGENT, level=0.4) + _tones(Sound.UNIT, level=0.04)) == {Sound.AGENT, Sound.UNIT}


def test_noise_alone_is_no_party() -> None:
    assert listen(_noise(3000)) == {Sound.OTHER}


def test_silence_and_nothing_are_told_apart() -> None:
    assert listen(alaw_decode(SILENT.alaw * 5)) == {Sound.SILENCE}
    assert listen(alaw_decode(b"")) == {Sound.NO_RTP}


@given(st.binary(max_size=1600))
def test_any_audio_gives_a_verdict(alaw: bytes) -> None:
    assert listen(alaw_decode(alaw))


def _ear(*pieces: tuple[Voice | None, float]) -> Ear:
    """An ear that heard each voice for so many seconds from time 0 (None: no packets)."""
    ear, number = Ear(), 0
    for voice, seconds in pieces:
        for _ in range(round(seconds / FRAME_S)):
            if voice:
                ear.add(number * FRAME_S + 0.001, voice.frame(number))
            number += 1
    return ear


def test_timeline_names_each_stretch() -> None:
    ear = _ear((tone(Sound.AGENT), 1), (None, 0.5), (tone(Sound.UNIT), 1))
    stretches = ear.timeline(0, 2.5)
    assert [s.sounds for s in stretches] == [{Sound.AGENT}, {Sound.NO_RTP}, {Sound.UNIT}]
    assert stretches[1].end_s == pytest.approx(1.5)


def test_heard_gives_shares() -> None:
    ear = _ear((tone(Sound.AGENT), 1), (SILENT, 1))
    assert ear.heard(0, 2) == {Sound.AGENT: 0.5, Sound.SILENCE: 0.5}


def test_longest_gap_is_found_and_counts_the_whole_span_without_packets() -> None:
    ear = _ear((SILENT, 1), (None, 0.4), (SILENT, 1))
    assert ear.longest_gap_s(0, 2.4) == pytest.approx(0.42)
    assert Ear().longest_gap_s(0, 3) == 3


def test_a_clock_that_steps_back_keeps_the_order() -> None:
    ear = Ear()
    ear.add(2.0, SILENT.frame(0))
    ear.add(1.0, SILENT.frame(0))
    assert ear.last_s == 2.0


@given(st.integers(1, 1000), st.integers(0, 50))
def test_a_looped_voice_never_runs_out(length: int, number: int) -> None:
    assert len(Voice(b"x" * length, loop=True).frame(number)) == FRAME_SAMPLES


def test_a_voice_said_once_ends_in_silence() -> None:
    voice = Voice(b"\x00" * 200, loop=False)
    assert voice.frames == 2
    assert voice.frame(1) == b"\x00" * 40 + b"\xd5" * 120
    assert voice.frame(2) == SILENT.frame(0)


def _write_wav(path: Path, samples: Samples, rate_hz: int, channels: int = 1, width: int = 2) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate_hz)
        file.writeframes(samples.tobytes())


@pytest.mark.parametrize("rate_hz", [8000, 16000, 22050, 44100])
def test_speech_of_any_rate_keeps_its_pitch_and_length(tmp_path: Path, rate_hz: int) -> None:
    t = np.arange(rate_hz) / rate_hz
    _write_wav(tmp_path / "a.wav", (np.sin(2 * np.pi * 700 * t) * 8000).astype(np.int16), rate_hz)
    voice = speech(tmp_path / "a.wav")
    assert len(voice.alaw) == RATE_HZ
    assert listen(alaw_decode(voice.alaw[3200:4000])) == {Sound.AGENT}


def test_resampling_drops_what_8_khz_cannot_carry() -> None:
    t = np.arange(16000) / 16000
    high = (np.sin(2 * np.pi * 7000 * t) * 8000).astype(np.int16)
    assert int(np.abs(resample(high, 16000)).max()) < 50


def test_a_file_that_is_no_speech_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.wav").write_text("not a wav")
    _write_wav(tmp_path / "eight.wav", np.zeros(80, np.int16), 8000, width=1)
    for name in ("text.wav", "eight.wav"):
        with pytest.raises(NotSpeech):
            speech(tmp_path / name)
