"""The small checkpoints that come with the package, trained by `make checkpoints` on the procedural corpus."""

from __future__ import annotations

from pathlib import Path

from sopo.errors import UserError

CHECKPOINTS = Path(__file__).parents[1] / "checkpoints"


def shipped(name: str, checkpoints: Path = CHECKPOINTS) -> Path:
    """Folder of a shipped model: ``generator``, ``reward`` or ``evaluator``."""
    folder = checkpoints / name
    if not (folder / "config.json").is_file():
        raise UserError(f"{folder}: the shipped {name} is missing; reinstall, or train it with `make checkpoints`")
    return folder
