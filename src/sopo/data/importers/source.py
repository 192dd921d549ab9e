"""What a folder of BVH files offers: its clips, their captions and their splits."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sopo.data.layout import SPLITS
from sopo.errors import UserError
from sopo.randomness import numpy_rng

CAPTIONS_FILE = "captions.json"
SHARES = {"val": 0.05, "test": 0.15}  # as in HumanML3D; the rest trains


@dataclass(frozen=True)
class SourceClip:
    """A BVH file with its captions."""

    name: str
    path: Path
    captions: tuple[str, ...]


@dataclass(frozen=True)
class Source:
    """Clips that can be taken, the split of each by name, and what cannot be taken with the reason."""

    clips: tuple[SourceClip, ...]
    splits: dict[str, str]
    skipped: dict[str, str]


def read_source(root: Path, seed: int) -> Source:
    """Every ``*.bvh`` below ``root``, with captions of ``captions.json`` or of ``NAME.txt`` beside it.

    Splits come from train.txt, val.txt, test.txt there, else from "split" entries of captions.json, else 80%,
    5% and 15% are drawn with ``seed``. Raises UserError if there is nothing to take or if names collide.
    """
    if not root.is_dir():
        raise UserError(f"{root}: no such folder; expected BVH files with captions")
    files = sorted(path for path in root.rglob("*") if path.suffix.lower() == ".bvh")
    if not files:
        raise UserError(f"{root}: no .bvh file in it or below")
    _check_names(files)
    entries = _read_entries(root / CAPTIONS_FILE)
    skipped = {name: f"no {name}.bvh" for name in sorted(set(entries) - {path.stem for path in files})}
    clips = []
    for path in files:
        captions = _captions(path, entries.get(path.stem))
        if captions:
            clips.append(SourceClip(path.stem, path, captions))
        else:
            skipped[path.stem] = "no caption"
    if not clips:
        raise UserError(f"{root}: no BVH has a caption; give {CAPTIONS_FILE} or a NAME.txt beside NAME.bvh")
    splits = _splits(root, [clip.name for clip in clips], entries, seed)
    skipped |= {clip.name: "in no split" for clip in clips if clip.name not in splits}
    return Source(tuple(clip for clip in clips if clip.name in splits), splits, skipped)


def _check_names(files: Sequence[Path]) -> None:
    """Ids derive from file names (``NAME-w2`` a window, ``MNAME`` its mirror image): none may meet."""
    names: dict[str, Path] = {}
    for path in files:
        if path.stem in names:
            raise UserError(f"{path}: same name as {names[path.stem]}; rename one of them")
        names[path.stem] = path
    for name, path in names.items():
        for origin in (re.sub(r"-w\d+$", "", name), name.removeprefix("M")):
            if origin != name and origin in names:
                raise UserError(f"{path}: its name would be taken by a part of {names[origin]}; rename it")


def _read_entries(path: Path) -> Mapping[str, Mapping[str, Any]]:
    if not path.is_file():
        return {}
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: not readable as JSON ({error})") from error
    if not isinstance(entries, dict):
        raise UserError(f"{path}: expected an object, clip name -> {{'captions': [...]}}")
    for name, entry in entries.items():
        captions = entry.get("captions") if isinstance(entry, dict) else None
        if not isinstance(captions, list) or not all(isinstance(text, str) for text in captions):
            raise UserError(f"{path}: entry {name!r} needs 'captions', a list of texts")
    return entries


def _captions(path: Path, entry: Mapping[str, Any] | None) -> tuple[str, ...]:
    beside = path.with_suffix(".txt")
    if entry is not None:
        texts = entry["captions"]
    elif beside.is_file():
        try:
            texts = beside.read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError as error:
            raise UserError(f"{beside}: not UTF-8 text ({error.reason}); save it as UTF-8") from error
    else:
        texts = []
    return tuple(text.strip() for text in texts if text.strip())


def _splits(root: Path, names: Sequence[str], entries: Mapping[str, Mapping[str, Any]], seed: int) -> dict[str, str]:
    lists = {split: root / f"{split}.txt" for split in SPLITS if (root / f"{split}.txt").is_file()}
    if lists:
        splits: dict[str, str] = {}
        for split, path in lists.items():
            for name in path.read_text(encoding="utf-8").split("\n"):
                stem = name.strip().removesuffix(".bvh")
                if stem and splits.setdefault(stem, split) != split:
                    raise UserError(f"{path}: {stem} is also in {splits[stem]}.txt; keep it in one split")
        return splits
    given = {name: str(entries[name]["split"]) for name in names if "split" in entries.get(name, {})}
    if wrong := sorted(set(given.values()) - set(SPLITS)):
        raise UserError(f"{root / CAPTIONS_FILE}: unknown split {wrong[0]!r}; known: {', '.join(SPLITS)}")
    return given or _drawn_splits(names, seed)


def _drawn_splits(names: Sequence[str], seed: int) -> dict[str, str]:
    order = [names[index] for index in numpy_rng(seed, "split").permutation(len(names))]
    splits = dict.fromkeys(order, "train")
    start = 0
    for split, share in SHARES.items():
        stop = start + round(share * len(order))
        splits |= dict.fromkeys(order[start:stop], split)
        start = stop
    return splits
