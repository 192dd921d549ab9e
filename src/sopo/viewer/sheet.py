"""The contact sheet of motions: one HTML page, with its motions inside or, for many, in scripts beside it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from sopo.errors import UserError
from sopo.motion.skeleton import Skeleton
from sopo.viewer.page import ASSETS, body, quantise, script_json, write_html

INSIDE = 600  # clips; more make a page that no longer opens at once
CHUNK = 24  # clips in a script beside the page: as many as are shown at a time


@dataclass(frozen=True)
class SheetClip:
    """One clip. warnings: kind -> what was measured. joints: [T, J, 3] in units; None where it cannot be drawn."""

    id: str
    joints: np.ndarray | None
    captions: tuple[str, ...] = ()
    split: str = ""
    warnings: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class SheetText:
    """What the page says of its clips. kinds: of warnings -> meaning; alarms: what if most have it, and what to do."""

    title: str
    summary: tuple[str, ...] = ()
    kinds: Mapping[str, str] = field(default_factory=dict)
    alarms: Mapping[str, tuple[str, str]] = field(default_factory=dict)


def write_sheet(
    path: str | Path, clips: Iterable[SheetClip], count: int, text: SheetText, skeleton: Skeleton
) -> tuple[Path, ...]:
    """Write ``count`` clips as a page; the files written, the page first.

    Up to INSIDE clips make one file that stands alone. More have their motions in ``NAME.motions/`` beside the page,
    which loads them as they are shown; only scripts of an earlier page are replaced there. Raises UserError.
    """
    path = Path(path)
    beside = path.with_suffix(".motions") if count > INSIDE else None
    written = _Motions(beside)
    told = []
    shared: Counter[str] = Counter()
    for clip in clips:
        motion = None if clip.joints is None else quantise(clip.joints, skeleton)
        told.append({**_facts(clip), "motion": written.add(motion)})
        shared.update(clip.warnings.keys())
    written.close()
    payload = {
        "title": text.title,
        "summary": list(text.summary),
        "alarms": _alarms(shared, len(told), text),
        "kinds": dict(text.kinds),
        "skeleton": body(skeleton),
        "beside": beside.name if beside else None,
        "clips": told,
    }
    scripts = [ASSETS / "card.js", ASSETS / "sheet.js"]
    page = write_html(path, text.title, payload, [ASSETS / "sheet.css"], scripts, "file: 'self'" if beside else "")
    return (page, *written.files)


def _alarms(shared: Counter[str], count: int, text: SheetText) -> list[str]:
    """A line for each kind of warning that most clips share."""
    most = [kind for kind, number in shared.most_common() if kind in text.alarms and 2 * number > count > 1]
    lines = [f"{text.alarms[kind][0]} ({shared[kind]} of {count}): {text.alarms[kind][1]}." for kind in most]
    return [line[0].upper() + line[1:] for line in lines]


def _facts(clip: SheetClip) -> dict[str, Any]:
    return {
        "id": clip.id,
        "split": clip.split,
        "captions": list(clip.captions),
        "frames": 0 if clip.joints is None else len(clip.joints),
        "warnings": [list(pair) for pair in clip.warnings.items()],
        "facts": [list(pair) for pair in clip.facts.items()],
    }


class _Motions:
    """Where motions go: into the page, or a script for each CHUNK of them in a folder beside it."""

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self.files: list[Path] = []
        self._chunk: list[dict[str, Any]] = []
        if folder is None:
            return
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for old in folder.glob("*.js"):
                if old.stem.isdecimal():
                    old.unlink()
        except OSError as error:
            raise UserError(f"{folder}: cannot be written ({error.strerror})") from error

    def add(self, motion: dict[str, Any] | None) -> Any:
        """What the page keeps of it: the motion itself, or [script, place in it]."""
        if motion is None or self.folder is None:
            return motion
        self._chunk.append(motion)
        where = [len(self.files), len(self._chunk) - 1]
        if len(self._chunk) == CHUNK:
            self.close()
        return where

    def close(self) -> None:
        """Write the last, unfilled script."""
        if self._chunk and self.folder is not None:
            number = len(self.files)
            file = self.folder / f"{number}.js"
            file.write_text(f"sopoMotions({number}, {script_json(self._chunk)});\n", encoding="utf-8")
            self.files.append(file)
            self._chunk = []
