"""Motions on disk, a file for each format asked for: the one table of formats, for ``sample`` and ``data export``."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sopo.errors import UserError
from sopo.formats.bvh_write import write_bvh
from sopo.formats.gltf_write import write_glb
from sopo.formats.smpl_write import write_smpl
from sopo.json_files import read_json
from sopo.motion.skeleton import HUMANML3D, Skeleton
from sopo.recipes.settings import check_formats
from sopo.viewer.film import encoder
from sopo.viewer.stick import COLOURS
from sopo.viewer.strip import draw_strip
from sopo.viewer.video import write_video

# Writes joints [T, J, 3], in the skeleton's units, under a caption: (path, joints, caption, skeleton).
Write = Callable[[Path, NDArray, str, Skeleton], object]

CAPTIONS = "captions.json"  # beside the files, what each shows, as `sopo data view` and `sopo data import` read it


def _write_film(path: Path, joints: NDArray, caption: str, skeleton: Skeleton) -> None:
    write_video(path, {"": joints}, caption, skeleton=skeleton)


# Those of sopo.recipes.settings.FORMATS: the suffix, and what writes it.
WRITERS: dict[str, tuple[str, Write]] = {
    "npy": (".npy", lambda path, joints, caption, skeleton: np.save(path, joints)),
    "bvh": (".bvh", lambda path, joints, caption, skeleton: write_bvh(path, joints, skeleton)),
    "glb": (".glb", lambda path, joints, caption, skeleton: write_glb(path, joints, skeleton, COLOURS)),
    "smpl": (".npz", lambda path, joints, caption, skeleton: write_smpl(path, joints, skeleton)),
    "gif": (".gif", _write_film),
    "mp4": (".mp4", _write_film),
    "png": (".png", draw_strip),
}


class Outputs:
    """A folder of motions: the files written, and a line for each that could not be."""

    def __init__(self, folder: Path, formats: Sequence[str], skeleton: Skeleton) -> None:
        """Nothing is written yet. Raises UserError for a format that cannot be: it is unknown, needs an extra that
        is absent, or has no use for ``skeleton``."""
        self.folder, self.formats, self.skeleton = folder, tuple(dict.fromkeys(formats)), skeleton
        self.written: list[Path] = []
        self.failed: list[str] = []
        self._captions: dict[str, Any] = {}
        check_formats(self.formats)
        if "mp4" in self.formats:
            encoder()
        if "smpl" in self.formats and skeleton.name != HUMANML3D.name:
            raise UserError(f"--formats: smpl is for the joints of {HUMANML3D.name}, not those of {skeleton.name}")

    def make_folder(self) -> None:
        """UserError where it cannot be made."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"{self.folder}: cannot be created ({error.strerror})") from error

    def add(self, name: str, joints: NDArray, caption: str, captions: Any = None) -> None:
        """Write one motion, joints [T, J, 3] in units, as ``name`` with the suffix of each format.

        caption: the title of a film. captions: what ``captions.json`` tells of the motion, if it is more than that.
        """
        self._captions[name] = captions or caption
        for format in self.formats:
            suffix, write = WRITERS[format]
            self._write(name + suffix, write, joints, caption, self.skeleton)

    def add_captions(self) -> None:
        """Write what each motion shows, beside what the folder has told before."""
        try:
            known = read_json(self.folder / CAPTIONS)
        except UserError:
            known = {}
        told = (known if isinstance(known, dict) else {}) | self._captions
        text = json.dumps(told, indent=1, ensure_ascii=False) + "\n"
        self._write(CAPTIONS, Path.write_text, text, "utf-8", "replace")

    def _write(self, name: str, write: Callable[..., object], *content: Any) -> None:
        path, draft = self.folder / name, self.folder / f".{name}"  # so that a file is whole, or not there
        try:
            write(draft, *content)
            draft.replace(path)
            self.written.append(path)
        except Exception as error:  # whatever it is, the other files do not suffer for it
            self.failed.append(f"{path}: not written ({_reason(error, draft)})")
            draft.unlink(missing_ok=True)


def _reason(error: Exception, draft: Path) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error).removeprefix(f"{draft}: ").partition("\n")[0] or type(error).__name__
