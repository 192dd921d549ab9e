"""How long things will take on this machine, by doing a little of each."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable

from torch import Tensor

from sopo.batch import Batch
from sopo.device import synchronize
from sopo.diffusion.settings import Sampling
from sopo.generators.generator import Generator
from sopo.preference.settings import PreferenceConfig
from sopo.randomness import Draws
from sopo.recipes.build import build_objective
from sopo.recipes.sources import generator_source
from sopo.rewards.reward import Reward


def seconds_a_step(generator: Generator, reward: Reward, batch: Batch, preference: PreferenceConfig) -> float:
    """Loss and gradient of one training step; mined samples are stood in for by the batch's own motions."""

    def stand_in(rows: Batch) -> Tensor:
        return objective.policy.encode(rows)[:, None].expand(-1, preference.K, *_every(generator, rows))

    objective = build_objective(copy.deepcopy(generator), reward, preference, tau=reward.range[1], pairs=stand_in)
    return _seconds(lambda: objective(batch, Draws(0, len(batch), device=batch.length.device))[0].backward())


def seconds_a_motion(generator: Generator, batch: Batch, sampling: Sampling) -> float:
    """One motion drawn and decoded, of the many in a batch."""
    source = generator_source(generator, sampling, seed=0)
    return _seconds(lambda: source(batch, 0)) / len(batch)


def _every(generator: Generator, batch: Batch) -> tuple[int, ...]:
    return (-1,) * (generator.encode(batch).ndim - 1)


def _seconds(work: Callable[[], object]) -> float:
    """The second time: the first one also pays for what is made once."""
    work()
    start = time.monotonic()
    work()
    synchronize()
    return time.monotonic() - start
