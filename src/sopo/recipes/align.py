"""The main path: policy, reference, reward and data become one objective and one loop."""

from __future__ import annotations

from pathlib import Path

import torch

from sopo.batch import Batch
from sopo.data.dataset import MotionDataset
from sopo.generators.generator import Generator
from sopo.preference.candidates import draw_candidates
from sopo.preference.guard import WinnerGuard
from sopo.preference.methods import method_by_name
from sopo.preference.objective import PairSource, PreferenceConfig, PreferenceObjective
from sopo.randomness import Draws, numpy_rng
from sopo.recipes.batches import training_batches
from sopo.recipes.build import load_dataset, load_generator, load_reward
from sopo.recipes.record import save_model, write_run
from sopo.rewards.reward import Reward
from sopo.rewards.threshold import resolve_tau
from sopo.training.loop import LoopConfig, fit

CALIBRATION_PAIRS = 512  # real pairs whose rewards define the quantiles of tau
DESCRIBED_SAMPLES = 64  # of the pretrained model, whose rewards run.json describes


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
    scorer, tau, rewards = None, 0.0, {}
    if method_by_name(preference.method).samples_policy:
        scorer = load_reward(reward, policy.config.features)
        real = real_rewards(dataset, scorer, loop.seed)
        tau = resolve_tau(preference.tau, real, scorer.range)
        rewards = {"real": quantiles(real), "samples": quantiles(sample_rewards(policy, dataset, scorer, preference))}
    settings = {"data": str(data), "generator": str(generator), "reward": str(reward), "tau": tau, "rewards": rewards}
    write_run(out / "run", settings, preference, loop)
    objective = PreferenceObjective(policy, scorer, preference, tau, pairs)
    guard = WinnerGuard(preference.stop_on_winner_rise)
    fit(objective, training_batches(dataset, loop), loop, out / "run", f"aligning with {preference.method}", guard)
    save_model(policy, out)
    return policy.eval()


def real_rewards(dataset: MotionDataset, reward: Reward, seed: int) -> torch.Tensor:
    """Rewards of real captioned motions, [N]: the scale on which a quantile tau is read."""
    batch = _some(dataset, CALIBRATION_PAIRS, seed)
    raw = dataset.normalizer.denormalize(batch.motion) * batch.mask[..., None]
    return reward.score(raw, batch.length, batch.captions)


def sample_rewards(
    policy: Generator, dataset: MotionDataset, reward: Reward, preference: PreferenceConfig
) -> torch.Tensor:
    """Rewards of the policy's motions as training will sample them, [N]: where the losers start."""
    batch = _some(dataset, DESCRIBED_SAMPLES, 0)
    draws = Draws(0, len(batch))
    return draw_candidates(policy.eval(), reward, batch, 1, preference.rollout, draws).reward.flatten()


def quantiles(rewards: torch.Tensor) -> dict[str, float]:
    """The distribution of rewards [N] in five numbers, for the record."""
    levels = (0.05, 0.25, 0.5, 0.75, 0.95)
    values = torch.quantile(rewards.double().cpu(), torch.tensor(levels, dtype=torch.float64)).tolist()
    return {f"q{level:g}": value for level, value in zip(levels, values, strict=True)}


def _some(dataset: MotionDataset, count: int, seed: int) -> Batch:
    rng = numpy_rng(seed, "calibration")
    return dataset.batch(rng.choice(len(dataset), min(count, len(dataset)), replace=False), rng)
