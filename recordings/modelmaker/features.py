"""What the network hears (MFCC every 10 ms) and what it is told it heard (a phone every 30 ms).

The numbers here and in conf/mfcc.conf must agree: vosk reads that file and computes the same features itself.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from recordings.modelmaker.network import SUBSAMPLING
from recordings.modelmaker.telephone import RATE, Pcm
from recordings.modelmaker.voices import Span

CEPSTRA = 40
LOW_HZ, HIGH_HZ = 20, -200
"""Band of the mel filters; a negative upper end counts down from half the rate."""
MFCC_CONF = f"""--use-energy=false
--sample-frequency={RATE}
--num-mel-bins={CEPSTRA}
--num-ceps={CEPSTRA}
--low-freq={LOW_HZ}
--high-freq={HIGH_HZ}
--dither=0
"""
FRAME_S = 0.01 * SUBSAMPLING
"""One output frame of the network."""
HALF_WINDOW_S = 0.0125

Features = NDArray[np.float32]
Labels = NDArray[np.int16]


def mfcc(samples: Pcm) -> Features:
    """(frames, CEPSTRA) of 8 kHz samples."""
    import kaldi_native_fbank

    options = kaldi_native_fbank.MfccOptions()
    options.frame_opts.samp_freq = RATE
    options.frame_opts.dither = 0
    options.frame_opts.snip_edges = True
    options.mel_opts.num_bins = CEPSTRA
    options.mel_opts.low_freq, options.mel_opts.high_freq = LOW_HZ, HIGH_HZ
    options.num_ceps = CEPSTRA
    options.use_energy = False
    computer = kaldi_native_fbank.OnlineMfcc(options)
    computer.accept_waveform(RATE, samples.astype(np.float32).tolist())
    computer.input_finished()
    return np.stack([computer.get_frame(i) for i in range(computer.num_frames_ready)]).astype(np.float32)


def output_frames(frames: int) -> int:
    """How many frames the network gives for so many frames of features."""
    return (frames + SUBSAMPLING - 1) // SUBSAMPLING


def frame_labels(spans: Sequence[Span], frames: int, pdf_ids: Mapping[str, int]) -> Labels | None:
    """The pdf of each of `frames` output frames: every span at least one frame, in order.

    None where there are more spans than frames.
    """
    if len(spans) > frames:
        return None
    starts = [round((start_s - HALF_WINDOW_S) / FRAME_S) for _, start_s, _ in spans]
    starts[0] = 0
    for i in range(1, len(starts)):
        starts[i] = max(starts[i], starts[i - 1] + 1)
    for i in range(len(starts)):
        # so many spans are still to come, each needs a frame
        starts[i] = min(starts[i], frames - (len(starts) - i))
    labels = np.zeros(frames, np.int16)
    for (phone, _, _), start in zip(spans, starts, strict=True):
        labels[start:] = pdf_ids[phone]
    return labels
