"""The tiny released MoMask, and where its recorded numbers are clear about the first of several."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest
import torch
from recordings import Numbers, Recordings
from torch import Tensor

from sopo.generators.momask import MoMask
from sopo.motion.normalize import Normalizer
from sopo.published.momask import HEADS, config_from_published, momask_from_published

NEAR = 2e-5  # of the largest logit or distance: closer than this, roundings may order two of them
Build = Callable[..., MoMask]


def weights(recordings: Recordings, sharing: str) -> tuple[Numbers, Numbers, Numbers]:
    """Of the RVQ-VAE, the masked and the residual transformer."""
    names = ("tiny_rvqvae", "tiny_mask_transformer", f"tiny_residual_transformer_{sharing}")
    rvq, masked, residual = (recordings.weights(f"momask/{name}.safetensors") for name in names)
    return rvq, masked, residual


class Given:
    """Stands for the text encoder of the tiny weights, whose width is none of a real one's."""

    def __init__(self, width: int) -> None:
        self.width = width


def build(recordings: Recordings, monkeypatch: pytest.MonkeyPatch, sharing: str = "*") -> MoMask:
    """The tiny released model; its residual transformer with (sw) or without (nosw) shared weights, or either."""
    rvq, masked, residual = weights(recordings, sharing)
    shared = "sw" if "embed_proj_shared_weight" in residual else "nosw"
    heads = (
        recordings.setting("momask/mask_transformer", "num_heads", HEADS),
        recordings.setting(f"momask/residual_transformer_{shared}", "num_heads", HEADS),
    )
    config = config_from_published(rvq, masked, residual, heads)
    growth = recordings.setting("momask/rvqvae", "dilation_growth_rate", config.rvq.dilation_growth)
    config = dataclasses.replace(config, rvq=dataclasses.replace(config.rvq, dilation_growth=growth))
    text = Given(masked["cond_emb.weight"].shape[1])
    monkeypatch.setattr("sopo.generators.momask.text_encoder", lambda name: text)
    plain = Normalizer(torch.zeros(config.features), torch.ones(config.features))
    return momask_from_published(rvq, masked, residual, config, plain).requires_grad_(False)


def clear(scores: Tensor) -> Tensor:
    """Scores [..., V] -> [...]: the highest is ahead of the second by more than roundings are."""
    first, second = scores.topk(2).values.unbind(-1)
    size = scores[scores.isfinite()].abs().max()
    return first - second > NEAR * size
