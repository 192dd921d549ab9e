"""A split of a motion folder, and batches of it by the published rules (MDM / T2M data loaders)."""

from __future__ import annotations

import string
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from sopo.batch import Batch, Caption
from sopo.data.index import ClipIndex
from sopo.data.layout import Array, MotionFolder
from sopo.errors import UserError
from sopo.motion.normalize import Normalizer

UNIT = 4  # frames; batch lengths are multiples of it
MEMORY = 1 << 30  # bytes of features that a data set keeps


class Clips:
    """Features of a folder's clips, read when asked for; those that fit into MEMORY stay there."""

    def __init__(self, folder: MotionFolder) -> None:
        self.folder, self._room = folder, MEMORY
        self._kept: dict[str, Array] = {}

    def __call__(self, key: str) -> Array:
        """[T, D] raw."""
        if (kept := self._kept.get(key)) is not None:
            return kept
        features = self.folder.features(key)
        if features.nbytes <= self._room:
            self._room -= features.nbytes
            self._kept[key] = features
        return features


@dataclass(frozen=True)
class Item:
    """A clip, or the tagged part of one, with the captions that describe exactly it: frames start..stop of ``clip``."""

    key: str
    captions: tuple[Caption, ...]
    clip: str
    start: int
    stop: int
    clips: Clips = field(repr=False)

    def __len__(self) -> int:
        return self.stop - self.start

    @property
    def features(self) -> Array:
        """Raw [T, D], from memory or from its file; UserError if that is no longer what it was."""
        clip = self.clips(self.clip)
        if len(clip) < self.stop:
            raise UserError(f"{self.clips.folder.features_path(self.clip)}: was longer when the data set was opened")
        return clip[self.start : self.stop]


