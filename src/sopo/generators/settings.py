"""Sizes of every generator and of its parts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from sopo.diffusion.settings import Guidance, Prediction, Schedule
from sopo.errors import UserError
from sopo.nn.settings import (
    Features,
    FramesPerToken,
    Heads,
    Layers,
    Positions,
    Steps,
    TextLayers,
    Tokens,
    TokenWindow,
    Width,
    check_heads,
)
from sopo.settings import Range, Settings, Share

LONGEST = 196  # frames of a motion; no convolution looks further


def _check_skips(layers: int) -> None:
    if layers % 2 == 0:
        raise UserError(f"layers is {layers}: a skip transformer has an odd number of them")


@dataclass(frozen=True)
class MDMConfig(Settings):
    """Sizes; the defaults are the published HumanML3D model's (50 steps)."""

    features: Features = 263
    width: Width = 512
    feedforward: Width = 1024
    layers: Layers = 8
    heads: Heads = 4
    dropout: Share = 0.1
    architecture: Literal["encoder", "decoder"] = "encoder"
    step_token: bool = False  # decoder: the step as a first token beside the frames (emb_trans_dec)
    text_in_step_token: bool = False  # the text with it, as MDM's code did until 2025
    text_encoder: str = "clip-vit-b32-22"
    pooled_text: bool = False  # decoder: attend to the one pooled vector (released with CLIP), not to the tokens
    text_layers: TextLayers = 0
    frames_per_token: FramesPerToken = 1
    token_window: TokenWindow = 1  # tokens that a token's frames are read from: 3 leaves no seams between them
    mask_frames: bool = True  # keep attention off the padding (the 50-step models do)
    diffusion_steps: Steps = 50
    drop_condition: Share = 0.1
    max_positions: Positions = 5000

    def __post_init__(self) -> None:
        super().__post_init__()
        check_heads(self.width, self.heads)
        if self.max_positions < self.diffusion_steps:  # steps are looked up among the positions
            raise UserError(f"max_positions is {self.max_positions}: below diffusion_steps, {self.diffusion_steps}")
        if self.text_in_step_token and not (self.step_token and self.pooled_text):
            raise UserError("text_in_step_token needs step_token and pooled_text: one token of both")


@dataclass(frozen=True)
class FlowDiTConfig(Settings):
    """Sizes; there is no published model of these: the defaults are of the published MDM's size."""

    features: Features = 263
    width: Width = 512
    feedforward: Width = 1024
    layers: Layers = 8
    heads: Heads = 8
    dropout: Share = 0.1
    text_encoder: str = "clip-vit-b32-22"
    text_layers: Layers = 2
    frames_per_token: FramesPerToken = 4
    token_window: TokenWindow = 3  # tokens that a token's frames are read from: of 1, motions have seams between tokens
    shift: Annotated[float, Range(0.01, 100)] = 4.0  # of the times towards noise (``sopo.diffusion.flow``)
    default_steps: Steps = 10  # of sampling
    drop_condition: Share = 0.1
    max_positions: Positions = 512

    def __post_init__(self) -> None:
        super().__post_init__()
        check_heads(self.width, self.heads)


@dataclass(frozen=True)
class MotionVAEConfig(Settings):
    """Sizes; the defaults are the published ones, latent [1, 256] of MLD (MLD* v2: 16 tokens of 32)."""

    features: Features = 263
    width: Width = 256
    feedforward: Width = 1024
    layers: Layers = 9
    heads: Heads = 4
    dropout: Share = 0.1
    latent_tokens: Tokens = 1
    latent_width: Width = 256
    frames_per_token: FramesPerToken = 1
    token_window: TokenWindow = 1  # tokens that a token's frames are read from: 3 leaves no seams between them
    max_positions: Positions = 500
    kl: Annotated[float, Range(0, 1000)] = 1e-4  # weight of the divergence from N(0, 1)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_heads(self.width, self.heads)
        _check_skips(self.layers)


