"""Checkpoints as their authors write them: every key and shape of the manifests, random weights, full size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

Entries = dict[str, dict[str, Any]]


def random_weights(entries: Entries, prefix: str = "") -> dict[str, Tensor]:
    """A tensor for each entry of a manifest, small enough for a deep network to stay finite."""
    return {prefix + key: torch.randn(entry["shape"]) * 0.02 for key, entry in entries.items()}


def write_statistics(folder: Path, features: int) -> None:
    """mean.npy and std.npy of a data set that does not exist."""
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "mean.npy", np.linspace(-1, 1, features, dtype=np.float32))
    np.save(folder / "std.npy", np.linspace(0.5, 2, features, dtype=np.float32))
