"""Recordings of published code: the folder of them, and with what settings each was made.

The folder is ../shared/parity, or that of ``pytest --parity DIR``. A test of what is not there is skipped, by name.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

Numbers = dict[str, Tensor]


def each(argument: str, pattern: str, *expected: str) -> pytest.MarkDecorator:
    """A test for each recording of that pattern, by its name without suffix: the expected, and whatever others."""
    return pytest.mark.recordings(argument, pattern, expected)


@dataclass(frozen=True)
class Recordings:
    """Files by their names inside the folder, such as ``mld/scheduler.npz``; * may stand for a number in a name."""

    folder: Path

    def names(self, pattern: str) -> list[str]:
        """The recordings of that pattern, without suffix."""
        return sorted(file.relative_to(self.folder).with_suffix("").as_posix() for file in self.folder.glob(pattern))

    def path(self, name: str) -> Path:
        found = sorted(self.folder.glob(name))
        if not found:
            pytest.skip(f"{self.folder} has no {name}")
        return found[0]

    def arrays(self, name: str) -> dict[str, np.ndarray]:
        with np.load(self.path(name), allow_pickle=False) as file:
            return dict(file)

    def array(self, name: str) -> np.ndarray:
        return np.load(self.path(name), allow_pickle=False)

    def numbers(self, name: str) -> Numbers:
        """As tensors, in 64 bits: what was recorded in 32 is compared with what roundings do not spoil again."""
        arrays = {key: array for key, array in self.arrays(name).items() if array.dtype.kind != "U"}
        return {key: torch.from_numpy(array).to(_wide(array)) for key, array in arrays.items()}

    def weights(self, name: str) -> Numbers:
        return load_file(self.path(name))

    def json(self, name: str) -> Any:
        return json.loads(self.path(name).read_text())

    def setting(self, network: str, name: str, published: Any) -> Any:
        """What ``configs.json`` says of a network that its weights do not show; the published value without it."""
        folder, _, entry = network.rpartition("/")
        file = self.folder / folder / "configs.json"
        said = json.loads(file.read_text()) if file.is_file() else {}
        config = said.get(entry, said.get(entry.removeprefix("tiny_"), {}))
        return config.get("config", config).get(name, published)


def _wide(array: np.ndarray) -> torch.dtype:
    return {"f": torch.float64, "b": torch.bool}.get(array.dtype.kind, torch.int64)


def variants(recordings: Recordings, pattern: str, expected: Sequence[str]) -> list[str]:
    """What a test of ``each`` runs on: the absent among the expected too, which it will skip."""
    return [*expected, *(name for name in recordings.names(pattern) if name not in expected)]


def numbered(keys: Any, pattern: str) -> Iterator[tuple[Any, ...]]:
    """Of the keys that are ``pattern`` with {} for a number: the key and its numbers (``logits_scale{}_q{}``)."""
    form = re.compile(re.escape(pattern).replace(r"\{\}", r"(\d+(?:\.\d+)?)"))
    for key in keys:
        if found := form.fullmatch(key):
            yield key, *(float(number) if "." in number else int(number) for number in found.groups())
