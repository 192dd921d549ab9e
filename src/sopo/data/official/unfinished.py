"""A data set that grows over several runs: whole files only, so that a kill at any moment costs nothing."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sopo.data.layout import FEATURES, JOINTS, TEXTS, clip_length
from sopo.errors import UserError
from sopo.json_files import read_json
from sopo.motion.skeleton import Skeleton

SETTINGS_FILE = "settings.json"
FAILED_FILE = "failed.json"
_WRITING = ".writing"  # files on their way


@dataclass(frozen=True)
class Unfinished:
    """``OUT.unfinished`` beside ``OUT``, which it becomes in the end."""

    out: Path

    @property
    def root(self) -> Path:
        return self.out.with_name(f"{self.out.name}.unfinished")

    def begin(self, settings: Mapping[str, Any]) -> None:
        """Make the folder, or go on with it; UserError if ``out`` is there, or it was begun with other settings."""
        if self.out.exists() and (not self.out.is_dir() or any(self.out.iterdir())):
            raise UserError(f"{self.out}: exists already; choose another output folder or remove it")
        try:
            for part in (FEATURES, JOINTS, TEXTS, _WRITING):
                (self.root / part).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"{self.root}: cannot be created ({error.strerror})") from error
        known = self.read(SETTINGS_FILE)
        if changed := sorted(name for name in known if known[name] != settings.get(name)):
            raise UserError(f"{self.root}: was begun with another {changed[0]}; remove it to start anew")
        self.write(SETTINGS_FILE, _as_json(settings))

    def write(self, name: str, data: bytes) -> None:
        """A file below the folder: all of it, or as it was. UserError if the disk does not take it."""
        staging = self.root / _WRITING / f"{os.getpid()}-{name.replace('/', '-')}"
        try:
            staging.write_bytes(data)
            staging.replace(self.root / name)
        except OSError as error:
            raise UserError(f"{self.root / name}: cannot be written ({error.strerror})") from error

    def read(self, name: str) -> dict[str, Any]:
        """The object in a JSON file of ``write_json``; empty if there is none."""
        with suppress(UserError):
            content = read_json(self.root / name)
            return content if isinstance(content, dict) else {}
        return {}

    def write_json(self, name: str, content: Mapping[str, Any]) -> None:
        self.write(name, _as_json(content))

    def write_clip(self, key: str, features: NDArray[np.float32], joints: NDArray[np.float32]) -> None:
        """new_joints and new_joint_vecs of a clip."""
        for part, values in ((JOINTS, joints), (FEATURES, features)):
            file = BytesIO()
            np.save(file, np.ascontiguousarray(values, dtype=np.float32))
            self.write(f"{part}/{key}.npy", file.getvalue())

    def has_clip(self, key: str, skeleton: Skeleton) -> bool:
        """Whether both files are there, whole: as long as their headers say."""
        widths = ((JOINTS, 3 * skeleton.num_joints), (FEATURES, skeleton.num_features))
        return all(_is_whole(self.root / part / f"{key}.npy", width) for part, width in widths)

    def finish(self) -> None:
        """Become ``out``."""
        shutil.rmtree(self.root / _WRITING, ignore_errors=True)
        for name in (FAILED_FILE, SETTINGS_FILE):
            (self.root / name).unlink(missing_ok=True)
        try:
            self.root.replace(self.out)
        except OSError as error:
            raise UserError(f"{self.out}: cannot be created ({error.strerror}); all is in {self.root}") from error


def _as_json(content: Mapping[str, Any]) -> bytes:
    return (json.dumps(content, indent=1, sort_keys=True) + "\n").encode()


def _is_whole(path: Path, width: int) -> bool:
    """Whether the file holds [T, ...] float32 of ``width`` numbers a frame, and nothing is cut off."""
    with suppress(UserError, OSError):
        frames = clip_length(path)
        return frames is not None and path.stat().st_size == 128 + 4 * width * frames  # NumPy pads headers to 128
    return False
