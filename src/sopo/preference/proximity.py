"""S(x^w): how near the real motion is to the generated ones (Sec. 4.3)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def proximity(preferred: Tensor, generated: Tensor) -> Tensor:
    """S = min_k cos(x^w, x^k): preferred [B, E], generated [B, K, E] -> [B].

    The paper leaves the space open; we compare in the reward model's motion embedding, the space in which
    "similar samples have similar preferences".
    """
    return F.cosine_similarity(preferred[:, None], generated, dim=-1).amin(1)
