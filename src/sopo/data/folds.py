"""A data set in folds: what comes from one recording stays together, so that no twin of a test clip is trained on."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sopo.data.layout import FEATURES, JOINTS, METADATA, TEXTS, MotionFolder, staged_folder, write_split
from sopo.data.statistics import write_folder_statistics
from sopo.errors import UserError
from sopo.randomness import numpy_rng


@dataclass(frozen=True)
class Fold:
    """Clip ids of one fold; the test clips of all folds are all clips, each once."""

    train: tuple[str, ...]
    val: tuple[str, ...]
    test: tuple[str, ...]


def sources(folder: MotionFolder) -> dict[str, str]:
    """Clip -> what it was cut or mirrored from: as an import has noted it, else its own id without the mirror's M."""
    ids = [key for split in folder.splits for key in folder.ids(split)]
    known = folder.sources()
    return {key: known.get(key, key.removeprefix("M")) for key in ids}


def groups(of: Mapping[str, str], together: str) -> dict[str, list[str]]:
    """Group -> clips. together: a regular expression with one group of its own; sources alike in it stay together.

    Raises UserError where it is no expression, has not that one group, or is not found in a source.
    """
    try:
        pattern = re.compile(together or "(.*)", re.DOTALL)
    except re.error as error:
        raise UserError(f"together: not a regular expression ({error})") from error
    if pattern.groups != 1:
        raise UserError(f"together: needs one group in brackets, such as '_(walk|run)_'; it has {pattern.groups}")
    found: dict[str, list[str]] = defaultdict(list)
    for key, source in of.items():
        match = pattern.search(source)
        if match is None:
            raise UserError(f"together: {together!r} is not found in the source {source!r} of clip {key}")
        found[match[1] or ""].append(key)
    return dict(found)


def folds(of: Mapping[str, list[str]], number: int, val_share: float, seed: int) -> list[Fold]:
    """Groups -> folds of about as many clips each. val_share: of what is not a fold's test, set aside as its val.

    Raises UserError where there are fewer groups than folds, or too few to set any aside.
    """
    names = sorted(of)
    order = [names[i] for i in numpy_rng(seed, "folds").permutation(len(names))]
    parts: list[list[str]] = [[] for _ in range(number)]
    for name in order:  # to the fold with the fewest clips so far
        min(parts, key=lambda part: sum(len(of[other]) for other in part)).append(name)
    made = []
    for test in parts:
        rest = [name for name in order if name not in test]
        if not test or len(rest) < 2:  # nothing to test, or nothing to train or validate on
            raise UserError(f"{len(of)} groups of clips: too few for {number} folds with a validation split")
        wanted, val = val_share * sum(len(of[name]) for name in rest), [rest[0]]
        for name in rest[1:-1]:
            if sum(len(of[other]) for other in val) >= wanted:
                break
            val.append(name)
        train = [name for name in rest if name not in val]
        made.append(Fold(*(tuple(key for name in sorted(some) for key in of[name]) for some in (train, val, test))))
    return made


def write_fold(source: MotionFolder, fold: Fold, out: Path) -> None:
    """A data set whose clips are links to those of ``source``, with statistics of the fold's own training clips."""
    with staged_folder(out) as staging:
        for part in (FEATURES, JOINTS, TEXTS):
            if (origin := source.root / part).is_dir():
                (staging / part).rmdir()
                (staging / part).symlink_to(origin.resolve(), target_is_directory=True)
        if (origin := source.root / METADATA).is_file():
            (staging / METADATA).symlink_to(origin.resolve())
        for split, keys in (("train", fold.train), ("val", fold.val), ("test", fold.test)):
            write_split(staging, split, keys)
        write_folder_statistics(staging, fold.train, source.skeleton)
