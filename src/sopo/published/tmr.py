"""Released TMR weights -> ours: the names are the same, the three networks lie in three files (Mathux/TMR, 6d74688)."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from sopo.errors import UserError
from sopo.matching.settings import TMRConfig
from sopo.matching.tmr import TMR
from sopo.published.beside import read_statistics
from sopo.published.reading import Sizes, read_checkpoint, tensors_of
from sopo.published.settings import Given
from sopo.weights import load_weights

PARTS = ("motion_encoder", "text_encoder", "motion_decoder")
WEIGHTS = "last_weights"
HEADS = 4  # as released
FEATURES = 263  # the KIT-ML model reads 263 features too


def read_tmr(path: Path, given: Given) -> TMR:
    """A run's folder (``last_weights/*.pt``), that folder itself, or a Lightning file -> our TMR.

    Its own statistics, true ones for each feature, are mean.pt and std.pt of ``stats/DATASET/guoh3dfeats``.
    Raises UserError for whatever is missing or does not fit.
    """
    tensors = _read(path)
    config = tmr_config(tensors, str(path))
    if config.features != FEATURES:
        raise UserError(f"{path}: reads {config.features} features; released TMRs read {FEATURES}, that of KIT-ML too")
    model = TMR(config)
    statistics = read_statistics(path, config.features, given).state_dict(prefix="normalizer.")
    load_weights(model, tensors | statistics, str(path))
    return model.eval()


def tmr_config(tensors: dict[str, Tensor], source: str, heads: int = HEADS) -> TMRConfig:
    """Sizes read off the shapes, where ``heads`` leave no trace; UserError if these are no TMR's."""
    size = Sizes(tensors, source)
    layers = "motion_encoder.seqTransEncoder.layers."
    return TMRConfig(
        features=size("motion_encoder.projection.weight", 1),
        text_encoder="distilbert",
        width=size("motion_encoder.tokens", 1),
        feedforward=size(f"{layers}0.linear1.weight", 0),
        layers=size.count(layers),
        heads=heads,
        frames_per_token=1,
    )


def _read(path: Path) -> dict[str, Tensor]:
    if not path.is_dir():
        return tensors_of(read_checkpoint(path), path, "state_dict")
    folder = path / WEIGHTS if (path / WEIGHTS).is_dir() else path
    tensors: dict[str, Tensor] = {}
    for part in PARTS:
        file = folder / f"{part}.pt"
        tensors |= {f"{part}.{key}": tensor for key, tensor in tensors_of(read_checkpoint(file), file).items()}
    return tensors
