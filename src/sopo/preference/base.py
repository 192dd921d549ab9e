"""What all objectives share: a policy, a frozen copy of it, and an anchor to the real motions."""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from sopo.batch import Batch
from sopo.errors import UserError
from sopo.generators.generator import FeatureGenerator, Generator
from sopo.nn.frames import frame_mean
from sopo.preference.methods import method_by_name
from sopo.preference.settings import PreferenceConfig
from sopo.randomness import Draws
from sopo.rewards.reward import Reward
from sopo.training.mean import Mean

# Mined samples for a batch: x [B, K, ...] in the policy's space, best first; K is 2 for pairs.
Rankings = Callable[[Batch], Tensor]
Values = dict[str, Tensor | Mean]


class Objective(nn.Module):
    """Trains ``policy`` against a frozen copy of itself as it is now: ``reference``."""

    def __init__(
        self,
        policy: Generator,
        reward: Reward | None,
        config: PreferenceConfig,
        tau: float,
        pairs: Rankings | None = None,
    ) -> None:
        """tau: the resolved threshold. reward: may be None for methods that never sample.

        Raises UserError if the method needs mined pairs or a reward and there are none.
        """
        super().__init__()
        self.method = method_by_name(config.method)
        if self.method.needs_pairs and pairs is None:
            raise UserError(
                f"method {config.method} learns from mined pairs: give --pairs FILE, written by `sopo pairs mine`"
            )
        if self.method.samples_policy and reward is None:
            raise UserError(f"method {config.method} ranks samples: it needs a reward")
        if config.anchor_jerk and not isinstance(policy, FeatureGenerator):
            raise UserError(f"anchor_jerk: a {policy.kind} has no frames to compare, only an MDM or a FlowDiT has")
        if config.min_gap and reward is None:
            raise UserError("min_gap is a difference of rewards: give --reward")
        self.policy = policy
        # What never trains is shared with the policy: the text encoder with its cache, and frozen weights.
        frozen = (parameter for parameter in policy.parameters() if not parameter.requires_grad)
        shared: dict[int, Any] = {id(part): part for part in (policy.text, *frozen)}
        self.reference = copy.deepcopy(policy, shared).requires_grad_(False).eval()
        self.reward, self.config, self.tau, self.pairs = reward, config, tau, pairs

    def forward(self, batch: Batch, draws: Draws) -> tuple[Tensor, Values]:
        """The mean loss over the batch, and scalars for the log."""
        # Dropout stays off in both models, so that h is exactly 0 where they agree.
        self.policy.eval()
        self.reference.eval()
        loss, values = self.compute(batch, draws)
        if self.config.anchor:
            error = self._real_error(batch, draws)
            loss, values = loss + self.config.anchor * error, values | {"anchor": error.detach()}
        return loss, values

    @abstractmethod
    def compute(self, batch: Batch, draws: Draws) -> tuple[Tensor, Values]:
        """The method's own loss, scalar, with both models in eval mode, and scalars for the log."""

    def _real_error(self, batch: Batch, draws: Draws) -> Tensor:
        """The policy's mean nll of the real motions, at any noise level: what plain fine-tuning lowers.

        With ``anchor_jerk`` also the error of the third differences over frames, whose size is what jitter measures.
        """
        x, condition = self.policy.encode(batch), self.policy.embed(batch.captions)
        draw = self.policy.draw(x, draws)
        if not self.config.anchor_jerk:
            return self.policy.nll(x, batch.length, condition, draw).mean()
        assert isinstance(self.policy, FeatureGenerator)
        missed = self.policy.residual(x, batch.length, condition, draw)
        jerk = frame_mean(missed.diff(n=3, dim=1).square(), batch.length - 3)
        return (frame_mean(missed.square(), batch.length) + self.config.anchor_jerk * jerk).mean()
