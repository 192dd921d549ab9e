"""The HumanML3D / KIT-ML folder: reading it, and the writers that importers share.

new_joint_vecs/ID.npy [T, D]   texts/ID.txt   train.txt val.txt test.txt   Mean.npy Std.npy [D]
new_joints/ID.npy [T, J, 3] and corpus.jsonl (what is known of each clip) are optional.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sopo.data.captions import CaptionLine, read_captions, write_captions
from sopo.errors import UserError, reason
from sopo.formats.npz import read_npy, read_npy_header
from sopo.json_files import read_json_lines, read_object, read_utf8
from sopo.motion.skeleton import Skeleton, skeleton_for_features

FEATURES, JOINTS, TEXTS = "new_joint_vecs", "new_joints", "texts"
MEAN, STD, METADATA = "Mean.npy", "Std.npy", "corpus.jsonl"
IMPORT = "import.json"  # of `sopo data import`: what was taken from where, and what was not
SPLITS = ("train", "val", "test")

Array = NDArray[np.float32]


class MotionFolder:
    """A data set on disk, read lazily. Raises UserError, one line, for whatever is missing or damaged."""

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)
        if not self.root.is_dir():
            raise UserError(f"{self.root}: no such folder; expected a data set in the HumanML3D layout")
        for part in (FEATURES, TEXTS):
            if not (self.root / part).is_dir():
                packed = self.root / f"{part}.zip"
                remedy = f"unzip {packed.name} there" if packed.is_file() else "is this a HumanML3D-style folder?"
                raise UserError(f"{self.root}: no {part}/ folder inside; {remedy}")

    @property
    def splits(self) -> tuple[str, ...]:
        """Those of train, val and test that have a list."""
        return tuple(split for split in SPLITS if (self.root / f"{split}.txt").is_file())

    def ids(self, split: str) -> tuple[str, ...]:
        """Clips listed in ``split.txt``, each once, in file order."""
        path = self.root / f"{split}.txt"
        if not path.is_file():
            raise UserError(f"{path}: no such split; the folder has {', '.join(self.splits) or 'none'}")
        return tuple(dict.fromkeys(line.strip() for line in read_utf8(path).splitlines() if line.strip()))

    def captions(self, key: str) -> tuple[CaptionLine, ...]:
        """The clip's caption lines, at least one."""
        return read_captions(self.root / TEXTS / f"{key}.txt")

    def features_path(self, key: str) -> Path:
        return self.root / FEATURES / f"{key}.npy"

    def features(self, key: str) -> Array:
        """[T, D] float32, raw (not normalised)."""
        path = self.features_path(key)
        return _checked(path, read_array(path), (None, self.skeleton.num_features))

    def joints(self, key: str) -> Array:
        """[T, J, 3] float32, in the skeleton's units, Y up."""
        path = self.root / JOINTS / f"{key}.npy"
        return _checked(path, read_array(path), (None, self.skeleton.num_joints, 3))

    @cached_property
    def mean(self) -> Array:
        """[D] of the raw features."""
        return _checked(self.root / MEAN, read_array(self.root / MEAN), (None,))

    @cached_property
    def std(self) -> Array:
        """[D] of the raw features, all above 0."""
        path = self.root / STD
        std = _checked(path, read_array(path), (len(self.mean),))
        if not (np.isfinite(std).all() and (std > 0).all()):
            raise UserError(f"{path}: has entries that are 0, negative or not finite; recompute the statistics")
        return std

    @cached_property
    def skeleton(self) -> Skeleton:
        """The body whose features these are, told by their number."""
        return skeleton_for_features(len(self.mean))

    @property
    def imported(self) -> dict[str, Any]:
        """``import.json``, an object; empty if the data set was not imported."""
        return read_object(self.root / IMPORT)

    def sources(self) -> dict[str, str]:
        """Clip -> where an import took it from, of those that it noted."""
        taken = self.imported.get("taken")
        entries = [entry for entry in taken if isinstance(entry, dict)] if isinstance(taken, list) else []
        return {str(entry.get("id")): str(entry["source"]) for entry in entries if "source" in entry}

    def metadata(self) -> dict[str, dict[str, Any]]:
        """``corpus.jsonl`` by clip id (each line an object with "id"); empty if the data set has none."""
        path = self.root / METADATA
        if not path.is_file():
            return {}
        entries: dict[str, dict[str, Any]] = {}
        for where, entry in read_json_lines(path):
            if not isinstance(entry, dict) or not isinstance(entry.get("id"), str):
                raise UserError(f"{where}: expected a JSON object with an 'id'")
            entries[entry["id"]] = entry
        return entries


