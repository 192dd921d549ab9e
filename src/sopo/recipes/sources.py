"""A generator as a source of motions for the evaluation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from sopo.batch import Batch
from sopo.diffusion.settings import Sampling
from sopo.generators.generator import Generator
from sopo.preference.candidates import score_candidates
from sopo.randomness import Draws, derive_seed
from sopo.rewards.reward import Reward

Drawing = Callable[[Batch, int], Tensor]  # (batch, run) -> raw motions [N, T, D]


@dataclass(frozen=True)
class BestOf:
    """Of ``count`` motions drawn for a caption the one that ``reward`` likes best: what choosing gains, untrained."""

    count: int
    reward: Reward


def generator_source(generator: Generator, sampling: Sampling, seed: int, best_of: BestOf | None = None) -> Drawing:
    """(batch, run) -> raw motions [N, T, D] for the batch's captions and lengths, on the generator's device.

    The noise depends on the seed, the run and the batch's clips alone, so that two generators evaluated in
    one run start from the same noise.
    """
    device = generator.normalizer.mean.device
    count = 1 if best_of is None else best_of.count

    @torch.inference_mode()
    def source(batch: Batch, run: int) -> Tensor:
        draws = Draws(derive_seed(seed, "evaluation", run, *batch.keys), len(batch), device=device)
        length, frames = batch.length.to(device), batch.motion.shape[1]
        x = generator.sample(generator.embed(batch.captions), length, frames, draws, sampling, count)
        if best_of is not None:
            x = score_candidates(generator, best_of.reward, x, batch.to(device), count).best()
        return generator.decode(x, length)

    return source
