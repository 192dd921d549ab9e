"""Step -> the global batch of a split, a pure function of (seed, step)."""

from __future__ import annotations

from sopo.data.dataset import MotionDataset
from sopo.data.schedule import BatchSchedule
from sopo.errors import UserError
from sopo.randomness import numpy_rng
from sopo.training.loop import Batches, LoopConfig


def training_batches(dataset: MotionDataset, config: LoopConfig) -> Batches:
    """Batches of ``config.batch_size``, captions and crops drawn anew at each step."""
    if config.batch_size > len(dataset):
        raise UserError(
            f"batch_size is {config.batch_size}, split {dataset.split!r} of {dataset.root} has {len(dataset)} motions"
        )
    schedule = BatchSchedule(dataset.lengths, config.batch_size, config.seed)
    return lambda step: dataset.batch(schedule(step), numpy_rng(config.seed, "batch", step))
