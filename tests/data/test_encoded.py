"""Codes of crops: each computed once, by itself."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from sopo.batch import Batch
from sopo.data.dataset import MotionDataset
from sopo.data.encoded import EncodedCrops


def test_every_crop_is_coded_once_and_found_again(make_folder) -> None:
    dataset = MotionDataset(make_folder({"a": 43, "b": 90}), "train")
    rows: list[int] = []

    def frames(batch: Batch) -> Tensor:
        """A code that names its crop: the numbers of the frames."""
        assert (batch.length == batch.motion.shape[1]).all() and len(set(batch.keys)) == 1  # alike, and nothing padded
        rows.append(len(batch))
        return batch.motion[..., 0]

    codes, rng = EncodedCrops(dataset, frames, padding=-1), np.random.default_rng(0)
    for _ in range(200):
        indices = rng.permutation([0, 1, 1])
        captions, start, length = dataset.choose(indices, rng)
        found = codes(indices, start, length)
        batch = dataset.cut(indices, captions, start, length)
        assert torch.equal(found, torch.where(batch.mask, batch.motion[..., 0], -1.0))
    assert sorted(rows) == [3, 4, 7, 8]  # all crops of 88, 40, 84 and 36 frames
