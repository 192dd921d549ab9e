"""A reward from people's answers to "which of these two is better?": a TMR, bent by them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sopo.batch import Caption, length_mask
from sopo.matching.tmr import TMR
from sopo.motion.skeleton import skeleton_for_features
from sopo.pretrained import Pretrained
from sopo.rewards.repeats import SWINGS, WIDTH, agreement
from sopo.rewards.reward import Reward
from sopo.rewards.settings import BradleyTerryConfig

LARGEST = 5.0  # deviations that a feature counts at most


class BradleyTerry(Pretrained):
    """Strength s of a motion for a caption: people prefer a over b with probability sigmoid(s_a - s_b).

    s = slope cos(motion, caption) + w . (motion, caption, their product, body, repeats) - centre; with w = 0 it ranks
    as the TMR does. body: mean and deviation of each normalised feature over the frames, for tastes that a TMR has no
    place for. repeats: how near limbs' swings come to the number that the caption names (``sopo.rewards.repeats``).
    """

    Config, kind, loader = BradleyTerryConfig, "bradley-terry", "load_reward"
    config: BradleyTerryConfig
    centre: Tensor

    def __init__(self, config: BradleyTerryConfig) -> None:
        super().__init__()
        self.config = config
        self.matcher = TMR(config.tmr).requires_grad_(False).eval()
        self.slope = nn.Parameter(torch.tensor(1.0))
        self.weights = nn.Parameter(torch.zeros(3 * config.tmr.width + 2 * config.features + WIDTH))
        self.register_buffer("centre", torch.zeros(()))  # choices alone leave strengths open up to a constant

    def train(self, mode: bool = True) -> BradleyTerry:
        super().train(mode)
        self.matcher.eval()  # frozen
        return self

    def describe_pair(self, motions: Tensor, length: Tensor, captions: Sequence[Caption]) -> Tensor:
        """What s is made of, [N, F]; the last is the cosine. Raw features [N, T, D]."""
        return self.describe_embedded(motions, length, captions, self.matcher.embed_motions(motions, length))

    def describe_embedded(
        self, motions: Tensor, length: Tensor, captions: Sequence[Caption], embedding: Tensor
    ) -> Tensor:
        """``describe_pair`` of motions that are embedded already, [N, E]."""
        motions, length = motions.to(embedding.device), length.to(embedding.device)
        motion = F.normalize(embedding, dim=-1)
        text = F.normalize(self.matcher.embed_texts(captions), dim=-1)
        cosine = (motion * text).sum(-1, keepdim=True)
        skeleton = skeleton_for_features(self.config.features)
        repeats = 2 * agreement(motions, length, captions, skeleton) / SWINGS**0.5
        return torch.cat([motion, text, motion * text, self._body(motions, length), repeats, cosine], dim=-1)

    def _body(self, motions: Tensor, length: Tensor) -> Tensor:
        """[N, 2 D], about as long as an embedding."""
        valid = length_mask(length, motions.shape[1])[..., None]
        x = torch.where(valid, self.matcher.normalizer.normalize(motions), 0.0)
        count = length[:, None]
        mean = x.sum(1) / count
        deviation = (torch.where(valid, x - mean[:, None], 0.0).square().sum(1) / count).sqrt()
        body = torch.cat([mean, deviation], dim=-1).clamp(-LARGEST, LARGEST)
        return 2 * body / body.shape[-1] ** 0.5

    def strength(self, described: Tensor) -> Tensor:
        """What ``describe_pair`` gives [..., F] -> s [...]; 0 is just good enough, where answers say so."""
        return self.slope * described[..., -1] + described[..., :-1] @ self.weights - self.centre


class BradleyTerryReward(Reward):
    """sigmoid(s), in 0..1: above a half what people call good, or prefer to a middling motion."""

    range = (0.0, 1.0)

    def __init__(self, model: BradleyTerry) -> None:
        self.model = model.eval().requires_grad_(False)

    def score(self, motions: Tensor, length: Tensor, captions: Sequence[Caption]) -> Tensor:
        return self.score_and_embed(motions, length, captions)[0]

    def embed_motions(self, motions: Tensor, length: Tensor) -> Tensor:
        return self.model.to(motions.device).matcher.embed_motions(motions, length)

    @torch.no_grad()
    def score_and_embed(self, motions: Tensor, length: Tensor, captions: Sequence[Caption]) -> tuple[Tensor, Tensor]:
        embedded = self.embed_motions(motions, length)
        described = self.model.describe_embedded(motions, length, captions, embedded)
        return self.model.strength(described).sigmoid(), embedded

    def describe(self) -> str:
        return "people's answers (Bradley-Terry on TMR), probability against a middling motion, 0..1"
