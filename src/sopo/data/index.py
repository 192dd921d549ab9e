"""What opening a data set must know of each clip, remembered beside it: fifty thousand small files are slow to read."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from sopo.data.captions import CaptionLine, parse_captions, read_caption_file
from sopo.data.layout import FEATURES, TEXTS, Array, MotionFolder, clip_length

INDEX = ".index.json"
LEAST_FILES = 2000  # newly read; fewer are read again sooner than an index is worth
SETTLED_S = 2.0  # a file written later may change again within one tick of the clock


class ClipIndex:
    """Length, soundness and captions of a folder's clips, read anew where a file's size or time changed.

    The folder's ``.index.json`` holds for each file: size, time (ns), and frames and soundness, or the text.
    """

    def __init__(self, folder: MotionFolder) -> None:
        self.folder = folder
        self._known = _read(folder.root / INDEX)
        self._new = 0

    def length(self, key: str) -> int | None:
        """Frames by the header alone; None without such a file. UserError if it is damaged."""
        return self._of_file(FEATURES, f"{key}.npy", clip_length)

    def finite(self, key: str, read: Callable[[], Array]) -> bool:
        """Whether the features, which ``read`` reads, have neither NaN nor infinity."""
        entry = self._known.get(f"{FEATURES}/{key}.npy")
        if entry is None:
            return bool(np.isfinite(read()).all())
        if len(entry) < 4:
            entry.append(bool(np.isfinite(read()).all()))
        return bool(entry[3])

    def captions(self, key: str) -> tuple[CaptionLine, ...]:
        """The clip's caption lines, at least one."""
        path = self.folder.root / TEXTS / f"{key}.txt"
        return parse_captions(self._of_file(TEXTS, path.name, read_caption_file), path)

    def save(self) -> None:
        """Write what is new, in one piece; a folder that cannot be written to is read again next time."""
        if self._new < LEAST_FILES:
            return
        latest = time.time_ns() - int(SETTLED_S * 1e9)
        settled = {name: entry for name, entry in self._known.items() if entry[1] < latest}
        path = self.folder.root / INDEX
        staging = path.with_name(f"{INDEX}.{os.getpid()}")
        with suppress(OSError):
            staging.write_text(json.dumps(settled), encoding="utf-8")
            staging.replace(path)

    def _of_file(self, part: str, name: str, read: Callable[[Path], Any]) -> Any:
        label, path = f"{part}/{name}", f"{self.folder.root}/{part}/{name}"
        try:
            status = os.stat(path)  # noqa: PTH116  a fraction of pathlib's time, fifty thousand times
        except (OSError, ValueError):  # ValueError: an id that is no file name
            return read(Path(path))
        entry = self._known.get(label)
        if entry is None or entry[:2] != [status.st_size, status.st_mtime_ns]:
            entry = self._known[label] = [status.st_size, status.st_mtime_ns, read(Path(path))]
            self._new += 1
        return entry[2]


def write_index(root: Path, keys: Sequence[str]) -> None:
    """The index of a folder that was just written, where it is worth one, so that its first opening is as fast."""
    if 2 * len(keys) < LEAST_FILES:
        return
    index = ClipIndex(MotionFolder(root))
    for key in keys:
        index.length(key)
        index.finite(key, partial(index.folder.features, key))
        index.captions(key)
    index.save()


def _read(path: Path) -> dict[str, list[Any]]:
    """The entries of an index; none of one that is absent or damaged."""
    with suppress(OSError, ValueError, RecursionError):
        known = json.loads(path.read_bytes())
        if isinstance(known, dict) and all(map(_sound, known, known.values())):
            return known
    return {}


def _sound(name: str, entry: Any) -> bool:
    kinds = (int, int, str) if name.startswith(TEXTS) else (int, int, int, bool)
    return isinstance(entry, list) and 3 <= len(entry) <= len(kinds) and all(map(isinstance, entry, kinds))
