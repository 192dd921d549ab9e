"""MLD, motion latent diffusion (Chen et al., CVPR 2023), and MLD*, its reproduction in MotionLCM.

Diffusion runs on the latents of a frozen motion VAE. Published: one latent token of 256, epsilon prediction,
1000 steps of a scaled-linear schedule, 50 DDIM steps guided at 7.5, one pooled text vector.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from sopo.batch import Batch, length_mask
from sopo.diffusion.process import Chain, Denoiser
from sopo.diffusion.schedule import Diffusion
from sopo.diffusion.settings import Sampling
from sopo.generators.generator import DiffusionGenerator, NoiseDraw
from sopo.generators.motion_vae import MotionVAE
from sopo.generators.settings import MLDConfig
from sopo.motion.normalize import Normalizer
from sopo.nn.embeddings import StepEmbedding, first_positions
from sopo.nn.skip_transformer import SkipTransformer
from sopo.nn.text_mixer import TextMixer
from sopo.randomness import Draws
from sopo.text import text_encoder
from sopo.text.encoder import TextEmbedding


class MLD(DiffusionGenerator):
    """x is the latent [N, k, W], standardised by ``latents``; the VAE inside is frozen."""

    Config = MLDConfig
    kind = "mld"
    diffusion: Diffusion

    def __init__(self, config: MLDConfig) -> None:
        super().__init__()
        self.config = config
        self.text = text_encoder(config.text_encoder)
        self.diffusion = Diffusion(config.diffusion_steps, config.prediction, config.schedule)
        self.vae = MotionVAE(config.vae).requires_grad_(False).eval()
        size = config.vae.latent_tokens * config.vae.latent_width
        self.latents = Normalizer(torch.zeros(size), torch.ones(size))  # the published models' leave them alone
        width, latent = config.width, config.vae.latent_width
        shape: dict[str, Any] = {
            "nhead": config.heads,
            "dim_feedforward": config.feedforward,
            "dropout": config.dropout,
            "activation": "gelu",
            "batch_first": True,
        }
        self.embed_step = StepEmbedding(width, config.diffusion_steps, config.step_width)
        self.embed_text = nn.Linear(self.text.width, width)
        if config.text_layers:
            self.text_mixer = TextMixer(
                width, config.text_layers, config.heads, config.feedforward, config.dropout, config.text_tokens
            )
        self.embed_latent = nn.Linear(latent, width) if latent != width else nn.Identity()
        self.predict = nn.Linear(width, latent) if latent != width else nn.Identity()
        self.positions = nn.Parameter(torch.rand(config.max_positions, width))
        self.transformer = SkipTransformer(lambda: nn.TransformerEncoderLayer(width, **shape), config.layers, width)

    @property
    def normalizer(self) -> Normalizer:  # type: ignore[override]
        return self.vae.normalizer

    def train(self, mode: bool = True) -> MLD:
        super().train(mode)
        self.vae.eval()  # frozen: its dropout never runs
        return self

    # The network ---------------------------------------------------------------------------------------

    def read(self, condition: TextEmbedding) -> Tensor:
        """Text for the denoiser: [N, tokens, W]."""
        if self.config.text_layers:
            return self.text_mixer(self.embed_text(condition.tokens), ~condition.mask)
        pooled = condition.pooled[:, None]
        return self.embed_text(pooled.relu() if self.config.text_relu else pooled)

    def nothing(self, count: int) -> Tensor:
        """The unconditional ``read``: the empty text's, [count, tokens, W]."""
        empty = self.text.encode([""]).to(self.normalizer.mean.device)
        return self.read(empty).expand(count, -1, -1)

    def denoise(self, x: Tensor, step: Tensor, text: Tensor) -> Tensor:
        """x_t [N, k, W_latent], step [N], text of ``read`` -> epsilon or x_0, like x."""
        tokens = torch.cat([self.embed_latent(x), self.embed_step(step)[:, None], text], dim=1)
        out = self.transformer(tokens + first_positions(self.positions, tokens.shape[1]))
        # contiguous: torch multiplies a strided input in another way where weights are frozen, as the reference's are
        return self.predict(out[:, : x.shape[1]].contiguous())

    # The contract --------------------------------------------------------------------------------------

    @torch.no_grad()
    def code(self, batch: Batch) -> Tensor:
        """Mean and deviation of the VAE's posterior, side by side [B, k, 2 W]; a batch may bring them along."""
        return torch.cat(self.vae.encode(batch.motion, batch.length), -1) if batch.code is None else batch.code

    def encode(self, batch: Batch) -> Tensor:
        """The posterior's mean."""
        return self.standardize(self.code(batch).chunk(2, -1)[0])

    def decode(self, x: Tensor, length: Tensor) -> Tensor:
        z = self.latents.denormalize(x.flatten(1)).view_as(x)
        frames = int(length.max())
        motion = self.normalizer.denormalize(self.vae.decode(z, length, frames))
        return motion * length_mask(length, frames)[..., None]

    def places(self, frames: int) -> int:
        return self.config.vae.latent_tokens

    def shape(self, frames: int) -> tuple[int, ...]:
        return self.config.vae.latent_tokens, self.config.vae.latent_width

    def denoiser(self, condition: TextEmbedding, length: Tensor, guidance: float, K: int = 1) -> Denoiser:
        text = self.read(condition).repeat_interleave(K, dim=0)
        if guidance == 1.0:
            return lambda x, step: self.denoise(x, step, text)
        both = torch.cat([text, self.nothing(len(text))])

        def denoiser(x: Tensor, step: Tensor) -> Tensor:
            conditional, unconditional = self.denoise(x.repeat(2, 1, 1), step.repeat(2), both).chunk(2)
            return unconditional + guidance * (conditional - unconditional)

        return denoiser

    def chain(self, sampling: Sampling) -> Chain:
        return super().chain(replace(sampling, steps=sampling.steps or self.config.default_steps))

    def mean_over(self, values: Tensor, length: Tensor) -> Tensor:
        return values.mean((1, 2))

    def nll(self, x: Tensor, length: Tensor, condition: TextEmbedding, draw: NoiseDraw) -> Tensor:
        return self.error(x, draw, self.read(condition))

    def training_loss(self, batch: Batch, draws: Draws) -> Tensor:
        mu, std = self.code(batch).chunk(2, -1)
        x = self.standardize(mu + std * draws.normal(*mu.shape[1:]))  # a sample of the posterior (published)
        text = self.read(self.embed(batch.captions))
        if self.training:
            keep = draws.uniform() >= self.config.drop_condition
            text = torch.where(keep[:, None, None], text, self.nothing(len(text)))
        return self.error(x, self.draw(x, draws), text).mean()

    def error(self, x: Tensor, draw: NoiseDraw, text: Tensor) -> Tensor:
        """|| prediction - target ||^2, the mean over the latent: [N] (Sec. 4.4)."""
        noisy = self.diffusion.add_noise(x, draw.noise, draw.step)
        prediction = self.denoise(noisy, draw.step, text)
        return (prediction - self.diffusion.target(x, draw.noise)).square().mean((1, 2))

    # Latents -------------------------------------------------------------------------------------------

    def standardize(self, z: Tensor) -> Tensor:
        """The VAE's latents [N, k, W] as the diffusion sees them."""
        return self.latents.normalize(z.flatten(1)).view_as(z)

    def measure_latents(self, z: Tensor) -> None:
        """Take the statistics of ``latents`` from the training motions' latents [N, k, W]."""
        flat = z.flatten(1)
        self.latents.load_state_dict({"mean": flat.mean(0), "std": flat.std(0).clamp(min=1e-4)})