def read_array(path: Path) -> NDArray[Any]:
    """A .npy file of numbers, never unpickled; UserError if it is missing, damaged or holds anything else."""
    array = read_npy(path)
    if array.dtype.kind not in "fiu":
        raise UserError(f"{path}: holds {array.dtype} values, expected numbers")
    return array


def clip_length(path: Path) -> int | None:
    """Frames of a .npy clip by its header alone; None without such a file. UserError if it is damaged."""
    try:
        with path.open("rb") as file:
            shape = read_npy_header(file, str(path))[0]
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({reason(error)})") from error
    if not shape:
        raise UserError(f"{path}: holds a single number, expected [T, D]")
    return int(shape[0])


def _checked(path: Path, array: NDArray[Any], shape: tuple[int | None, ...]) -> Array:
    matches = array.ndim == len(shape) and all(
        want in (None, have) for want, have in zip(shape, array.shape, strict=True)
    )
    if not matches:
        wanted = ", ".join("T" if size is None else str(size) for size in shape)
        raise UserError(f"{path}: has shape {list(array.shape)}, expected [{wanted}]")
    return np.ascontiguousarray(array, dtype=np.float32)


@contextmanager
def staged_folder(root: str | Path) -> Iterator[Path]:
    """A hidden folder beside ``root`` to write into; it becomes ``root`` at the end, or vanishes on an error.

    Raises UserError if ``root`` exists already and is not an empty folder.
    """
    root = Path(root)
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise UserError(f"{root}: exists already; choose another output folder or remove it")
    try:
        root.parent.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=f".{root.name}-", dir=root.parent))
    except OSError as error:
        raise UserError(f"{root}: cannot be created ({error.strerror})") from error
    try:
        for part in (FEATURES, JOINTS, TEXTS):
            (staging / part).mkdir()
        yield staging
        staging.chmod(0o755)
        staging.replace(root)
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise


def write_clip(
    root: Path, key: str, features: Array, captions: Iterable[CaptionLine], joints: Array | None = None
) -> None:
    """One clip into a (staged) folder: features [T, D] raw, joints [T, J, 3]."""
    np.save(root / FEATURES / f"{key}.npy", np.asarray(features, dtype=np.float32))
    if joints is not None:
        np.save(root / JOINTS / f"{key}.npy", np.asarray(joints, dtype=np.float32))
    write_captions(root / TEXTS / f"{key}.txt", captions)


def write_split(root: Path, split: str, keys: Iterable[str]) -> None:
    """``split.txt``, one id a line."""
    (root / f"{split}.txt").write_text("".join(f"{key}\n" for key in keys), encoding="utf-8")


def write_statistics(root: Path, mean: Array, std: Array) -> None:
    """Mean.npy and Std.npy, [D] each."""
    np.save(root / MEAN, np.asarray(mean, dtype=np.float32))
    np.save(root / STD, np.asarray(std, dtype=np.float32))


def write_metadata(root: Path, entries: Iterable[dict[str, Any]]) -> None:
    """corpus.jsonl: what is known of each clip, an object with "id" a line."""
    lines = (json.dumps(entry, ensure_ascii=False) + "\n" for entry in entries)
    (root / METADATA).write_text("".join(lines), encoding="utf-8")
