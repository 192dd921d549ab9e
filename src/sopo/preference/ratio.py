"""h(x, c): how much more likely the policy finds a motion than the reference does (Sec. 4.4)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from sopo.generators.generator import Generator
from sopo.nn.cheaper import unfused
from sopo.text.encoder import TextEmbedding


def log_ratio(
    policy: Generator, reference: Generator, x: Tensor, length: Tensor, condition: TextEmbedding, draw: Any
) -> tuple[Tensor, Tensor]:
    """(h = nll_ref - nll_theta, nll_ref), [N] each; the gradient flows to the policy alone.

    One draw (step and noise, or token mask) serves both models, so h is exactly 0 where they are equal.
    """
    with torch.no_grad(), unfused():  # a fused layer rounds unlike the policy's pass with a gradient
        nll_reference = reference.nll(x, length, condition, draw)
    return nll_reference - policy.nll(x, length, condition, draw), nll_reference
