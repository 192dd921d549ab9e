"""How often a text finds its motion, and a motion its text."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def retrieval(similarity: Tensor, ks: Sequence[int] = (1, 2, 3, 5, 10), same: Tensor | None = None) -> dict[str, float]:
    """R@k (0..1) and median rank (1 = best) in both directions, TMR's protocols "all" and "threshold".

    similarity: [N, N], rows = texts, columns = motions, pairs on the diagonal. same: [N, N] bool, texts
    that count as equal; a text is found where any of its equals is.
    """
    result: dict[str, float] = {}
    for direction, scores in (("t2m", similarity), ("m2t", similarity.T)):
        rank = _ranks(scores, same)
        result |= {f"{direction}/R@{k}": float((rank < k).double().mean()) for k in ks}
        result[f"{direction}/MedR"] = float(rank.quantile(0.5)) + 1
    return result


def _ranks(scores: Tensor, same: Tensor | None) -> Tensor:
    """[N, N] -> [N] how many columns come before the right one; ties share their mean rank."""
    scores = scores.cpu().double()
    right = scores.diagonal()
    if same is not None:
        right = scores.masked_fill(
            ~(same.cpu() | torch.eye(len(scores), dtype=torch.bool, device=scores.device)), -torch.inf
        ).amax(1)
    before = (scores > right[:, None]).sum(1)
    ties = (scores == right[:, None]).sum(1) - 1
    return before + ties / 2
