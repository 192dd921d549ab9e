"""What the benchmarks compare is the same work: both sides give the same numbers, at a size that takes no time."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import torch

from sopo.corpus.program import VERBS
from sopo.rewards.learned import TMRReward

FOLDER = Path(__file__).resolve().parents[1] / "benchmarks"
MODULES = ("published_sizes", "plain_step", "step", "gpu", "crowd")


@pytest.fixture
def modules(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, ModuleType]]:
    """The benchmarks as they import one another, gone again afterwards."""
    monkeypatch.syspath_prepend(str(FOLDER))
    yield {name: importlib.import_module(name) for name in MODULES}
    for name in MODULES:
        sys.modules.pop(name, None)


@pytest.mark.parametrize("family", ["mdm", "mld-star", "momask"])
def test_the_plain_step_gives_our_loss_and_gradient(modules, family: str, float64: None) -> None:
    sizes, step = modules["published_sizes"], modules["step"]
    batch, found = sizes.typical_batch(5, seed=1), {}
    for side in step.SIDES:
        torch.manual_seed(0)
        objective = step.objective_of(sizes.generator(family, tiny=True), TMRReward(sizes.tmr(tiny=True)))
        objective.tau = 0.5  # some of the losers count
        step.unlike(objective)
        loss = step.step_of(side, objective, family, batch, seed=3)()
        loss.backward()
        found[side] = loss.item(), step.gradient(objective.policy)
    (loss, slope), (other, slope_ours) = found["plain"], found["ours"]
    assert other == pytest.approx(loss, rel=1e-9) and slope.abs().max() > 0
    assert (slope - slope_ours).abs().max() < 1e-8 * slope.abs().max()


def test_the_script_for_a_gpu_tries_itself_on_a_cpu(modules, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True)
    monkeypatch.setattr(torch, "compile", lambda function, dynamic: function)  # which takes a minute
    modules["gpu"].main(
        ["--device", "cpu", "--tiny", "--families", "mdm", "--batch", "4", "--out", str(tmp_path / "table.md")]
    )
    rows = [line.split(" | ")[1:] for line in (tmp_path / "table.md").read_text().splitlines()[4:]]
    assert len(rows) == 10 and rows[1] == ["gradient, apart by", "0.0e+00 of the largest |"]
    assert "times faster" in rows[3][1] and "matrix product" in rows[5][1]


def test_a_crowd_sees_which_of_two_details_is_right(modules, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    crowd, asked, measured = modules["crowd"], tmp_path / "details", tmp_path / "details-test"
    monkeypatch.setattr(crowd, "DETAILS", 8)
    monkeypatch.setattr(crowd, "DETAILS_TEST", 4)
    crowd.details(asked, measured)
    for folder, pairs in ((asked, 8), (measured, 4)):
        labels = crowd.asked(folder, folder, {"judge": crowd.JUDGE})["judge"]
        assert len({label.pair for label in labels}) == pairs
        assert [label.preferred for label in labels] == ["a"] * len(labels)
        kinds = crowd.differences(labels, folder, folder)
        assert len(kinds) == len(labels) and {*kinds} - {""} <= {*crowd.KINDS, *VERBS}
    before = {path.name: path.read_bytes() for path in asked.rglob("*.npy")}
    crowd.details(asked, measured)  # which is there
    assert before == {path.name: path.read_bytes() for path in asked.rglob("*.npy")}
