"""The RVQ-VAE of MoMask (Guo et al., CVPR 2024): motions as tokens of several residual codebooks."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sopo.batch import Batch, length_mask
from sopo.generators.settings import RVQVAEConfig
from sopo.motion.features import feature_slices
from sopo.motion.normalize import Normalizer
from sopo.motion.skeleton import skeleton_for_features
from sopo.nn.residual_quantizer import ResidualQuantizer
from sopo.pretrained import Pretrained
from sopo.randomness import Draws

POSITIONS_WEIGHT, COMMITMENT_WEIGHT = 0.5, 0.02


class RVQVAE(Pretrained):
    """Normalised features [B, T, D] <-> token ids [B, T // 4, Q], -1 where padded.

    With lengths nothing leaks in from the padding: a padded motion is coded as it is alone. Without, every
    frame counts, as in the published code.
    """

    Config = RVQVAEConfig
    kind = "rvq-vae"

    def __init__(self, config: RVQVAEConfig) -> None:
        super().__init__()
        self.config = config
        self.normalizer = Normalizer(torch.zeros(config.features), torch.ones(config.features))
        self.encoder = _Encoder(config)
        self.decoder = _Decoder(config)
        self.quantizer = ResidualQuantizer(config.quantizers, config.codes, config.code_dim, config.quantize_dropout)

    @torch.no_grad()
    def encode(self, motion: Tensor, length: Tensor | None = None) -> Tensor:
        """motion [B, T, D] normalised, length [B] frames -> ids [B, T // 4, Q]; no gradient."""
        ids = self.quantizer.encode(self.encoder(motion, self._valid(motion, length)))
        tokens = self._valid(ids, None if length is None else length // self.config.frames_per_token)
        return ids.masked_fill(~tokens[..., None], -1)

    def decode(self, ids: Tensor, length: Tensor | None = None) -> Tensor:
        """ids [B, n, q], q <= Q, length [B] frames -> motion [B, 4 n, D] normalised."""
        tokens = None if length is None else length // self.config.frames_per_token
        return self.decoder(self.quantizer.decode(ids), self._valid(ids, tokens))

    def training_loss(self, batch: Batch, draws: Draws) -> Tensor:
        """SmoothL1 of all features, again of the joints' positions, and the commitment; over valid frames, scalar."""
        mask = batch.mask
        codes = self.encoder(batch.motion, mask)
        tokens = length_mask(batch.length // self.config.frames_per_token, codes.shape[1])
        quantized, commitment = self.quantizer.quantize(codes, tokens, draws)
        motion, real = self.decoder(quantized, tokens)[mask], batch.motion[mask]
        positions = feature_slices(skeleton_for_features(self.config.features)).positions
        near = F.smooth_l1_loss(motion[:, positions], real[:, positions])
        return F.smooth_l1_loss(motion, real) + POSITIONS_WEIGHT * near + COMMITMENT_WEIGHT * commitment

    @staticmethod
    def _valid(x: Tensor, length: Tensor | None) -> Tensor:
        if length is None:
            return torch.ones(x.shape[:2], dtype=torch.bool, device=x.device)
        return length_mask(length, x.shape[1])


class _Residual(nn.Module):
    """x + conv(relu(dilated conv(relu(x))))."""

    def __init__(self, width: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(width, width, 3, padding=dilation, dilation=dilation)
        self.conv2 = nn.Conv1d(width, width, 1)
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor, keep: Tensor) -> Tensor:
        return (x + self.drop(self.conv2(F.relu(self.conv1(F.relu(x)))))) * keep


class _Block(nn.Module):
    """Residual blocks at one rate, and the convolution that halves the rate before or doubles it after them."""

    def __init__(self, config: RVQVAEConfig, down: bool) -> None:
        super().__init__()
        width = config.width
        self.down = down
        self.resample = nn.Conv1d(width, width, 4, 2, 1) if down else nn.Conv1d(width, width, 3, padding=1)
        dilations = [config.dilation_growth**power for power in reversed(range(config.depth))]
        self.residual = nn.ModuleList(_Residual(width, dilation, config.dropout) for dilation in dilations)

    def forward(self, x: Tensor, keep: Tensor) -> tuple[Tensor, Tensor]:
        """x [B, W, T], keep [B, 1, T], 0 where padded -> the same at the new rate."""
        if self.down:
            keep = keep[..., 1::2]
            x = self.resample(x) * keep
        for layer in self.residual:
            x = layer(x, keep)
        if not self.down:
            keep = keep.repeat_interleave(2, dim=-1)
            x = self.resample(x.repeat_interleave(2, dim=-1)) * keep
        return x, keep


class _Encoder(nn.Module):
    def __init__(self, config: RVQVAEConfig) -> None:
        super().__init__()
        self.first = nn.Conv1d(config.features, config.width, 3, padding=1)
        self.blocks = nn.ModuleList(_Block(config, down=True) for _ in range(config.down_t))
        self.last = nn.Conv1d(config.width, config.code_dim, 3, padding=1)

    def forward(self, motion: Tensor, valid: Tensor) -> Tensor:
        """[B, T, D], valid [B, T] -> [B, T // 4, code_dim]."""
        keep = valid[:, None].to(motion.dtype)
        x = F.relu(self.first(motion.transpose(1, 2) * keep)) * keep
        for block in self.blocks:
            x, keep = block(x, keep)
        return self.last(x).transpose(1, 2)


class _Decoder(nn.Module):
    def __init__(self, config: RVQVAEConfig) -> None:
        super().__init__()
        self.first = nn.Conv1d(config.code_dim, config.width, 3, padding=1)
        self.blocks = nn.ModuleList(_Block(config, down=False) for _ in range(config.down_t))
        self.middle = nn.Conv1d(config.width, config.width, 3, padding=1)
        self.last = nn.Conv1d(config.width, config.features, 3, padding=1)

    def forward(self, codes: Tensor, valid: Tensor) -> Tensor:
        """[B, n, code_dim], valid [B, n] -> [B, 4 n, D]."""
        keep = valid[:, None].to(codes.dtype)
        x = F.relu(self.first(codes.transpose(1, 2) * keep)) * keep
        for block in self.blocks:
            x, keep = block(x, keep)
        return self.last(F.relu(self.middle(x)) * keep).transpose(1, 2)
