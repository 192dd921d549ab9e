"""Which clips form the batch of a step: a pure function of (seed, step)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sopo.errors import UserError
from sopo.randomness import numpy_rng

WINDOW = 8  # batches sorted together: padding falls to a few percent, and batches still mix lengths


class BatchSchedule:
    """Step -> indices of the global batch [batch_size]; an epoch is a new permutation, its remainder dropped.

    With ``bucket`` clips of similar length meet: inside windows of 8 batches they are sorted by length, cut
    into batches, and the order of the batches is shuffled. Nothing depends on earlier steps or on the number
    of processes, so a run resumes exactly and shards at will.
    """

    def __init__(self, lengths: NDArray[np.integer], batch_size: int, seed: int, bucket: bool = True) -> None:
        self.lengths = np.asarray(lengths)
        if not 1 <= batch_size <= len(self.lengths):
            clips = len(self.lengths)
            raise UserError(f"batch size {batch_size} does not fit {clips} clips: choose 1..{clips}")
        self.batch_size, self.seed, self.bucket = batch_size, seed, bucket
        self.steps_per_epoch = len(self.lengths) // batch_size
        self._epoch = -1
        self._batches = np.empty((0, batch_size), dtype=np.int64)

    def __call__(self, step: int) -> NDArray[np.int64]:
        """Indices of the global batch of ``step`` (from 0), [batch_size]."""
        epoch, position = divmod(step, self.steps_per_epoch)
        if epoch != self._epoch:
            self._epoch, self._batches = epoch, self.epoch(epoch)
        return self._batches[position]

    def epoch(self, epoch: int) -> NDArray[np.int64]:
        """All batches of an epoch, [steps_per_epoch, batch_size]."""
        rng = numpy_rng(self.seed, "batches", epoch)
        order = rng.permutation(len(self.lengths))[: self.steps_per_epoch * self.batch_size]
        if not self.bucket:
            return order.reshape(-1, self.batch_size)
        window = np.arange(len(order)) // (WINDOW * self.batch_size)
        order = order[np.lexsort((self.lengths[order], window))]
        return rng.permutation(order.reshape(-1, self.batch_size))
