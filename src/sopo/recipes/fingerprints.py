"""What a file was made from, as hashes: to tell whether two runs saw the same model and the same data."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from sopo.data.layout import MEAN, STD
from sopo.errors import UserError
from sopo.folders import WEIGHTS_FILE, local_folder
from sopo.recipes.build import reward_terms


def model_hash(folder: str | Path) -> str:
    """sha256 of the weights in a model's folder."""
    return _sha256([local_folder(folder) / WEIGHTS_FILE])


def reward_hash(reward: str | Path) -> str:
    """The terms of a reward as ``load_reward`` takes it, with the hash of each one's weights; ``physical`` has none."""
    terms = [
        (weight, "physical" if name == "physical" else model_hash(name)) for weight, name in reward_terms(str(reward))
    ]
    return " + ".join(f"{weight:g}*{digest}" for weight, digest in terms)


def data_hash(root: str | Path, split: str) -> str:
    """sha256 of the list of a split's clips and of the statistics they are normalised by."""
    return _sha256([Path(root) / name for name in (f"{split}.txt", MEAN, STD)])


def files_hash(path: str | Path) -> str:
    """sha256 of a file, or of all files of a folder in the order of their names."""
    path = Path(path)
    return _sha256(sorted(part for part in path.rglob("*") if part.is_file()) if path.is_dir() else [path])


def _sha256(paths: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        if not path.is_file():
            raise UserError(f"{path}: no such file")
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()
