"""A diffusion model of points: the smallest generator that the real objectives train."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from sopo.batch import Batch, Caption
from sopo.diffusion.schedule import Diffusion
from sopo.diffusion.settings import Sampling
from sopo.generators.generator import Generator, NoiseDraw
from sopo.motion.normalize import Normalizer
from sopo.nn.embeddings import StepEmbedding
from sopo.randomness import Draws
from sopo.text import TextEmbedding, text_encoder
from sopo.toy.settings import PointConfig


class PointDiffusion(Generator):
    """pi(x) on the plane, x [N, 1, 2]: a motion of one frame; captions say nothing."""

    Config, kind = PointConfig, "points"
    config: PointConfig

    def __init__(self, config: PointConfig) -> None:
        super().__init__()
        self.config = config
        self.normalizer = Normalizer(torch.zeros(config.features), torch.ones(config.features))
        self.text = text_encoder("hashed-8")
        self.nothing = self.text.encode(["a point"])
        self.diffusion = Diffusion(config.diffusion_steps)
        self.step = StepEmbedding(config.width, config.diffusion_steps)
        self.read = nn.Linear(config.features, config.width)
        hidden = [nn.Sequential(nn.Linear(config.width, config.width), nn.SiLU()) for _ in range(config.layers)]
        self.net = nn.Sequential(nn.SiLU(), *hidden, nn.Linear(config.width, config.features))

    def embed(self, captions: Sequence[Caption]) -> TextEmbedding:
        return self.nothing.rows(torch.zeros(len(captions), dtype=torch.int64))

    def encode(self, batch: Batch) -> Tensor:
        return batch.motion

    def decode(self, x: Tensor, length: Tensor) -> Tensor:
        return x

    @torch.no_grad()
    def sample(
        self, condition: TextEmbedding, length: Tensor, frames: int, draws: Draws, sampling: Sampling, K: int
    ) -> Tensor:
        def noise() -> Tensor:
            return draws.normal(K, frames, self.config.features).flatten(0, 1)

        return self.diffusion.sample(self.denoise, noise, sampling)

    def draw(self, x: Tensor, draws: Draws, noisiest: float = 1.0) -> NoiseDraw:
        return NoiseDraw(self.diffusion.draw_steps(draws, noisiest), draws.normal(*x.shape[1:]))

    def nll(self, x: Tensor, length: Tensor, condition: TextEmbedding, draw: NoiseDraw) -> Tensor:
        out = self.denoise(self.diffusion.add_noise(x, draw.noise, draw.step), draw.step)
        return (out - self.diffusion.target(x, draw.noise)).square().mean((1, 2))

    def training_loss(self, batch: Batch, draws: Draws) -> Tensor:
        x = self.encode(batch)
        return self.nll(x, batch.length, self.embed(batch.captions), self.draw(x, draws)).mean()

    def denoise(self, x: Tensor, step: Tensor) -> Tensor:
        """Noisy points [N, 1, 2] at steps [N] -> the guess of the clean ones, from v (Salimans & Ho 2022)."""
        level = self.diffusion.alpha_bar[step].float()[:, None, None]
        v = self.net(self.read(x) + self.step(step)[:, None])
        return level.sqrt() * x - (1 - level).sqrt() * v
