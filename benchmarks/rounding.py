"""What candidates in bf16 change: the same candidates of the shipped models in float32, judged by the shipped reward.

Run: ``python benchmarks/rounding.py --data DIR``.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from sopo.data.dataset import MotionDataset
from sopo.diffusion.settings import Sampling
from sopo.folders import shipped
from sopo.preference.candidates import draw_candidates
from sopo.randomness import Draws, numpy_rng
from sopo.recipes.build import load_generator, load_reward

ROLLOUTS = {
    "mdm": Sampling("ddim", 10, 1.0),
    "mld": Sampling("ddpm", 50, 1.0),
    "momask": Sampling("ddpm", 10, 1.0),
}


def main() -> None:
    parser = argparse.ArgumentParser(description="candidates in bf16 against float32")
    parser.add_argument("--data", type=Path, required=True, help="folder in the HumanML3D layout, with a test split")
    parser.add_argument("--captions", type=int, default=64)
    parser.add_argument("--K", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    dataset = MotionDataset(given.data, "test")
    batch = dataset.batch(np.arange(given.captions), numpy_rng("rounding", given.seed))
    reward = load_reward(shipped("reward"), dataset.skeleton.num_features)
    print(f"{'model':<8}{'same worst':>12}{'reward, apart by':>18}{'sd within K':>14}")
    for name, rollout in ROLLOUTS.items():
        policy, draws = load_generator(shipped(name)).eval(), Draws(given.seed, given.captions)
        exact = draw_candidates(policy, reward, batch, given.K, rollout, draws).reward
        draws = Draws(given.seed, given.captions)
        near = draw_candidates(policy, reward, batch, given.K, rollout, draws, precision="bf16").reward
        same = (exact.argmin(1) == near.argmin(1)).float().mean()
        print(f"{name:<8}{same:>12.0%}{(exact - near).abs().mean():>18.4f}{exact.std(1).mean():>14.4f}", flush=True)


if __name__ == "__main__":
    main()
