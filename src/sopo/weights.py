"""Safetensors files: what they say they hold, read before anything is made of it, and their tensors."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

from sopo.errors import UserError, reason
from sopo.settings import shown

MAX_HEADER = 1 << 23  # bytes: tens of thousands of tensors
FLOATS = {"F16": torch.float16, "BF16": torch.bfloat16, "F32": torch.float32, "F64": torch.float64}


class Entry(NamedTuple):
    """A tensor as the header describes it."""

    dtype: str
    shape: tuple[int, ...]


def read_header(path: Path) -> dict[str, Entry]:
    """Name -> type and shape of the tensors of a file, by its header alone.

    Raises UserError if it is missing, truncated, not safetensors, or places tensors beside or over one another.
    """
    if not path.is_file():
        raise UserError(f"{path}: weights are missing")
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
        if length > min(MAX_HEADER, path.stat().st_size - 8):
            raise ValueError(f"a header of {length} bytes")
        with safe_open(path, "pt") as file:
            slices = ((name, file.get_slice(name)) for name in file.keys())  # noqa: SIM118
            return {name: Entry(part.get_dtype(), tuple(part.get_shape())) for name, part in slices}
    except (SafetensorError, OSError, ValueError, OverflowError) as error:
        raise _damaged(path, error) from error


def read_weights(path: Path) -> dict[str, Tensor]:
    """Tensors of a safetensors file; UserError if it is missing, truncated or not safetensors."""
    read_header(path)
    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        raise _damaged(path, error) from error


def check_weights(expected: Mapping[str, Tensor], found: Mapping[str, Entry | Tensor], source: str) -> None:
    """UserError that names the first few tensors that are missing, too many, or of another shape or type."""
    missing = sorted(set(expected) - set(found))
    unexpected = sorted(set(found) - set(expected))
    both = [name for name in expected if name in found]
    problems = [f"missing {missing[:3]}"] * bool(missing)
    problems += [f"unexpected {shown(unexpected)}"] * bool(unexpected)
    problems += [
        f"{name} is {shown(list(found[name].shape))}, expected {list(expected[name].shape)}"
        for name in both
        if tuple(found[name].shape) != tuple(expected[name].shape)
    ][:3]
    problems += [
        f"{name} holds {found[name].dtype}, expected {expected[name].dtype}"
        for name in both
        if not _fits(found[name].dtype, expected[name].dtype)
    ][:3]
    if problems:
        raise UserError(f"{source}: {'; '.join(problems)}")


def load_weights(model: nn.Module, tensors: Mapping[str, Tensor], source: str) -> None:
    """Strict load: every name, shape and type must fit (``check_weights``), and every number be finite."""
    check_weights(model.state_dict(), tensors, source)
    if spoilt := [name for name, tensor in tensors.items() if not tensor.isfinite().all()]:
        raise UserError(f"{source}: {spoilt[0]} holds NaN or infinity; the model has diverged, or the file is damaged")
    try:
        model.load_state_dict(tensors)
    except UserError as error:  # of a module that knows what its numbers may be
        raise UserError(f"{source}: {error}") from error


def _fits(found: str | torch.dtype, expected: torch.dtype) -> bool:
    """Floating point of any width does, for it is converted on the way in."""
    dtype = FLOATS.get(found) if isinstance(found, str) else found
    return dtype == expected or (dtype in FLOATS.values() and expected.is_floating_point)


def _damaged(path: Path, error: Exception) -> UserError:
    return UserError(f"{path}: truncated or not a safetensors file ({reason(error)})")
