"""Motions on disk, a file for each format asked for: the one table of formats, for ``sample`` and ``data export``."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sopo.errors import UserError
from sopo.formats.bvh_write import write_bvh
from sopo.formats.gltf_write import write_glb
from sopo.formats.smpl_write import write_smpl
from sopo.motion.skeleton import HUMANML3D, Skeleton
from sopo.viewer.film import encoder
from sopo.viewer.stick import COLOURS
from sopo.viewer.strip import draw_strip
from sopo.viewer.video import write_video


@dataclass(frozen=True)
class Format:
    """A kind of file: ``write(path, joints, caption, skeleton)`` of joints [T, J, 3] in the skeleton's units."""

    suffix: str
    write: Callable[[Path, NDArray, str, Skeleton], object]


def _write_film(path: Path, joints: NDArray, caption: str, skeleton: Skeleton) -> None:
    write_video(path, {"": joints}, caption, skeleton=skeleton)


FORMATS: dict[str, Format] = {
    "npy": Format(".npy", lambda path, joints, caption, skeleton: np.save(path, joints)),
    "bvh": Format(".bvh", lambda path, joints, caption, skeleton: write_bvh(path, joints, skeleton)),
    "glb": Format(".glb", lambda path, joints, caption, skeleton: write_glb(path, joints, skeleton, COLOURS)),
    "smpl": Format(".npz", lambda path, joints, caption, skeleton: write_smpl(path, joints, skeleton)),
    "gif": Format(".gif", _write_film),
    "mp4": Format(".mp4", _write_film),
    "png": Format(".png", draw_strip),
}
DEFAULT = ("npy", "bvh", "gif")


@dataclass
class Outputs:
    """Files written, and a line for each that could not be."""

    written: list[Path] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    def add(self, stem: Path, joints: NDArray, caption: str, skeleton: Skeleton, formats: Iterable[str]) -> None:
        """Write one motion, joints [T, J, 3] in units, as ``stem`` with the suffix of each format."""
        for name in formats:
            path = stem.with_name(stem.name + FORMATS[name].suffix)
            draft = path.with_name(f".{path.name}")  # so that a file is whole, or not there
            try:
                FORMATS[name].write(draft, joints, caption, skeleton)
                draft.replace(path)
                self.written.append(path)
            except Exception as error:  # whatever it is, the other files do not suffer for it
                self.failed.append(f"{path}: not written ({_reason(error, draft)})")
                draft.unlink(missing_ok=True)


def check_formats(formats: Iterable[str], skeleton: Skeleton) -> None:
    """Raise UserError for a format that is unknown, that this installation lacks, or ``skeleton`` has no use for."""
    if unknown := [name for name in formats if name not in FORMATS]:
        raise UserError(f"--formats: unknown {', '.join(unknown)}; known: {', '.join(FORMATS)}")
    if "mp4" in formats:
        encoder()
    if "smpl" in formats and skeleton.name != HUMANML3D.name:
        raise UserError(f"--formats: smpl is for the joints of {HUMANML3D.name}, not those of {skeleton.name}")


def make_folder(path: Path) -> None:
    """The folder that takes the files; UserError where it cannot be made."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{path}: cannot be created ({error.strerror})") from error


def _reason(error: Exception, draft: Path) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error).removeprefix(f"{draft}: ").partition("\n")[0] or type(error).__name__
