"""Where a published text model lies: in the user's folder, the hub's cache, or on the hub if there is a network."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

from sopo.errors import UserError, reason

SAFE, BIN = "model.safetensors", "pytorch_model.bin"
TEXTS = ("*.json", "*.txt", "*.model")  # settings, vocabularies
BLOB = re.compile(r"[0-9a-f]{64}")  # a large file in the hub's cache is called by its SHA-256


def model_folder(hub: str, models: Path | None = None) -> Path:
    """The folder of the model ``org/name``, weights included.

    models: the user's folder, with a folder for each model, called by the last part of its name. Where it is given
    nothing else is looked at. Raises UserError with the command that downloads the model.
    """
    name = hub.split("/")[-1]
    if models is not None:
        if not weights_of(models / name):
            raise UserError(f"{models / name}: no text model there; hf download {hub} --local-dir {models / name}")
        return models / name
    return _cached(hub) or _downloaded(hub)


def weights_of(folder: Path) -> Path | None:
    """The weights in a model's folder, safetensors before ``pytorch_model.bin``; None if there are none."""
    return next((folder / name for name in (SAFE, BIN) if (folder / name).is_file()), None)


def version_of(folder: Path) -> str:
    """What tells a model's weights from others: of their SHA-256 the first 16 digits."""
    weights = weights_of(folder)
    assert weights is not None, folder
    if BLOB.fullmatch(called := weights.resolve().name):
        return called[:16]
    with weights.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def _cached(hub: str) -> Path | None:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        folder = Path(snapshot_download(hub, local_files_only=True))
    except LocalEntryNotFoundError:
        return None
    return folder if weights_of(folder) else None


def _downloaded(hub: str) -> Path:
    from huggingface_hub import HfApi, snapshot_download

    try:
        return Path(snapshot_download(hub, allow_patterns=_wanted(HfApi().list_repo_files(hub))))
    # Its errors are of many libraries.
    except Exception as error:
        name = hub.split("/")[-1]
        raise UserError(
            f"{hub}: not in the hub's cache, and the hub does not give it ({reason(error)}); where there is a network:"
            f" hf download {hub} --local-dir DIR/{name}, then --text_models DIR"
        ) from error


def _wanted(files: Sequence[str]) -> list[str]:
    """Of a repository's files settings and vocabularies, and each part's weights in one form."""
    weights = [file for file in files if file.endswith((SAFE, BIN)) and file.count("/") < 2]
    safe = {file.removesuffix(SAFE) for file in weights if file.endswith(SAFE)}
    return [*TEXTS, *(file for file in weights if file.endswith(SAFE) or file.removesuffix(BIN) not in safe)]
