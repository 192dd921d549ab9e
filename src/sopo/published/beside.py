"""What a checkpoint does not say itself: the user's word, or the files that its authors put beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sopo.data.layout import read_array
from sopo.errors import UserError
from sopo.json_files import read_json
from sopo.motion.normalize import Normalizer
from sopo.motion.skeleton import HUMANML3D, KIT
from sopo.published.reading import read_tensor
from sopo.published.settings import Given

FEATURES = {"humanml3d": HUMANML3D.num_features, "kit": KIT.num_features}
STATISTICS = ("meta/{}.npy", "{}.npy", "{}.pt")


def check_dataset(features: int, given: Given, path: Path) -> None:
    """UserError unless a model of so many features is one of the data set that the user names."""
    if given.dataset and FEATURES[given.dataset] != features:
        fits = [name for name, width in FEATURES.items() if width == features]
        raise UserError(
            f"{path}: reads {features} features, {given.dataset} has {FEATURES[given.dataset]}; "
            f"{'say --dataset ' + fits[0] if fits else 'a checkpoint of other data'}"
        )


def read_statistics(path: Path, features: int, given: Given) -> Normalizer:
    """The mean and deviation that a model of ``features`` was trained under; UserError if there are none.

    Looks for the user's files, then for meta/mean.npy, mean.npy and mean.pt in and above the checkpoint's folder.
    """
    if (given.mean is None) != (given.std is None):
        raise UserError("give both --mean and --std, or neither")
    pair = (given.mean, given.std) if given.mean and given.std else _beside(path)
    mean, std = (_vector(file) for file in pair)
    for file, vector in zip(pair, (mean, std), strict=True):
        if vector.shape != (features,):
            raise UserError(f"{file}: statistics of shape {list(vector.shape)}, the model reads [{features}]")
    return Normalizer(mean, std)


def read_settings(path: Path, name: str) -> dict[str, Any] | None:
    """A JSON file of settings beside the checkpoint, None without one; UserError if it is damaged."""
    file = path.parent / name
    if not file.is_file():
        return None
    settings = read_json(file)
    if not isinstance(settings, dict):
        raise UserError(f"{file}: expected an object of settings")
    return settings


def _beside(path: Path) -> tuple[Path, Path]:
    folder = path if path.is_dir() else path.parent
    for place in (folder, folder.parent):
        for pattern in STATISTICS:
            pair = place / pattern.format("mean"), place / pattern.format("std")
            if all(file.is_file() for file in pair):
                return pair
    raise UserError(f"{path}: no meta/mean.npy and meta/std.npy beside it; give --mean FILE and --std FILE")


def _vector(file: Path) -> Tensor:
    if file.suffix == ".npy":
        return torch.from_numpy(np.asarray(read_array(file), dtype=np.float32))
    return read_tensor(file).float()
