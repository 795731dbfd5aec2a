"""Reading, measuring and repairing files, the broken ones first of all."""

import hashlib
import struct
from pathlib import Path

import pytest

from recordings.audio import EmptyAudio, UnreadableAudio, examine, opened, repair_header
from recordings.recording import Problem, Sound, Unusable
from tests.support.spoken import convert, cut_by_kill, silence, tone, write_sln, write_wav


def sound_of(path: Path) -> Sound:
    found = examine(path)
    assert isinstance(found, Sound)
    return found


def test_a_leg_file_is_measured(tmp_path: Path) -> None:
    path = write_sln(tmp_path / "leg.sln", tone(3.0))
    found = sound_of(path)
    assert (found.duration_s, found.sample_rate, found.size_bytes) == (3.0, 8_000, 48_000)
    assert found.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert 0.30 < found.peak < 0.31
    assert not found.silent
    assert not found.repaired


def test_half_a_sample_at_the_end_is_left_out(tmp_path: Path) -> None:
    assert sound_of(write_sln(tmp_path / "leg.sln", tone(1.0) + b"x")).duration_s == 1.0


def test_a_killed_wav_is_repaired_in_place_and_only_once(tmp_path: Path) -> None:
    path = cut_by_kill(write_wav(tmp_path / "mix.wav", tone(7.3)))
    found = sound_of(path)
    assert found.repaired
    assert found.duration_s == pytest.approx((3 * 32_768 - 44) / 16_000)
    again = sound_of(path)
    assert not again.repaired
    assert again == Sound(found.duration_s, 8_000, found.peak, found.size_bytes, found.sha256)


def test_a_repaired_wav_plays_in_any_program(tmp_path: Path) -> None:
    path = cut_by_kill(write_wav(tmp_path / "mix.wav", tone(7.3)))
    assert repair_header(path)
    raw = convert(path, tmp_path / "out.raw", "-f", "s16le")
    assert len(raw.read_bytes()) == path.stat().st_size - 44


def test_looking_without_repairing_changes_nothing(tmp_path: Path) -> None:
    path = cut_by_kill(write_wav(tmp_path / "mix.wav", tone(7.3)))
    before = path.read_bytes()
    found = examine(path, repair=False)
    assert isinstance(found, Sound)
    assert found.duration_s > 6
    assert path.read_bytes() == before


def test_a_header_that_claims_two_hours_is_corrected(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "mix.wav", tone(3.0))
    data = bytearray(path.read_bytes())
    data[40:44] = struct.pack("<I", 2 * 3600 * 16_000)
    path.write_bytes(data)
    assert sound_of(path).duration_s == 3.0
    assert struct.unpack("<I", path.read_bytes()[40:44]) == (48_000,)


def test_chunks_after_the_samples_are_not_taken_for_samples(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "mix.wav", tone(1.0))
    path.write_bytes(path.read_bytes() + b"LIST" + struct.pack("<I", 4) + b"INFO")
    found = sound_of(path)
    assert (found.duration_s, found.repaired) == (1.0, False)


def test_a_truncated_wav_counts_what_is_there(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "mix.wav", tone(4.0))
    path.write_bytes(path.read_bytes()[: 44 + 16_000])
    assert sound_of(path).duration_s == 1.0


@pytest.mark.parametrize(
    ("name", "data", "problem"),
    [
        ("zero.sln", b"", Problem.EMPTY),
        ("zero.wav", b"", Problem.EMPTY),
        ("one.sln", b"x", Problem.EMPTY),
        ("header-only.wav", None, Problem.EMPTY),
        ("text.wav", "这不是录音".encode() * 100, Problem.UNREADABLE),
        ("riff.wav", b"RIFF\0\0\0\0WAVE", Problem.UNREADABLE),
        ("riff2.wav", b"RIFF\0\0\0\0WAVEfmt \xff\xff\xff\xff", Problem.UNREADABLE),
        ("noise.mp3", bytes(range(256)) * 40, Problem.UNREADABLE),
        ("playlist.m4a", b"#EXTM3U\n#EXTINF:1,\nleg.wav\n", Problem.UNREADABLE),
        ("concat.wav", b"ffconcat version 1.0\nfile leg.wav\n", Problem.UNREADABLE),
    ],
)
def test_files_without_audio_are_told_apart(tmp_path: Path, name: str, data: bytes | None, problem: Problem) -> None:
    write_wav(tmp_path / "leg.wav", tone(1.0))
    path = tmp_path / name
    if data is None:
        cut_by_kill(write_wav(path, b""))
    else:
        path.write_bytes(data)
    found = examine(path)
    assert isinstance(found, Unusable)
    assert (found.problem, found.size_bytes) == (problem, path.stat().st_size)
    assert found.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_file_that_is_not_there_is_missing(tmp_path: Path) -> None:
    assert examine(tmp_path / "none.sln") == Unusable(Problem.MISSING)


