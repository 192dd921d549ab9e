"""Trackers are told what log.jsonl holds; lines in a file say how fast and how long."""

from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import Any

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from sopo.errors import UserError
from sopo.folders import hold
from sopo.training import progress
from sopo.training.log import RunLog, read_log


def test_tensorboard_holds_the_numbers_of_the_log_and_a_resumed_run_replaces_its_own(tmp_path: Path) -> None:
    for resumed, steps in ((0, (1, 2, 3)), (2, (3, 4))):
        log = RunLog(tmp_path, resumed, ["tensorboard"])
        for step in steps:
            log.write(step, {"loss": step + 10.0 * resumed})
        log.close()
    board = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    told = [(event.step, event.value) for event in board.Scalars("loss")]
    assert told == [(line["step"], line["loss"]) for line in read_log(tmp_path / "log.jsonl")]
    assert told == [(1, 1.0), (2, 2.0), (3, 23.0), (4, 24.0)]


@pytest.mark.parametrize("name", ["wandb", "trackio"])
def test_other_trackers_get_the_same_under_one_name_for_all_lives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    begun: list[dict[str, Any]] = []
    told: list[tuple[Any, dict[str, float]]] = []

    def log(values: dict[str, float], step: int | None = None, **_: Any) -> None:
        told.append((step, values))

    run = types.SimpleNamespace(log=log, finish=lambda: None)
    package = types.SimpleNamespace(init=lambda **asked: begun.append(asked) or run, log=log, finish=lambda: None)
    monkeypatch.setitem(sys.modules, name, package)  # type: ignore[arg-type]
    for resumed in (0, 1):
        written = RunLog(tmp_path / "aligned" / "run", resumed, [name])
        written.write(resumed + 1, {"loss": 0.5})
        written.close()
    assert told == [(1, {"loss": 0.5}), (2, {"loss": 0.5})]
    assert begun[0] == begun[1] and begun[0]["name"] == "aligned" and begun[0]["resume"] == "allow"


def test_a_tracker_that_is_not_installed_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(UserError, match=r"--track wandb: .* pip install wandb"):
        RunLog(tmp_path, 0, ["wandb"])


def test_lines_say_rate_and_time_left_each_tenth_and_each_minute(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = 0.0
    monkeypatch.setattr(progress.time, "monotonic", lambda: now)
    monkeypatch.setattr(progress, "console", progress.Console(stderr=True, width=100))
    report = progress.Lines("evaluating")
    for done in (500, 501, 502, 503):  # a run that goes on
        report(done, 1000, "row")
        now += 40.0
    assert capsys.readouterr().err.splitlines() == [
        "evaluating: 500/1000 row",
        "evaluating: 502/1000, 0.025/s, 5:32:00 left row",
    ]


def test_one_process_writes_to_a_run(tmp_path: Path) -> None:
    with hold(tmp_path), pytest.raises(UserError, match="another process writes there"):
        RunLog(tmp_path, resume_from=-1)
    log = RunLog(tmp_path, resume_from=-1)
    log.close()
    RunLog(tmp_path, resume_from=-1).close()
