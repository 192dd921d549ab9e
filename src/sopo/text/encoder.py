"""The contract of text encoders: texts -> token vectors, their mask, and one pooled vector each."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sopo.batch import length_mask


@dataclass(frozen=True)
class TextEmbedding:
    """tokens: [B, L, E], zeros where padded. mask: [B, L] bool, True = valid. pooled: [B, E]."""

    tokens: Tensor
    mask: Tensor
    pooled: Tensor

    def __len__(self) -> int:
        return len(self.pooled)

    def to(self, device: torch.device | str) -> TextEmbedding:
        return TextEmbedding(self.tokens.to(device), self.mask.to(device), self.pooled.to(device))

    def rows(self, index: Tensor | slice) -> TextEmbedding:
        """Some of the texts, padding unchanged. index: [N] int64 or bool, or a slice."""
        return TextEmbedding(self.tokens[index], self.mask[index], self.pooled[index])

    def repeat(self, K: int) -> TextEmbedding:
        """Each text K times in a row: [B K, ...], ordered as candidates [B, K] flattened."""
        return TextEmbedding(
            self.tokens.repeat_interleave(K, 0),
            self.mask.repeat_interleave(K, 0),
            self.pooled.repeat_interleave(K, 0),
        )


class TextEncoder(ABC):
    """A frozen map from texts to vectors: on the CPU, without gradient, each text on its own."""

    name: str
    width: int

    def version(self) -> str:
        """What tells this encoder's vectors from those of another one of its name."""
        return "1"

    @abstractmethod
    def encode(self, texts: Sequence[str]) -> TextEmbedding:
        """B texts -> TextEmbedding with L = the longest of them; every text has at least one valid token."""


def pad_tokens(flat: Tensor, length: Tensor) -> tuple[Tensor, Tensor]:
    """Token vectors of all texts in a row [sum L_i, E] -> padded [B, L, E] and mask [B, L]."""
    mask = length_mask(length, int(length.max()) if len(length) else 0)
    tokens = flat.new_zeros(*mask.shape, flat.shape[-1])
    tokens[mask] = flat
    return tokens, mask


def masked_mean(tokens: Tensor, mask: Tensor) -> Tensor:
    """[B, L, E], zeros where padded, and mask [B, L] -> mean over the valid tokens [B, E]."""
    return tokens.sum(1) / mask.sum(1, keepdim=True).clamp(min=1)
