"""``sopo label import``: somebody else's pairs of winner and loser -> a study, as if it had been asked here."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sopo.data.layout import read_array
from sopo.errors import UserError
from sopo.people.store import Given, Pair
from sopo.people.study import Study, as_joints, skeleton_of
from sopo.preference.labels import read_rows
from sopo.randomness import numpy_rng
from sopo.settings import shown
from sopo.training.progress import Report

COLUMNS = ("caption", "winner", "loser")
TEXTS = {"annotator": "imported", "source_winner": "", "source_loser": ""}  # further columns, and what stands for none


def import_pairs(path: Path, out: Path, report: Report) -> str:
    """Write the study ``out``, whole or not at all; a line that says what it holds.

    path: .jsonl, .csv or .parquet of ``COLUMNS``; motions are .npy files beside it, or in JSONL and Parquet the
    numbers: raw features [T, D] or joints [T, J, 3] in the units of their body. Raises UserError that names the line.
    """
    if out.exists():
        raise UserError(f"{out}: exists already; choose another --out or remove it")
    total = sum(1 for _ in read_rows(path, COLUMNS))
    if not total:
        raise UserError(f"{path}: holds no pair")
    where, row = next(read_rows(path, COLUMNS))
    skeleton = skeleton_of(_motion(row, "winner", where, path.parent), where)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    except OSError as error:
        raise UserError(f"{out}: cannot be made ({error.strerror})") from error
    try:
        study = Study.make(staging, skeleton, {"origin": {"imported": str(path)}, "complete": True})
        study.store.record(_given(study, path, total, report))
        study.store.close()
        staging.chmod(0o755)
        staging.replace(out)
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise
    return f"{total} pairs of {skeleton.name}: {out}"


def _given(study: Study, path: Path, total: int, report: Report) -> Iterator[Given]:
    """Each row as a pair with its answer; which of the two is the winner is drawn by chance."""
    rng = numpy_rng(0, "import")
    for number, (where, row) in enumerate(read_rows(path, COLUMNS), start=1):
        caption = row.get("caption")
        if not isinstance(caption, str) or not caption.strip():
            raise UserError(f"{where}: no caption; every line has {', '.join(COLUMNS)}")
        told = {name: row.get(name) or default for name, default in TEXTS.items()}
        if strange := [name for name, text in told.items() if not isinstance(text, str)]:
            raise UserError(f"{where}: {strange[0]} is {shown(told[strange[0]])}: must be text")
        winner, loser = (_motion(row, side, where, path.parent) for side in COLUMNS[1:])
        for side, motion in zip(COLUMNS[1:], (winner, loser), strict=True):
            as_joints(motion, f"{where}: {side}", study.skeleton)
        preferred, other = ("a", "b") if rng.random() < 0.5 else ("b", "a")
        places = {letter: study.save(f"{number:06d}{letter}", x) for letter, x in ((preferred, winner), (other, loser))}
        sources = {preferred: told["source_winner"], other: told["source_loser"]}
        pair = Pair(caption, places["a"], places["b"], sources["a"], sources["b"])
        yield told["annotator"], pair, preferred, "choice"
        report(number, total)


def _motion(values: dict[str, Any], side: str, where: str, folder: Path) -> NDArray[Any]:
    """The array of a row's winner or loser: of a file, or as numbers in lists."""
    value = values.get(side)
    if isinstance(value, str) and value.strip():
        return read_array(folder / value)
    if isinstance(value, list):
        try:
            return np.array(value, dtype=np.float32)
        except (TypeError, ValueError, OverflowError) as error:
            raise UserError(f"{where}: {side} is no array of numbers [T, D] or [T, J, 3]") from error
    raise UserError(f"{where}: no {side}; every line has {', '.join(COLUMNS)}")
