"""h(x, c): how much more likely the policy finds a motion than the reference does (Sec. 4.4)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from sopo.generators.generator import Generator
from sopo.text.encoder import TextEmbedding


def log_ratio(
    policy: Generator,
    reference: Generator,
    x: Tensor,
    length: Tensor,
    condition: tuple[TextEmbedding, TextEmbedding],
    draw: Any,
) -> tuple[Tensor, Tensor]:
    """(nll_ref - nll_theta, nll_ref), [N] each; the gradient flows to the policy alone.

    One draw (step and noise, or token mask) serves both models, so h is exactly 0 where they are equal.
    condition: the text embedded for the policy and for the reference.
    """
    with torch.no_grad():
        nll_reference = reference.nll(x, length, condition[1], draw)
    return nll_reference - policy.nll(x, length, condition[0], draw), nll_reference
