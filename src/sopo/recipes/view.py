"""``sopo data view``: a data set, or a folder of motions as ``sopo sample`` writes it -> the contact sheet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from sopo.data.bodies import FAULTS
from sopo.errors import UserError
from sopo.randomness import numpy_rng
from sopo.recipes.clip_folders import KINDS, DataSet, Samples, open_motions
from sopo.training.progress import Report
from sopo.viewer.settings import ViewConfig
from sopo.viewer.sheet import INSIDE, SheetClip, SheetText, write_sheet

Motions = DataSet | Samples


def view(folder: Path, out: Path, config: ViewConfig, report: Report) -> tuple[Path, str]:
    """Write the contact sheet of ``folder`` to ``out`` (.html); the page, and a line that says what it shows.

    Raises UserError if there is nothing to show, or the page cannot be written.
    """
    if out.suffix != ".html":
        raise UserError(f"--out is {out}: the page's name has to end in .html")
    motions = open_motions(folder)
    keys = _wanted(motions, folder, config)
    if config.only_warnings:
        keys = [clip.id for clip in _clips(motions, keys, report) if clip.warnings]
        if not keys:
            raise UserError(f"{folder}: no clip has a warning, so there is nothing to show with --only_warnings true")
    chosen = _draw(keys, config)
    lines = (_shown(len(chosen), len(keys), motions, config), *motions.notes)
    text = SheetText(
        folder.resolve().name, lines, KINDS, {kind: (fault.most, fault.most_remedy) for kind, fault in FAULTS.items()}
    )
    page, *beside = write_sheet(out, _clips(motions, chosen, report), len(chosen), text, motions.skeleton)
    if beside:
        lines = (f"{lines[0]} Keep {beside[0].parent.name}/ beside the page.",)
    return page, lines[0]


def _wanted(motions: Motions, folder: Path, config: ViewConfig) -> list[str]:
    keys = [key for key, split in motions.splits.items() if config.split in (None, split)]
    if not keys:
        known = ", ".join(sorted(set(filter(None, motions.splits.values())))) or "none"
        raise UserError(f"{folder}: no clip in split {config.split!r}; splits: {known}")
    if config.find:
        words = config.find.lower().split()
        texts = {key: "\n".join((key, *motions.captions(key))).lower() for key in keys}
        keys = [key for key in keys if all(word in texts[key] for word in words)]
        if not keys:
            raise UserError(f"{folder}: no clip has {config.find!r} in its id or captions")
    return keys


def _draw(keys: Sequence[str], config: ViewConfig) -> list[str]:
    """At most ``config.most`` of the keys, in their order."""
    if len(keys) <= config.most:
        return list(keys)
    rng = numpy_rng(config.seed, "view")
    return [keys[index] for index in sorted(rng.choice(len(keys), config.most, replace=False))]


def _shown(shown: int, wanted: int, motions: Motions, config: ViewConfig) -> str:
    asked = [f"--split {config.split}"] * bool(config.split) + [f"--find {config.find!r}"] * bool(config.find)
    asked += ["--only_warnings true"] * config.only_warnings
    counts = Counter(split for split in motions.splits.values() if split)
    splits = f" ({', '.join(f'{count} {split}' for split, count in counts.items())})" if counts else ""
    line = f"{len(motions.splits)} clips{splits}"
    line += f", {wanted} of them fit {' '.join(asked)}." if asked else "."
    if shown < wanted:
        line += f" {shown} are shown, drawn with seed {config.seed}; --most {wanted} shows all"
        line += ", with their motions in a folder beside the page." if wanted > INSIDE else "."
    return line


def _clips(motions: Motions, keys: Sequence[str], report: Report) -> Iterator[SheetClip]:
    for number, key in enumerate(keys, start=1):
        yield motions.clip(key)
        report(number, len(keys))