def test_a_link_out_of_the_spool_is_not_followed(tmp_path: Path) -> None:
    secret = write_sln(tmp_path / "elsewhere.sln", tone(1.0))
    link = tmp_path / "leg.sln"
    link.symlink_to(secret)
    assert examine(link) == Unusable(Problem.UNREADABLE)


@pytest.mark.parametrize(("samples", "silent"), [(silence(2), True), (bytes([8, 0]) * 8_000, True), (tone(2), False)])
def test_silence_is_noticed(tmp_path: Path, samples: bytes, silent: bool) -> None:
    assert sound_of(write_sln(tmp_path / "leg.sln", samples)).silent is silent


def test_the_loudest_negative_sample_does_not_overflow(tmp_path: Path) -> None:
    assert sound_of(write_sln(tmp_path / "leg.sln", struct.pack("<h", -32768) * 100)).peak == 1.0


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.flac", ()),
        ("a.ogg", ("-c:a", "libopus")),
        ("a.mp3", ()),
        ("alaw.wav", ("-c:a", "pcm_alaw")),
        ("wide.wav", ("-ar", "48000", "-ac", "2")),
        ("deep.wav", ("-c:a", "pcm_s24le")),
        ("a.m4a", ()),
        ("a.mkv", ("-c:a", "aac")),
    ],
)
def test_other_formats_have_the_same_length(tmp_path: Path, name: str, options: tuple[str, ...]) -> None:
    source = write_wav(tmp_path / "leg.wav", tone(3.0))
    found = sound_of(convert(source, tmp_path / name, *options))
    assert found.duration_s == pytest.approx(3.0, abs=0.25)  # AAC at 8 kHz pads by frames of 0.128 s
    assert 0.2 < found.peak < 0.4


def test_a_stereo_file_is_mixed_to_one_channel(tmp_path: Path) -> None:
    left_only = b"".join(struct.pack("<hh", 8_000, 0) for _ in range(8_000))
    path = write_wav(tmp_path / "stereo.wav", left_only, channels=2)
    found = sound_of(path)
    assert found.duration_s == 1.0
    assert found.peak == pytest.approx(4_000 / 32_768)


def test_a_foreign_file_without_ffmpeg_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = convert(write_wav(tmp_path / "leg.wav", tone(1.0)), tmp_path / "a.m4a")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UnreadableAudio, match="apt install ffmpeg"), opened(path) as stream:
        list(stream.blocks)


@pytest.mark.parametrize(("name", "words"), [("", "is a directory"), ("none.wav", "No such file"), ("e", "is empty")])
def test_what_cannot_be_opened_says_why(tmp_path: Path, name: str, words: str) -> None:
    (tmp_path / "e").touch()
    with pytest.raises(UnreadableAudio, match=words), opened(tmp_path / name):
        pass


def test_an_empty_file_is_its_own_error(tmp_path: Path) -> None:
    (tmp_path / "a.wav").touch()
    with pytest.raises(EmptyAudio), opened(tmp_path / "a.wav"):
        pass


def test_ffmpeg_is_gone_when_the_reader_stops_early(tmp_path: Path) -> None:
    path = convert(write_wav(tmp_path / "leg.wav", tone(30.0)), tmp_path / "a.m4a")
    with opened(path) as stream:
        assert next(iter(stream.blocks))
    # a second reading works, and no process or file is left for the garbage collector to complain about
    assert sound_of(path).duration_s > 29
