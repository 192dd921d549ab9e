"""Whose checkpoints are known, and what the user says about one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sopo.nn.settings import Steps
from sopo.settings import Settings

System = Literal["mdm", "mld", "mld-star", "momask", "tmr", "guo"]  # whose checkpoints are read


@dataclass(frozen=True)
class Given(Settings):
    """What the user says about a checkpoint."""

    dataset: Literal["humanml3d", "kit"] | None = None
    """what it was trained on; the feature count is checked against it"""
    mean: Path | None = None
    """mean of the features it was trained under, .npy or .pt [D]; by default the one beside the checkpoint"""
    std: Path | None = None
    """their deviation, likewise"""
    diffusion_steps: Steps | None = None
    """MDM: steps it was trained with; by default what args.json beside it says"""
    mask_frames: bool | None = None
    """MDM: whether attention is kept off the padding; likewise"""
    step_token: bool | None = None
    """MDM's decoder: whether the step is a token beside the frames (emb_trans_dec); likewise"""
    text_in_step_token: bool = False
    """MDM's decoder: whether the text is in that token too, as in code before 2025 (humanml-decoder-with-emb-512)"""
    words: str = "glove:glove"
    """Guo et al.: glove:FOLDER of the word vectors"""
