"""Guards of every method that compares motions: which groups have a say. Off by default."""

from __future__ import annotations

import torch
from torch import Tensor

from sopo.batch import Batch
from sopo.motion.decode import decode_joints
from sopo.motion.quality import floor_penetration, foot_skating, jitter
from sopo.preference.base import Objective, Values

WITNESSES = {"skating": foot_skating, "jitter": jitter, "floor": floor_penetration}  # the names of ``veto``


@torch.no_grad()
def counted(
    objective: Objective, batch: Batch, winner: Tensor | None, loser: Tensor, rewards: tuple[Tensor, Tensor] | None
) -> tuple[Tensor, Values]:
    """Which groups count, [B] bool, and for the log the share that each guard leaves out.

    A group is left out where the winner's reward is not ``min_gap`` above the loser's, or where the winner is worse
    than the loser in a witness of ``veto``. winner, loser: x [B, ...] in the policy's space; None: the real motions.
    rewards: of both, [B] each; None: not known yet.
    """
    config, policy = objective.config, objective.policy
    values: Values = {}
    kept = torch.ones(len(batch), dtype=torch.bool, device=batch.length.device)
    if not config.min_gap and not config.veto:
        return kept, values
    sides = [policy.raw(batch) if x is None else policy.decode(x, batch.length) for x in (winner, loser)]
    if config.min_gap:
        if rewards is None:
            assert objective.reward is not None
            scores = [objective.reward.score(motion, batch.length, batch.captions) for motion in sides]
        else:
            scores = list(rewards)
        narrow = scores[0] - scores[1] < config.min_gap
        kept, values["left_out/gap"] = kept & ~narrow, narrow.float().mean()
    if config.veto:
        joints = [decode_joints(motion, policy.skeleton) for motion in sides]
        worse = torch.zeros_like(kept)
        for name in config.veto:
            of_winner, of_loser = (WITNESSES[name](side, batch.length, policy.skeleton) for side in joints)
            worse |= of_winner > of_loser
        kept, values["left_out/veto"] = kept & ~worse, worse.float().mean()
    return kept, values
