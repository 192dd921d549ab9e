"""What travels through the program: captions, and batches of captioned motions.

Shapes, everywhere: B batch, K candidates, T frames, D features (12 J - 1), J joints, L tokens,
E embedding. Masks are True where valid.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor


@dataclass(frozen=True)
class Caption:
    """A description of a motion.

    text: as a person wrote it. tokens: ``word/POS`` items as HumanML3D stores them, empty if untagged.
    """

    text: str
    tokens: tuple[str, ...] = ()


@dataclass(frozen=True)
class Batch:
    """Captioned motions, padded with zeros at the end.

    motion: [B, T, D], normalised by the dataset's statistics. length: [B] int64, frames.
    captions, keys: B each; a key names the clip in its dataset, or the row in its store of mined pairs.
    code: [B, ...], what the generator's frozen autoencoder makes of the motions, where that is known already.
    """

    motion: Tensor
    length: Tensor
    captions: tuple[Caption, ...]
    keys: tuple[str, ...]
    code: Tensor | None = None

    def __len__(self) -> int:
        return len(self.captions)

    @property
    def mask(self) -> Tensor:
        """[B, T] bool, True on valid frames."""
        return length_mask(self.length, self.motion.shape[1])

    def to(self, device: torch.device | str) -> Batch:
        code = None if self.code is None else self.code.to(device)
        return replace(self, motion=self.motion.to(device), length=self.length.to(device), code=code)

    def rows(self, start: int, stop: int) -> Batch:
        """The samples start..stop, padding unchanged, so that shards of a batch see equal shapes."""
        part = slice(start, stop)
        code = None if self.code is None else self.code[part]
        return Batch(self.motion[part], self.length[part], self.captions[part], self.keys[part], code)

    def at(self, index: Tensor) -> Batch:
        """The samples of ``index`` [N], padding unchanged."""
        rows = index.tolist()
        code = None if self.code is None else self.code[index]
        captions, keys = (tuple(values[row] for row in rows) for values in (self.captions, self.keys))
        return Batch(self.motion[index], self.length[index], captions, keys, code)


def length_mask(length: Tensor, frames: int) -> Tensor:
    """[B] lengths -> [B, frames] bool, True where frame < length."""
    return torch.arange(frames, device=length.device)[None, :] < length[:, None]


def as_captions(texts: Sequence[str]) -> tuple[Caption, ...]:
    """Plain strings as untagged captions."""
    return tuple(Caption(text) for text in texts)
