"""Checkpoint files of other people -> tensors; nothing that such a file holds is ever executed."""

from __future__ import annotations

import pickle
import re
import warnings
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.serialization import get_unsafe_globals_in_checkpoint, safe_globals

from sopo.errors import UserError
from sopo.weights import read_weights

Tree = Mapping[str, Any]
SHARED, MAX_DEPTH = 4, 3  # how often a file may tell the same numbers, and how deep
SUFFIXES = (".pt", ".pth", ".ckpt", ".tar", ".safetensors")

# Lightning keeps the run's settings beside the weights. Objects of these packages are read as blanks: the names
# are never looked up, let alone called. Any other name that asks to be called makes the file refused.
_SETTINGS = ("omegaconf", "pytorch_lightning", "lightning", "lightning_fabric", "argparse", "pathlib", "typing")
_PLAIN = {
    "collections.defaultdict",
    *(f"builtins.{n}" for n in ("dict", "list", "tuple", "int", "float", "str", "bool")),
}


def read_checkpoint(path: Path) -> Tree:
    """What a .pt, .pth, .ckpt, .tar or .safetensors file holds, on the CPU: a dict with tensors at its leaves.

    Raises UserError if the file is missing, empty, truncated, no dict, or asks to execute anything.
    """
    if path.is_dir():
        inside = ", ".join(sorted(file.name for file in path.iterdir() if file.suffix in SUFFIXES)[:5])
        raise UserError(f"{path}: a folder; name the checkpoint inside ({inside or 'none is there'})")
    if not path.is_file():
        raise UserError(f"{path}: no such file; expected a checkpoint ({', '.join(SUFFIXES)})")
    tree = read_weights(path) if path.suffix == ".safetensors" else _read_torch(path)
    if not isinstance(tree, dict):
        raise UserError(f"{path}: holds a {type(tree).__name__}, expected a dict of tensors (a state_dict)")
    # A tensor's rows may be one row of the file many times over, and several tensors the same ones.
    if (total := sum(tensor.nbytes for tensor in _tensors(tree))) > SHARED * path.stat().st_size:
        raise UserError(f"{path}: refused, its tensors are {total >> 20} MiB, many times what the file holds")
    return tree


def _tensors(tree: Tree, depth: int = 0) -> Iterator[Tensor]:
    """Those at the leaves, a few dicts deep; a dict may hold itself."""
    for part in tree.values():
        if isinstance(part, Tensor):
            yield part
        elif isinstance(part, dict) and depth < MAX_DEPTH:
            yield from _tensors(part, depth + 1)


def read_tensor(path: Path) -> Tensor:
    """The one tensor of a .pt file; UserError if it holds anything else."""
    tensor = _read_torch(path) if path.is_file() else None
    if not isinstance(tensor, Tensor):
        raise UserError(f"{path}: missing, or not a file of a single tensor")
    return tensor


def tensors_of(tree: Tree, path: Path, *names: str) -> dict[str, Tensor]:
    """The state_dict under the first of ``names`` that is there, else the tree itself; UserError if it is none."""
    found = next((tree[name] for name in names if name in tree), tree)
    if not isinstance(found, dict) or not found or not all(isinstance(part, Tensor) for part in found.values()):
        wanted = f" under {' or '.join(map(repr, names))}" * bool(names)
        raise UserError(
            f"{path}: no state_dict there{wanted}; it holds {', '.join(map(str, list(tree)[:5])) or 'nothing'}"
        )
    return dict(found)


class Sizes:
    """Sizes of a model read off the shapes of its tensors; UserError, naming the file, where one is missing."""

    def __init__(self, tensors: Mapping[str, Tensor], source: str) -> None:
        self.tensors, self.source = tensors, source

    def __call__(self, key: str, axis: int) -> int:
        """How long ``key`` is along ``axis``."""
        if key not in self.tensors or self.tensors[key].ndim <= axis:
            raise UserError(f"{self.source}: has no {key} of {axis + 1} or more axes: not the released model")
        return self.tensors[key].shape[axis]

    def count(self, prefix: str) -> int:
        """How many different numbers follow ``prefix``, such as layers."""
        return len({key.removeprefix(prefix).split(".")[0] for key in self.tensors if key.startswith(prefix)})


class _Blank:
    """Stands for an object whose class is not wanted: takes whatever it is given and does nothing."""

    def __init__(self, *ignored: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        pass


def _read_torch(path: Path) -> Any:
    try:
        zipped = zipfile.is_zipfile(path)
        blanks = _blanks(get_unsafe_globals_in_checkpoint(path)) if zipped else []
        with safe_globals(blanks), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of other pickle protocols; what matters is refused below
            return torch.load(path, map_location="cpu", weights_only=True, mmap=zipped)
    # Damaged files raise nearly anything. What torch says of them is long, and advises to load them unsafely.
    except Exception as error:
        asked = re.search(r"GLOBAL (\S+)", str(error)) if isinstance(error, pickle.UnpicklingError) else None
        if asked:
            raise UserError(
                f"{path}: refused, because loading it would run {asked[1]}; where you trust it, load it with its own "
                "code and save the tensors alone: torch.save(model.state_dict(), FILE)"
            ) from error
        raise UserError(f"{path}: empty, truncated, or not a checkpoint that torch can load safely") from error


def _blanks(names: list[str]) -> list[Callable | tuple[Callable, str]]:
    """For torch.load: a stand-in under each name that belongs to mere settings."""
    found: list[Callable | tuple[Callable, str]] = []
    for name in names:
        if name in _PLAIN or name.split(".")[0] in _SETTINGS:
            # Lightning's AttributeDict is filled like the dict that it is.
            found.append((dict if name.endswith("AttributeDict") else _Blank, name))
    return found