@dataclass(frozen=True)
class MLDConfig(Settings):
    """Sizes of the denoiser; the defaults are MLD's. MLD*: sentence-t5-large; its v2 has no ``text_relu``."""

    vae: MotionVAEConfig = field(default_factory=MotionVAEConfig)
    width: Width = 256
    feedforward: Width = 1024
    layers: Layers = 9
    heads: Heads = 4
    dropout: Share = 0.1
    text_encoder: str = "clip-vit-l14"
    text_relu: bool = True
    text_layers: TextLayers = 0  # mix the text's tokens and gather them into ``text_tokens``; 0: its one pooled vector
    text_tokens: Tokens = 4
    step_width: Width = 768  # of the step's sinusoid
    schedule: Schedule = "scaled-linear"
    prediction: Prediction = "epsilon"
    diffusion_steps: Steps = 1000
    default_steps: Steps = 50  # of sampling
    drop_condition: Share = 0.1
    max_positions: Positions = 500

    def __post_init__(self) -> None:
        super().__post_init__()
        check_heads(self.width, self.heads)
        _check_skips(self.layers)
        if self.step_width % 2:
            raise UserError(f"step_width is {self.step_width}: must be even")

    @property
    def features(self) -> int:
        return self.vae.features


@dataclass(frozen=True)
class RVQVAEConfig(Settings):
    """Sizes; the defaults are the published HumanML3D model's."""

    features: Features = 263
    width: Width = 512
    code_dim: Width = 512
    codes: Annotated[int, Range(1, 65_536)] = 512
    quantizers: Annotated[int, Range(1, 64)] = 6
    down_t: Annotated[int, Range(1, 8)] = 2  # a token stands for 2^down_t frames
    depth: Annotated[int, Range(1, 16)] = 3
    dilation_growth: Annotated[int, Range(1, 16)] = 3
    dropout: Share = 0.2
    quantize_dropout: Share = 0.2

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.dilation_growth ** (self.depth - 1) > LONGEST:
            raise UserError(f"depth is {self.depth}: with dilation_growth {self.dilation_growth} it reaches too far")

    @property
    def frames_per_token(self) -> int:
        return 1 << self.down_t


@dataclass(frozen=True)
class TokenTransformerConfig(Settings):
    """Sizes; the defaults are the published masked transformer's."""

    width: Width = 384
    feedforward: Width = 1024
    layers: Layers = 8
    heads: Heads = 6
    dropout: Share = 0.2
    text_layers: TextLayers = 0  # mix the text's tokens and gather them into ``text_tokens``; 0: its one pooled vector
    text_tokens: Tokens = 4
    drop_condition: Share = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        check_heads(self.width, self.heads)


@dataclass(frozen=True)
class MoMaskConfig(Settings):
    """Sizes of the three networks; the defaults are the published HumanML3D model's."""

    rvq: RVQVAEConfig = field(default_factory=RVQVAEConfig)
    masked: TokenTransformerConfig = field(default_factory=TokenTransformerConfig)
    residual: TokenTransformerConfig = field(default_factory=lambda: TokenTransformerConfig(drop_condition=0.2))
    text_encoder: str = "clip-vit-b32"
    share_weight: bool = True
    default_steps: Steps = 10  # of sampling
    residual_guidance: Guidance = 5.0  # of the residual transformer, wherever sampling is guided at all

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.rvq.quantizers < 2:
            raise UserError("quantizers is 1: MoMask's residual transformer needs 2 or more")

    @property
    def features(self) -> int:
        return self.rvq.features


@dataclass(frozen=True)
class LengthEstimatorConfig(Settings):
    """Sizes; the defaults are the published ones."""

    text_width: Width = 512
    classes: Annotated[int, Range(1, 10_000)] = 50  # a class is a number of tokens
    frames_per_token: FramesPerToken = 4
