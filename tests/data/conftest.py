"""Tiny data sets in the HumanML3D layout; processes that have to end in silence."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from sopo.data.layout import FEATURES, JOINTS, TEXTS, write_split, write_statistics
from sopo.motion.skeleton import HUMANML3D

FolderMaker = Callable[..., Path]


@pytest.fixture
def make_folder(tmp_path: Path) -> FolderMaker:
    """lengths by id, caption lines by id -> a folder whose feature 0 counts the frames of each clip."""

    def make(
        lengths: Mapping[str, int],
        captions: Mapping[str, Sequence[str]] | None = None,
        width: int = 263,
        name: str = "data",
    ) -> Path:
        root = tmp_path / name
        for part in (FEATURES, JOINTS, TEXTS):
            (root / part).mkdir(parents=True)
        for key, length in lengths.items():
            features = np.zeros((length, width), dtype=np.float32)
            features[:, 0] = np.arange(length)
            np.save(root / FEATURES / f"{key}.npy", features)
            lines = (captions or {}).get(key, [f"clip {key}#clip/NOUN#0.0#0.0"])
            (root / TEXTS / f"{key}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
        write_split(root, "train", lengths)
        write_statistics(root, np.zeros(width), np.ones(width))
        return root

    return make


@pytest.fixture(scope="session")
def rest_pose() -> np.ndarray:
    """[22, 3] the HumanML3D body at rest, metres."""
    joints = np.array(HUMANML3D.target_offsets)
    for joint, parent in enumerate(HUMANML3D.parents):
        if parent >= 0:
            joints[joint] += joints[parent]
    return joints


@pytest.fixture
def silence(tmp_path: Path) -> Iterator[None]:
    """The command's own handler of the signal that ends it, which says how a run goes on; no process may call it."""

    def told(*_: object) -> None:
        (tmp_path / "told").touch()
        os._exit(1)

    before = signal.signal(signal.SIGTERM, told)
    yield
    signal.signal(signal.SIGTERM, before)
    assert not (tmp_path / "told").exists()
