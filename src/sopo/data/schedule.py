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

    group: so many rows in a row lie together (a part of a file): the groups come one after another, in a new order
    every epoch, and batches are shuffled inside a window only. 0: no groups.
    """

    def __init__(
        self, lengths: NDArray[np.integer], batch_size: int, seed: int, bucket: bool = True, group: int = 0
    ) -> None:
        self.lengths = np.asarray(lengths)
        if not 1 <= batch_size <= len(self.lengths):
            clips = len(self.lengths)
            raise UserError(f"batch size {batch_size} does not fit {clips} clips: choose 1..{clips}")
        self.batch_size, self.seed, self.bucket, self.group = batch_size, seed, bucket, group
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
        order = self._order(rng)[: self.steps_per_epoch * self.batch_size]
        if not self.bucket:
            return order.reshape(-1, self.batch_size)
        window = np.arange(len(order)) // (WINDOW * self.batch_size)
        order = order[np.lexsort((self.lengths[order], window))]
        shuffled = rng.permutation(self.steps_per_epoch)
        if self.group:
            shuffled = shuffled[np.argsort(shuffled // WINDOW, kind="stable")]
        return order.reshape(-1, self.batch_size)[shuffled]

    def _order(self, rng: np.random.Generator) -> NDArray[np.int64]:
        count = len(self.lengths)
        if not self.group:
            return rng.permutation(count)
        group = np.arange(count) // self.group
        return np.lexsort((rng.permutation(count), rng.permutation(group[-1] + 1)[group]))
