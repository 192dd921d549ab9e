"""Whether a policy's samples are what its likelihood says: h of its own samples, sampler by sampler.

For exact samples of the policy no estimate of the clean motion is better than its own, so the mean of h is not
negative, at any noise level. Where it is, the sampler draws what the policy itself finds unlikely; a loss that pushes
that away teaches it to disown the sampler's habits, not its mistakes. Printed by fifths of the noise levels, in
thousandths.
Run: ``python benchmarks/samplers.py --reference DIR --policy DIR --data DIR --reward DIR``, the policy aligned from
the reference, both of a diffusion family (MDM, MLD).
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch
from torch import Tensor

from sopo.batch import Batch
from sopo.diffusion.settings import Sampling
from sopo.generators.generator import Generator, NoiseDraw
from sopo.preference.candidates import draw_candidates
from sopo.preference.ratio import log_ratio
from sopo.randomness import Draws, numpy_rng
from sopo.recipes.build import load_dataset, load_generator, load_reward

SAMPLERS = [("ddim", 5), ("ddim", 10), ("ddpm", 10), ("ddpm", 25), ("ddpm", 50)]
LEVELS = 5


@torch.inference_mode()
def h_by_level(policy: Generator, reference: Generator, x: Tensor, batch: Batch, repeats: int) -> Tensor:
    """Mean h in each fifth of the noise levels, [LEVELS]; the first is nearly clean."""
    total, count = torch.zeros(LEVELS), torch.zeros(LEVELS)
    for repeat in range(repeats):
        draw = policy.draw(x, Draws(repeat, len(batch)))
        assert isinstance(draw, NoiseDraw)
        h, _ = log_ratio(policy, reference, x, batch.length, policy.embed(batch.captions), draw)
        level = draw.step * LEVELS // policy.config.diffusion_steps
        total.index_add_(0, level, h)
        count.index_add_(0, level, torch.ones_like(h))
    return total / count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reference", type=Path, required=True)
    parser.add_argument("--policy", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--reward", required=True)
    parser.add_argument("--captions", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=16)
    parser.add_argument("--seed", type=int, default=0)
    flags = parser.parse_args()
    policy, reference = (load_generator(folder).eval() for folder in (flags.policy, flags.reference))
    if not hasattr(policy.config, "diffusion_steps"):
        parser.error(f"--policy is a {policy.kind}: only diffusion has noise levels")
    reward, dataset = load_reward(flags.reward, policy.config.features), load_dataset(flags.data, "train", policy)
    rng = numpy_rng(flags.seed, "samplers")
    batch = dataset.batch(rng.choice(len(dataset), flags.captions, replace=False), rng)
    print(f"{flags.captions} training captions, unguided, h in thousandths from clean to noisy, mean reward, seconds")
    real = 1000 * h_by_level(policy, reference, policy.encode(batch), batch, flags.repeats)
    print(" | ".join(("real motions", *(f"{value:.2f}" for value in real.tolist()))), flush=True)
    for name, steps in SAMPLERS:
        start = time.perf_counter()
        sampling = Sampling(name, steps, 1.0)
        found = draw_candidates(policy, reward, batch, 1, sampling, Draws(flags.seed, len(batch)))
        seconds = time.perf_counter() - start
        h = 1000 * h_by_level(policy, reference, found.worst(), batch, flags.repeats)
        levels = " | ".join(f"{value:.2f}" for value in h.tolist())
        print(f"{name} {steps} | {levels} | {found.reward.mean():.4f} | {seconds:.1f}", flush=True)


if __name__ == "__main__":
    main()
