"""The preference losses of the paper, written in h(x, c) = log pi_theta(x|c) - log pi_ref(x|c).

Everything that is peculiar to a generator stays behind h; everything that is peculiar to a method is which
motions are compared, whether the loser counts (vu) and how the winner is weighted (beta_w).
All arguments are [B] (or [B, K]) tensors; every function returns [B], the loss of each caption.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def pair_loss(h_w: Tensor, h_l: Tensor, beta_w: Tensor | float, beta: float, vu: Tensor) -> Tensor:
    """SoPo, Eq. 14: -log sigmoid(beta_w h_w - beta h_l) where vu, else -log sigmoid(beta_w h_w).

    vu: bool, the group holds a valuable unpreferred motion, r(x^l, c) < tau (Eq. 11).
    Corners: DSoPo and DPO (vu all true, beta_w = beta; Eqs. 2, 9), SoPo without VU (vu all true),
    USoPo (beta_w = beta; Eq. 13).
    """
    return -F.logsigmoid(beta_w * h_w - torch.where(vu, beta * h_l, 0.0))


def preferred_weight(similarity: Tensor, beta: float, C: float) -> Tensor:
    """beta_w = beta (C - S(x^w)), Sec. 4.3; similarity S in [-1, 1], C >= 1 keeps it from turning negative."""
    return beta * (C - similarity)


def plackett_luce_loss(h: Tensor, beta: float) -> Tensor:
    """Offline DPO over a ranking, Eq. 3; h [B, K], best first. At K = 2 it is the pair's DPO."""
    return -ranking_log_probabilities(beta * h).sum(-1)


def soft_ranking_loss(h: Tensor, reward: Tensor, beta: float) -> Tensor:
    """Online DPO, Eqs. 5-6: KL(p_r || p_theta) over the positions of the ranking by reward; both [B, K].

    p_r of Eq. 5 and p_theta of Theorem 1 are both probabilities of the k-th place; the divergence at place k
    is taken between the two full distributions over the candidates that are still unplaced.
    """
    order = reward.argsort(dim=-1, descending=True)
    h, reward = h.gather(-1, order), reward.gather(-1, order)
    K = h.shape[-1]
    unplaced = torch.ones(K, K, dtype=torch.bool, device=h.device).triu()  # [place, candidate]
    absent = torch.finfo(h.dtype).min
    log_r = reward[:, None].expand(-1, K, -1).masked_fill(~unplaced, absent).log_softmax(-1)
    log_p = (beta * h)[:, None].expand(-1, K, -1).masked_fill(~unplaced, absent).log_softmax(-1)
    return (log_r.exp() * (log_r - log_p)).masked_fill(~unplaced, 0.0).sum((-1, -2))


def ranking_log_probabilities(score: Tensor) -> Tensor:
    """log of exp(s_k) / sum_{j >= k} exp(s_j) for scores [B, K] in rank order: [B, K] (Plackett-Luce)."""
    remaining = score.flip(-1).logcumsumexp(-1).flip(-1)
    return score - remaining
