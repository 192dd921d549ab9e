"""Model folders, shipped or from the hub, and their config.json; folders that one process alone writes to."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from sopo.errors import UserError, reason
from sopo.json_files import read_json
from sopo.settings import shown

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"
FILES = [f"{folder}{name}" for folder in ("", "*/") for name in (CONFIG_FILE, WEIGHTS_FILE)]  # of a model and its parts
CHECKPOINTS = Path(__file__).parent / "checkpoints"  # what `make checkpoints` trained, in the package
PAIRS_FILE = "pairs.parquet"  # of a data set of pairs on the hub
MAX_CONFIG = 1 << 20  # bytes
HUB_NAME = re.compile(r"(?P<name>\w[\w.-]*/\w[\w.-]*)(@(?P<revision>[\w./-]+))?")


def local_folder(name: str | Path) -> Path:
    """A folder as it is; ``shipped/NAME``, the package's own; ``org/name``, from the Hugging Face hub or its cache.

    ``org/name@revision`` is that of a branch, a tag or a commit. A name whose first part is a folder here is a path,
    mistyped or not: no network is asked. Raises UserError if nothing of that name is shipped, or the hub does not
    answer or has no such model.
    """
    folder = Path(name)
    if not is_hub_name(name):
        return folder
    return shipped(folder.name) if folder.parts[0] == "shipped" else _snapshot(str(name), FILES, "model")


def local_pairs(name: str | Path) -> Path:
    """A file of pairs as it is; ``org/name`` or ``org/name@revision``, a data set of the hub that `sopo push` made."""
    return _snapshot(str(name), [PAIRS_FILE], "dataset") / PAIRS_FILE if is_hub_name(name) else Path(name)


def is_hub_name(name: str | Path) -> bool:
    """Whether it names what is on the hub (or shipped), and no path here."""
    path = Path(name)
    return not path.exists() and bool(HUB_NAME.fullmatch(str(name))) and not Path(path.parts[0]).exists()


def _snapshot(name: str, files: list[str], what: str) -> Path:
    from huggingface_hub import snapshot_download  # takes a while to import, and is rarely needed

    found = HUB_NAME.fullmatch(name)
    assert found
    try:
        return Path(snapshot_download(found["name"], revision=found["revision"], repo_type=what, allow_patterns=files))
    # Its errors are of many libraries.
    except Exception as error:
        why = f"the Hugging Face hub does not give it ({reason(error)})"
        raise UserError(f"{name}: no such {'folder' if what == 'model' else 'file'}, and {why}") from error


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


@contextmanager
def hold(folder: Path) -> Iterator[None]:
    """Write to a folder alone; UserError while another process does. A process that is killed holds nothing."""
    lock = FileLock(folder / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise UserError(f"{folder}: another process writes there; wait for it, or choose another folder") from error
    try:
        yield
    finally:
        lock.release()
