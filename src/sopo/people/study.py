"""A study's folder: ``study.db``, the store of what is asked and answered, and ``motions/NAME.npy``."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from sopo.data.layout import read_array
from sopo.errors import UserError, reason
from sopo.motion.decode import decode_joints
from sopo.motion.skeleton import SKELETONS, Skeleton, skeleton_for_features
from sopo.people.store import Store
from sopo.preference.labels import Label, read_labels, write_labels
from sopo.settings import shown
from sopo.viewer.page import quantise

DATABASE, MOTIONS = "study.db", "motions"
PLACE = re.compile(rf"{MOTIONS}/[\w-]+\.npy")


class Study:
    """A folder of pairs and answers. Raises UserError if there is none, or it was not finished."""

    def __init__(self, folder: str | Path, unfinished: bool = False) -> None:
        self.folder = Path(folder)
        self.store = Store(self.folder / DATABASE)
        features = self.store.setting("features")
        if type(features) is not int:
            raise UserError(f"{self.folder}: the study does not say of which body it is; make it again")
        self.skeleton = skeleton_for_features(features)
        if not (unfinished or self.store.setting("complete")):
            raise UserError(f"{self.folder}: the study is not finished; give its `sopo label make` once more")

    @classmethod
    def make(cls, folder: str | Path, skeleton: Skeleton, settings: Mapping[str, Any]) -> Study:
        """The study in ``folder``, begun with ``settings`` if there is none yet. Raises UserError if it cannot be."""
        folder = Path(folder)
        try:
            (folder / MOTIONS).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"{folder}: cannot be made ({reason(error)})") from error
        store = Store(folder / DATABASE, new=True)
        if store.setting("features") is None:
            store.set({"features": skeleton.num_features, **settings})
        store.close()
        return cls(folder, unfinished=True)

    def save(self, name: str, motion: NDArray) -> str:
        """Write raw features [T, D] or joints [T, J, 3]; the place that a pair names it by."""
        place = f"{MOTIONS}/{name}.npy"
        staging = self.folder / MOTIONS / f".{name}.partial.npy"
        try:
            np.save(staging, np.asarray(motion, dtype=np.float32))
            staging.replace(self.folder / place)
        except OSError as error:
            raise UserError(f"{self.folder / place}: cannot be written ({reason(error)})") from error
        return place

    def joints(self, place: str) -> NDArray:
        """[T, J, 3] of a motion, in the skeleton's units; UserError also where its place is not in this folder."""
        if not PLACE.fullmatch(place):
            raise UserError(f"{self.folder}: {shown(place)} is no motion of the study")
        return as_joints(read_array(self.folder / place), self.folder / place, self.skeleton)

    def drawable(self, place: str) -> dict[str, Any]:
        """A motion as pages take it."""
        return quantise(self.joints(place), self.skeleton)


def as_joints(array: NDArray, where: Path | str, skeleton: Skeleton) -> NDArray:
    """Raw features [T, D] or joints [T, J, 3] -> joints; UserError if they are neither, empty or not finite."""
    if not (len(array.shape) > 1 and len(array) and np.isfinite(array).all()):
        raise UserError(f"{where}: shape {list(array.shape)}, or values that are not finite")
    if array.shape[1:] == (skeleton.num_joints, 3):
        return array
    if array.shape[1:] != (skeleton.num_features,):
        expected = f"[T, {skeleton.num_features}] or [T, {skeleton.num_joints}, 3]"
        raise UserError(f"{where}: shape {list(array.shape)}, expected {expected}: one study shows one body")
    return decode_joints(torch.from_numpy(np.asarray(array, dtype=np.float32)), skeleton).numpy()


def skeleton_of(array: NDArray, where: Path | str) -> Skeleton:
    """The body that an array of features or joints is of."""
    for skeleton in SKELETONS:
        if array.shape[1:] in ((skeleton.num_joints, 3), (skeleton.num_features,)):
            return skeleton
    raise UserError(f"{where}: shape {list(array.shape)}; expected features or joints of a known body")


def answers(path: Path) -> list[Label]:
    """The labels of a study's folder, or of a file of them; UserError if there are none."""
    labels = read_labels(path) if path.is_file() else Study(path, unfinished=True).store.labels()
    if not labels:
        raise UserError(f"{path}: nobody has answered yet; `sopo label serve {path}` asks")
    return labels


def export(folder: Path, out: Path) -> str:
    """Write the answers of a study as .jsonl or .parquet; a line that says how many."""
    labels = answers(folder)
    write_labels(out, labels)
    said = Counter(label.preferred for label in labels)
    counts = ", ".join(f"{count} {answer.replace('_', ' ')}" for answer, count in said.most_common())
    return f"{len(labels)} answers of {len({label.annotator for label in labels})} people ({counts}): {out}"
