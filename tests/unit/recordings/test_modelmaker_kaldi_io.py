"""am/final.mdl is written byte for byte as Kaldi reads it: held against the demo model, and loaded by vosk itself."""

import shutil
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from recordings.modelmaker import kaldi_io
from recordings.modelmaker.features import CEPSTRA, MFCC_CONF
from recordings.modelmaker.kaldi_io import Affine, WrongShape, compressed, integer, integers, model_bytes, vector
from recordings.modelmaker.lexicon import PLACES
from recordings.modelmaker.network import CONTEXT, HIDDEN, LAYERS
from recordings.models import demo_model
from recordings.vosk_door import Model, Recogniser
from tests.support.spoken import silence


def phones_of_the_demo_model() -> list[int]:
    """The pdf of each phone id: silence, then each phone in its four forms."""
    rows = (demo_model() / "graph/phones/word_boundary.int").read_text().splitlines()
    return [0] + [1 + i // len(PLACES) for i in range(len(rows) - 1)]


def random_layers(outputs: int) -> list[Affine]:
    rng = np.random.default_rng(1)
    widths = [CEPSTRA] + [HIDDEN] * len(LAYERS)
    kernels = [layer.kernel for layer in LAYERS] + [1]
    sizes = [HIDDEN] * len(LAYERS) + [outputs]
    return [
        Affine(rng.normal(0, 0.1, (out, kernel * width)), rng.normal(0, 0.1, out))
        for out, kernel, width in zip(sizes, kernels, widths, strict=True)
    ]


def test_basic_types() -> None:
    assert integer(-2) == b"\x04\xfe\xff\xff\xff"
    assert integers([1, 2]) == b"\x04" + struct.pack("<iii", 2, 1, 2)
    assert vector([0.5]) == b"FV \x04" + struct.pack("<if", 1, 0.5)
    assert kaldi_io.double(1.0) == b"\x08" + struct.pack("<d", 1.0)


def test_transition_model_is_that_of_the_demo_model() -> None:
    mine = kaldi_io.BINARY + kaldi_io.transition_model(phones_of_the_demo_model())
    theirs = (demo_model() / "am/final.mdl").read_bytes()
    assert theirs.startswith(mine)


def test_network_is_wired_as_that_of_the_demo_model() -> None:
    theirs = (demo_model() / "am/final.mdl").read_bytes()
    config = b"<Nnet3> \n" + kaldi_io.network_config(CEPSTRA).encode() + b"\n<NumComponents> "
    assert theirs.count(config) == 1
    components = 2 * (len(LAYERS) + 1)
    assert theirs.count(config + integer(components)) == 1
    assert b"<LeftContext> " + integer(CONTEXT) + b"<RightContext> " + integer(CONTEXT) + b"<Priors> FV " in theirs


def test_features_are_those_of_the_demo_model() -> None:
    assert (demo_model() / "conf/mfcc.conf").read_text() == MFCC_CONF


@given(arrays(np.float64, st.tuples(st.integers(1, 5), st.integers(1, 5)), elements=st.floats(-1e3, 1e3)))
def test_compressed_matrix_keeps_its_numbers(matrix: NDArray[np.float64]) -> None:
    data = compressed(matrix)
    assert data.startswith(b"CM2 ")
    low, span, rows, columns = struct.unpack_from("<ffii", data, 4)
    assert (rows, columns) == matrix.shape
    read = low + np.frombuffer(data, "<u2", offset=20).reshape(rows, columns) * (span / 65_535)
    assert np.abs(read - matrix).max() <= span / 65_535 + 1e-3


def test_vosk_loads_what_is_written(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(demo_model(), folder)
    pdfs = phones_of_the_demo_model()
    outputs = max(pdfs) + 1
    (folder / "am/final.mdl").write_bytes(model_bytes(random_layers(outputs), np.full(outputs, 1 / outputs), pdfs))
    recogniser = Recogniser(Model(folder), 8_000)
    recogniser.accept(silence(1.0))
    recogniser.finish()


@pytest.mark.parametrize(
    ("layers", "outputs", "priors", "pdfs", "says"),
    [
        (len(LAYERS), 3, 3, [0, 1, 2], "layers"),
        (len(LAYERS) + 1, 3, 2, [0, 1], "priors"),
        (len(LAYERS) + 1, 3, 3, [0, 1, 2, 3], "pdfs"),
    ],
)
def test_network_that_does_not_fit_is_refused(
    layers: int, outputs: int, priors: int, pdfs: list[int], says: str
) -> None:
    with pytest.raises(WrongShape, match=says):
        model_bytes(random_layers(outputs)[:layers], np.full(priors, 1 / priors), pdfs)


def test_layer_of_another_width_is_refused() -> None:
    layers = random_layers(3)
    layers[2] = Affine(layers[2].matrix[:, :-1], layers[2].bias)
    with pytest.raises(WrongShape, match="layer 3"):
        model_bytes(layers, np.full(3, 1 / 3), [0, 1, 2])
