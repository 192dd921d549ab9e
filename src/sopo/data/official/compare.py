"""A built data set against the numbers that its authors published to check it by."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sopo.data.layout import FEATURES, MEAN, STD, read_array

# A rerun of the published code differs by 4e-5 and 6e-6 on average, on other versions of its libraries.
STATISTICS_WITHIN = 0.02  # standard deviations, of a mean; as a share, of a deviation
SAMPLE_WITHIN = 1e-4  # mean absolute difference of features


@dataclass(frozen=True)
class Comparison:
    """A line for each thing that was compared, and whether all are alike."""

    lines: tuple[str, ...] = ()
    as_published: bool = True


def compare(root: Path, reference: Path, complete: bool = True) -> Comparison:
    """The folder ``root`` with the sample clips in ``reference`` and, if it is ``complete``, Mean.npy and Std.npy."""
    known = complete and all((reference / name).is_file() for name in (MEAN, STD))
    found = [_statistics(root, reference)] if known else []
    for sample in sorted((reference / FEATURES).glob("*.npy"))[:10]:
        if (root / FEATURES / sample.name).is_file():
            found.append(_sample(root / FEATURES / sample.name, sample))
    return Comparison(tuple(line for line, _ in found), all(alike for _, alike in found))


def _statistics(root: Path, reference: Path) -> tuple[str, bool]:
    mean, std, known_mean, known_std = (read_array(at / name) for at in (root, reference) for name in (MEAN, STD))
    if mean.shape != known_mean.shape or std.shape != known_std.shape:
        return f"Mean.npy: {mean.shape[0]} features, the published one has {list(known_mean.shape)}", False
    off = float(np.max(np.abs(mean - known_mean) / known_std))
    spread = float(np.max(np.abs(std / known_std - 1)))
    alike = off < STATISTICS_WITHIN and spread < STATISTICS_WITHIN
    said = f"largest difference {off:.1e} standard deviations in Mean.npy, {spread:.1e} of Std.npy"
    return f"statistics {_verdict(alike)}: {said}", alike


def _sample(path: Path, known: Path) -> tuple[str, bool]:
    features, published = read_array(path), read_array(known)
    if features.shape != published.shape:
        return f"{path.stem} {_verdict(False)}: it is {list(features.shape)}, not {list(published.shape)}", False
    off = np.abs(features - published)
    alike = float(off.mean()) < SAMPLE_WITHIN
    return (
        f"{path.stem} {_verdict(alike)}: features differ by {off.mean():.1e} on average, {off.max():.1e} at most",
        alike,
    )


def _verdict(alike: bool) -> str:
    return "as published" if alike else "NOT as published"
