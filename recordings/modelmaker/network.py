"""The shape of the acoustic network, known to its training and to its file. PURE.

A time-delay network: each layer sees a few frames of the one below. Layer 2 steps by three input frames, so that one
output frame is 30 ms: vosk multiplies by a hard-coded 0.03 s (vosk-api, src/recognizer.cc).
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer: `kernel` frames of the layer below, `dilation` input frames apart; `stride` output steps."""

    kernel: int
    dilation: int
    stride: int = 1

    @property
    def offsets(self) -> tuple[int, ...]:
        """The input frames it sees around its own, ascending: the order of Kaldi's Append()."""
        return tuple((i - (self.kernel - 1) // 2) * self.dilation for i in range(self.kernel))


LAYERS = (Layer(5, 1), Layer(3, 1, stride=3), Layer(3, 3), Layer(3, 3), Layer(3, 3), Layer(3, 3))
HIDDEN = 256
SUBSAMPLING = 3
"""Input frames (10 ms) to one output frame."""
CONTEXT = sum(max(layer.offsets) for layer in LAYERS)
"""Input frames the network sees on either side of its own."""
