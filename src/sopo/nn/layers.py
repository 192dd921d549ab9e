"""A transformer decoder layer without the detours of torch's: same weights, same names, same numbers."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class DecoderLayer(nn.TransformerDecoderLayer):
    """Batch first; every query sees the whole memory.

    Torch's folds [N, L, W] into [L, N, W] and back, which in bf16 costs more than the products, and asks each query
    which part of a memory of one token it wants.
    """

    def __init__(self, width: int, heads: int, feedforward: int, dropout: float) -> None:
        super().__init__(width, heads, feedforward, dropout, "gelu", batch_first=True)

    def _sa_block(
        self, x: Tensor, attn_mask: Tensor | None, key_padding_mask: Tensor | None, is_causal: bool = False
    ) -> Tensor:
        return self.dropout1(attend(self.self_attn, x, x, key_padding_mask))

    def _mha_block(
        self,
        x: Tensor,
        mem: Tensor,
        attn_mask: Tensor | None,
        key_padding_mask: Tensor | None,
        is_causal: bool = False,
    ) -> Tensor:
        return self.dropout2(attend(self.multihead_attn, x, mem, key_padding_mask))


def attend(attention: nn.MultiheadAttention, x: Tensor, memory: Tensor, ignore: Tensor | None = None) -> Tensor:
    """Queries x [N, L, W] over memory [N, M, W] -> [N, L, W]; ignore: [N, M], True where not to look."""
    weight, bias = attention.in_proj_weight, attention.in_proj_bias
    width, dropout = attention.embed_dim, attention.dropout if attention.training else 0.0
    if memory.shape[1] == 1 and not dropout:  # all attention is on the one there is
        value = F.linear(memory, weight[2 * width :], bias[2 * width :])
        return attention.out_proj(value).expand_as(x)
    if x is memory:
        parts = F.linear(x, weight, bias).chunk(3, dim=-1)
    else:
        key, value = F.linear(memory, weight[width:], bias[width:]).chunk(2, dim=-1)
        parts = F.linear(x, weight[:width], bias[:width]), key, value
    query, key, value = (part.unflatten(-1, (attention.num_heads, -1)).transpose(1, 2) for part in parts)
    look = None if ignore is None else ~ignore[:, None, None]
    mixed = F.scaled_dot_product_attention(query, key, value, look, dropout)
    return attention.out_proj(mixed.transpose(1, 2).flatten(2))
