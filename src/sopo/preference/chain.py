"""States of a denoising chain, for objectives that look into it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from sopo.diffusion.process import Chain
from sopo.errors import UserError
from sopo.generators.generator import DiffusionGenerator
from sopo.preference.base import Objective


def chain_of(objective: Objective, random: bool = False) -> tuple[DiffusionGenerator, DiffusionGenerator, Chain]:
    """Policy and reference as models that denoise, and the way of their rollouts; UserError if they have none.

    random: its steps must be drawn, as DDPM's are.
    """
    policy, reference, config = objective.policy, objective.reference, objective.config
    if not isinstance(policy, DiffusionGenerator) or not isinstance(reference, DiffusionGenerator):
        raise UserError(
            f"method {config.method} looks into a chain of denoising steps, and a {policy.kind} has none: "
            "choose a method that only asks for samples, as sopo or best-of-n"
        )
    chain = policy.chain(config.rollout)
    if random and not any(chain.step(place)[2] for place in range(len(chain.steps))):
        needed = "give --rollout.sampler ddpm and 2 or more steps"
        raise UserError(f"method {config.method} needs steps that are drawn at random: {needed}")
    return policy, reference, chain


def at_places(visited: Sequence[Tensor], chain: Chain, place: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Of each sample its state x [N, ...] before step number ``place`` [N], that step [N] and the level [N, 1 ...]."""
    rows = torch.arange(len(place), device=place.device)
    x = torch.stack(list(visited))[place, rows]
    step = torch.tensor(chain.steps, device=place.device)[place]
    level = torch.tensor(chain.levels, dtype=x.dtype, device=place.device)[place]
    return x, step, level.view(-1, *(1,) * (x.ndim - 1))
