"""Sizes of every generator and of its parts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from sopo.diffusion.settings import Prediction, Schedule
from sopo.errors import UserError


@dataclass(frozen=True)
class MDMConfig:
    """Sizes; the defaults are the published HumanML3D model's (50 steps)."""

    features: int = 263
    width: int = 512
    feedforward: int = 1024
    layers: int = 8
    heads: int = 4
    dropout: float = 0.1
    architecture: Literal["encoder", "decoder"] = "encoder"
    step_token: bool = False  # decoder: the step as a first token beside the frames (emb_trans_dec)
    text_in_step_token: bool = False  # the text with it, as MDM's code did until 2025
    text_encoder: str = "clip-vit-b32-22"
    pooled_text: bool = False  # decoder: attend to the one pooled vector (released with CLIP), not to the tokens
    text_layers: int = 0
    frames_per_token: int = 1
    mask_frames: bool = True  # keep attention off the padding (the 50-step models do)
    diffusion_steps: int = 50
    drop_condition: float = 0.1
    max_positions: int = 5000

    def __post_init__(self) -> None:
        if self.width % (2 * self.heads):
            raise UserError(f"width is {self.width}: must be a multiple of 2 x heads = {2 * self.heads}")
        for name in ("frames_per_token", "diffusion_steps"):
            if getattr(self, name) < 1:
                raise UserError(f"{name} is {getattr(self, name)}: must be 1 or more")
        if self.text_in_step_token and not (self.step_token and self.pooled_text):
            raise UserError("text_in_step_token needs step_token and pooled_text: one token of both")


@dataclass(frozen=True)
class MotionVAEConfig:
    """Sizes; the defaults are the published ones, latent [1, 256] of MLD (MLD* v2: 16 tokens of 32)."""

    features: int = 263
    width: int = 256
    feedforward: int = 1024
    layers: int = 9
    heads: int = 4
    dropout: float = 0.1
    latent_tokens: int = 1
    latent_width: int = 256
    frames_per_token: int = 1
    max_positions: int = 500
    kl: float = 1e-4  # weight of the divergence from N(0, 1)

    def __post_init__(self) -> None:
        if self.width % self.heads:
            raise UserError(f"width is {self.width}: must be a multiple of heads = {self.heads}")
        if min(self.latent_tokens, self.latent_width, self.frames_per_token) < 1:
            raise UserError("latent_tokens, latent_width and frames_per_token must be 1 or more")


@dataclass(frozen=True)
class MLDConfig:
    """Sizes of the denoiser; the defaults are MLD's. MLD*: sentence-t5-large; its v2 has no ``text_relu``."""

    vae: MotionVAEConfig = field(default_factory=MotionVAEConfig)
    width: int = 256
    feedforward: int = 1024
    layers: int = 9
    heads: int = 4
    dropout: float = 0.1
    text_encoder: str = "clip-vit-l14"
    text_relu: bool = True
    text_layers: int = 0  # mix the text's tokens and gather them into ``text_tokens``; 0: its one pooled vector
    text_tokens: int = 4
    step_width: int = 768  # of the step's sinusoid
    schedule: Schedule = "scaled-linear"
    prediction: Prediction = "epsilon"
    diffusion_steps: int = 1000
    default_steps: int = 50  # of sampling
    drop_condition: float = 0.1
    max_positions: int = 500

    def __post_init__(self) -> None:
        if self.width % (2 * self.heads):
            raise UserError(f"width is {self.width}: must be a multiple of 2 x heads = {2 * self.heads}")

    @property
    def features(self) -> int:
        return self.vae.features


@dataclass(frozen=True)
class RVQVAEConfig:
    """Sizes; the defaults are the published HumanML3D model's."""

    features: int = 263
    width: int = 512
    code_dim: int = 512
    codes: int = 512
    quantizers: int = 6
    down_t: int = 2  # a token stands for 2^down_t frames
    depth: int = 3
    dilation_growth: int = 3
    dropout: float = 0.2
    quantize_dropout: float = 0.2

    def __post_init__(self) -> None:
        if min(self.codes, self.quantizers, self.down_t, self.depth) < 1:
            raise UserError("codes, quantizers, down_t and depth of an RVQ-VAE must be 1 or more")

    @property
    def frames_per_token(self) -> int:
        return 1 << self.down_t


@dataclass(frozen=True)
class TokenTransformerConfig:
    """Sizes; the defaults are the published masked transformer's."""

    width: int = 384
    feedforward: int = 1024
    layers: int = 8
    heads: int = 6
    dropout: float = 0.2
    text_layers: int = 0  # mix the text's tokens and gather them into ``text_tokens``; 0: its one pooled vector
    text_tokens: int = 4
    drop_condition: float = 0.1

    def __post_init__(self) -> None:
        if self.width % (2 * self.heads):
            raise UserError(f"width is {self.width}: must be a multiple of 2 x heads = {2 * self.heads}")


@dataclass(frozen=True)
class MoMaskConfig:
    """Sizes of the three networks; the defaults are the published HumanML3D model's."""

    rvq: RVQVAEConfig = field(default_factory=RVQVAEConfig)
    masked: TokenTransformerConfig = field(default_factory=TokenTransformerConfig)
    residual: TokenTransformerConfig = field(default_factory=lambda: TokenTransformerConfig(drop_condition=0.2))
    text_encoder: str = "clip-vit-b32"
    share_weight: bool = True
    default_steps: int = 10  # of sampling
    residual_guidance: float = 5.0  # of the residual transformer, wherever sampling is guided at all

    def __post_init__(self) -> None:
        if self.rvq.quantizers < 2:
            raise UserError("quantizers is 1: MoMask's residual transformer needs 2 or more")

    @property
    def features(self) -> int:
        return self.rvq.features


@dataclass(frozen=True)
class LengthEstimatorConfig:
    """Sizes; the defaults are the published ones."""

    text_width: int = 512
    classes: int = 50  # a class is a number of tokens
    frames_per_token: int = 4
