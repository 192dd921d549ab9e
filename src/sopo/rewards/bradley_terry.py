"""A reward from people's A/B choices: a small head on a frozen TMR (Bradley & Terry 1952)."""

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
    """Strength s of a motion for a caption: people prefer a over b with probability sigmoid(s_a - s_b)."""

    Config, kind = BradleyTerryConfig, "bradley-terry"
    config: BradleyTerryConfig
    centre: Tensor

    def __init__(self, config: BradleyTerryConfig) -> None:
        super().__init__()
        self.config = config
        self.matcher = TMR(config.tmr).requires_grad_(False).eval()
        hidden = nn.Linear(3 * config.tmr.width + 1, config.hidden)
        self.head = nn.Sequential(hidden, nn.SiLU(), nn.Linear(config.hidden, 1, bias=False))
        self.register_buffer("centre", torch.zeros(()))  # choices leave strengths open up to a constant

    def train(self, mode: bool = True) -> BradleyTerry:
        super().train(mode)
        self.matcher.eval()  # frozen
        return self

    def describe_pair(self, motions: Tensor, length: Tensor, captions: Sequence[Caption]) -> Tensor:
        """What the head sees, [N, 3 E + 1]: both embeddings, their product and cosine. Raw features [N, T, D]."""
        motion = F.normalize(self.matcher.embed_motions(motions, length), dim=-1)
        text = F.normalize(self.matcher.embed_texts(captions), dim=-1)
        return torch.cat([motion, text, motion * text, (motion * text).sum(-1, keepdim=True)], dim=-1)

    def strength(self, described: Tensor) -> Tensor:
        """What ``describe_pair`` gives [N, 3 E + 1] -> s [N]; 0 is the mean of the motions it was trained on."""
        return self.head(described)[:, 0] - self.centre


def choice_loss(preferred: Tensor, other: Tensor) -> Tensor:
    """-log sigmoid(s_preferred - s_other) of strengths [N]: [N]."""
    return -F.logsigmoid(preferred - other)


class BradleyTerryReward(Reward):
    """sigmoid(s), in 0..1: the probability that people prefer the motion to a middling one."""

    range = (0.0, 1.0)

    def __init__(self, model: BradleyTerry) -> None:
        self.model = model.eval().requires_grad_(False)

    @torch.no_grad()
    def score(self, motions: Tensor, length: Tensor, captions: Sequence[Caption]) -> Tensor:
        model = self.model.to(motions.device)
        return model.strength(model.describe_pair(motions, length, captions)).sigmoid()

    def embed_motions(self, motions: Tensor, length: Tensor) -> Tensor:
        return self.model.to(motions.device).matcher.embed_motions(motions, length)

    def describe(self) -> str:
        return "people's choices (Bradley-Terry on TMR), probability against a middling motion, 0..1"
