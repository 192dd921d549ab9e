"""Progress bars with rate and time left."""

from __future__ import annotations

import datetime
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

console = Console(stderr=True)
MINUTE = 60.0


class Report(Protocol):
    """Told how far a piece of work is: ``report(done, total, note)``."""

    def __call__(self, done: int, total: int, note: str = "") -> None: ...


@contextmanager
def progress(title: str) -> Iterator[Report]:
    """A bar titled ``title`` on standard error; in a file or a pipe, lines with the same numbers (``Lines``)."""
    if not console.is_terminal:
        yield Lines(title)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(title, total=None, note="", rate="")

        def report(done: int, total: int, note: str = "") -> None:
            speed = bar.tasks[0].speed
            bar.update(task, completed=done, total=total, note=note, rate=f"{speed:.1f}/s" if speed else "")

        yield report


class Lines:
    """A line every tenth of the way, and each minute: how far, rate and time left, as a bar shows them."""

    def __init__(self, title: str) -> None:
        self.title, self.tenth, self.told = title, -1, 0.0
        self.begun: tuple[int, float] | None = None  # a resumed piece of work begins in the middle

    def __call__(self, done: int, total: int, note: str = "") -> None:
        now, tenth = time.monotonic(), 10 * done // max(total, 1)
        self.begun = first, start = self.begun or (done, now)
        if tenth == self.tenth and now - self.told < MINUTE:
            return
        self.tenth, self.told = tenth, now
        rate = (done - first) / (now - start) if now > start else 0.0
        left = f", {rate:.3g}/s, {clock((total - done) / rate)} left" if rate else ""
        console.print(f"{self.title}: {done}/{total}{left} {note}".rstrip(), highlight=False, markup=False)


def clock(seconds: float) -> str:
    """h:mm:ss"""
    return str(datetime.timedelta(seconds=round(seconds)))
