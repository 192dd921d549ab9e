"""The main job from the command line at toy size, end to end."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sopo.cli.main import main
from sopo.recipes.presets import stable

COLUMNS = {"R@1", "R@2", "R@3", "MMDist", "FID", "Diversity", "rule_accuracy", "foot_skate"}


@pytest.mark.slow
def test_quickstart(tmp_path: Path) -> None:
    out = tmp_path / "quickstart"
    size = ["--train_clips", "72", "--test_clips", "40", "--steps", "2", "--runs", "2", "--sampling.steps", "2"]
    main(["quickstart", "--out", str(out), *size])
    results = json.loads((out / "results.json").read_text())
    for row in ("base", "aligned", "real"):
        assert results[row].keys() >= COLUMNS
        assert all({"mean", "ci"} <= cell.keys() for cell in results[row].values())
    assert results["seed"] == 0 and results["seconds"] > 0 and results["config"]["loop"]["steps"] == 2
    assert results["real"]["rule_accuracy"]["mean"] > 0.9
    assert results["real"]["FID"]["mean"] == pytest.approx(0, abs=1e-3)
    log = [json.loads(line) for line in (out / "aligned" / "run" / "log.jsonl").read_text().splitlines()]
    anchored = stable("mdm")["anchor"] * log[0]["anchor"]
    assert log[0]["loss"] - anchored == pytest.approx(0.693147, abs=1e-5)  # theta = ref: log 2
    page = (out / "report.html").read_text()
    assert "largest change" in page and "random" in page
