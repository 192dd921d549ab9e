"""Model folders on disk, shipped or from the hub, and their config.json."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from sopo.errors import UserError, reason
from sopo.json_files import read_json
from sopo.settings import shown

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"
FILES = [f"{folder}{name}" for folder in ("", "*/") for name in (CONFIG_FILE, WEIGHTS_FILE)]  # of a model and its parts
CHECKPOINTS = Path(__file__).parent / "checkpoints"  # what `make checkpoints` trained, in the package
MAX_CONFIG = 1 << 20  # bytes
HUB_NAME = re.compile(r"\w[\w.-]*/\w[\w.-]*")


def local_folder(name: str | Path) -> Path:
    """A folder as it is; ``shipped/NAME``, the package's own; ``org/name``, from the Hugging Face hub or its cache.

    A name whose first part is a folder here is a path, mistyped or not: no network is asked. Raises UserError if
    nothing of that name is shipped, or the hub does not answer or has no such model.
    """
    folder = Path(name)
    if folder.exists() or not HUB_NAME.fullmatch(str(name)) or Path(folder.parts[0]).exists():
        return folder
    if folder.parts[0] == "shipped":
        return shipped(folder.name)
    from huggingface_hub import snapshot_download  # takes a while to import, and is rarely needed

    try:
        return Path(snapshot_download(str(name), allow_patterns=FILES))
    # Its errors are of many libraries.
    except Exception as error:
        why = f"the Hugging Face hub does not give it ({reason(error)})"
        raise UserError(f"{name}: no such folder, and {why}") from error


def shipped(name: str, checkpoints: Path = CHECKPOINTS) -> Path:
    """The folder of a checkpoint that comes with the package; UserError lists what there is."""
    if not (checkpoints / name / CONFIG_FILE).is_file():
        names = ", ".join(sorted(path.parent.name for path in checkpoints.glob(f"*/{CONFIG_FILE}"))) or "nothing"
        raise UserError(f"{name!r} is not among the checkpoints of {checkpoints}: there is {names}")
    return checkpoints / name


def read_config(folder: Path) -> dict[str, Any]:
    """The entries of ``folder/config.json``; UserError if there are none to read."""
    path = folder / CONFIG_FILE
    if not path.is_file():
        raise UserError(f"{folder}: no {CONFIG_FILE} there; expected a folder written by save_pretrained")
    fields = read_json(path, MAX_CONFIG)
    if not isinstance(fields, dict):
        raise UserError(f"{path}: expected an object of settings")
    return fields


def read_kind(folder: str | Path) -> str:
    """The kind of model that a folder, or a name of ``local_folder``, holds; UserError if it does not say."""
    kind = read_config(local_folder(folder)).get("kind")
    if not isinstance(kind, str):
        raise UserError(f"{folder}: its {CONFIG_FILE} says kind is {shown(kind)}: not the word for a model")
    return kind
