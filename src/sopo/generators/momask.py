"""MoMask (Guo et al., CVPR 2024): motions as residual tokens; masked tokens first, then their residuals."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from sopo.batch import Batch, length_mask
from sopo.diffusion.settings import Sampling
from sopo.errors import UserError
from sopo.generators.generator import Generator
from sopo.generators.masked_transformer import MaskedTransformer, masked_ratio
from sopo.generators.residual_transformer import ResidualTransformer
from sopo.generators.rvq_vae import RVQVAE
from sopo.generators.settings import MoMaskConfig
from sopo.generators.token_transformer import TOP_SHARE
from sopo.motion.normalize import Normalizer
from sopo.randomness import Draws
from sopo.text import text_encoder
from sopo.text.encoder import TextEmbedding


@dataclass(frozen=True)
class TokenDraw:
    """What one ``nll`` draws. mask: [N, n] bool, the tokens to guess. layer: [N] int64 in 1..Q-1."""

    mask: Tensor
    layer: Tensor

    def rows(self, index: Tensor) -> TokenDraw:
        return TokenDraw(self.mask[index], self.layer[index])

    def paired_with(self, other: TokenDraw) -> TokenDraw:
        """The other's: both sides of a pair are asked for the same tokens of the same codebook."""
        return other


class MoMask(Generator):
    """x is the token ids [N, n, Q] int64 of n = frames / 4 tokens, -1 where padded; the RVQ-VAE inside is frozen.

    A valid token of a residual codebook may also be -1: it adds nothing (see ``ResidualTransformer``).
    """

    Config = MoMaskConfig
    kind = "momask"
    padding = -1

    def __init__(self, config: MoMaskConfig) -> None:
        super().__init__()
        self.config, rvq = config, config.rvq
        self.text = text_encoder(config.text_encoder)
        self.rvq = RVQVAE(rvq).requires_grad_(False).eval()
        self.masked = MaskedTransformer(config.masked, rvq.code_dim, rvq.codes, self.text.width)
        self.residual = ResidualTransformer(
            config.residual, rvq.code_dim, rvq.codes, rvq.quantizers, self.text.width, config.share_weight
        )

    @property
    def normalizer(self) -> Normalizer:  # type: ignore[override]
        return self.rvq.normalizer

    def train(self, mode: bool = True) -> MoMask:
        super().train(mode)
        self.rvq.eval()  # frozen: neither its dropout nor its codebooks move
        return self

    def encode(self, batch: Batch) -> Tensor:
        """A batch may bring its tokens along."""
        self._tokens(batch.length)
        return self.rvq.encode(batch.motion, batch.length) if batch.code is None else batch.code.long()

    def decode(self, x: Tensor, length: Tensor) -> Tensor:
        self._tokens(length)
        motion = self.normalizer.denormalize(self.rvq.decode(x, length))
        return motion * length_mask(length, motion.shape[1])[..., None]

    def places(self, frames: int) -> int:
        return frames // self.config.rvq.frames_per_token

    @torch.no_grad()
    def sample(
        self, condition: TextEmbedding, length: Tensor, frames: int, draws: Draws, sampling: Sampling, K: int
    ) -> Tensor:
        """As published; ``sampler`` "ddpm": ancestral, from the model's own distribution, its tokens in any order.

        Guidance is the masked transformer's; the residual transformer has its own, unless sampling is not guided (1).
        """
        sampling.refuse_integrators()
        n, codes = frames // self.config.rvq.frames_per_token, self.config.rvq.codes
        valid = length_mask(self._tokens(length), n).repeat_interleave(K, dim=0)
        text = condition.repeat(K)

        def noise(classes: int) -> Tensor:
            return draws.uniform(K, n, classes).flatten(0, 1)

        steps, ancestral = sampling.steps or self.config.default_steps, sampling.sampler == "ddpm"
        usual = 1.0 if ancestral else TOP_SHARE
        how = sampling.temperature, sampling.top_share or usual, ancestral
        base = self.masked.generate(valid, text, lambda: noise(codes), steps, sampling.guidance, *how)
        guidance = sampling.residual_guidance
        if guidance is None:
            guidance = self.config.residual_guidance if sampling.guidance != 1 else 1.0
        rest = sampling.residual_temperature, sampling.residual_top_share or usual
        return self.residual.generate(base, text, lambda: noise(codes + 1), guidance, *rest)

    def draw(self, x: Tensor, draws: Draws, noisiest: float = 1.0) -> TokenDraw:
        """A cosine share of each motion's own tokens, at least one; any residual codebook, equally likely."""
        valid = x[..., 0] >= 0
        count = (valid.sum(1) * masked_ratio(noisiest * draws.uniform())).round().clamp(min=1)
        order = draws.uniform(x.shape[1]).masked_fill(~valid, 2.0)  # padding comes last
        mask = order.argsort(1).argsort(1) < count[:, None]
        return TokenDraw(mask, 1 + draws.integers(self.config.rvq.quantizers - 1))

    def nll(self, x: Tensor, length: Tensor, condition: TextEmbedding, draw: TokenDraw) -> Tensor:
        """-log p a token: of the masked ones by the masked transformer, plus of the drawn codebook's by the other."""
        return self.masked.nll(x[..., 0], draw.mask, condition) + self.residual.nll(x, draw.layer, condition)

    def training_loss(self, batch: Batch, draws: Draws) -> Tensor:
        """The published losses of both transformers, added: they share no weight."""
        x, text = self.encode(batch), self.embed(batch.captions)
        return self.masked.training_loss(x[..., 0], text, draws) + self.residual.training_loss(x, text, draws)

    def _tokens(self, length: Tensor) -> Tensor:
        """Frames [N] -> tokens [N]; UserError unless they come out even."""
        unit = self.config.rvq.frames_per_token
        if (length % unit).any():
            raise UserError(f"MoMask makes motions of a multiple of {unit} frames; a length asked for is none")
        return length // unit
