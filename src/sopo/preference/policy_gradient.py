"""Policy gradient on the denoising chain (DDPO, Flow-GRPO): any reward, diffusion alone."""

from __future__ import annotations

import torch
from torch import Tensor

from sopo.batch import Batch
from sopo.preference.base import Objective, Values
from sopo.preference.candidates import score_candidates
from sopo.preference.chain import at_places, chain_of
from sopo.preference.veto import counted
from sopo.randomness import Draws

SMALL = 1e-6  # spread of rewards below which a group says nothing


class PolicyGradient(Objective):
    """Raises the log-probability of the steps that led to the better of K samples, lowers it for the worse.

    A sample's advantage is its reward, less its group's mean, over its group's deviation. An ancestral step is
    Gaussian, so its log-probability is known: here per entry of x, as all errors are. A rollout is used once, at
    the weights that drew it, so the ratio of probabilities is 1 and the clip of PPO would never act.
    ``penalty`` times the KL divergence from the reference's step; ``draws`` steps of each sample are used.
    """

    def compute(self, batch: Batch, draws: Draws) -> tuple[Tensor, Values]:
        """Raises UserError if the generator has no denoising chain, or the rollout no chance in it (DDIM)."""
        assert self.reward is not None
        K, rollout = self.config.K, self.config.rollout
        policy, reference, chain = chain_of(self, random=True)
        condition = policy.embed(batch.captions)
        visited: list[Tensor] = []
        x = policy.sample(condition, batch.length, batch.motion.shape[1], draws, rollout, K, visited)
        visited.append(x)
        candidates = score_candidates(policy, self.reward, x, batch, K)
        kept, left_out = counted(self, batch, candidates.best(), candidates.worst(), candidates.ends)
        advantage = (advantages(candidates.reward) * kept[:, None]).flatten()
        length = batch.length.repeat_interleave(K)
        denoisers = [model.denoiser(condition, batch.length, rollout.guidance, K) for model in (policy, reference)]
        random = [place for place in range(len(chain.steps)) if chain.step(place)[2] > 0]
        gains, drifts = [], []
        for _ in range(self.config.draws):
            place = torch.tensor(random, device=x.device)[draws.integers(len(random), K).flatten()]
            now, step, level = at_places(visited, chain, place)
            after = torch.stack(visited)[place + 1, torch.arange(len(place), device=x.device)]
            of_clean, of_epsilon, variance = (
                torch.tensor(values, dtype=x.dtype, device=x.device)[place]
                for values in zip(*map(chain.step, range(len(chain.steps))), strict=True)
            )
            means = []
            for denoiser, track in zip(denoisers, (True, False), strict=True):
                with torch.set_grad_enabled(track):
                    clean, epsilon = policy.diffusion.parts(now, denoiser(now, step), level)
                    means.append(_column(of_clean, x) * clean + _column(of_epsilon, x) * epsilon)
            log_probability = -policy.mean_over((after - means[0]).square(), length) / (2 * variance)
            gains.append(advantage * log_probability)
            drifts.append(policy.mean_over((means[0] - means[1]).square(), length) / (2 * variance))
        drift = torch.stack(drifts).mean()
        loss = -torch.stack(gains).mean() + self.config.penalty * drift
        spread = candidates.reward.std(1).mean()
        values = {"reward/all": candidates.reward.mean(), "drift": drift, "spread": spread, **left_out}
        return loss, {name: value.detach() for name, value in values.items()}


def advantages(reward: Tensor) -> Tensor:
    """Rewards [B, K] of B groups -> [B, K], mean 0 and deviation 1 in each; 0 where a group's do not differ."""
    spread = reward.std(1, keepdim=True, correction=0)
    return torch.where(spread > SMALL, (reward - reward.mean(1, keepdim=True)) / spread.clamp(min=SMALL), 0.0)


def _column(values: Tensor, x: Tensor) -> Tensor:
    return values.view(-1, *(1,) * (x.ndim - 1))
