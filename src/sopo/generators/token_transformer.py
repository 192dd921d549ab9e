"""What MoMask's two transformers share: text in front, positions on the tokens, one encoder, one head."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sopo.generators.settings import TokenTransformerConfig
from sopo.nn.embeddings import first_positions, sinusoids
from sopo.nn.gumbel import keep_top, pick
from sopo.nn.text_mixer import TextMixer
from sopo.randomness import Draws
from sopo.text.encoder import TextEmbedding

MAX_TOKENS = 512
TOP_SHARE = 1 - 0.9  # of all ids, the likeliest that a draw chooses from (published: topkr 0.9)


class TokenTransformer(nn.Module):
    """Codes [N, n, C] under a text -> [N, n, outputs]."""

    positions: Tensor

    def __init__(self, config: TokenTransformerConfig, code_dim: int, text_width: int, outputs: int) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.register_buffer("positions", sinusoids(MAX_TOKENS, width), persistent=False)
        self.embed_codes = nn.Linear(code_dim, width)
        self.embed_text = nn.Linear(text_width, width)
        layer = nn.TransformerEncoderLayer(
            width, config.heads, config.feedforward, config.dropout, "gelu", batch_first=True
        )
        self.transformer = nn.TransformerEncoder(layer, config.layers, enable_nested_tensor=False)
        self.head = nn.Sequential(
            nn.Linear(width, width), nn.GELU(), nn.LayerNorm(width, eps=1e-12), nn.Linear(width, outputs)
        )
        self.drop = nn.Dropout(config.dropout)
        self.apply(_start_small)
        if config.text_layers:
            self.text_mixer = TextMixer(
                width, config.text_layers, config.heads, config.feedforward, config.dropout, config.text_tokens
            )

    def read(self, text: TextEmbedding, keep: Tensor | None = None) -> Tensor:
        """Text as leading tokens [N, L, W].

        keep: [N] bool, False empties a condition, which zeroes its vectors but not the layer's bias.
        """
        mixed = self.config.text_layers > 0
        tokens = text.tokens if mixed else text.pooled[:, None]
        if keep is not None:
            tokens = tokens * keep[:, None, None]
        memory = self.embed_text(tokens)
        return self.text_mixer(memory, ~text.mask) if mixed else memory

    def read_guided(self, text: TextEmbedding, guidance: float) -> Tensor:
        """``read``, followed by the same rows without their texts unless ``guidance`` is 1."""
        memory = self.read(text)
        if guidance == 1:
            return memory
        nothing = torch.zeros(len(text), dtype=torch.bool, device=memory.device)
        return torch.cat([memory, self.read(text, nothing)])

    def forward(self, codes: Tensor, valid: Tensor, memory: Tensor) -> Tensor:
        """codes [N, n, C], valid [N, n], leading tokens [N, L, W] -> [N, n, outputs]."""
        leading = memory.shape[1]
        tokens = self.drop(self.embed_codes(codes) + first_positions(self.positions, codes.shape[1]))
        ignore = F.pad(~valid, (leading, 0))
        hidden = self.transformer(torch.cat([memory, tokens], dim=1), src_key_padding_mask=ignore)
        # contiguous: torch multiplies a strided input in another way where weights are frozen, as the reference's are
        return self.head(hidden[:, leading:].contiguous())

    def kept(self, draws: Draws) -> Tensor | None:
        """Which conditions survive a training step, [N] bool; None outside training: nothing is dropped."""
        return draws.uniform() >= self.config.drop_condition if self.training else None


def rows_for(guidance: float) -> int:
    """Passes that a guided prediction takes: with the text, and without."""
    return 1 if guidance == 1 else 2


def extrapolate(logits: Tensor, guidance: float) -> Tensor:
    """Logits of ``read_guided`` -> u + guidance (c - u)."""
    if guidance == 1:
        return logits
    conditional, unconditional = logits.chunk(2)
    return unconditional + guidance * (conditional - unconditional)


def draw_tokens(logits: Tensor, uniform: Tensor, temperature: float, share: float) -> Tensor:
    """Logits [N, n, V] and noise like them -> ids [N, n], among the likeliest ``share`` of all V."""
    return pick(keep_top(logits, share) / max(temperature, 1e-10), uniform)


def masked_mean(values: Tensor, mask: Tensor, dim: int | None = None) -> Tensor:
    """The mean of values [N, n] where mask is True: over all, or along ``dim``; 0 where there is none."""
    total, count = ((values * mask).sum(dim), mask.sum(dim))
    return total / count.clamp(min=1)


def negative_log_likelihood(logits: Tensor, ids: Tensor) -> Tensor:
    """Logits [N, n, V], ids [N, n] in range -> -log p(id) [N, n]."""
    return -logits.log_softmax(-1).gather(-1, ids[..., None])[..., 0]


def _start_small(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=0.02)
        nn.init.zeros_(module.bias)
