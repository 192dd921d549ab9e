"""One JSON line a step, and the same numbers for whichever trackers are asked for."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from accelerate.tracking import LOGGER_TYPE_TO_CLASS

from sopo.errors import UserError
from sopo.folders import hold

PROJECT = "sopo"


class RunLog:
    """Appends to ``folder/log.jsonl``; lines of steps after ``resume_from`` (an earlier life) are dropped.

    trackers: names that Accelerate has trackers for, each told the same numbers. Raises UserError if one is not there,
    or another process writes to the folder.
    """

    def __init__(self, folder: Path, resume_from: int, trackers: Sequence[str] = ()) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._open = ExitStack()
        self._open.enter_context(hold(folder))
        self.path = folder / "log.jsonl"
        kept = [line for line in read_log(self.path) if line["step"] <= resume_from]
        self.path.write_text("".join(json.dumps(line) + "\n" for line in kept))
        self.trackers = [_tracker(name, folder, resume_from) for name in trackers]
        for tracker in self.trackers:
            self._open.callback(tracker.finish)

    def write(self, step: int, values: dict[str, float]) -> None:
        with self.path.open("a") as file:
            file.write(json.dumps({"step": step, **values}) + "\n")
        for tracker in self.trackers:
            tracker.log(values, step=step)

    def close(self) -> None:
        self._open.close()


def _tracker(name: str, folder: Path, resume_from: int) -> Any:
    """A started tracker; of a run that goes on, the one it had."""
    run = folder.resolve()
    # ``OUT/run`` is called OUT; two of one name are told apart by where they lie.
    called = {"name": run.parent.name if run.name == "run" else run.name, "resume": "allow"}
    ever = hashlib.sha256(str(run).encode()).hexdigest()[:16]
    options: dict[str, dict[str, Any]] = {
        "tensorboard": {"run_name": "tensorboard", "logging_dir": folder, "purge_step": resume_from + 1},
        "wandb": {
            "run_name": PROJECT,
            "id": ever,
            "dir": folder,
            **called,
        },
        "trackio": {"run_name": PROJECT, **called},
    }
    tracker = LOGGER_TYPE_TO_CLASS[name](**options[name])
    try:
        tracker.start()
    except ImportError as error:
        raise UserError(f"--track {name}: needs the package {name}: pip install {name}") from error
    return tracker


def read_log(path: Path) -> list[dict[str, float]]:
    """The lines of a log; a last line cut short by a kill is ignored."""
    lines: list[dict[str, float]] = []
    for text in path.read_text().splitlines() if path.is_file() else []:
        try:
            line = json.loads(text)
        except ValueError:
            break
        if not isinstance(line, dict) or not isinstance(line.get("step"), int):
            break
        lines.append(line)
    return lines
