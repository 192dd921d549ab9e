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


def margin_contrastive(text: Tensor, motion: Tensor, match: bool, margin: float) -> Tensor:
    """Pairs [B, E]: squared distance where they match, else the squared shortfall from the margin.

    Guo et al., ``ContrastiveLoss`` (text-to-motion, 72df96e), there with margin 10.
    """
    distance = F.pairwise_distance(text, motion)
    return (distance if match else (margin - distance).clamp(min=0)).square().mean()
