"""The reward's own gradient, through the last step or steps of sampling (EasyTune, DRaFT-K)."""

from __future__ import annotations

import torch
from torch import Tensor

from sopo.batch import Batch
from sopo.diffusion.process import Chain, Denoiser
from sopo.errors import UserError
from sopo.generators.generator import DiffusionGenerator
from sopo.preference.base import Objective, Values
from sopo.preference.chain import at_places, chain_of
from sopo.randomness import Draws


class RewardGradient(Objective):
    """Minimises -r(decode(x_0), c).

    ``last_steps`` 0: x_0 as the denoiser sees it from one state of the motion's own rollout, drawn at random, which
    carries no gradient itself (step-wise, EasyTune). K: as the last K steps of the rollout make it (DRaFT-K).
    ``penalty`` times the squared difference between policy and reference there keeps the reward from being gamed.
    """

    def compute(self, batch: Batch, draws: Draws) -> tuple[Tensor, Values]:
        """Raises UserError if the reward has no gradient or the generator no chain of denoising steps."""
        reward, rollout = self.reward, self.config.rollout
        assert reward is not None
        if not reward.differentiable:
            raise UserError(
                f"method {self.config.method} follows the reward's gradient, and this one has none "
                f"({reward.describe()}): give a TMR or a Guo matcher, or a method that only asks for scores, as sopo"
            )
        policy, reference, chain = chain_of(self)
        condition = policy.embed(batch.captions)
        visited: list[Tensor] = []
        policy.sample(condition, batch.length, batch.motion.shape[1], draws, rollout, 1, visited)
        denoiser = policy.denoiser(condition, batch.length, rollout.guidance)
        count = min(self.config.last_steps, len(chain.steps))
        first = len(chain.steps) - count
        place = torch.full_like(batch.length, first) if count else draws.integers(len(chain.steps))
        x, step, level = at_places(visited, chain, place)
        out = denoiser(x, step)
        clean = (
            self._finish(policy, denoiser, x, chain, first, draws)
            if count
            else policy.diffusion.parts(x, out, level)[0]
        )
        score = reward.score(policy.decode(clean, batch.length), batch.length, batch.captions)
        loss = -score.mean()
        values = {"reward/all": score.mean()}
        if self.config.penalty:
            with torch.no_grad():
                theirs = reference.denoiser(condition, batch.length, rollout.guidance)(x, step)
            drift = policy.mean_over((out - theirs).square(), batch.length).mean()
            loss, values = loss + self.config.penalty * drift, values | {"drift": drift}
        return loss, {name: value.detach() for name, value in values.items()}

    def _finish(
        self, policy: DiffusionGenerator, denoiser: Denoiser, x: Tensor, chain: Chain, first: int, draws: Draws
    ) -> Tensor:
        """x [B, ...] before step number ``first`` -> the sample, with a gradient."""
        start = [x]

        def noise() -> Tensor:
            return start.pop() if start else draws.normal(*x.shape[1:])

        return policy.diffusion.follow(denoiser, noise, chain.tail(first))
