"""The winners' error against the reference's: logged, warned of once, and a run's end if asked for."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from sopo.batch import Batch
from sopo.preference.guard import WinnerGuard
from sopo.randomness import Draws
from sopo.training.log import read_log
from sopo.training.loop import fit
from sopo.training.settings import LoopConfig


def watched(guard: WinnerGuard, ratios: list[float]) -> list[tuple[bool, float]]:
    seen = []
    for step, ratio in enumerate(ratios, start=1):
        values = {"error_w": 0.5 * ratio, "error_w/reference": 0.5}
        seen.append((guard(step, values), values["winner_above_reference"]))
    return seen


def test_warns_once_where_the_error_stays_above(capsys: pytest.CaptureFixture[str]) -> None:
    seen = watched(WinnerGuard(), [1.0] * 50 + [1.2] * 50)
    assert not any(stopped for stopped, _ in seen)
    assert seen[49][1] == pytest.approx(0) and seen[-1][1] == pytest.approx(0.2, abs=0.02)
    words = " ".join(capsys.readouterr().err.split())
    assert words.count("warning:") == 1 and "lower --learning_rate" in words


def test_is_silent_below_and_at_an_outlier(capsys: pytest.CaptureFixture[str]) -> None:
    watched(WinnerGuard(stop=True), [1.9] + [0.9] * 60 + [1.3] + [0.9] * 20)
    assert not capsys.readouterr().err


@pytest.mark.parametrize(("risen", "warns"), [(1.05, False), (1.1, True)])
def test_the_margin_lies_between_a_healthy_run_and_a_collapse(
    capsys: pytest.CaptureFixture[str], risen: float, warns: bool
) -> None:
    watched(WinnerGuard(), [risen] * 60)
    assert ("warning:" in capsys.readouterr().err) == warns


def test_the_averages_weigh_a_step_by_its_error() -> None:
    """The error of a step depends on its noise level far more than on the model."""
    guard = WinnerGuard()
    for step in range(40):
        values = {"error_w": (0.01, 1.0)[step % 2] * 1.1, "error_w/reference": (0.01, 1.0)[step % 2]}
        guard(step, values)
    assert values["winner_above_reference"] == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("risen", "steps", "said"), [(1.5, 6, "over its 6 steps"), (1.02, 6, ""), (1.5, 60, "by step")]
)
def test_a_run_too_short_for_an_average_is_judged_at_its_end(
    capsys: pytest.CaptureFixture[str], risen: float, steps: int, said: str
) -> None:
    guard = WinnerGuard()
    watched(guard, [1.0] + [risen] * (steps - 1))
    guard.finish()
    words = " ".join(capsys.readouterr().err.split())
    assert words.count("warning:") == bool(said) and said in words


def test_methods_without_a_winner_pass() -> None:
    values = {"loss": 1.0}
    assert not WinnerGuard(stop=True)(1, values) and values == {"loss": 1.0}


class Worsening(nn.Module):
    """Its one weight counts the steps; its winner's error rises from step 30 on."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, batch: Batch, draws: Draws) -> tuple[Tensor, dict[str, Tensor]]:
        error = torch.where(self.weight.detach().abs() > 0.3, 2.0, 1.0).mean()
        return self.weight.mean(), {"error_w": error, "error_w/reference": torch.tensor(1.0)}


def nothing(step: int) -> Batch:
    return Batch(torch.zeros(1, 1, 1), torch.ones(1, dtype=torch.int64), (), ())


@pytest.mark.parametrize("checkpoint_every", [10, 0])
def test_a_stopped_run_keeps_its_last_checkpoint(tmp_path: Path, checkpoint_every: int) -> None:
    objective = Worsening()
    plan = LoopConfig(steps=90, batch_size=1, learning_rate=0.01, checkpoint_every=checkpoint_every)
    fit(objective, nothing, plan, tmp_path, watch=WinnerGuard(stop=True))
    log = read_log(tmp_path / "log.jsonl")
    assert 30 < len(log) < 40 and log[-1]["winner_above_reference"] > 0.02
    expected = 0.3 if checkpoint_every else 0.01 * len(log)  # each step moves the weight by the rate
    assert -objective.weight.item() == pytest.approx(expected, abs=1e-3)
