"""What a folder of motion files offers: its clips, their captions and their splits."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from sopo.data.captions import CaptionLine
from sopo.data.importers.names import Names, Notes, files_below, listed, refused
from sopo.data.importers.splits import drawn_splits, given_splits, listed_splits, split_lists
from sopo.data.importers.tables import Entry, read_table
from sopo.data.importers.texts import TextFiles, read_lines
from sopo.data.layout import FEATURES
from sopo.errors import UserError

NO_CAPTION = "no caption"


@dataclass(frozen=True)
class SourceClip:
    """A motion file with its captions.

    window: stands between the id and the number of a window, so that no window has the id of another clip.
    twin: the source has its mirror image too (or the clip is one), so none is to be made.
    """

    name: str
    path: Path
    captions: tuple[CaptionLine, ...]
    window: str = "-w"
    twin: bool = False


@dataclass(frozen=True)
class Source:
    """Clips that can be taken, the split of each by name, what cannot be taken with the reason, and notes."""

    clips: tuple[SourceClip, ...]
    splits: dict[str, str]
    skipped: dict[str, str]
    notes: tuple[str, ...] = ()


def read_source(root: Path, seed: int) -> Source:
    """Every motion file below ``root``, with captions of ``captions.json``, .csv or .tsv, or of ``NAME.txt``.

    Splits come from train.txt, val.txt, test.txt there, else from "split" entries of the table, else 80%,
    5% and 15% are drawn with ``seed``. Raises UserError if there is nothing to take.
    """
    if not root.is_dir():
        raise UserError(f"{root}: no such folder; expected motion files with captions")
    if (root / FEATURES).is_dir():
        raise UserError(
            f"{root}: has HumanML3D's layout already, and every command takes it as it is; nothing to import"
        )
    notes: Notes = defaultdict(list)
    files = files_below(root)
    skipped = refused(root, files)
    names = Names(root, files, notes)
    lists = split_lists(root, files, names, notes)
    entries = _by_clip(read_table(root, files, notes), names, skipped)
    texts = TextFiles(root, (path for path in files if path not in lists))
    captions = _captions(names, entries, texts, notes, skipped)
    if not captions:
        reason = next((text for text in skipped.values() if text != NO_CAPTION), NO_CAPTION)
        raise UserError(f"{root}: no clip to take ({reason}); give NAME.txt beside each file, or one captions.json")
    twins = names.twins(captions.keys())
    given = listed_splits(lists, names, notes) if lists else given_splits(entries)
    splits = given if lists or given else drawn_splits(captions, twins, seed)
    skipped |= dict.fromkeys(captions.keys() - splits.keys(), "in no split")
    clips = _clips(names, {key: lines for key, lines in captions.items() if key in splits}, splits, notes)
    said = tuple(f"{what}: {listed(notes[what])}" for what in notes)
    return Source(clips, splits, dict(sorted(skipped.items())), said)


def _by_clip(rows: Iterable[Entry], names: Names, skipped: dict[str, str]) -> dict[str, Entry]:
    """Entries of a table by the id of their clip, those of one clip together. UserError if its splits differ."""
    entries: dict[str, Entry] = {}
    for row in rows:
        key = names.find(row.name)
        if key is None:
            skipped.setdefault(row.name, "captions for a name that no motion file has, or several in different folders")
            continue
        before = entries.get(key, Entry(key, (), None))
        if before.split and row.split and before.split != row.split:
            raise UserError(f"captions of {row.name!r}: its entries differ in their split; keep one")
        entries[key] = Entry(key, before.captions + row.captions, before.split or row.split)
    return entries


def _captions(
    names: Names, entries: Mapping[str, Entry], texts: TextFiles, notes: Notes, skipped: dict[str, str]
) -> dict[str, tuple[CaptionLine, ...]]:
    """Of each clip that has any; the table's, or else those of its text file."""
    captions = {}
    for key, path in names.files.items():
        lines = entries[key].captions if key in entries else ()
        file = texts.find(key, names.parts[key], path.name)
        try:
            if file and lines:
                notes["not read, for the table has captions of the clip"].append(file.name)
            elif file:
                lines = read_lines(file, notes)
        except UserError as error:
            skipped[key] = str(error)
            continue
        if kept := tuple(line for line in lines if line.whole or line.end_s > line.start_s):
            captions[key] = kept
        if len(kept) < len(lines):
            notes["captions left out whose seconds end before they start"].append(key)
        skipped |= {} if kept else {key: NO_CAPTION}
    return captions


def _clips(
    names: Names, captions: Mapping[str, tuple[CaptionLine, ...]], splits: Mapping[str, str], notes: Notes
) -> tuple[SourceClip, ...]:
    twins = names.twins(captions.keys())
    for key, clip in twins.items():
        notes["mirror images of one another by their names, so none is made"].append(f"{clip} and {key}")
        if splits[key] != splits[clip]:
            notes["mirror images of one another in two splits"].append(f"{clip} and {key}")
    windows = _windows(names.files)
    paired = twins.keys() | twins.values()
    return tuple(
        SourceClip(key, names.files[key], lines, windows.get(key, "-w"), key in paired)
        for key, lines in captions.items()
    )


def _windows(keys: Iterable[str]) -> dict[str, str]:
    """The mark of windows for clips whose ``-w`` other clips bear already in their names."""
    longest: defaultdict[str, int] = defaultdict(int)
    for match in filter(None, (re.fullmatch(r"(.+)-(w+)\d+", key) for key in keys)):
        for clip in (match[1], match[1].removeprefix("M")):
            longest[clip] = max(longest[clip], len(match[2]))
    return {clip: f"-{'w' * (count + 1)}" for clip, count in longest.items()}
