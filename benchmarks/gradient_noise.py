"""Where the noise of SoPo's gradient comes from: the pairs of a batch, or the step and noise drawn for them.

The first gradient of a run, at ten batches of real motions and rollouts, two draws each. Of its mean square: what all
batches agree on, what a batch adds, what a draw adds.
Run: ``python benchmarks/gradient_noise.py --generator DIR ... --data DIR --reward DIR``.
"""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from unittest.mock import patch

import torch
from torch import Tensor

from sopo.preference.candidates import draw_candidates
from sopo.preference.objective import PreferenceObjective
from sopo.preference.settings import PreferenceConfig
from sopo.randomness import Draws
from sopo.recipes.align import real_rewards
from sopo.recipes.batches import training_batches
from sopo.recipes.build import load_dataset, load_generator, load_reward
from sopo.recipes.presets import stable
from sopo.rewards.threshold import resolve_tau
from sopo.training.settings import LoopConfig

BATCHES = 10


def gradient(objective: PreferenceObjective) -> Tensor:
    """The policy's, in one vector."""
    return torch.cat([p.grad.flatten() for p in objective.policy.parameters() if p.grad is not None])


def parts(gradients: Tensor) -> tuple[float, float, float]:
    """Gradients [batches, 2, P] -> mean squares of what is common to all, to a batch's two draws, and of the rest."""
    count = len(gradients)
    sums = gradients.sum(1)
    common = (sums.sum(0).square().sum() - sums.square().sum()) / (4 * count * (count - 1))
    batch = (gradients[:, 0] * gradients[:, 1]).sum(1).mean()
    return float(common), float(batch - common), float(gradients.square().sum(-1).mean() - batch)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--generator", type=Path, nargs="+", required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--reward", required=True)
    parser.add_argument("--batch_size", type=int, default=64)
    flags = parser.parse_args()
    for folder in flags.generator:
        policy = load_generator(folder).eval()
        dataset = load_dataset(flags.data, "train", policy)
        reward = load_reward(flags.reward, policy.config.features)
        config = PreferenceConfig(**stable(policy.kind))
        tau = resolve_tau(config.tau, real_rewards(dataset, reward, 0), reward.range)
        batches = training_batches(dataset, LoopConfig(batch_size=flags.batch_size))
        drawn = [
            draw_candidates(
                policy, reward, batches(i), config.K, config.rollout, Draws(i, flags.batch_size), embed=True
            )
            for i in range(BATCHES)
        ]
        for changes in ({"pair_noise": "own", "draws": 1}, {"draws": 1}, {"draws": 2}, {"draws": 4}):
            objective = PreferenceObjective(policy, reward, dataclasses.replace(config, **changes), tau)
            found = []
            for number, candidates in enumerate(drawn):
                for draw in range(2):
                    objective.zero_grad()
                    seed = BATCHES * (1 + draw) + number
                    with patch("sopo.preference.objective.draw_candidates", return_value=candidates):
                        objective(batches(number), Draws(seed, flags.batch_size))[0].backward()
                    found.append(gradient(objective))
            common, batch, rest = parts(torch.stack(found).unflatten(0, (BATCHES, 2)))
            print(f"{folder} {changes}: common {common:.0f}, pairs {batch:.0f}, draws {rest:.0f}", flush=True)


if __name__ == "__main__":
    main()
