"""Checkpoints that appear whole or not at all, and are read without executing anything."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch

from sopo.errors import UserError


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write ``state`` (tensors, numbers, strings in plain containers) beside ``path``, then rename."""
    path.parent.mkdir(parents=True, exist_ok=True)
    staging = path.with_name(f".{path.name}.partial")
    with staging.open("wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())
    staging.replace(path)


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint through ``weights_only`` loading; UserError if it is truncated or not one of ours."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        if not isinstance(state, dict):
            raise TypeError(f"holds a {type(state).__name__}")
    except Exception as error:  # torch's restricted unpickler meets malformed bytes with nearly any of them
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(f"{path}: truncated or not a checkpoint ({reason}); delete it to start anew") from error
    return state
