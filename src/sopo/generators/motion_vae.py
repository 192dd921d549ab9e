"""The motion VAE of MLD (Chen et al., CVPR 2023): a whole motion as a few latent tokens."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sopo.batch import Batch, length_mask
from sopo.generators.settings import MotionVAEConfig
from sopo.motion.decode import decode_joints
from sopo.motion.normalize import Normalizer
from sopo.motion.skeleton import skeleton_for_features
from sopo.nn.embeddings import first_positions
from sopo.nn.frames import FramesFromTokens, fold_frames
from sopo.nn.layers import DecoderLayer
from sopo.nn.skip_transformer import SkipTransformer
from sopo.pretrained import Pretrained
from sopo.randomness import Draws


class MotionVAE(Pretrained):
    """Normalised features [N, T, D] <-> latents [N, k, W]: an encoder to N(mu, std), a decoder back."""

    Config = MotionVAEConfig
    kind = "motion-vae"

    def __init__(self, config: MotionVAEConfig) -> None:
        super().__init__()
        self.config = config
        width, token = config.width, config.features * config.frames_per_token
        shape: dict[str, Any] = {
            "nhead": config.heads,
            "dim_feedforward": config.feedforward,
            "dropout": config.dropout,
            "activation": "gelu",
            "batch_first": True,
        }
        self.normalizer = Normalizer(torch.zeros(config.features), torch.ones(config.features))
        self.distribution_tokens = nn.Parameter(torch.randn(2 * config.latent_tokens, width))
        self.encoder_positions = nn.Parameter(torch.rand(config.max_positions, width))
        self.decoder_positions = nn.Parameter(torch.rand(config.max_positions, width))
        self.embed_frames = nn.Linear(token, width)
        self.encoder = SkipTransformer(lambda: nn.TransformerEncoderLayer(width, **shape), config.layers, width)
        layer = partial(DecoderLayer, width, config.heads, config.feedforward, config.dropout)
        self.decoder = SkipTransformer(layer, config.layers, width)
        self.predict = FramesFromTokens(width, config.features, config.frames_per_token, config.token_window)
        projected = config.latent_width != width
        self.to_latent = nn.Linear(width, config.latent_width) if projected else nn.Identity()
        self.from_latent = nn.Linear(config.latent_width, width) if projected else nn.Identity()

    def encode(self, motion: Tensor, length: Tensor) -> tuple[Tensor, Tensor]:
        """Normalised motion [N, T, D], length [N] -> mu, std [N, k, W] of the latent's normal distribution."""
        frames, valid = fold_frames(motion, length, self.config.frames_per_token)
        tokens = self.distribution_tokens.expand(len(frames), -1, -1)
        x = torch.cat([tokens, self.embed_frames(frames)], dim=1)
        count = tokens.shape[1]
        ignore = ~length_mask(valid + count, x.shape[1])
        out = self.encoder(x + first_positions(self.encoder_positions, x.shape[1]), src_key_padding_mask=ignore)
        mu, log_variance = self.to_latent(out[:, :count]).chunk(2, dim=1)
        return mu, (0.5 * log_variance).exp()

    def decode(self, z: Tensor, length: Tensor, frames: int) -> Tensor:
        """z [N, k, W], length [N] -> normalised motion [N, frames, D], zero after ``length``."""
        p = self.config.frames_per_token
        valid = (length + p - 1) // p
        queries = first_positions(self.decoder_positions, -(-frames // p)).expand(len(z), -1, -1)
        ignore = ~length_mask(valid, queries.shape[1])
        out = self.decoder(queries, self.from_latent(z), tgt_key_padding_mask=ignore)
        return self.predict.read(out, length, frames) * length_mask(length, frames)[..., None]

    def training_loss(self, batch: Batch, draws: Draws) -> Tensor:
        """SmoothL1 of features and of joints (metres) over valid frames, plus the weighted divergence; scalar."""
        mu, std = self.encode(batch.motion, batch.length)
        z = mu + std * draws.normal(*mu.shape[1:])
        motion = self.decode(z, batch.length, batch.motion.shape[1])
        skeleton = skeleton_for_features(self.config.features)
        joints, real = (
            decode_joints(self.normalizer.denormalize(x), skeleton)[batch.mask] for x in (motion, batch.motion)
        )
        divergence = 0.5 * (mu.square() + std.square() - 1 - 2 * std.log()).mean()
        reconstruction = F.smooth_l1_loss(motion[batch.mask], batch.motion[batch.mask])
        return reconstruction + F.smooth_l1_loss(joints, real) + self.config.kl * divergence
