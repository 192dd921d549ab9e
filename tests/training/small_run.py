"""A run of the real preference objective, small enough for a test: imported by the tests, and launched by them
in two processes: ``torchrun --nproc_per_node 2 small_run.py FOLDER METHOD``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from sopo.batch import Batch, Caption, as_captions, length_mask
from sopo.device import state
from sopo.diffusion.settings import Sampling
from sopo.generators.mdm import MDM
from sopo.generators.settings import MDMConfig
from sopo.preference.objective import PreferenceObjective
from sopo.preference.settings import PreferenceConfig
from sopo.rewards.reward import Reward
from sopo.training.loop import fit
from sopo.training.settings import LoopConfig

BATCH = 4
TEXTS = ("a person walks", "someone waves the left hand", "jump twice", "a man kicks")


class MeanReward(Reward):
    """tanh of the mean feature over the valid frames; its embedding is the mean frame."""

    range = (-1.0, 1.0)

    def score(self, motions: Tensor, length: Tensor, captions: Sequence[Caption]) -> Tensor:
        return torch.tanh(10 * self.embed_motions(motions, length).mean(1))

    def embed_motions(self, motions: Tensor, length: Tensor) -> Tensor:
        return (motions * length_mask(length, motions.shape[1])[..., None]).sum(1) / length[:, None]

    def describe(self) -> str:
        return "the mean feature, in [-1, 1]"


def batches(step: int) -> Batch:
    generator = torch.Generator().manual_seed(step)
    length = torch.randint(3, 9, (BATCH,), generator=generator)
    motion = torch.randn(BATCH, 8, 251, generator=generator) * length_mask(length, 8)[..., None]
    return Batch(motion, length, as_captions(TEXTS), tuple(map(str, range(BATCH))))


def objective_of(method: str = "sopo", dropout: float = 0.1) -> PreferenceObjective:
    torch.manual_seed(0)
    sizes = {"features": 251, "width": 16, "feedforward": 24, "layers": 1, "heads": 2, "max_positions": 32}
    policy = MDM(MDMConfig(**sizes, text_encoder="hashed-16", diffusion_steps=8, dropout=dropout))
    config = PreferenceConfig(method, K=2, scale=20.0, rollout=Sampling("ddpm", 3, 1.5))
    return PreferenceObjective(policy, MeanReward(), config, tau=0.0)


def settings(steps: int, **changes: float | str) -> LoopConfig:
    return LoopConfig(steps=steps, batch_size=BATCH, learning_rate=1e-3, seed=3, **changes)  # type: ignore[arg-type]


def main(folder: Path, method: str, processes: int = 1) -> None:
    torch.set_num_threads(1)
    # Dropout is each process's own; without it every number is the same for any number of processes.
    objective = objective_of(method, dropout=0.0)
    fit(objective, batches, settings(4, ema=0.9), folder)
    assert state().num_processes == processes
    if not state().is_main_process:
        return
    save_file(objective.policy.state_dict(), folder / "weights.safetensors")


if __name__ == "__main__":
    torch.set_default_dtype(torch.float64)
    main(Path(sys.argv[1]), sys.argv[2], processes=2)
