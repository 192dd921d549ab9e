"""Mean.npy and Std.npy of a data set, by the published rule."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sopo.data.layout import FEATURES, Array, MotionFolder, write_statistics
from sopo.errors import UserError
from sopo.motion.features import feature_slices
from sopo.motion.skeleton import Skeleton


class RunningStatistics:
    """Mean and standard deviation of many clips without holding them, in float64."""

    def __init__(self, num_features: int) -> None:
        self.frames = 0
        self._sum = np.zeros(num_features)
        self._square_sum = np.zeros(num_features)
        self._shift = np.zeros(num_features)

    def add(self, features: Array) -> None:
        """[T, D], raw."""
        if not self.frames:  # any value near the mean keeps the difference of squares accurate
            self._shift = features.mean(axis=0, dtype=np.float64)
        shifted = features - self._shift
        self.frames += len(features)
        self._sum += shifted.sum(axis=0)
        self._square_sum += np.square(shifted).sum(axis=0)

    def join(self, other: RunningStatistics) -> None:
        """Count the clips that ``other`` was given too."""
        if not self.frames:
            self._shift = other._shift
        apart = other._shift - self._shift
        self._square_sum += other._square_sum + 2 * apart * other._sum + other.frames * np.square(apart)
        self._sum += other._sum + other.frames * apart
        self.frames += other.frames

    def moments(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean and standard deviation [D] of every feature by itself."""
        offset = self._sum / self.frames
        return self._shift + offset, np.sqrt(np.maximum(self._square_sum / self.frames - np.square(offset), 0))

    def result(self, skeleton: Skeleton) -> tuple[Array, Array]:
        """mean [D], std [D]; std is averaged inside each of the seven groups (HumanML3D)."""
        mean, std = self.moments()
        for group in feature_slices(skeleton).groups:
            # A group that never changes (no contact in the whole set, say) must not divide by 0.
            std[group] = std[group].mean() or 1.0
        return mean.astype(np.float32), std.astype(np.float32)


def feature_statistics(clips: Iterable[Array], skeleton: Skeleton) -> tuple[Array, Array]:
    """Mean and std [D] over all frames of raw features [T, D]."""
    running = RunningStatistics(skeleton.num_features)
    for clip in clips:
        running.add(clip)
    if not running.frames:
        raise UserError("no frames to compute mean and std from")
    return running.result(skeleton)


def write_folder_statistics(root: Path, keys: Iterable[str], skeleton: Skeleton) -> None:
    """Mean.npy and Std.npy of the clips named, all of which must lie in ``root/new_joint_vecs``."""
    clips = (np.load(root / FEATURES / f"{key}.npy") for key in keys)
    write_statistics(root, *feature_statistics(clips, skeleton))


@dataclass(frozen=True)
class Drift:
    """How far the stored statistics are from those of the clips."""

    mean: float  # largest |difference| of a mean, in stored standard deviations
    std: float  # largest factor between standard deviations, >= 1


def drift(folder: MotionFolder, mean: NDArray[np.floating], std: NDArray[np.floating]) -> Drift:
    """Compare computed mean and std [D] with Mean.npy and Std.npy."""
    ratio = std / folder.std
    return Drift(
        mean=float(np.max(np.abs(mean - folder.mean) / folder.std)),
        std=float(np.exp(np.max(np.abs(np.log(ratio))))),
    )
