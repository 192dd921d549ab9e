"""Losses of the matchers, as functions of embeddings."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def false_negatives(pooled: Tensor, threshold: float) -> Tensor:
    """Text vectors [B, E] -> [B, B] bool: different rows whose captions say the same.

    threshold: on the scale (cos + 1) / 2, as TMR's 0.8, which stands for cos > 0.6.
    """
    unit = F.normalize(pooled, dim=-1)
    same = unit @ unit.T > 2 * threshold - 1
    return same.fill_diagonal_(False)


def info_nce(text: Tensor, motion: Tensor, temperature: float, ignore: Tensor | None = None) -> Tensor:
    """Symmetric cross-entropy over cosines / temperature; [B, E] twice -> scalar.

    ignore: [B, B] bool, pairs that are no negatives (TMR, ``contrastive.py``, 6d74688).
    """
    logits = F.normalize(text, dim=-1) @ F.normalize(motion, dim=-1).T / temperature
    if ignore is not None:
        logits = logits.masked_fill(ignore, -torch.inf)
    target = torch.arange(len(logits), device=logits.device)
    return (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2


def kl_normal(p: tuple[Tensor, Tensor], q: tuple[Tensor, Tensor]) -> Tensor:
    """KL(p || q) of diagonal normals given as (mean, log-variance), averaged over elements."""
    (mean_p, logvar_p), (mean_q, logvar_q) = p, q
    ratio = logvar_p - logvar_q
    return 0.5 * (ratio.exp() + (mean_p - mean_q) ** 2 / logvar_q.exp() - 1 - ratio).mean()


def margin_contrastive(text: Tensor, motion: Tensor, same: Tensor, margin: float) -> tuple[Tensor, Tensor]:
    """Squared distance of the pairs of a row, and squared shortfall from the margin of all others; [B, E] twice.

    Guo et al., ``ContrastiveLoss`` (text-to-motion, 72df96e), there with margin 10 and one drawn negative a row.
    Here every other row is one, but for those under ``same`` [B, B]; the mean is over those within the margin, so that
    the few hard ones (a wrong side, a wrong tempo) are not drowned by the many easy ones.
    """
    distance = torch.cdist(text, motion)
    shortfall = (
        (margin - distance)
        .clamp(min=0)
        .masked_fill(same | torch.eye(len(same), dtype=torch.bool, device=same.device), 0)
    )
    return distance.diagonal().square().mean(), shortfall.square().sum() / (shortfall > 0).sum().clamp(min=1)
