"""The split of each clip of a source: of its lists, of its table of captions, or drawn."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from sopo.data.importers.names import Names, Notes
from sopo.data.importers.tables import SPLIT_WORDS, Entry
from sopo.data.importers.texts import read_text
from sopo.errors import UserError
from sopo.randomness import numpy_rng

SHARES = {"val": 0.05, "test": 0.15}  # as in HumanML3D; the rest trains


def split_lists(root: Path, files: Iterable[Path], names: Names, notes: Notes) -> dict[Path, list[str]]:
    """The lists of the folder, ``train.txt`` and so on, and the names in each.

    ``test.txt`` beside ``test.bvh`` is its captions unless a line of it names a clip.
    """
    lists = {}
    for path in files:
        if path.parent == root and path.suffix.lower() == ".txt" and path.stem.lower() in SPLIT_WORDS:
            listed = [line.strip() for line in read_text(path, notes).splitlines() if line.strip()]
            if (path.stem,) not in names.parts.values() or any(map(names.find, listed)):
                lists[path] = listed
    return lists


def listed_splits(lists: dict[Path, list[str]], names: Names, notes: Notes) -> dict[str, str]:
    """The split of each clip listed. Raises UserError for a clip in two; what is listed but no clip is noted."""
    splits: dict[str, str] = {}
    for path, listed in lists.items():
        split = SPLIT_WORDS[path.stem.lower()]
        for name in listed:
            key = names.find(name)
            if key and splits.setdefault(key, split) != split:
                raise UserError(f"{path}: {name} is also listed for {splits[key]}; keep it in one split")
            if not key and not names.find(name.removeprefix("M")):  # a mirror image goes with its clip
                notes["listed, but no motion file has the name"].append(f"{name} ({path.name})")
    return splits


def given_splits(entries: dict[str, Entry]) -> dict[str, str]:
    """The splits that a table of captions gives."""
    return {key: entry.split for key, entry in entries.items() if entry.split}


def drawn_splits(keys: Iterable[str], twins: Mapping[str, str], seed: int) -> dict[str, str]:
    """80% train, 5% val, 15% test; a mirror image (``twins``: its clip) in that of its clip."""
    own = [key for key in keys if key not in twins]
    order = [own[index] for index in numpy_rng(seed, "split").permutation(len(own))]
    splits = dict.fromkeys(order, "train")
    start = 0
    for split, share in SHARES.items():
        stop = start + round(share * len(order))
        splits |= dict.fromkeys(order[start:stop], split)
        start = stop
    for key in sorted(twins, key=len):  # of a mirror image's mirror image the clip comes first
        splits[key] = splits[twins[key]]
    return splits
