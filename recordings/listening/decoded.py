"""The door to soundfile for kept recordings: FLAC and Opus inside a sealed file, any part of them. Blocking."""

import io
import threading
from typing import BinaryIO, cast

import numpy as np
import numpy.typing as npt
import soundfile

from recordings.audio import Witness

Samples = npt.NDArray[np.int16]
"""Shape (frames, channels)."""
BUFFER_BYTES = 64 * 1024


class NotDecodable(Exception):
    """The file opens and is not sound that we know; what is in it can be had by `callcenter recordings decrypt`."""


class Decoded:
    """A compressed sound, seekable. What reading the file raises comes through as it was raised, and goes on being
    raised. One reader at a time decodes; others wait.
    """

    def __init__(self, file: io.RawIOBase) -> None:
        """Raises NotDecodable, and what `file` raises."""
        self._witness = Witness(cast("BinaryIO", file))
        self._lock = threading.Lock()
        try:
            self._sound = soundfile.SoundFile(io.BufferedReader(self._witness, BUFFER_BYTES))
        except soundfile.LibsndfileError as error:
            self._witness.testify()
            raise NotDecodable(error.error_string) from None
        self.frames: int = self._sound.frames
        self.rate: int = self._sound.samplerate
        self.channels: int = self._sound.channels
        self._at = 0

    def read(self, first: int, count: int) -> Samples:
        """Frames from `first` on, at most `count`; fewer only at the end."""
        count = min(count, self.frames - first)
        if count <= 0:
            return np.zeros((0, self.channels), np.int16)
        with self._lock:
            try:
                if self._at != first:
                    self._sound.seek(first)
                heard = self._sound.read(count, dtype="int16", always_2d=True)
            except soundfile.LibsndfileError as error:
                self._at = -1
                self._witness.testify()
                raise NotDecodable(error.error_string) from None
            self._witness.testify()
            if len(heard) < count:
                self._at = -1
                raise NotDecodable(f"ends at {first + len(heard)} of {self.frames} frames")
            self._at = first + len(heard)
        return np.asarray(heard, np.int16)

    def close(self) -> None:
        """Twice does no harm."""
        with self._lock:
            self._sound.close()
