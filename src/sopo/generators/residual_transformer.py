"""MoMask's residual transformer: from the tokens of the codebooks before, those of the next."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sopo.generators.settings import TokenTransformerConfig
from sopo.generators.token_transformer import (
    TOP_SHARE,
    TokenTransformer,
    draw_tokens,
    extrapolate,
    masked_mean,
    negative_log_likelihood,
    rows_for,
)
from sopo.randomness import Draws
from sopo.text.encoder import TextEmbedding


class ResidualTransformer(TokenTransformer):
    """Codebook ``layer`` in 1..Q-1, given the sum of the embedded tokens before it -> logits [N, n, V + 1].

    Class V is padding; it may be drawn where a token is valid, and then adds nothing to the motion (-1).
    """

    def __init__(
        self,
        config: TokenTransformerConfig,
        code_dim: int,
        codes: int,
        quantizers: int,
        text_width: int,
        share_weight: bool,
    ) -> None:
        """share_weight: what layer i predicts with, layer i + 1 is embedded with (published)."""
        super().__init__(config, code_dim, text_width, outputs=code_dim)
        self.quantizers, self.pad_id, self.share_weight = quantizers, codes, share_weight
        self.embed_layer = nn.Linear(quantizers, config.width)
        nn.init.normal_(self.embed_layer.weight, std=0.02)
        nn.init.zeros_(self.embed_layer.bias)

        def table(layers: int) -> nn.Parameter:
            return nn.Parameter(nn.init.normal_(torch.empty(layers, codes + 1, code_dim), std=0.02))

        if share_weight:
            self.first_embedding, self.shared, self.last_projection = table(1), table(quantizers - 2), table(1)
        else:
            self.all_embeddings, self.all_projections = table(quantizers - 1), table(quantizers - 1)
            self.bias = nn.Parameter(torch.zeros(quantizers, codes + 1))

    @property
    def embeddings(self) -> Tensor:
        """[Q - 1, V + 1, C]: of the tokens of layers 0..Q-2."""
        return torch.cat([self.first_embedding, self.shared]) if self.share_weight else self.all_embeddings

    @property
    def projections(self) -> Tensor:
        """[Q - 1, V + 1, C]: onto the tokens of layers 1..Q-1."""
        return torch.cat([self.shared, self.last_projection]) if self.share_weight else self.all_projections

    def logits(self, history: Tensor, layer: Tensor, valid: Tensor, memory: Tensor) -> Tensor:
        """history [N, n, C], layer [N], valid [N, n]; text of ``read`` -> [N, n, V + 1]."""
        which = self.embed_layer(F.one_hot(layer, self.quantizers).to(history.dtype))[:, None]
        hidden = self(history, valid, torch.cat([memory, which], dim=1))
        logits = torch.einsum("nkc,nvc->nkv", hidden, self.projections[layer - 1])
        # The published code adds the product to itself here; models trained so need it.
        return logits if self.share_weight else 2 * logits + self.bias[layer - 1][:, None]

    def history(self, ids: Tensor, layer: Tensor) -> Tensor:
        """ids [N, n, Q], padding as V, layer [N] -> the sum of the embedded layers before it, [N, n, C]."""
        before = torch.arange(self.quantizers - 1, device=ids.device)
        embedded = self.embeddings[before, ids[..., :-1]]  # [N, n, Q - 1, C]
        return (embedded * (before < layer[:, None])[:, None, :, None]).sum(2)

    def generate(
        self,
        base: Tensor,
        text: TextEmbedding,
        uniform: Callable[[], Tensor],
        guidance: float,
        temperature: float = 1.0,
        share: float = TOP_SHARE,
    ) -> Tensor:
        """Tokens of the first codebook [N, n], -1 where padded -> ids [N, n, Q].

        uniform: fresh noise [N, n, V + 1] at each call, one for each layer, which is drawn by ``draw_tokens``.
        """
        memory = self.read_guided(text, guidance)
        passes, valid, embeddings = rows_for(guidance), base >= 0, self.embeddings
        columns = [torch.where(valid, base, self.pad_id)]
        history = torch.zeros(*base.shape, embeddings.shape[-1], device=base.device)
        for i in range(1, self.quantizers):
            history = history + embeddings[i - 1][columns[-1]]
            layer = torch.full((passes * len(base),), i, device=base.device)
            out = self.logits(history.repeat(passes, 1, 1), layer, valid.repeat(passes, 1), memory)
            logits = extrapolate(out, guidance)
            drawn = draw_tokens(logits, uniform(), temperature, share)
            columns.append(torch.where(valid, drawn, self.pad_id))
        ids = torch.stack(columns, dim=-1)
        return ids.masked_fill(ids == self.pad_id, -1)

    def nll(self, ids: Tensor, layer: Tensor, text: TextEmbedding) -> Tensor:
        """[N]: -log p of the tokens of codebook ``layer`` [N], the mean over valid ones; ids [N, n, Q]."""
        return masked_mean(*self._guess(ids, layer, self.read(text))[:2], dim=1)

    def training_loss(self, ids: Tensor, text: TextEmbedding, draws: Draws) -> Tensor:
        """Cross-entropy of one codebook for each sample, the first ones more often; scalar."""
        skewed = 1 - torch.cos(draws.uniform() * math.pi * 0.5)
        layer = 1 + (skewed * (self.quantizers - 2)).round().long()
        error, valid, target = self._guess(ids, layer, self.read(text, self.kept(draws)))
        return masked_mean(error, valid & (target != self.pad_id))

    def _guess(self, ids: Tensor, layer: Tensor, memory: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """-log p of each token of ``layer``, which of them are valid, and their ids: [N, n] each."""
        valid = ids[..., 0] >= 0
        ids = torch.where(ids >= 0, ids, self.pad_id)
        target = ids[torch.arange(len(ids), device=ids.device), :, layer]
        logits = self.logits(self.history(ids, layer), layer, valid, memory)
        return negative_log_likelihood(logits, target), valid, target
