"""Trains the acoustic network by cross-entropy of its 30 ms frames, and folds it into plain affine layers.

The door of PyTorch, imported inside the functions. Same seed, threads and machine: same network.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recordings.modelmaker.examples import Example
from recordings.modelmaker.features import CEPSTRA
from recordings.modelmaker.kaldi_io import Affine
from recordings.modelmaker.network import CONTEXT, HIDDEN, LAYERS, SUBSAMPLING

CHUNK = 50
"""Output frames in one training example."""
BATCH = 64
LEARNING_RATE = 3e-3
NO_LABEL = -100
VALIDATION_SHARE = 50
"""One chunk in so many is not trained on, but scored after each epoch."""
RARE_COUNT = 10
PRIOR_FLOOR = 0.25
"""A phone hardly heard must not win by a tiny prior: none is below this share of the even one."""
SPAN = (CHUNK - 1) * SUBSAMPLING + 1 + 2 * CONTEXT
"""Input frames of one training example."""

Log = Callable[[str], None]


class TooLittleSpeech(Exception):
    """There are not enough utterances for one batch of training; ask for more."""


@dataclass(frozen=True, slots=True)
class Trained:
    """The network as affine layers (ReLU between them, log-softmax after the last), and how frequent each pdf is."""

    affines: tuple[Affine, ...]
    priors: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Chunks:
    """All features in one row, and where each training example starts in it."""

    frames: NDArray[np.float32]
    starts: NDArray[np.int64]
    labels: NDArray[np.int64]


def train(examples: Sequence[Example], pdfs: int, *, epochs: int, threads: int, seed: int, log: Log) -> Trained:
    """A network for `pdfs` phones. Raises TooLittleSpeech."""
    import torch

    torch.manual_seed(seed)
    torch.set_num_threads(threads)
    chunks = _chunks(examples)
    mean, deviation = chunks.frames.mean(0), chunks.frames.std(0) + 1e-3
    frames = torch.from_numpy((chunks.frames - mean) / deviation)
    network = _network(pdfs)
    _fit(network, frames, chunks, epochs=epochs, seed=seed, log=log)
    return Trained(_folded(network, mean, deviation), _priors(examples, pdfs))


def _chunks(examples: Sequence[Example]) -> _Chunks:
    rows: list[NDArray[np.float32]] = []
    starts: list[int] = []
    labels: list[NDArray[np.int64]] = []
    base = 0
    for one in examples:
        # vosk too repeats the first and the last frame where the network looks beyond the ends
        before, after = one.features[:1].repeat(CONTEXT, 0), one.features[-1:].repeat(CONTEXT + SUBSAMPLING, 0)
        rows.append(np.concatenate([before, one.features, after]))
        for first in range(0, len(one.labels), CHUNK):
            piece = np.full(CHUNK, NO_LABEL, np.int64)
            heard = one.labels[first : first + CHUNK]
            piece[: len(heard)] = heard
            starts.append(base + first * SUBSAMPLING)
            labels.append(piece)
        base += len(rows[-1])
    if len(starts) < BATCH + max(1, len(starts) // VALIDATION_SHARE):
        raise TooLittleSpeech(f"{len(examples)} utterances are too few to train on")
    rows.append(rows[-1][-1:].repeat(SPAN, 0))
    return _Chunks(np.concatenate(rows), np.array(starts), np.stack(labels))


def _network(pdfs: int) -> Any:
    from torch import nn

    parts: list[Any] = []
    width = CEPSTRA
    for layer in LAYERS:
        # after the layer that steps by three, its neighbours are three input frames away: no dilation is needed
        parts += [nn.Conv1d(width, HIDDEN, layer.kernel, stride=layer.stride), nn.ReLU()]
        parts += [nn.BatchNorm1d(HIDDEN), nn.Dropout(0.05)]
        width = HIDDEN
    return nn.Sequential(*parts, nn.Conv1d(HIDDEN, pdfs, 1))


class _Batches:
    """Examples by their number: (features, labels) as tensors."""

    def __init__(self, frames: Any, chunks: _Chunks) -> None:
        import torch

        self._frames = frames
        self._starts, self._labels = torch.from_numpy(chunks.starts), torch.from_numpy(chunks.labels)
        self._span = torch.arange(SPAN)

    def __getitem__(self, which: Any) -> tuple[Any, Any]:
        frames = self._frames[self._starts[which][:, None] + self._span]
        return frames.transpose(1, 2), self._labels[which]


def _fit(network: Any, frames: Any, chunks: _Chunks, *, epochs: int, seed: int, log: Log) -> None:
    import torch

    dice = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(chunks.starts), generator=dice)
    unseen, seen = order.tensor_split([max(1, len(order) // VALIDATION_SHARE)])
    steps = len(seen) // BATCH
    optimiser = torch.optim.AdamW(network.parameters(), lr=LEARNING_RATE / 3, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, max_lr=LEARNING_RATE, total_steps=epochs * steps + 1, pct_start=0.15
    )
    batches = _Batches(frames, chunks)
    for epoch in range(1, epochs + 1):
        network.train()
        shuffled = seen[torch.randperm(len(seen), generator=dice)]
        total = 0.0
        for step in range(steps):
            total += _step(network, optimiser, *batches[shuffled[step * BATCH : (step + 1) * BATCH]])
            schedule.step()
        loss, right = _score(network, *batches[unseen])
        log(f"epoch {epoch}/{epochs}: loss {total / steps:.3f}, unseen {loss:.3f}, frames right {right:.1%}")


def _step(network: Any, optimiser: Any, frames: Any, labels: Any) -> float:
    from torch import nn

    loss = nn.functional.cross_entropy(network(frames), labels, ignore_index=NO_LABEL)
    optimiser.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(network.parameters(), 5.0)
    optimiser.step()
    return float(loss.item())


def _score(network: Any, frames: Any, labels: Any) -> tuple[float, float]:
    import torch

    network.eval()
    with torch.no_grad():
        answers = network(frames)
        loss = torch.nn.functional.cross_entropy(answers, labels, ignore_index=NO_LABEL)
        right = (answers.argmax(1) == labels)[labels != NO_LABEL].float().mean()
    return float(loss.item()), float(right.item())


def _folded(network: Any, mean: NDArray[np.float32], deviation: NDArray[np.float32]) -> tuple[Affine, ...]:
    """The network's convolutions, with what is before each (input and batch normalisation) multiplied in."""
    from torch import nn

    affines: list[Affine] = []
    scale, shift = (1 / deviation).astype(np.float64), (-mean / deviation).astype(np.float64)
    for part in network:
        if isinstance(part, nn.BatchNorm1d):
            slope = part.weight / (part.running_var + part.eps).sqrt()
            scale, shift = _numbers(slope), _numbers(part.bias - part.running_mean * slope)
        elif isinstance(part, nn.Conv1d):
            weights = _numbers(part.weight)  # (out, in, kernel)
            bias = _numbers(part.bias) + (weights * shift[None, :, None]).sum((1, 2))
            # Kaldi's Append() puts whole frames one after the other
            by_frame = (weights * scale[None, :, None]).transpose(0, 2, 1)
            affines.append(Affine(by_frame.reshape(len(bias), -1), bias))
            scale, shift = np.ones(len(bias)), np.zeros(len(bias))
    return tuple(affines)


def _numbers(tensor: Any) -> NDArray[np.float64]:
    return np.asarray(tensor.detach().numpy(), np.float64)


def _priors(examples: Sequence[Example], pdfs: int) -> NDArray[np.float64]:
    counts = np.bincount(np.concatenate([one.labels for one in examples]), minlength=pdfs) + RARE_COUNT
    priors = np.maximum(counts / counts.sum(), PRIOR_FLOOR / pdfs)
    return np.asarray(priors / priors.sum(), np.float64)
