"""A motion of AMASS or HumanAct12 -> the clips that a data set cuts out of it, and their mirror images."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from sopo.data.official.amass import Load
from sopo.data.official.unfinished import Unfinished
from sopo.errors import UserError
from sopo.formats.body_model import BodyModel
from sopo.formats.npz import parse_npy
from sopo.formats.smpl import SmplMotion, read_motion
from sopo.motion.decode import decode_joints
from sopo.motion.encode import encode_joints
from sopo.motion.mirror import mirror_joints
from sopo.motion.skeleton import HUMANML3D, Skeleton

HUMANACT12 = "humanact12/"  # keys of the motions that come as joints

Bodies = Mapping[str, BodyModel]  # by gender
JointsOf = Callable[[SmplMotion, Bodies, Skeleton], NDArray[np.float64]]


@dataclass(frozen=True)
class Cut:
    """A clip: frames ``start`` to ``stop`` (None: the end) of a motion, at the data set's rate."""

    name: str
    key: str
    start: int = 0
    stop: int | None = None


def by_motion(cuts: Iterable[Cut]) -> dict[str, tuple[Cut, ...]]:
    """The cuts of each motion, by its key."""
    found: dict[str, list[Cut]] = {}
    for cut in cuts:
        found.setdefault(cut.key, []).append(cut)
    return {key: tuple(same) for key, same in found.items()}


@dataclass(frozen=True)
class Maker:
    """Makes the clips of a data set. ``joints_of``: its rule from poses to joints; ``cuts``: by their motion's key."""

    folder: Unfinished
    skeleton: Skeleton
    bodies: Bodies
    joints_of: JointsOf
    cuts: Mapping[str, tuple[Cut, ...]]

    def of(self, load: Load) -> list[Cut]:
        """The clips that a load is for."""
        return [cut for key in sorted(load.keys) for cut in self.cuts[key]]

    def __call__(self, load: Load) -> Iterator[tuple[str, str]]:
        """Write the clips of a load; (name, "") for each that is there now, (name, why not) for the others."""
        for key, source, label in load.motions():
            try:
                if source is None:
                    raise UserError(label)
                joints = self._read(key, source, label)
            except UserError as error:
                yield from ((cut.name, str(error)) for cut in self.cuts[key])
                continue
            for cut in self.cuts[key]:
                yield cut.name, self._make(cut, joints)

    def _read(self, key: str, source: Path | BytesIO, label: str) -> NDArray[np.float64]:
        if not key.startswith(HUMANACT12):
            return self.joints_of(read_motion(source, label), self.bodies, self.skeleton)
        data = source.read_bytes() if isinstance(source, Path) else source.getvalue()
        joints = parse_npy(data, label)
        if joints.ndim != 3 or joints.shape[1] < HUMANML3D.num_joints or joints.shape[2] != 3:
            raise UserError(f"{label}: has shape {list(joints.shape)}, expected joints [T, 24, 3]")
        return joints[:, : HUMANML3D.num_joints].astype(np.float64)

    def _make(self, cut: Cut, joints: NDArray[np.float64]) -> str:
        """Both sides of a clip on disk, or why it is none."""
        part = joints[cut.start : cut.stop]
        try:
            sides = {
                f"{prefix}{cut.name}": encode_joints(side, self.skeleton, published=True)
                for prefix, side in (("", part), ("M", mirror_joints(part, self.skeleton)))
            }
        except UserError as error:
            return str(error)
        for key, features in sides.items():
            self.folder.write_clip(key, features, decode_joints(torch.from_numpy(features), self.skeleton).numpy())
        return ""


def upright(positions: NDArray[np.float64]) -> NDArray[np.float64]:
    """AMASS's Z up -> Y up, [T, J, 3]."""
    return positions[..., [0, 2, 1]] * (-1, 1, 1)
