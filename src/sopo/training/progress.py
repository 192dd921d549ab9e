"""Progress bars with rate and time left."""

from __future__ import annotations

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


class Report(Protocol):
    """Told how far a piece of work is: ``report(done, total, note)``."""

    def __call__(self, done: int, total: int, note: str = "") -> None: ...


@contextmanager
def progress(title: str, show: bool = True) -> Iterator[Report]:
    """A bar titled ``title`` on standard error; in a file or a pipe, a line every tenth of the way."""
    if not show or not console.is_terminal:
        yield _Lines(title) if show else _silent
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


class _Lines:
    def __init__(self, title: str) -> None:
        self.title, self.tenth = title, -1

    def __call__(self, done: int, total: int, note: str = "") -> None:
        if (tenth := 10 * done // max(total, 1)) != self.tenth:
            self.tenth = tenth
            console.print(f"{self.title}: {done}/{total} {note}", highlight=False, markup=False)


def _silent(done: int, total: int, note: str = "") -> None:
    pass
