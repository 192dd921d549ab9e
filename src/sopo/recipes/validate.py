"""What a run is worth while it goes on, on captions that it does not learn from."""

from __future__ import annotations

import copy
from collections import defaultdict
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional as F

from sopo.data.dataset import MotionDataset
from sopo.device import device
from sopo.errors import UserError
from sopo.evaluation import metrics
from sopo.evaluation.protocol import default_witnesses
from sopo.generators.generator import Generator
from sopo.matching.guo import GuoMatcher
from sopo.matching.tmr import TMR
from sopo.randomness import numpy_rng
from sopo.recipes.evaluate import rule_witness
from sopo.recipes.settings import ValidationConfig
from sopo.recipes.sources import generator_source
from sopo.rewards.learned import LearnedReward
from sopo.rewards.physical import WeightedReward
from sopo.rewards.reward import Reward

POOL = 32
TOGETHER = 64  # motions drawn at a time


def hold_out(dataset: MotionDataset, count: int, seed: int) -> tuple[MotionDataset, MotionDataset]:
    """A split without ``count`` of its items, drawn at random, and these; UserError if nothing would be left."""
    if count >= len(dataset):
        raise UserError(
            f"validation.captions is {count}: split {dataset.split!r} of {dataset.root} has {len(dataset)} motions"
        )
    chosen = numpy_rng(seed, "held out").permutation(len(dataset))[:count]
    kept = sorted(set(range(len(dataset))) - set(chosen.tolist()))
    return _part(dataset, kept), _part(dataset, sorted(chosen.tolist()))


def _part(dataset: MotionDataset, rows: list[int]) -> MotionDataset:
    part = copy.copy(dataset)
    part.items, part.lengths = tuple(dataset.items[row] for row in rows), dataset.lengths[rows]
    return part


class Measure:
    """Measures the policy as it is now: R@1 and MM Dist by ``judge``, the mean reward, the witnesses.

    Captions, crops and noise are the same each time. by: what tells better from worse.
    """

    def __init__(
        self,
        policy: Generator,
        held_out: MotionDataset,
        reward: Reward | None,
        judge: TMR | GuoMatcher | None,
        config: ValidationConfig,
        seed: int,
    ) -> None:
        """Raises UserError if there is neither reward nor judge, or the captions do not fill a pool."""
        count = min(config.captions, len(held_out)) // POOL * POOL
        if not count:
            raise UserError(f"{held_out.root}: {len(held_out)} motions to validate on do not fill one pool of {POOL}")
        if reward is None and judge is None:
            raise UserError("nothing to validate by: give --validation.evaluator FOLDER or --reward")
        self.policy, self.reward, self.judge = policy, reward, judge
        rng = numpy_rng(seed, "validation")
        self.batch = held_out.batch(rng.permutation(len(held_out))[:count], rng)
        self.witnesses = default_witnesses(held_out.skeleton)
        if rule := rule_witness(held_out):
            self.witnesses["rule_accuracy"] = rule
        self.draw = generator_source(policy, config.sampling, seed)
        self.by = (*(["R@1"] if judge is not None else []), *(["reward"] if reward is not None else []))

    @torch.no_grad()
    def __call__(self) -> dict[str, float]:
        self.policy.eval()
        seen: defaultdict[str, list[Tensor]] = defaultdict(list)
        order = torch.argsort(self.batch.length, stable=True)  # so that hardly any padding is computed
        for rows in order.split(TOGETHER):
            part = self.batch.at(rows)
            part = replace(part, motion=part.motion[:, : int(part.length.max())])
            motions, length = self.draw(part, 0), part.length.to(device())
            if self.judge is not None:
                seen["texts"].append(_comparable(self.judge, self.judge.embed_texts(part.captions)))
                seen["motions"].append(_comparable(self.judge, self.judge.embed_motions(motions, length)))
            if self.reward is not None:
                seen["reward"].append(self.reward.score(motions, length, part.captions).cpu())
            for name, witness in self.witnesses.items():
                seen[name].append(torch.as_tensor(witness(motions, length, part)).cpu().double())
        back = torch.argsort(order)
        found = {name: torch.cat(parts)[back] for name, parts in seen.items()}
        values: dict[str, float] = {}
        if self.judge is not None:
            distances = metrics.pool_distances(found.pop("texts"), found.pop("motions"), POOL)
            values = {"R@1": float(metrics.r_precision(distances)[0]), "MMDist": metrics.mm_dist(distances)}
        return values | {name: float(each[~each.isnan()].mean()) for name, each in found.items()}


def _comparable(judge: TMR | GuoMatcher, embeddings: Tensor) -> Tensor:
    return (F.normalize(embeddings, dim=-1) if isinstance(judge, TMR) else embeddings).float().cpu()


def matcher_of(reward: Reward | None) -> TMR | GuoMatcher | None:
    """The network that a learned reward, or the first learned term of a sum, finds captions by."""
    if isinstance(reward, WeightedReward):
        return next((found for _, term in reward.terms if (found := matcher_of(term))), None)
    return reward.matcher if isinstance(reward, LearnedReward) else None
