"""Drawing from categorical distributions by the Gumbel trick: noise is an argument, so draws can be repeated."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def gumbel(uniform: Tensor) -> Tensor:
    """Uniform in [0, 1) -> standard Gumbel noise, finite everywhere."""
    return -uniform.clamp(min=1e-20).log().neg().clamp(min=1e-20).log()


def keep_top(logits: Tensor, share: float) -> Tensor:
    """[..., V], all but the highest ceil(share * V) at -inf."""
    if share == 1:
        return logits
    values, index = logits.topk(math.ceil(share * logits.shape[-1]), dim=-1)
    return torch.full_like(logits, -math.inf).scatter(-1, index, values)


def pick(logits: Tensor, uniform: Tensor) -> Tensor:
    """A draw from softmax(logits) [..., V] by noise like it: [...]."""
    return (logits + gumbel(uniform)).argmax(-1)
