"""The main path: policy, reference, reward and data become one objective and one loop."""

from __future__ import annotations

from pathlib import Path

import torch

from sopo.data.dataset import MotionDataset
from sopo.generators.generator import Generator
from sopo.preference.methods import method_by_name
from sopo.preference.objective import PairSource, PreferenceConfig, PreferenceObjective
from sopo.randomness import numpy_rng
from sopo.recipes.batches import training_batches
from sopo.recipes.build import load_dataset, load_generator, load_reward
from sopo.recipes.record import save_model, write_run
from sopo.rewards.reward import Reward
from sopo.rewards.threshold import resolve_tau
from sopo.training.loop import LoopConfig, fit

CALIBRATION_PAIRS = 512  # real pairs whose rewards define the quantiles of tau


def align(
    data: Path,
    generator: Path,
    reward: str | Path,
    out: Path,
    preference: PreferenceConfig,
    loop: LoopConfig,
    pairs: PairSource | None = None,
) -> Generator:
    """Fine-tune the generator saved in ``generator``; the result is saved in ``out``, its log in ``out/run``."""
    policy = load_generator(generator)
    dataset = load_dataset(data, "train", policy)
    scorer, tau = None, 0.0
    if method_by_name(preference.method).samples_policy:
        scorer = load_reward(reward, policy.config.features)
        real = real_rewards(dataset, scorer, loop.seed)
        tau = resolve_tau(preference.tau, real, scorer.range)
    settings = {"data": str(data), "generator": str(generator), "reward": str(reward), "tau": tau}
    write_run(out / "run", settings, preference, loop)
    objective = PreferenceObjective(policy, scorer, preference, tau, pairs)
    fit(objective, training_batches(dataset, loop), loop, out / "run", f"aligning with {preference.method}")
    save_model(policy, out)
    return policy.eval()


def real_rewards(dataset: MotionDataset, reward: Reward, seed: int) -> torch.Tensor:
    """Rewards of real captioned motions, [N]: the scale on which a quantile tau is read."""
    rng = numpy_rng(seed, "calibration")
    chosen = rng.choice(len(dataset), min(CALIBRATION_PAIRS, len(dataset)), replace=False)
    batch = dataset.batch(chosen, rng)
    raw = dataset.normalizer.denormalize(batch.motion) * batch.mask[..., None]
    return reward.score(raw, batch.length, batch.captions)
