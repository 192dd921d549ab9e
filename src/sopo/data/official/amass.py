"""AMASS as people have it, archives or folders of any age -> its motions, each found by one name.

Archives are read once from front to back and never unpacked to disk.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import re
import tarfile
import zipfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import Any

from sopo.errors import UserError
from sopo.formats.npz import MAX_BYTES

# Folders as HumanML3D's index names them, and what AMASS calls them, or their archives, at other times.
SUBSETS: Mapping[str, tuple[str, ...]] = {
    "ACCAD": (),
    "BMLhandball": (),
    "BMLmovi": (),
    "BioMotionLab_NTroje": ("BMLrub",),
    "CMU": (),
    "DFaust_67": ("DFaust",),
    "EKUT": (),
    "Eyes_Japan_Dataset": (),
    "HumanEva": (),
    "KIT": (),
    "MPI_HDM05": ("HDM05",),
    "MPI_Limits": ("PosePrior",),
    "MPI_mosh": ("MoSh",),
    "SFU": (),
    "SSM_synced": ("SSM",),
    "TotalCapture": (),
    "Transitions_mocap": ("Transitions",),
    "humanact12": (),
    # Of AMASS, but nothing of them is in HumanML3D or KIT-ML.
    "TCD_handMocap": ("TCDHands",),
    "DanceDB": (),
    "GRAB": (),
    "HUMAN4D": (),
    "SOMA": (),
    "WEIZMANN": (),
    "CNRS": (),
    "MOYO": (),
}
_PACKERS: Mapping[str, Callable[..., Any]] = {
    ".bz2": bz2.open,
    ".tbz2": bz2.open,
    ".gz": gzip.open,
    ".tgz": gzip.open,
    ".xz": lzma.open,
    ".tar": open,
}
_LARGEST = 2 * MAX_BYTES  # of one file of motion
_DAMAGE = (OSError, EOFError, lzma.LZMAError, tarfile.TarError, zipfile.BadZipFile, ValueError, RuntimeError)
_LOOSE = 16  # files of a folder that make one load


def _squeezed(name: str, between: str) -> str:
    return re.sub(r"[^a-z0-9]+", between, name.lower())


_NAMES = {_squeezed(name, ""): subset for subset, others in SUBSETS.items() for name in (subset, *others)}


def subset_of(name: str) -> str | None:
    """The subset that a folder's or an archive's name stands for."""
    return _NAMES.get(_squeezed(name.split(".")[0], ""))


def motion_key(path: str) -> str:
    """One name for a motion, whatever release it is from: subset/subject/motion, of lower case and ``_``.

    "./pose_data/ACCAD/Male1_c3d/A1 - Stand_poses.npy" and "ACCAD/Male1_c3d/A1_-_Stand_poses.npz" are the same.
    """
    *folders, name = PurePosixPath(path.replace("\\", "/")).parts or ("",)
    known = [index for index, folder in enumerate(folders) if subset_of(folder)]
    if known:
        folders = [subset_of(folders[known[-1]]) or "", *folders[known[-1] + 1 :]]
    stem = name.removesuffix(".npz").removesuffix(".npy")
    return "/".join(_squeezed(part, "_") for part in (*folders, stem))


def subset_of_key(key: str) -> str:
    """The published name of the subset that a key belongs to."""
    return subset_of(key.split("/")[0]) or key.split("/")[0]


@dataclass(frozen=True)
class Load:
    """Work for one process: motions, by key, in some archives or in a few files of a folder."""

    archives: tuple[Path, ...]
    files: Mapping[str, Path]
    keys: frozenset[str]

    @property
    def label(self) -> str:
        return " and ".join(path.name for path in self.archives)

    def motions(self) -> Iterator[tuple[str, Path | BytesIO | None, str]]:
        """(key, file, its name for errors) of each key; (key, None, why not) of those that cannot be read."""
        for key, path in self.files.items():
            yield key, path, str(path)
        missing, reason = set(self.keys.difference(self.files)), f"not in {self.label}"
        for archive in self.archives:
            try:
                for key, data, name in _read_archive(archive, missing):
                    missing.remove(key)
                    yield key, BytesIO(data), f"{archive}: {name}"
                    if not missing:
                        return
            except UserError as error:
                reason = str(error)
        yield from ((key, None, reason) for key in sorted(missing))


def _read_archive(path: Path, wanted: Iterable[str]) -> Iterator[tuple[str, bytes, str]]:
    """(key, bytes, name) of the members that are wanted, in one pass. UserError if it is damaged, or of SMPL-X."""
    try:
        for name, size, read in _members(path):
            key = motion_key(name)
            if key.endswith("_stageii"):
                raise UserError(f"{path}: SMPL-X data; the official data sets are made of the SMPL+H G release")
            if key not in wanted or not name.endswith((".npz", ".npy")):
                continue
            if size > _LARGEST:
                raise UserError(f"{path}: {name} is above {_LARGEST >> 20} MiB")
            yield key, read(), name
    except _DAMAGE as error:
        raise UserError(f"{path}: damaged or truncated ({error}); download it again") from error


def _members(path: Path) -> Iterator[tuple[str, int, Callable[[], bytes]]]:
    """(name, size, reader) of the plain files in an archive; each must be read before the next is asked for."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            for info in archive.infolist():
                yield info.filename, info.file_size, partial(archive.read, info)
        return
    with _PACKERS[path.suffix](path, "rb") as raw, tarfile.open(fileobj=raw, mode="r|", bufsize=1 << 20) as tar:
        for member in tar:
            tar.members = []  # type: ignore[attr-defined]  # it would keep each, for as long as it goes on
            if member.isreg():
                file = tar.extractfile(member)
                assert file is not None  # a regular file
                yield member.name, member.size, file.read


class Motions:
    """What lies below a folder: archives of subsets, and loose files that end in ``suffix``."""

    def __init__(self, root: Path, suffix: str = ".npz") -> None:
        if not root.is_dir():
            raise UserError(f"{root}: no such folder; expected archives of motions (.tar.bz2) or their folders")
        self.loose: dict[str, Path] = {}
        self._archives: dict[str, list[Path]] = defaultdict(list)  # under "" those whose name is no subset's
        for path in sorted(root.rglob("[!.]*")):
            if path.suffix == suffix:
                self.loose.setdefault(motion_key(path.relative_to(root).as_posix()), path)
            elif path.suffix in (".tgz", ".tbz2", ".zip") or (".tar" in path.suffixes and path.suffix in _PACKERS):
                self._archives[subset_of(path.name) or ""].append(path)
        if not self.loose and not self._archives:
            raise UserError(f"{root}: no archive (.tar.bz2) and no {suffix} file in it or below")

    def loads(self, keys: Iterable[str]) -> tuple[list[Load], list[str]]:
        """How to read the motions ``keys``, largest archives first, and the keys that nothing here can hold."""
        loose: list[str] = []
        packed: dict[str, list[str]] = defaultdict(list)
        for key in keys:
            subset = subset_of_key(key)
            (loose if key in self.loose else packed[subset if subset in self._archives else ""]).append(key)
        absent = packed.pop("", []) if "" not in self._archives else []
        loads = [Load(tuple(self._archives[subset]), {}, frozenset(names)) for subset, names in packed.items() if names]
        loads.sort(key=lambda load: -sum(path.stat().st_size for path in load.archives))
        for start in range(0, len(loose), _LOOSE):
            some = loose[start : start + _LOOSE]
            loads.append(Load((), {key: self.loose[key] for key in some}, frozenset(some)))
        return loads, absent
