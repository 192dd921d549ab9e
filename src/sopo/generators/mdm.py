"""MDM, the motion diffusion model (Tevet et al., ICLR 2023): a transformer that predicts x_0 on features.

Two published shapes: ``encoder`` puts one token (step + pooled text) before the frames; ``decoder`` lets the
frames attend to the text's tokens. Two additions keep small models cheap on a laptop: ``frames_per_token``
folds neighbouring frames into one token, ``text_layers`` mixes token embeddings that know no context.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from sopo.batch import Batch, length_mask
from sopo.diffusion.process import Denoiser
from sopo.diffusion.schedule import Diffusion
from sopo.generators.generator import FeatureGenerator, NoiseDraw
from sopo.generators.settings import MDMConfig
from sopo.motion.normalize import Normalizer
from sopo.nn.embeddings import StepEmbedding, first_positions, sinusoids
from sopo.nn.frames import FramesFromTokens, fold_frames, frame_mean
from sopo.randomness import Draws
from sopo.text import text_encoder
from sopo.text.encoder import TextEmbedding


class MDM(FeatureGenerator):
    """x is the features normalised by the dataset's statistics, [N, T, D]; the network predicts x_0."""

    Config = MDMConfig
    kind = "mdm"
    positions: Tensor

    def __init__(self, config: MDMConfig) -> None:
        super().__init__()
        self.config = config
        self.text = text_encoder(config.text_encoder)
        self.diffusion = Diffusion(config.diffusion_steps, prediction="sample")
        width, token = config.width, config.features * config.frames_per_token
        self.normalizer = Normalizer(torch.zeros(config.features), torch.ones(config.features))
        self.register_buffer("positions", sinusoids(config.max_positions, width), persistent=False)
        self.embed_step = StepEmbedding(width, config.max_positions)
        self.embed_text = nn.Linear(self.text.width, width)
        self.embed_frames = nn.Linear(token, width)
        shape: dict[str, Any] = {
            "nhead": config.heads,
            "dim_feedforward": config.feedforward,
            "dropout": config.dropout,
            "activation": "gelu",
            "batch_first": True,
        }
        if config.text_layers:
            self.text_mixer = nn.TransformerEncoder(
                nn.TransformerEncoderLayer(width, **shape), config.text_layers, enable_nested_tensor=False
            )
        if config.architecture == "encoder":
            self.transformer: nn.Module = nn.TransformerEncoder(
                nn.TransformerEncoderLayer(width, **shape), config.layers, enable_nested_tensor=False
            )
        else:
            self.transformer = nn.TransformerDecoder(nn.TransformerDecoderLayer(width, **shape), config.layers)
        self.drop = nn.Dropout(config.dropout)
        self.predict = FramesFromTokens(width, config.features, config.frames_per_token, config.token_window)

    # The network ---------------------------------------------------------------------------------------

    def read(self, condition: TextEmbedding, keep: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Text for the denoiser: memory [N, L, W] and its padding mask [N, L] (True = padding).

        keep: [N] bool, False empties a condition, which zeroes its embedding but not the layer's bias.
        """
        one = self.config.architecture == "encoder" or self.config.pooled_text
        pooled = one and not self.config.text_layers
        tokens = condition.pooled[:, None] if pooled else condition.tokens
        padding = ~condition.mask if not pooled else torch.zeros_like(condition.mask[:, :1])
        if keep is not None:
            tokens = tokens * keep[:, None, None]
        memory = self.embed_text(tokens)
        if self.config.text_layers:
            memory = memory + first_positions(self.positions, memory.shape[1])
            memory = self.text_mixer(memory, src_key_padding_mask=padding)
        if one and self.config.text_layers:
            valid = (~padding)[..., None]
            memory, padding = (
                (memory * valid).sum(1, keepdim=True) / valid.sum(1, keepdim=True),
                padding[:, :1],
            )
        return memory, padding

    def denoise(self, x: Tensor, step: Tensor, length: Tensor, memory: Tensor, padding: Tensor) -> Tensor:
        """x_t [N, T, D], step [N], length [N] -> x_0 [N, T, D]."""
        frames, hidden = fold_frames(x, length, self.config.frames_per_token)
        tokens = self.embed_frames(frames)  # [N, T/p, W]
        time = self.embed_step(step)[:, None]  # [N, 1, W]
        leading = 1 if self.config.architecture == "encoder" or self.config.step_token else 0
        if self.config.architecture == "encoder":
            tokens = torch.cat([time + memory, tokens], dim=1)
        elif leading:
            tokens = torch.cat([time + memory if self.config.text_in_step_token else time, tokens], dim=1)
        tokens = self.drop(tokens + first_positions(self.positions, tokens.shape[1]))
        ignore = ~length_mask(hidden + leading, tokens.shape[1]) if self.config.mask_frames else None
        if self.config.architecture == "encoder":
            out = self.transformer(tokens, src_key_padding_mask=ignore)
        else:
            out = self.transformer(tokens, memory + time, tgt_key_padding_mask=ignore, memory_key_padding_mask=padding)
        # contiguous: torch multiplies a strided input in another way where weights are frozen, as the reference's are
        return self.predict.read(out[:, leading:].contiguous(), length, x.shape[1])

    # The contract --------------------------------------------------------------------------------------

    def denoiser(self, condition: TextEmbedding, length: Tensor, guidance: float, K: int = 1) -> Denoiser:
        memory, padding = (part.repeat_interleave(K, dim=0) for part in self.read(condition))
        length = length.repeat_interleave(K)
        if guidance == 1.0:
            return lambda x, step: self.denoise(x, step, length, memory, padding)
        nothing = torch.zeros(len(condition.mask), dtype=torch.bool, device=memory.device)
        empty, _ = self.read(condition, keep=nothing)
        both, twice = torch.cat([memory, empty.repeat_interleave(K, dim=0)]), padding.repeat(2, 1)

        def denoiser(x: Tensor, step: Tensor) -> Tensor:
            out = self.denoise(x.repeat(2, 1, 1), step.repeat(2), length.repeat(2), both, twice)
            conditional, unconditional = out.chunk(2)
            return unconditional + guidance * (conditional - unconditional)

        return denoiser

    def residual(self, x: Tensor, length: Tensor, condition: TextEmbedding, draw: NoiseDraw) -> Tensor:
        return self.miss(x, length, draw, *self.read(condition))

    def training_loss(self, batch: Batch, draws: Draws) -> Tensor:
        keep = draws.uniform() >= self.config.drop_condition if self.training else None
        memory, padding = self.read(self.embed(batch.captions), keep)
        missed = self.miss(batch.motion, batch.length, self.draw(batch.motion, draws), memory, padding)
        return frame_mean(missed.square(), batch.length).mean()

    def miss(self, x: Tensor, length: Tensor, draw: NoiseDraw, memory: Tensor, padding: Tensor) -> Tensor:
        """x_0 predicted less x_0, [N, T, D]."""
        noisy = self.diffusion.add_noise(x, draw.noise, draw.step)
        return self.denoise(noisy, draw.step, length, memory, padding) - x
