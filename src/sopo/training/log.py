"""One JSON line a step, and the same numbers for TensorBoard."""

from __future__ import annotations

import json
from pathlib import Path

from torch.utils.tensorboard import SummaryWriter


class RunLog:
    """Appends to ``folder/log.jsonl``; lines of steps after ``resume_from`` (an earlier life) are dropped."""

    def __init__(self, folder: Path, resume_from: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / "log.jsonl"
        kept = [line for line in read_log(self.path) if line["step"] <= resume_from]
        self.path.write_text("".join(json.dumps(line) + "\n" for line in kept))
        self.board = SummaryWriter(folder / "tensorboard", purge_step=resume_from + 1)

    def write(self, step: int, values: dict[str, float]) -> None:
        with self.path.open("a") as file:
            file.write(json.dumps({"step": step, **values}) + "\n")
        for name, value in values.items():
            self.board.add_scalar(name, value, step)

    def close(self) -> None:
        self.board.close()


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
