"""Recordings that a matcher can hardly tell apart by their captions: where it has most to learn from people."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from sopo.batch import Batch
from sopo.data.dataset import UNIT, MotionDataset
from sopo.errors import UserError
from sopo.matching.guo import GuoMatcher
from sopo.matching.tmr import TMR

AT_ONCE = 512  # captions embedded together


class NearRecordings:
    """For a caption the recording, of another clip, whose caption a matcher takes for the most like it."""

    @torch.no_grad()
    def __init__(self, dataset: MotionDataset, matcher: TMR | GuoMatcher) -> None:
        """Embeds every caption of the data once. Raises UserError if all are of one clip."""
        self.dataset = dataset
        told = [(place, caption) for place, item in enumerate(dataset.items) for caption in item.captions]
        if len(dataset) < 2:
            raise UserError(f"{dataset.root}: its split {dataset.split} has one clip; near recordings are of another")
        self.captions = [caption for _, caption in told]
        self.place = np.array([place for place, _ in told])
        parts = [self.captions[first : first + AT_ONCE] for first in range(0, len(told), AT_ONCE)]
        self.embedded = torch.cat([F.normalize(matcher.embed_texts(part), dim=-1).cpu() for part in parts])
        self._rows = {(dataset.items[place].key, caption.text): row for row, (place, caption) in enumerate(told)}

    def __call__(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Captions of the data [N] -> raw motions [N, T, D] of other clips, whole, and their lengths [N]."""
        rows = [self._rows[key, caption.text] for key, caption in zip(batch.keys, batch.captions, strict=True)]
        alike = self.embedded[rows] @ self.embedded.T
        alike[torch.from_numpy(self.place[rows, None] == self.place)] = -torch.inf  # its own other captions
        item = self.place[alike.argmax(-1).numpy()]
        length = self.dataset.lengths[item] // UNIT * UNIT
        found = self.dataset.cut(item, batch.captions, np.zeros_like(length), length)
        return self.dataset.normalizer.denormalize(found.motion) * found.mask[..., None], found.length
