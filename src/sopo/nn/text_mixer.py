"""From token embeddings that know no context to a few vectors that hold a sentence."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sopo.nn.embeddings import first_positions, sinusoids


class TextMixer(nn.Module):
    """Transformer layers over the tokens; ``summary`` > 0 learned queries then gather them into as many vectors."""

    positions: Tensor

    def __init__(self, width: int, layers: int, heads: int, feedforward: int, dropout: float, summary: int = 0) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(width, heads, feedforward, dropout, "gelu", batch_first=True)
        self.mix = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.register_buffer("positions", sinusoids(512, width), persistent=False)
        if summary:
            self.queries = nn.Parameter(nn.init.normal_(torch.empty(summary, width), std=width**-0.5))
            self.gather = nn.MultiheadAttention(width, heads, batch_first=True)

    def forward(self, tokens: Tensor, padding: Tensor) -> Tensor:
        """tokens [N, L, W], padding [N, L] (True = padding) -> [N, L or summary, W]."""
        mixed = self.mix(tokens + first_positions(self.positions, tokens.shape[1]), src_key_padding_mask=padding)
        if not hasattr(self, "queries"):
            return mixed
        queries = self.queries.expand(len(mixed), -1, -1)
        return self.gather(queries, mixed, mixed, key_padding_mask=padding, need_weights=False)[0]
