"""TMR: text-to-motion retrieval by two variational encoders and one decoder (Petrovich et al., ICCV 2023)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sopo.batch import Caption, length_mask
from sopo.matching.matcher import Matcher
from sopo.matching.settings import TMRConfig
from sopo.motion.normalize import Normalizer
from sopo.nn.embeddings import first_positions, sinusoids
from sopo.nn.layers import DecoderLayer
from sopo.text import TextEmbedding, text_encoder

Gaussian = tuple[Tensor, Tensor]  # mean, log-variance: [B, E]


PUBLISHED = {  # both read 263 features; the KIT-ML model too
    "tmr-humanml3d": TMRConfig(263, "distilbert", 256, 1024, 6, 4, 0.1, 1),
    "tmr-kitml": TMRConfig(263, "distilbert", 256, 1024, 6, 4, 0.1, 1),
}


class TMR(Matcher):
    """Motions and texts as Gaussians of one space; their means are the embeddings, compared by cosine.

    State-dict names are the published ones (``motion_encoder.*``, ``text_encoder.*``, ``motion_decoder.*``).
    """

    Config, kind, loader = TMRConfig, "tmr", "load_reward"
    config: TMRConfig

    def __init__(self, config: TMRConfig) -> None:
        super().__init__()
        self.config = config
        self.embedder = text_encoder(config.text_encoder)
        token = config.features * config.frames_per_token
        self.motion_encoder = GaussianEncoder(token, config)
        self.text_encoder = GaussianEncoder(self.embedder.width, config)
        self.motion_decoder = LatentDecoder(token, config)
        self.normalizer = Normalizer(torch.zeros(config.features), torch.ones(config.features))

    def frames_for(self, longest: int) -> int:
        return -(-longest // self.config.frames_per_token) * self.config.frames_per_token

    def motion_gaussian(self, motion: Tensor, length: Tensor) -> Gaussian:
        """Motions as ``prepare`` gives them [B, T, D], length [B] -> mean and log-variance [B, E]."""
        tokens = motion.unflatten(1, (-1, self.config.frames_per_token)).flatten(2)
        return self.motion_encoder(tokens, self._token_mask(length, tokens.shape[1]))

    def text_gaussian(self, text: TextEmbedding) -> Gaussian:
        """Token vectors of B texts -> mean and log-variance [B, E]."""
        return self.text_encoder(text.tokens, text.mask)

    def decode(self, latent: Tensor, length: Tensor, frames: int) -> Tensor:
        """[B, E] -> normalised motion [B, frames, D], zero beyond each length."""
        mask = self._token_mask(length, frames // self.config.frames_per_token)
        motion = self.motion_decoder(latent, mask).unflatten(2, (self.config.frames_per_token, -1)).flatten(1, 2)
        return motion * length_mask(length, frames)[:, :, None]

    def encode_motions(self, motion: Tensor, length: Tensor) -> Tensor:
        return self.motion_gaussian(motion, length)[0]

    def encode_captions(self, captions: Sequence[Caption]) -> Tensor:
        return self.text_gaussian(self.embed_words(captions))[0]

    def embed_words(self, captions: Sequence[Caption]) -> TextEmbedding:
        """The frozen text model's view of the captions, on this model's device."""
        return self.embedder.encode([caption.text for caption in captions]).to(self.device)

    def similarity(self, text: Tensor, motion: Tensor) -> Tensor:
        """Cosine, -1..1."""
        return F.cosine_similarity(text, motion, dim=-1)

    def _token_mask(self, length: Tensor, tokens: int) -> Tensor:
        """A token is valid if any of its frames is."""
        return length_mask(-(-length // self.config.frames_per_token), tokens)


class GaussianEncoder(nn.Module):
    """ACTOR-style encoder: the outputs at two learned tokens are mean and log-variance (``actor.py``)."""

    positions: Tensor

    def __init__(self, features: int, config: TMRConfig) -> None:
        super().__init__()
        width = config.width
        self.projection = nn.Linear(features, width)
        self.tokens = nn.Parameter(torch.randn(2, width))
        layer = nn.TransformerEncoderLayer(
            width, config.heads, config.feedforward, config.dropout, "gelu", batch_first=True
        )
        self.seqTransEncoder = nn.TransformerEncoder(layer, config.layers, enable_nested_tensor=False)
        self.dropout = nn.Dropout(config.dropout)
        self.register_buffer("positions", sinusoids(5000, width), persistent=False)

    def forward(self, x: Tensor, mask: Tensor) -> Gaussian:
        """x [B, L, features], mask [B, L] -> mean and log-variance [B, width]."""
        x = torch.cat([self.tokens.expand(len(x), -1, -1), self.projection(x)], dim=1)
        x = self.dropout(x + first_positions(self.positions, x.shape[1]))
        padding = F.pad(~mask, (2, 0), value=False)
        out = self.seqTransEncoder(x, src_key_padding_mask=padding)
        return out[:, 0], out[:, 1]


class LatentDecoder(nn.Module):
    """Position queries that attend to the latent as their only memory."""

    positions: Tensor

    def __init__(self, features: int, config: TMRConfig) -> None:
        super().__init__()
        width = config.width
        layer = DecoderLayer(width, config.heads, config.feedforward, config.dropout)
        self.seqTransDecoder = nn.TransformerDecoder(layer, config.layers)
        self.final_layer = nn.Linear(width, features)
        self.dropout = nn.Dropout(config.dropout)
        self.register_buffer("positions", sinusoids(5000, width), persistent=False)

    def forward(self, latent: Tensor, mask: Tensor) -> Tensor:
        """latent [B, width], mask [B, L] -> [B, L, features]."""
        queries = self.dropout(first_positions(self.positions, mask.shape[1]).expand(len(latent), -1, -1))
        out = self.seqTransDecoder(queries, latent[:, None], tgt_key_padding_mask=~mask)
        return self.final_layer(out)
