"""Rewards that read no caption's meaning, and weighted sums of rewards."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from sopo.batch import Caption, length_mask
from sopo.device import all_shares
from sopo.errors import UserError
from sopo.motion.decode import decode_joints
from sopo.motion.quality import floor_penetration, foot_skating, jitter
from sopo.motion.skeleton import skeleton_for_features
from sopo.rewards.reward import Reward


class PhysicalReward(Reward):
    """Mean of exp(-fault / tolerance) over three faults, in 0..1; captions are ignored.

    skating: share of steps in which a standing foot slides. jitter: m/s^3. penetration: metres. At its
    tolerance a fault's term is 1/e; captured motion has about 0.1, 100 and 0.
    """

    range = (0.0, 1.0)

    def __init__(self, skating: float = 0.2, jitter: float = 200.0, penetration: float = 0.02) -> None:
        self.tolerances = (skating, jitter, penetration)
        if min(self.tolerances) <= 0:
            raise UserError(f"tolerances of the physical reward are {self.tolerances}: they must be positive")

    @torch.no_grad()
    def score(self, motions: Tensor, length: Tensor, captions: Sequence[Caption]) -> Tensor:
        skeleton = skeleton_for_features(motions.shape[-1])
        valid = length_mask(length, motions.shape[1])[:, :, None]
        joints = decode_joints(torch.where(valid, motions, 0.0), skeleton)
        faults = (measure(joints, length, skeleton) for measure in (foot_skating, jitter, floor_penetration))
        terms = [torch.exp(-fault / tol) for fault, tol in zip(faults, self.tolerances, strict=True)]
        return torch.stack(terms).mean(0)

    def describe(self) -> str:
        skating, jerk, depth = self.tolerances
        return f"plausibility: skating {skating}, jitter {jerk} m/s^3, depth {depth} m tolerated, 0..1"


class WeightedReward(Reward):
    """Sum of weight * reward; motions are embedded by the first learned one."""

    def __init__(self, terms: Sequence[tuple[float, Reward]]) -> None:
        if not terms:
            raise UserError("a weighted reward needs at least one term")
        self.terms = tuple(terms)
        self.differentiable = all(reward.differentiable for _, reward in self.terms)
        names = [reward.name or type(reward).__name__ for _, reward in self.terms]
        self.names = [name if names.count(name) == 1 else f"{name}#{place}" for place, name in enumerate(names, 1)]
        self._sums, self._count = torch.zeros(len(self.terms), dtype=torch.float64), 0
        ends = [(weight * reward.range[0], weight * reward.range[1]) for weight, reward in self.terms]
        self.range = (sum(min(end) for end in ends), sum(max(end) for end in ends))

    def score(self, motions: Tensor, length: Tensor, captions: Sequence[Caption]) -> Tensor:
        scores = torch.stack([reward.score(motions, length, captions) for _, reward in self.terms])  # [terms, N]
        self._sums, self._count = self._sums + scores.detach().cpu().double().sum(1), self._count + len(motions)
        total = (scores * scores.new_tensor([weight for weight, _ in self.terms])[:, None]).sum(0)
        return total if self.differentiable else total.detach()  # part of a slope would be another reward's

    def report(self) -> dict[str, float]:
        """The mean of each term over all processes, before its weight, and what the terms report."""
        sums, counts = zip(*all_shares([(self._sums, self._count)]), strict=True)
        means = (sum(sums) / max(sum(counts), 1)).tolist()
        told = {f"reward/{name}": mean for name, mean in zip(self.names, means, strict=True)} if sum(counts) else {}
        self._sums, self._count = torch.zeros_like(self._sums), 0
        for _, reward in self.terms:
            told |= reward.report()
        return told

    def embed_motions(self, motions: Tensor, length: Tensor) -> Tensor:
        for _, reward in self.terms:
            if type(reward).embed_motions is not Reward.embed_motions:
                return reward.embed_motions(motions, length)
        return super().embed_motions(motions, length)

    def describe(self) -> str:
        return " + ".join(f"{weight:g} * ({reward.describe()})" for weight, reward in self.terms)
