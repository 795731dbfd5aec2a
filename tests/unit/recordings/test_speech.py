"""Files and calls become words with times, speakers and confidence."""

import json
from pathlib import Path

import pytest

from callcenter.types import ChannelId, Party
from recordings.audio import UnreadableAudio
from recordings.models import demo_model
from recordings.speech import LegAudio, transcribe_call, transcribe_file, transcript_json, utterances
from recordings.vosk_door import Model, load
from recordings.words import joined
from tests.support.spoken import (
    ANSWER,
    COMPLAINT,
    QUESTION,
    convert,
    cut_by_kill,
    silence,
    spoken,
    write_sln,
    write_wav,
)


@pytest.fixture(scope="module")
def model() -> Model:
    return load(demo_model())


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("same.wav", ()),
        ("wide.wav", ("-ar", "16000")),
        ("studio.wav", ("-ar", "48000", "-ac", "2")),
        ("cd.flac", ("-ar", "44100")),
        ("alaw.wav", ("-ar", "8000", "-c:a", "pcm_alaw")),
        ("phone.mp3", ()),
        ("phone.m4a", ("-ar", "44100")),
        ("opus.ogg", ("-c:a", "libopus")),
    ],
)
def test_any_format_gives_the_sentence(tmp_path: Path, model: Model, name: str, options: tuple[str, ...]) -> None:
    source = write_wav(tmp_path / "source.wav", spoken(COMPLAINT, rate=22_050), rate=22_050)
    path = convert(source, tmp_path / name, *options) if options or name != "same.wav" else source
    assert joined(transcribe_file(path, model)) == COMPLAINT


def test_a_leg_file_and_a_killed_wav_give_the_sentence(tmp_path: Path, model: Model) -> None:
    samples = spoken(QUESTION) + silence(3.0)
    assert joined(transcribe_file(write_sln(tmp_path / "leg.sln", samples), model)) == QUESTION
    killed = cut_by_kill(write_wav(tmp_path / "mix.wav", samples))
    before = killed.read_bytes()
    assert joined(transcribe_file(killed, model)) == QUESTION
    assert killed.read_bytes() == before


def test_a_pause_separates_utterances_and_times_go_on(tmp_path: Path, model: Model) -> None:
    path = write_sln(tmp_path / "leg.sln", silence(1) + spoken(QUESTION) + silence(2) + spoken(ANSWER))
    said = list(utterances(path, model))
    assert [joined(words) for words in said] == [QUESTION, ANSWER]
    first_s = len(spoken(QUESTION)) / 16_000
    assert 1.0 < said[0][0].start_s < 1.4
    assert said[1][0].start_s == pytest.approx(3.0 + first_s, abs=0.4)


@pytest.mark.parametrize("data", [b"", "不是录音".encode() * 50, b"RIFF"])
def test_a_file_that_is_not_audio_names_itself(tmp_path: Path, model: Model, data: bytes) -> None:
    path = tmp_path / "bad.wav"
    path.write_bytes(data)
    with pytest.raises(UnreadableAudio, match=r"bad\.wav: "):
        transcribe_file(path, model)


def test_a_silent_file_has_no_words(tmp_path: Path, model: Model) -> None:
    assert transcribe_file(write_sln(tmp_path / "leg.sln", silence(5)), model) == ()


async def test_a_call_is_put_in_order_on_its_own_clock(tmp_path: Path, model: Model) -> None:
    citizen, agent = ChannelId("a-1763800000.1"), ChannelId("a-1763800000.2")
    speech_s = len(spoken(COMPLAINT)) / 16_000
    legs = [
        # the agent answered four seconds into the call and speaks when the citizen has finished
        LegAudio(
            Party.AGENT, agent, write_sln(tmp_path / "agent.sln", silence(speech_s + 1) + spoken(ANSWER)), offset_s=4.0
        ),
        LegAudio(Party.CITIZEN, citizen, write_sln(tmp_path / "citizen.sln", silence(4) + spoken(COMPLAINT))),
        LegAudio(Party.UNIT, ChannelId("u-1"), tmp_path / "none.sln", offset_s=9.0),
    ]
    transcript = await transcribe_call(legs, model)
    assert [(line.party, line.text) for line in transcript.lines] == [
        (Party.CITIZEN, COMPLAINT),
        (Party.AGENT, ANSWER),
    ]
    assert transcript.lines[0].start_s == pytest.approx(4.0, abs=0.4)
    assert transcript.lines[1].start_s == pytest.approx(4.0 + speech_s + 1, abs=0.4)
    assert transcript.text == f"市民：{COMPLAINT}\n话务员：{ANSWER}"
    assert [(leg.party, leg.why) for leg in transcript.unread] == [(Party.UNIT, "No such file or directory")]
    assert all(line.confidence > 0.5 for line in transcript.lines)
    assert transcript.model == "demo_model"


def test_the_json_line_has_the_promised_shape(tmp_path: Path, model: Model) -> None:
    path = write_sln(tmp_path / "leg.sln", spoken(ANSWER))
    line = transcript_json(path, transcribe_file(path, model)).model_dump_json()
    assert "\n" not in line
    answer = json.loads(line)
    assert list(answer) == ["file", "text", "words"]
    assert (answer["file"], answer["text"]) == (str(path), ANSWER)
    assert "".join(word["word"] for word in answer["words"]) == ANSWER
    assert all(list(word) == ["word", "start_s", "end_s", "conf"] for word in answer["words"])
