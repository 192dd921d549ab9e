"""K samples of the current policy for each caption, with their rewards (Eqs. 7, 10)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from sopo.batch import Batch
from sopo.diffusion.settings import Sampling
from sopo.generators.generator import Generator
from sopo.nn.cheaper import Precision, cheaper
from sopo.randomness import Draws
from sopo.rewards.reward import Reward


@dataclass(frozen=True)
class Candidates:
    """x: [B, K, ...] in the generator's space. reward: [B, K]. embedding: [B, K, E], the reward's, if asked for."""

    x: Tensor
    reward: Tensor
    embedding: Tensor | None = None

    @property
    def ends(self) -> tuple[Tensor, Tensor]:
        """The rewards of the best and of the worst, [B] each."""
        return self.reward.amax(1), self.reward.amin(1)

    def best(self) -> Tensor:
        """The samples of the highest reward, [B, ...]."""
        return self._pick(self.reward.argmax(1))

    def worst(self) -> Tensor:
        """The samples of the lowest reward, [B, ...] (Eq. 10)."""
        return self._pick(self.reward.argmin(1))

    def ranked(self) -> Tensor:
        """All samples, best first, [B, K, ...]."""
        rows = torch.arange(len(self.x), device=self.x.device)[:, None]
        return self.x[rows, self.reward.argsort(1, descending=True)]

    def _pick(self, index: Tensor) -> Tensor:
        return self.x[torch.arange(len(index), device=index.device), index]


@torch.no_grad()
def draw_candidates(
    policy: Generator,
    reward: Reward,
    batch: Batch,
    K: int,
    sampling: Sampling,
    draws: Draws,
    embed: bool = False,
    precision: Precision = "no",
    compile: bool = False,
) -> Candidates:
    """All B * K motions in one batch, as long as the batch's real ones, in eval mode and without a gradient.

    embed: their places in the reward's embedding too, which the proximity of Sec. 4.3 is measured in.
    precision, compile: of the network that draws them (``cheaper``); what judges them computes as it always does.
    """
    condition = policy.embed(batch.captions)
    with cheaper(policy, precision, compile):
        x = policy.sample(condition, batch.length, batch.motion.shape[1], draws, sampling, K)
    return score_candidates(policy, reward, x, batch, K, embed, precision)


@torch.no_grad()
def score_candidates(
    policy: Generator,
    reward: Reward,
    x: Tensor,
    batch: Batch,
    K: int,
    embed: bool = False,
    precision: Precision = "no",
) -> Candidates:
    """What ``policy.sample`` drew, x [B * K, ...], as candidates; decoded in that precision."""
    B = len(batch)
    length = batch.length.repeat_interleave(K)
    with cheaper(policy, precision, False):
        motion = policy.decode(x, length)
    captions = [caption for caption in batch.captions for _ in range(K)]
    if not embed:
        return Candidates(x.unflatten(0, (B, K)), reward.score(motion, length, captions).view(B, K))
    scores, embedding = reward.score_and_embed(motion, length, captions)
    return Candidates(x.unflatten(0, (B, K)), scores.view(B, K), embedding.unflatten(0, (B, K)))