class MotionDataset:
    """All usable clips of a split, sorted by length.

    Kept are clips of min_length <= T < max_length + 4 frames (published: 40 <= T < 200, KIT-ML 24 <= T < 200;
    min_length None takes that of the folder's skeleton). A caption with from/to tags becomes an item of its
    own (key ``A_ID``), cut out of the clip and filtered alike.

    items, lengths [N] int64; normalizer, of Mean.npy and Std.npy; skipped: reason -> keys left out.
    """

    def __init__(self, root: str | Path, split: str, min_length: int | None = None, max_length: int = 196) -> None:
        folder = MotionFolder(root)
        self.root, self.split, self.skeleton = folder.root, split, folder.skeleton
        if min_length is None:
            min_length = self.skeleton.shortest
        self.normalizer = Normalizer.from_arrays(folder.mean, folder.std)
        self._bounds = (min_length, max_length + UNIT)
        skipped: defaultdict[str, list[str]] = defaultdict(list)
        clips, index = Clips(folder), ClipIndex(folder)
        lengths = self._usable_clips(clips, index, folder.ids(split), skipped)
        items = [item for key, total in lengths.items() for item in self._items(clips, index, key, total, skipped)]
        index.save()
        self.items: tuple[Item, ...] = tuple(sorted(items, key=len))
        self.skipped = {reason: tuple(keys) for reason, keys in skipped.items()}
        if not self.items:
            counts = ", ".join(f"{len(keys)} {reason}" for reason, keys in self.skipped.items()) or "empty list"
            raise UserError(f"{self.root}: split {split!r} has no usable clip ({counts}); try `sopo data check`")
        self.lengths: NDArray[np.int64] = np.array(list(map(len, self.items)), dtype=np.int64)

    def __len__(self) -> int:
        return len(self.items)

    def _usable(self, length: int) -> bool:
        return self._bounds[0] <= length < self._bounds[1]

    def _usable_clips(
        self, clips: Clips, index: ClipIndex, keys: Sequence[str], skipped: defaultdict[str, list[str]]
    ) -> dict[str, int]:
        """Frames of the clips that exist, are of usable length, which is read first, and finite."""
        lengths: dict[str, int] = {}
        for key in keys:
            length = index.length(key)
            if length is None:
                skipped["absent"].append(key)
            elif not self._usable(length):
                skipped["too short or too long"].append(key)
            elif not index.finite(key, partial(clips, key)):
                skipped["not finite"].append(key)
            else:
                lengths[key] = length
        return lengths

    def _items(
        self, clips: Clips, index: ClipIndex, key: str, total: int, skipped: defaultdict[str, list[str]]
    ) -> list[Item]:
        rate = self.skeleton.fps  # published: 20, in KIT-ML too, whose tags are all 0
        whole: list[Caption] = []
        parts: list[Item] = []
        names = (f"{letter * repeat}_{key}" for repeat in count(1) for letter in string.ascii_uppercase[:23])
        for line in index.captions(key):
            if line.whole:
                whole.append(line.caption)
                continue
            name = next(names)  # published: a random letter of A..W; here in order, so that keys are stable
            start, stop, _ = slice(int(line.start_s * rate), int(line.end_s * rate)).indices(total)
            if self._usable(stop - start):
                parts.append(Item(name, (line.caption,), key, start, stop, clips))
            else:
                skipped["tagged part too short or too long"].append(name)
        return [*parts, Item(key, tuple(whole), key, 0, total, clips)] if whole else parts

    def batch(self, indices: Sequence[int] | NDArray[np.integer], rng: np.random.Generator, crop: bool = True) -> Batch:
        """A batch of the items named: ``choose`` says what of them, ``cut`` makes it."""
        return self.cut(indices, *self.choose(indices, rng, crop))

    def choose(
        self, indices: Sequence[int] | NDArray[np.integer], rng: np.random.Generator, crop: bool = True
    ) -> tuple[list[Caption], NDArray[np.int64], NDArray[np.int64]]:
        """A caption and a crop drawn for each of the items named: captions, start, length, [B] each.

        crop: the length is (T//4)*4 or, with probability 1/3, one unit less, from a random start, in training
        and in evaluation alike (published). Without it: (T//4)*4 frames from the start.
        """
        chosen = [self.items[index] for index in indices]
        draws = rng.random((3, len(chosen)))  # caption, coin, start: a fixed number, whatever the items
        total = np.array(list(map(len, chosen)), dtype=np.int64)
        start, length = crops(total, draws[1:]) if crop else (np.zeros_like(total), total // UNIT * UNIT)
        captions = [item.captions[int(u * len(item.captions))] for item, u in zip(chosen, draws[0], strict=True)]
        return captions, start, length

    def cut(
        self,
        indices: Sequence[int] | NDArray[np.integer],
        captions: Sequence[Caption],
        start: NDArray[np.int64],
        length: NDArray[np.int64],
    ) -> Batch:
        """The items named as a batch: the caption given and ``length`` frames from ``start`` of each, [B] each;
        normalised, zero padded to the longest."""
        chosen = [self.items[index] for index in indices]
        raw = np.zeros((len(chosen), int(length.max()), self.skeleton.num_features), dtype=np.float32)
        for row, item, begin, frames in zip(raw, chosen, start.tolist(), length.tolist(), strict=True):
            row[:frames] = item.features[begin : begin + frames]
        lengths = torch.from_numpy(length)
        batch = Batch(torch.from_numpy(raw), lengths, tuple(captions), tuple(item.key for item in chosen))
        motion = self.normalizer.normalize(batch.motion) * batch.mask[..., None]
        return Batch(motion, lengths, batch.captions, batch.keys)


def crops(total: NDArray[np.int64], draws: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The published crop of clips of ``total`` frames [N]: (start, length), [N] each.

    draws: [2, N] in [0, 1). The length is (T//4)*4 or, with probability 1/3, one unit less.
    """
    length = np.maximum(total // UNIT * UNIT - UNIT * (draws[0] < 1 / 3), UNIT)
    return (draws[1] * (total - length + 1)).astype(np.int64), length
