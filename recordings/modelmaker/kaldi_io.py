"""am/final.mdl in Kaldi's binary form: a TransitionModel and an nnet3 network.

Source: Kaldi's src/base/io-funcs.h, src/matrix/kaldi-vector.cc and compressed-matrix.cc, src/hmm/hmm-topology.cc and
transition-model.cc, src/nnet3/nnet-nnet.cc. Everything is little-endian; numbers carry their size in bytes before them.
"""

import math
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from recordings.modelmaker.network import CONTEXT, LAYERS

BINARY = b"\0B"
STAY = 0.5
"""Probability of staying in a phone; the same for all, so the graph leaves it out."""


@dataclass(frozen=True, slots=True)
class Affine:
    """matrix (out, kernel * in) times the appended frames, plus bias (out)."""

    matrix: NDArray[np.float64]
    bias: NDArray[np.float64]


class WrongShape(ValueError):
    """The layers do not fit each other, the priors or the phones; the network was changed and its file was not."""


def integer(value: int) -> bytes:
    """A basic type: its size, then an int32."""
    return b"\x04" + struct.pack("<i", value)


def single(value: float) -> bytes:
    """A basic type: its size, then a float."""
    return b"\x04" + struct.pack("<f", value)


def double(value: float) -> bytes:
    """A basic type: its size, then a double."""
    return b"\x08" + struct.pack("<d", value)


def integers(values: Sequence[int]) -> bytes:
    """A vector of int32: the size of one, how many, the values."""
    return b"\x04" + struct.pack("<i", len(values)) + np.asarray(values, "<i4").tobytes()


def vector(values: ArrayLike) -> bytes:
    """A vector of floats."""
    numbers = np.asarray(values, "<f4")
    return b"FV " + integer(len(numbers)) + numbers.tobytes()


def compressed(matrix: NDArray[np.float64]) -> bytes:
    """A matrix in two bytes a number, as steps from its least to its greatest: half of floats, equal to 6 digits.

    Kaldi takes it wherever a matrix may stand.
    """
    low, high = float(matrix.min()), float(matrix.max())
    steps = np.round((matrix - low) / max(high - low, 1e-30) * 65_535).astype("<u2")
    return b"CM2 " + struct.pack("<ffii", low, high - low, *matrix.shape) + steps.tobytes()


def transition_model(pdf_of_phone_id: Sequence[int]) -> bytes:
    """Phones 1, 2, ... of one emitting state each, with the given pdfs.

    Transition-id 2p - 1 stays in phone p, 2p leaves it: the order of the transitions of a state.
    """
    phones = len(pdf_of_phone_id)
    return b"".join((
        b"<TransitionModel> <Topology> ",
        integers(range(1, phones + 1)),
        integers([-1] + [0] * phones),  # phone -> topology; there is no phone 0
        integer(1),  # one topology:
        integer(2),  # two states;
        integer(0) + integer(2) + integer(0) + single(STAY) + integer(1) + single(1 - STAY),  # class 0, stay or go on
        integer(-1) + integer(0),  # the last emits nothing
        b"</Topology> <Tuples> ",
        integer(phones),
        *(integer(p) + integer(0) + integer(pdf) + integer(pdf) for p, pdf in enumerate(pdf_of_phone_id, 1)),
        b"</Tuples> <LogProbs> ",
        vector([0.0] + [math.log(STAY), math.log(1 - STAY)] * phones),
        b"</LogProbs> </TransitionModel> ",
    ))  # fmt: skip


def network_config(inputs: int) -> str:
    """The network as nnet3's text: its nodes and what each sees. `inputs`: features in a frame."""
    lines = [f"input-node name=input dim={inputs}"]
    source = "input"
    for number, layer in enumerate(LAYERS, 1):
        frames = ", ".join(source if at == 0 else f"Offset({source}, {at})" for at in layer.offsets)
        lines += _nodes(f"tdnn{number}", f"Append({frames})", "relu")
        source = f"tdnn{number}.relu"
    lines += _nodes("output", source, "logsoftmax")
    lines.append("output-node name=output input=output.logsoftmax objective=linear")
    return "".join(f"{line}\n" for line in lines)


def _nodes(name: str, source: str, activation: str) -> list[str]:
    return [
        f"component-node name={name}.affine component={name}.affine input={source}",
        f"component-node name={name}.{activation} component={name}.{activation} input={name}.affine",
    ]


def model_bytes(affines: Sequence[Affine], priors: ArrayLike, pdf_of_phone_id: Sequence[int]) -> bytes:
    """The whole of am/final.mdl. priors: of each pdf; Kaldi divides by them. Raises WrongShape."""
    inputs = _checked(affines, len(np.asarray(priors)), pdf_of_phone_id)
    components = list(_components(affines))
    return b"".join((
        BINARY,
        transition_model(pdf_of_phone_id),
        # The line break and the empty line are part of the format.
        b"<Nnet3> \n" + network_config(inputs).encode() + b"\n",
        b"<NumComponents> " + integer(len(components)),
        *components,
        b"</Nnet3> <LeftContext> " + integer(CONTEXT) + b"<RightContext> " + integer(CONTEXT),
        b"<Priors> " + vector(priors),
    ))  # fmt: skip


def _checked(affines: Sequence[Affine], priors: int, pdf_of_phone_id: Sequence[int]) -> int:
    """The features in a frame."""
    kernels = [layer.kernel for layer in LAYERS] + [1]
    if len(affines) != len(kernels):
        raise WrongShape(f"{len(affines)} layers, {len(kernels)} are expected")
    width = inputs = int(affines[0].matrix.shape[1]) // kernels[0]
    for number, (affine, kernel) in enumerate(zip(affines, kernels, strict=True), 1):
        if affine.matrix.shape != (len(affine.bias), kernel * width):
            raise WrongShape(f"layer {number} is {affine.matrix.shape}, not {(len(affine.bias), kernel * width)}")
        width = len(affine.bias)
    if not width == priors > max(pdf_of_phone_id):
        raise WrongShape(f"{width} outputs, {priors} priors, pdfs up to {max(pdf_of_phone_id)}")
    return inputs


def _components(affines: Sequence[Affine]) -> Iterable[bytes]:
    for number, affine in enumerate(affines, 1):
        last = number == len(affines)
        name = "output" if last else f"tdnn{number}"
        matrix, bias = compressed(affine.matrix), vector(affine.bias)
        yield _component(f"{name}.affine", "FixedAffine", b"<LinearParams> " + matrix + b"<BiasParams> " + bias)
        # No statistics: a network that is only used needs none.
        empty = b"<ValueAvg> " + vector([]) + b"<DerivAvg> " + vector([]) + b"<Count> " + double(0.0)
        kind, short = ("LogSoftmax", "logsoftmax") if last else ("RectifiedLinear", "relu")
        yield _component(f"{name}.{short}", kind, b"<Dim> " + integer(len(affine.bias)) + empty)


def _component(name: str, kind: str, body: bytes) -> bytes:
    return f"<ComponentName> {name} <{kind}Component> ".encode() + body + f"</{kind}Component> ".encode()
