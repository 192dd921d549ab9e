"""MoMask's masked transformer: the tokens of the first codebook, all at once, the surest first."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from sopo.diffusion.schedule import linspace32
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

NEVER = 1e5  # a score no probability reaches: such tokens are not masked again
RANDOM_SHARE, MASKED_SHARE = 0.1, 0.88  # of the tokens to guess: a random id; the mask, of the others


class MaskedTransformer(TokenTransformer):
    """ids [N, n] in 0..V-1, ``mask_id`` where unknown -> logits [N, n, V]."""

    def __init__(self, config: TokenTransformerConfig, code_dim: int, codes: int, text_width: int) -> None:
        super().__init__(config, code_dim, text_width, outputs=codes)
        self.codes, self.mask_id, self.pad_id = codes, codes, codes + 1
        self.table = nn.Embedding(codes + 2, code_dim)
        nn.init.normal_(self.table.weight, std=0.02)

    def logits(self, ids: Tensor, valid: Tensor, memory: Tensor) -> Tensor:
        """ids [N, n], anything where not valid; text of ``read`` -> [N, n, V]."""
        return self(self.table(torch.where(valid, ids, self.pad_id)), valid, memory)

    def generate(
        self,
        valid: Tensor,
        text: TextEmbedding,
        uniform: Callable[[], Tensor],
        steps: int,
        guidance: float,
        temperature: float = 1.0,
        share: float = TOP_SHARE,
        any_order: bool = False,
    ) -> Tensor:
        """ids [N, n], -1 where not valid. uniform: fresh noise [N, n, V] at each call.

        Each step draws all masked tokens (``draw_tokens``) and masks the least sure of them again, ever fewer (cosine).
        any_order: masks any of them again, as the model was trained.
        """
        memory = self.read_guided(text, guidance)
        passes, length = rows_for(guidance), valid.sum(1)
        ids = torch.full_like(valid, self.mask_id, dtype=torch.int64)
        scores = torch.where(valid, 0.0, NEVER)
        for ratio in masking_schedule(steps).to(valid.device):
            count = (ratio * length).round().clamp(min=1)
            masked = scores.argsort(1).argsort(1) < count[:, None]
            ids = torch.where(masked, self.mask_id, ids)
            out = self.logits(ids.repeat(passes, 1), valid.repeat(passes, 1), memory)
            logits = extrapolate(out, guidance)
            drawn = draw_tokens(logits, uniform(), temperature, share)
            ids = torch.where(masked, drawn, ids)
            # How sure it is of a draw is judged before filter and temperature.
            sure = uniform()[..., 0] if any_order else logits.softmax(-1).gather(-1, drawn[..., None])[..., 0]
            scores = torch.where(masked, sure, NEVER)
        return ids.masked_fill(~valid, -1)

    def nll(self, ids: Tensor, mask: Tensor, text: TextEmbedding) -> Tensor:
        """[N]: -log p, the mean over the tokens in ``mask`` [N, n]; ids [N, n] are -1 where padded."""
        logits = self.logits(torch.where(mask, self.mask_id, ids), ids >= 0, self.read(text))
        return masked_mean(negative_log_likelihood(logits, ids.clamp(min=0)), mask, dim=1)

    def training_loss(self, ids: Tensor, text: TextEmbedding, draws: Draws) -> Tensor:
        """Cross-entropy over a random subset of tokens, most of them masked; ids as in ``nll``, scalar."""
        valid, n = ids >= 0, ids.shape[1]
        count = (n * masked_ratio(draws.uniform())).round().clamp(min=1)
        guessed = (draws.uniform(n).argsort(1) < count[:, None]) & valid
        replaced = guessed & (draws.uniform(n) < RANDOM_SHARE)
        seen = torch.where(replaced, draws.integers(self.codes, n), ids)
        hidden = guessed & ~replaced & (draws.uniform(n) < MASKED_SHARE)
        seen = torch.where(hidden, self.mask_id, seen)
        logits = self.logits(seen, valid, self.read(text, self.kept(draws)))
        return masked_mean(negative_log_likelihood(logits, ids.clamp(min=0)), guessed)


def masked_ratio(time: Tensor) -> Tensor:
    """The share of tokens that is masked at a time in [0, 1]: all at 0, none at 1 (cosine)."""
    return torch.cos(time * math.pi * 0.5)


def masking_schedule(steps: int) -> Tensor:
    """The share of tokens that is masked before each step, [steps] float32: the same bits on every CPU.

    After two thirds of the way it is a half but for the last bit, which decides whether 4 or 5 of 9 tokens are masked.
    """
    angle = linspace32(0, 1, steps) * math.pi * 0.5
    return torch.cos(angle.double()).float()
