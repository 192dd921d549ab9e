"""People's choices as pairs to align on directly: the preferred motion wins, the other loses."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from sopo.batch import Batch, as_captions, length_mask
from sopo.data.dataset import UNIT
from sopo.data.layout import read_array
from sopo.errors import UserError, reason
from sopo.evaluation.sources import as_features
from sopo.formats.npz import read_npy_header
from sopo.generators.generator import Generator
from sopo.motion.normalize import Normalizer
from sopo.motion.skeleton import Skeleton
from sopo.preference.base import Rankings
from sopo.preference.labels import NEEDED, SUFFIXES, read_labels

LEARNT_FROM = ("choice", "repeat", "open")  # kinds of labels; the others test who answers


class LabelPairs:
    """The answers in a file of labels that prefer one motion; motions are read when a batch asks for them.

    captions, length: of each pair, [N]; length: frames of the shorter motion, whole units of 4, to which both are cut.
    answers: how many the file holds.
    """

    def __init__(self, path: Path, normalizer: Normalizer, skeleton: Skeleton) -> None:
        """normalizer: the policy's. Raises UserError if nobody preferred a motion, or one is missing or too short."""
        labels = read_labels(path)
        chosen = [label for label in labels if label.kind in LEARNT_FROM and label.preferred in ("a", "b")]
        if not chosen:
            raise UserError(f"{path}: nobody preferred a motion; pairs to align on need a winner and a loser")
        self.answers, self._normalizer, self._skeleton = len(labels), normalizer, skeleton
        self.captions = as_captions([label.caption for label in chosen])
        both = [(label.motion_a, label.motion_b) for label in chosen]
        self._sides = [(a, b) if label.preferred == "a" else (b, a) for label, (a, b) in zip(chosen, both, strict=True)]
        self.length: NDArray[np.int64] = np.array([min(map(_usable, sides)) for sides in self._sides])

    def __len__(self) -> int:
        return len(self.captions)

    def batch(self, rows: Sequence[int] | NDArray[np.integer], loser: bool = False) -> Batch:
        """The winners of the rows, or their losers, as a generator's training batch; its keys are the rows."""
        length = torch.from_numpy(self.length[np.asarray(rows)])
        raw = torch.zeros(len(rows), int(length.max()), self._skeleton.num_features)
        for place, row, frames in zip(raw, rows, length.tolist(), strict=True):
            path = self._sides[row][loser]
            place[:frames] = as_features(read_array(path), str(path), self._skeleton)[:frames]
        mask = length_mask(length, raw.shape[1])[..., None]
        captions = tuple(self.captions[row] for row in rows)
        return Batch(self._normalizer.normalize(raw) * mask, length, captions, tuple(map(str, rows)))

    def rankings(self, policy: Generator) -> Rankings:
        """Batch of winners -> x [B, 2, ...] of each and its loser, in the policy's space."""

        def source(batch: Batch) -> Tensor:
            losers = self.batch([int(key) for key in batch.keys], loser=True)
            frames = batch.motion.shape[1]  # of the whole batch, of which this may be a shard
            motion = F.pad(losers.motion, (0, 0, 0, frames - losers.motion.shape[1]))
            losers = replace(losers, motion=motion).to(batch.motion.device)
            return torch.stack([policy.encode(batch), policy.encode(losers)], dim=1)

        return source


def are_labels(path: Path) -> bool:
    """Whether a file of pairs holds people's answers, not mined samples; told by ending or columns."""
    if path.suffix != ".parquet":
        return path.suffix in SUFFIXES
    with suppress(pa.ArrowException, OSError):  # whoever reads it says what is wrong with it
        return set(NEEDED) <= set(pq.read_schema(path).names)
    return False


def _usable(path: Path) -> int:
    """Frames of a motion's features, by its header, in whole units of 4; joints lose one to the velocities."""
    try:
        with path.open("rb") as file:
            shape = read_npy_header(file, str(path))[0]
    except OSError as error:
        raise UserError(
            f"{path}: cannot be read ({reason(error)}); labels name motions from their own folder"
        ) from error
    frames = (shape[0] - (len(shape) == 3)) // UNIT * UNIT if shape else 0
    if frames < UNIT:
        raise UserError(f"{path}: of shape {list(shape)}; a motion to align on has {UNIT} frames or more")
    return frames
