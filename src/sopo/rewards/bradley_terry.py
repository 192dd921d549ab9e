"""A reward from people's answers to "which of these two is better?": a TMR, bent by them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sopo.batch import Caption
from sopo.matching.tmr import TMR
from sopo.pretrained import Pretrained
from sopo.rewards.reward import Reward
from sopo.rewards.settings import BradleyTerryConfig


class BradleyTerry(Pretrained):
    """Strength s of a motion for a caption: people prefer a over b with probability sigmoid(s_a - s_b).

    s = slope cos(motion, caption) + w . (motion, caption, their product) - centre; with w = 0 it ranks as the TMR does.
    """

    Config, kind, loader = BradleyTerryConfig, "bradley-terry", "load_reward"
    config: BradleyTerryConfig
    centre: Tensor

    def __init__(self, config: BradleyTerryConfig) -> None:
        super().__init__()
        self.config = config
        self.matcher = TMR(config.tmr).requires_grad_(False).eval()
        self.slope = nn.Parameter(torch.tensor(1.0))
        self.weights = nn.Parameter(torch.zeros(3 * config.tmr.width))
        self.register_buffer("centre", torch.zeros(()))  # choices alone leave strengths open up to a constant

    def train(self, mode: bool = True) -> BradleyTerry:
        super().train(mode)
        self.matcher.eval()  # frozen
        return self

    def describe_pair(self, motions: Tensor, length: Tensor, captions: Sequence[Caption]) -> Tensor:
        """What s is made of, [N, 3 E + 1]: both embeddings, their product and cosine. Raw features [N, T, D]."""
        return self.describe_embedded(self.matcher.embed_motions(motions, length), captions)

    def describe_embedded(self, motions: Tensor, captions: Sequence[Caption]) -> Tensor:
        """``describe_pair`` of motions that are embedded already, [N, E]."""
        motion = F.normalize(motions, dim=-1)
        text = F.normalize(self.matcher.embed_texts(captions), dim=-1)
        return torch.cat([motion, text, motion * text, (motion * text).sum(-1, keepdim=True)], dim=-1)

    def strength(self, described: Tensor) -> Tensor:
        """What ``describe_pair`` gives [..., 3 E + 1] -> s [...]; 0 is just good enough, where answers say so."""
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
        return self.model.strength(self.model.describe_embedded(embedded, captions)).sigmoid(), embedded

    def describe(self) -> str:
        return "people's answers (Bradley-Terry on TMR), probability against a middling motion, 0..1"
