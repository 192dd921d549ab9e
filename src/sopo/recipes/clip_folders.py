"""Folders of motions to look at: a data set, or files as ``sopo sample`` writes them; each clip with its warnings."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sopo.data.bodies import FAULTS, Array, faults, feature_faults, rotations_differ, some_frames
from sopo.data.captions import texts_of
from sopo.data.layout import FEATURES, IMPORT, SPLITS, MotionFolder, read_array
from sopo.errors import UserError
from sopo.json_files import read_object
from sopo.motion.decode import decode_joints
from sopo.motion.skeleton import SKELETONS, Skeleton
from sopo.viewer.sheet import SheetClip

LONGEST = 1200  # frames of a clip that are shown
NOTES = 4  # of an import that are shown
CAPTIONS = "captions.json"
KINDS = {kind: fault.some for kind, fault in FAULTS.items()} | {
    "unreadable": "the motion cannot be read",
    "no-captions": "the captions cannot be read",
    "long": f"only the first {LONGEST} frames are shown",
}


def open_motions(folder: Path) -> DataSet | Samples:
    """A data set in the HumanML3D layout, or a folder of .npy files; UserError if it is neither."""
    if (folder / FEATURES).is_dir():
        return DataSet(folder)
    if folder.is_dir() and any(folder.glob("*.npy")):
        return Samples(folder)
    raise UserError(f"{folder}: no motions to show; expected a data set ({FEATURES}/ ...) or .npy files of joints")


class DataSet:
    """A folder in the HumanML3D layout; what an import wrote of it is said too."""

    def __init__(self, root: Path) -> None:
        self.folder = MotionFolder(root)
        self.skeleton = self.folder.skeleton
        present = {path.stem: "" for path in sorted((root / FEATURES).glob("*.npy"))}
        self.splits = {key: split for split in SPLITS for key in self._listed(split)} or present
        if not self.splits:
            raise UserError(f"{root}: no clip in its splits or in {FEATURES}/")
        unlisted = len(present.keys() - self.splits.keys())
        self.notes = [f"{unlisted} clips of {FEATURES}/ are in no split, and not shown."] if unlisted else []
        self.notes += _import_notes(self.folder.imported)

    def _listed(self, split: str) -> tuple[str, ...]:
        return self.folder.ids(split) if split in self.folder.splits else ()

    @cached_property
    def _facts(self) -> dict[str, dict[str, str]]:
        return {key: {"source": source} for key, source in self.folder.sources().items()}

    def captions(self, key: str) -> tuple[str, ...]:
        try:
            return tuple(dict.fromkeys(line.caption.text for line in self.folder.captions(key)))
        except UserError:
            return ()

    def clip(self, key: str) -> SheetClip:
        captions, split, facts = self.captions(key), self.splits[key], self._facts.get(key, {})
        warnings = {} if captions else {"no-captions": ""}
        try:
            features = self.folder.features(key)
        except UserError as error:
            return SheetClip(key, None, captions, split, {"unreadable": str(error)}, facts)
        if len(features) < 2 or not np.isfinite(features).all():
            why = f"{len(features)} frames" if len(features) < 2 else "NaN or infinity"
            return SheetClip(key, None, captions, split, {"unreadable": why}, facts)
        joints, found = feature_faults(features, self.skeleton)
        if rotations_differ(some_frames(features)[None], self.skeleton)[0]:
            found.setdefault("disagrees", "rotations")
        return _clip(key, joints, warnings | found, captions, split, facts)


class Samples:
    """A folder of NAME.npy, joints [T, J, 3] or raw features [T, D], with captions.json if there is one."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.notes: list[str] = []
        self._told = read_object(root / CAPTIONS)
        self.splits = {path.stem: self._split(path.stem) for path in sorted(root.glob("*.npy"))}
        self.skeleton = self._skeleton()

    def _skeleton(self) -> Skeleton:
        """That of the first file that fits one."""
        for key in self.splits:
            try:
                shape = read_array(self.root / f"{key}.npy").shape
            except UserError:
                continue
            for skeleton in SKELETONS:
                if shape[1:] in ((skeleton.num_joints, 3), (skeleton.num_features,)):
                    return skeleton
        raise UserError(f"{self.root}: no .npy file holds joints [T, J, 3] or features [T, D] of a known body")

    def _split(self, key: str) -> str:
        told = self._told.get(key)
        return str(told.get("split", "")) if isinstance(told, dict) else ""

    def captions(self, key: str) -> tuple[str, ...]:
        return texts_of(self._told.get(key))

    def clip(self, key: str) -> SheetClip:
        captions, split = self.captions(key), self.splits[key]
        try:
            joints = self._joints(key)
        except UserError as error:
            return SheetClip(key, None, captions, split, {"unreadable": str(error)})
        found = faults(joints, self.skeleton, recorded=False) if np.isfinite(joints).all() else {}
        return _clip(key, joints, found, captions, split, {})

    def _joints(self, key: str) -> Array:
        array = read_array(self.root / f"{key}.npy")
        with np.errstate(over="ignore"):  # what becomes infinite is said to be so
            array = array.astype(np.float32)
        if len(array.shape) and len(array) and array.shape[1:] == (self.skeleton.num_joints, 3):
            return array
        if len(array.shape) and len(array) and array.shape[1:] == (self.skeleton.num_features,):
            return decode_joints(torch.from_numpy(array), self.skeleton).numpy()
        raise UserError(f"shape {list(array.shape)}; expected joints or features of {self.skeleton.name}")


def _import_notes(imported: dict[str, Any]) -> list[str]:
    skipped, notes = imported.get("skipped"), imported.get("notes")
    lines = [str(note) for note in notes] if isinstance(notes, list) else []
    shown = lines[:NOTES] + [f"{len(lines) - NOTES} more notes of the import: {IMPORT}."] * (len(lines) > NOTES)
    left_out = len(skipped) if isinstance(skipped, dict | list) else 0
    return shown + [f"The import left {left_out} files out: {IMPORT} says why."] * (left_out > 0)


def _clip(
    key: str, joints: Array, warnings: dict[str, str], captions: tuple[str, ...], split: str, facts: Mapping[str, str]
) -> SheetClip:
    if not np.isfinite(joints).all():
        return SheetClip(key, None, captions, split, {"unreadable": "NaN or infinity"}, facts)
    if len(joints) > LONGEST:
        warnings = warnings | {"long": f"of {len(joints)}"}
    return SheetClip(key, joints[:LONGEST], captions, split, warnings, facts)
