"""The contract of matchers: raw motions and captions -> vectors of one space."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sopo.batch import Caption, length_mask
from sopo.motion.normalize import Normalizer
from sopo.pretrained import Pretrained

CHUNK = 256  # samples per forward pass; they are sorted by length first, so a chunk is padded little


class Matcher(Pretrained, ABC):
    """Embeds motions and captions side by side, under its own statistics (buffers ``normalizer.*``).

    A model that was not loaded needs ``set_statistics`` before it is trained or used.
    """

    normalizer: Normalizer

    def set_statistics(self, mean: Tensor, std: Tensor) -> None:
        """mean, std: [D] of the raw features that this model shall see as zero and one."""
        self.normalizer = Normalizer(mean, std).to(self.normalizer.mean.device)

    @property
    def device(self) -> torch.device:
        return self.normalizer.mean.device

    def prepare(self, motions: Tensor, length: Tensor, longest: int) -> Tensor:
        """Raw [N, T, D] -> normalised, zero beyond each length, [N, frames_for(longest), D]."""
        frames = self.frames_for(longest)
        motions = self.normalizer.normalize(motions[:, :frames])
        valid = length_mask(length, motions.shape[1])[:, :, None]
        motions = torch.where(valid, motions, 0.0)  # padding may hold anything, NaN included
        return F.pad(motions, (0, 0, 0, frames - motions.shape[1]))

    def embed_motions(self, motions: Tensor, length: Tensor) -> Tensor:
        """Raw features [N, T, D], length [N] -> [N, E], in eval mode; a gradient flows to motions that ask for one.

        Frames beyond the length have no influence, nor have N and T.
        """
        motions, length = motions.to(self.device), length.to(self.device)
        order = torch.argsort(length, descending=True)
        parts = []
        with evaluating(self, gradient=motions.requires_grad):
            for rows in order.split(CHUNK):
                chunk = self.prepare(motions[rows], length[rows], int(length[rows[0]]))
                parts.append(self.encode_motions(chunk, length[rows]))
        return torch.cat(parts)[torch.argsort(order)]

    def embed_texts(self, captions: Sequence[Caption]) -> Tensor:
        """N captions -> [N, E], in eval mode without gradient; each distinct one is computed once."""
        row = {caption: i for i, caption in enumerate(dict.fromkeys(captions))}
        distinct = list(row)
        with evaluating(self):
            parts = [self.encode_captions(distinct[i : i + CHUNK]) for i in range(0, len(distinct), CHUNK)]
        return torch.cat(parts)[torch.tensor([row[caption] for caption in captions], device=self.device)]

    @abstractmethod
    def frames_for(self, longest: int) -> int:
        """The number of frames to which motions are padded when the longest of them has ``longest``."""

    @abstractmethod
    def encode_motions(self, motion: Tensor, length: Tensor) -> Tensor:
        """Motions as ``prepare`` gives them, length [N] -> [N, E]."""

    @abstractmethod
    def encode_captions(self, captions: Sequence[Caption]) -> Tensor:
        """N captions -> [N, E] on this model's device."""

    @abstractmethod
    def similarity(self, text: Tensor, motion: Tensor) -> Tensor:
        """Embeddings [..., E], broadcast against each other -> [...], higher where they match better."""


@contextmanager
def evaluating(module: nn.Module, gradient: bool = False) -> Iterator[None]:
    """Eval mode inside, and no gradient unless asked for; the mode of every submodule as before outside."""
    modes = {child: child.training for child in module.modules()}
    module.eval()
    try:
        # Not inference_mode: embeddings weigh losses, and inference tensors may not enter a backward pass.
        with torch.set_grad_enabled(gradient):
            yield
    finally:
        for child, mode in modes.items():
            child.training = mode
