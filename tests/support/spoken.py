"""Speech and broken audio files for tests: espeak-ng says a sentence, at the rate a telephone has."""

import subprocess
import wave
from difflib import SequenceMatcher
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from pypinyin import Style, lazy_pinyin

COMPLAINT = "我要投诉阳光花园路灯不亮已经半个月了"
QUESTION = "请问医保报销需要什么材料"
ANSWER = "好的我帮您记录一下"


def heard(sentence: str, text: str) -> bool:
    """Whether at least four of five characters of the sentence are in the text, in order.

    Over a real line, not word for word: on a machine that is too busy the line itself loses a syllable.
    """
    same = SequenceMatcher(None, sentence, text, autojunk=False).get_matching_blocks()
    return sum(block.size for block in same) >= 0.8 * len(sentence)


@cache
def spoken(text: str, rate: int = 8_000, speed: int = 160) -> bytes:
    """Mono 16-bit samples of a Mandarin sentence.

    Voice cmn-latn-pinyin fed with pinyin: voice cmn of espeak-ng 1.51 reads hanzi as English letters.
    """
    pinyin = " ".join(lazy_pinyin(text, style=Style.TONE3, neutral_tone_with_five=True))
    with TemporaryDirectory() as folder:
        wav = Path(folder) / "said.wav"
        subprocess.run(["espeak-ng", "-v", "cmn-latn-pinyin", "-s", str(speed), "-w", str(wav), pinyin], check=True)
        convert = ["ffmpeg", "-v", "error", "-i", str(wav), "-ar", str(rate), "-ac", "1", "-f", "s16le", "pipe:1"]
        return subprocess.run(convert, check=True, capture_output=True).stdout


def silence(seconds: float, rate: int = 8_000) -> bytes:
    """Digital silence."""
    return bytes(2 * int(seconds * rate))


def tone(seconds: float, rate: int = 8_000, hertz: float = 440.0) -> bytes:
    """A sine at a third of full scale."""
    times = np.arange(int(seconds * rate)) / rate
    return bytes((np.sin(2 * np.pi * hertz * times) * 10_000).astype("<i2").data)


def write_wav(path: Path, samples: bytes, rate: int = 8_000, channels: int = 1) -> Path:
    """A WAV with an honest header."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples)
    return path


def write_sln(path: Path, samples: bytes) -> Path:
    """Raw samples, as Asterisk writes them for one leg."""
    path.write_bytes(samples)
    return path


def cut_by_kill(path: Path) -> Path:
    """What kill -9 of Asterisk leaves of a WAV: both lengths 0, whole 32 KiB steps only."""
    data = bytearray(path.read_bytes())
    data[4:8] = data[40:44] = bytes(4)
    path.write_bytes(data[: len(data) - len(data) % 32_768] or data[:44])
    return path


def convert(source: Path, target: Path, *options: str) -> Path:
    """`source` in the format `target`'s name asks for, by ffmpeg."""
    subprocess.run(["ffmpeg", "-y", "-v", "error", "-i", source, *options, target], check=True)
    return target
