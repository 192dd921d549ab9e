"""Crops as a frozen autoencoder codes them, computed once: a clip has about nine, and each comes back many times."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from sopo.batch import Batch
from sopo.data.dataset import MotionDataset


class EncodedCrops:
    """(items, start, length) -> codes [B, n, ...] on the CPU, remembered.

    The crops of a clip that are equally long are coded together, without padding and without any other clip. So a
    code follows from its crop alone, whenever it is first asked for: a resumed run sees the same bits.
    """

    def __init__(self, dataset: MotionDataset, encode: Callable[[Batch], Tensor], padding: float) -> None:
        """encode: Batch -> [B, n, ...], frozen. padding: what follows the n places of a shorter motion."""
        self.dataset, self.encode, self.padding = dataset, encode, padding
        self._known: dict[tuple[int, int], Tensor] = {}

    def __call__(
        self, indices: Sequence[int] | NDArray[np.integer], start: NDArray[np.int64], length: NDArray[np.int64]
    ) -> Tensor:
        crops = zip(map(int, indices), start.tolist(), length.tolist(), strict=True)
        return pad_sequence([self._all(item, frames)[begin] for item, begin, frames in crops], True, self.padding)

    def _all(self, item: int, frames: int) -> Tensor:
        """Every crop of so many frames, by its start: [starts, n, ...]."""
        if (item, frames) not in self._known:
            starts = np.arange(self.dataset.lengths[item] - frames + 1)
            same = [item] * len(starts)
            captions = [self.dataset.items[item].captions[0]] * len(starts)
            batch = self.dataset.cut(same, captions, starts, np.full_like(starts, frames))
            self._known[item, frames] = self.encode(batch).cpu()
        return self._known[item, frames]
