"""A world small enough to compute by hand: a tiny MDM, a reward without weights, four captioned motions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest
import torch
from torch import Tensor

from sopo.batch import Batch, Caption, as_captions, length_mask
from sopo.generators.mdm import MDM
from sopo.generators.settings import MDMConfig
from sopo.rewards.reward import Reward


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


class MeanReward(Reward):
    """tanh of the mean feature over the valid frames; its embedding is the mean frame."""

    range = (-1.0, 1.0)

    def score(self, motions: Tensor, length: Tensor, captions: Sequence[Caption]) -> Tensor:
        assert len(captions) == len(motions) and not motions.requires_grad
        return torch.tanh(10 * self.embed_motions(motions, length).mean(1))

    def embed_motions(self, motions: Tensor, length: Tensor) -> Tensor:
        mask = length_mask(length, motions.shape[1])[..., None]
        return (motions * mask).sum(1) / length[:, None]

    def describe(self) -> str:
        return "the mean feature, in [-1, 1]"


@pytest.fixture
def reward() -> Reward:
    return MeanReward()


@pytest.fixture
def policy() -> MDM:
    sizes = {"features": 251, "width": 16, "feedforward": 24, "layers": 2, "heads": 2, "max_positions": 32}
    model = MDM(MDMConfig(**sizes, text_encoder="hashed-16", diffusion_steps=8, dropout=0.3))
    model.normalizer.mean.copy_(torch.randn(251))
    model.normalizer.std.copy_(torch.rand(251) + 0.5)
    return model


@pytest.fixture
def batch() -> Batch:
    length = torch.tensor([8, 5, 7, 4])
    motion = torch.randn(4, 8, 251) * length_mask(length, 8)[..., None]
    texts = ["a person walks", "someone waves the left hand", "jump twice", "a man kicks"]
    return Batch(motion, length, as_captions(texts), ("a", "b", "c", "d"))
