"""FlowDiT: flow matching on features by a diffusion transformer; our own shape, no released model's.

The network answers with the clean motion x_0, and its velocity is (x_t - x_0) / t (Li and He 2025, "Back to Basics"): a
motion is smooth and its columns repeat one another, so a narrow network can say it, while noise has no shorter form.
Errors are those of the velocity all the same.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sopo.batch import Batch, length_mask
from sopo.diffusion.flow import LEAST_TIME, Flow
from sopo.diffusion.process import Denoiser
from sopo.generators.generator import FeatureGenerator, NoiseDraw
from sopo.generators.settings import FlowDiTConfig
from sopo.motion.normalize import Normalizer
from sopo.nn.dit import DiTBlock
from sopo.nn.embeddings import TimeEmbedding, first_positions, sinusoids
from sopo.nn.frames import FramesFromTokens, fold_frames, frame_mean
from sopo.nn.text_mixer import TextMixer
from sopo.randomness import Draws
from sopo.text import text_encoder
from sopo.text.encoder import TextEmbedding


class FlowDiT(FeatureGenerator):
    """x is the features normalised by the dataset's statistics, [N, T, D]; the network's answer is a velocity."""

    Config = FlowDiTConfig
    kind = "flow"
    positions: Tensor

    def __init__(self, config: FlowDiTConfig) -> None:
        super().__init__()
        self.config = config
        self.text = text_encoder(config.text_encoder)
        self.diffusion = Flow(config.shift, config.default_steps)
        width, token = config.width, config.features * config.frames_per_token
        self.normalizer = Normalizer(torch.zeros(config.features), torch.ones(config.features))
        self.register_buffer("positions", sinusoids(config.max_positions, width), persistent=False)
        sizes = width, config.heads, config.feedforward, config.dropout
        self.embed_time = TimeEmbedding(width)
        self.embed_text = nn.Linear(self.text.width, width)
        self.text_mixer = TextMixer(width, config.text_layers, *sizes[1:])
        self.nothing = nn.Parameter(nn.init.normal_(torch.empty(width), std=width**-0.5))  # each token of no text
        self.embed_frames = nn.Linear(token, width)
        self.blocks = nn.ModuleList(DiTBlock(*sizes) for _ in range(config.layers))
        self.norm = nn.LayerNorm(width)
        self.predict = FramesFromTokens(width, config.features, config.frames_per_token, config.token_window)

    # The network ---------------------------------------------------------------------------------------

    def read(self, condition: TextEmbedding, keep: Tensor | None = None) -> Tensor:
        """The text's tokens as the blocks attend to them, [N, L, W]; those of no text where keep [N] is False."""
        tokens = self.text_mixer(self.embed_text(condition.tokens), ~condition.mask)
        return tokens if keep is None else torch.where(keep[:, None, None], tokens, self.nothing)

    def denoise(self, x: Tensor, time: Tensor, length: Tensor, text: Tensor, text_mask: Tensor) -> Tensor:
        """x_t [N, T, D], time and length [N], text of ``read`` and its mask [N, L] -> velocity [N, T, D]."""
        frames, count = fold_frames(x, length, self.config.frames_per_token)
        tokens = self.embed_frames(frames) + first_positions(self.positions, frames.shape[1])  # [N, T/p, W]
        said = (text * text_mask[..., None]).sum(1) / text_mask.sum(1, keepdim=True)
        vector, mask = self.embed_time(time) + said, length_mask(count, tokens.shape[1])
        for block in self.blocks:
            tokens = block(tokens, text, vector, mask, text_mask)
        clean = self.predict.read(self.norm(tokens), length, x.shape[1])
        return (x - clean) / time.clamp(min=LEAST_TIME)[:, None, None]

    # The contract --------------------------------------------------------------------------------------

    def denoiser(self, condition: TextEmbedding, length: Tensor, guidance: float, K: int = 1) -> Denoiser:
        text, mask = self.read(condition).repeat_interleave(K, dim=0), condition.mask.repeat_interleave(K, dim=0)
        length = length.repeat_interleave(K)
        if guidance == 1.0:
            return lambda x, time: self.denoise(x, time, length, text, mask)
        both = torch.cat([text, self.nothing.expand_as(text)])

        def denoiser(x: Tensor, time: Tensor) -> Tensor:
            out = self.denoise(x.repeat(2, 1, 1), time.repeat(2), length.repeat(2), both, mask.repeat(2, 1))
            conditional, unconditional = out.chunk(2)
            return unconditional + guidance * (conditional - unconditional)

        return denoiser

    def residual(self, x: Tensor, length: Tensor, condition: TextEmbedding, draw: NoiseDraw) -> Tensor:
        return self.miss(x, length, draw, self.read(condition), condition.mask)

    def training_loss(self, batch: Batch, draws: Draws) -> Tensor:
        condition = self.embed(batch.captions)
        text = self.read(condition, draws.uniform() >= self.config.drop_condition if self.training else None)
        draw = self.draw(batch.motion, draws)
        missed = self.miss(batch.motion, batch.length, draw, text, condition.mask)
        return frame_mean(missed.square(), batch.length).mean()

    def miss(self, x: Tensor, length: Tensor, draw: NoiseDraw, text: Tensor, text_mask: Tensor) -> Tensor:
        """Velocity less e - x_0, [N, T, D]."""
        noisy = self.diffusion.add_noise(x, draw.noise, draw.step)
        return self.denoise(noisy, draw.step, length, text, text_mask) - (draw.noise - x)
