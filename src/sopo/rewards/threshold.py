"""tau, the reward below which an unpreferred motion counts: a number, or a quantile of real pairs."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from sopo.errors import UserError


@dataclass(frozen=True)
class Quantile:
    """The reward that a share ``q`` of the real pairs does not reach."""

    q: float


def parse_tau(tau: float | str) -> float | Quantile:
    """0.45 or "0.45" -> the number; "q0.05" -> a quantile. Raises UserError on anything else."""
    text = str(tau).strip()
    try:
        value = float(text.removeprefix("q"))
    except ValueError:
        value = math.nan
    if math.isnan(value) or (text.startswith("q") and not 0 <= value <= 1):
        raise UserError(f"tau is {tau!r}: give a reward (0.45) or a quantile of the real pairs' rewards (q0.05)")
    return Quantile(value) if text.startswith("q") else value


def seen_range(declared: tuple[float, float], seen: Tensor) -> tuple[float, float]:
    """A reward's range, where it declares none that of the rewards seen [N]."""
    low, high = declared
    return (low if math.isfinite(low) else float(seen.min()), high if math.isfinite(high) else float(seen.max()))


def resolve_tau(tau: float | str, real: Tensor, reward_range: tuple[float, float]) -> float:
    """tau as a number. real: rewards of real captioned motions [N]. reward_range: the reward's.

    Numbers must lie in the range, for one outside was meant for another scale; -inf and inf may switch the
    threshold off. Raises UserError otherwise, and if a quantile is asked of no or of broken rewards.
    """
    parsed = parse_tau(tau)
    low, high = reward_range
    if isinstance(parsed, float):
        if math.isfinite(parsed) and not low <= parsed <= high:
            raise UserError(f"tau is {parsed:g}, the reward lies in {low:g}..{high:g}: try a quantile such as q0.05")
        return parsed
    if real.numel() == 0 or not torch.isfinite(real).all():
        raise UserError(f"tau {tau!r} needs rewards of real pairs; there are {real.numel()}, or some are not finite")
    return float(torch.quantile(real.cpu().double(), parsed.q))
