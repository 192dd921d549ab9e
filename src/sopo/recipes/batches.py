"""Step -> the global batch of a split, a pure function of (seed, step)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sopo.batch import Batch
from sopo.data.dataset import MotionDataset
from sopo.data.encoded import EncodedCrops
from sopo.data.schedule import BatchSchedule
from sopo.errors import UserError
from sopo.preference.label_pairs import LabelPairs
from sopo.preference.pairs import PairStore
from sopo.randomness import numpy_rng
from sopo.training.loop import Batches
from sopo.training.settings import LoopConfig


def training_batches(dataset: MotionDataset, config: LoopConfig, codes: EncodedCrops | None = None) -> Batches:
    """Batches of ``config.batch_size``, captions and crops drawn anew at each step; with their codes, if given."""
    if config.batch_size > len(dataset):
        raise UserError(
            f"batch_size is {config.batch_size}, split {dataset.split!r} of {dataset.root} has {len(dataset)} motions"
        )
    schedule = BatchSchedule(dataset.lengths, config.batch_size, config.seed)

    def batch(step: int) -> Batch:
        rows = schedule(step)
        captions, start, length = dataset.choose(rows, numpy_rng(config.seed, "batch", step))
        cut = dataset.cut(rows, captions, start, length)
        return cut if codes is None else replace(cut, code=codes(rows, start, length))

    return batch


def pair_batches(dataset: MotionDataset, store: PairStore, config: LoopConfig) -> Batches:
    """Batches of rows of mined pairs: their captions and the real motions, cropped as the samples were drawn.

    The batch's keys are the numbers of the rows. Raises UserError if a row is of no clip of the split.
    """
    place = {item.key: number for number, item in enumerate(dataset.items)}
    if missing := next((key for key in store.keys if key not in place), None):
        raise UserError(f"{store.path}: clip {missing!r} is not in split {dataset.split!r} of {dataset.root}")
    item = np.array([place[key] for key in store.keys])
    if (long := np.flatnonzero(store.start + store.length > dataset.lengths[item])).size:
        raise UserError(f"{store.path}: row {long[0]} is longer than its clip, {store.keys[long[0]]!r}; mine anew")
    if config.batch_size > len(store):
        raise UserError(f"batch_size is {config.batch_size}, {store.path} has {len(store)} pairs")
    schedule = BatchSchedule(store.length, config.batch_size, config.seed, group=store.group)

    def batch(step: int) -> Batch:
        rows = schedule(step)
        cut = dataset.cut(item[rows], [store.captions[i] for i in rows], store.start[rows], store.length[rows])
        return replace(cut, keys=tuple(map(str, rows)))

    return batch


def label_batches(pairs: LabelPairs, config: LoopConfig) -> Batches:
    """Batches of the winners of people's choices; the keys are the rows of ``pairs``."""
    if config.batch_size > len(pairs):
        raise UserError(f"batch_size is {config.batch_size}, people preferred a motion in {len(pairs)} answers")
    schedule = BatchSchedule(pairs.length, config.batch_size, config.seed)
    return lambda step: pairs.batch(schedule(step))
