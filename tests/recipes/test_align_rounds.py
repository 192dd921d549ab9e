"""Rounds: each starts from what the last one saved, which is its reference."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from sopo.diffusion.settings import Sampling
from sopo.errors import UserError
from sopo.preference.settings import PreferenceConfig
from sopo.recipes.align import ROUND_SEEDS, align
from sopo.recipes.build import load_generator
from sopo.training.log import read_log
from sopo.training.settings import LoopConfig

SOPO = PreferenceConfig("sopo", K=2, tau="q1", scale=5.0, rollout=Sampling("ddim", 1, 1.0))


def loop(seed: int, steps: int = 3) -> LoopConfig:
    return LoopConfig(steps=steps, batch_size=4, learning_rate=1e-2, checkpoint_every=2, ema=0.5, seed=seed)


def test_two_rounds_are_two_runs_in_a_row(world, tmp_path: Path) -> None:
    def run(generator: Path, out: Path, seed: int, rounds: int = 1) -> None:
        align(world.data, generator, world.reward, out, SOPO, loop(seed), rounds=rounds)

    run(world.generators["mdm"], tmp_path / "both", seed=1, rounds=2)
    run(world.generators["mdm"], tmp_path / "first", seed=1)
    run(tmp_path / "first", tmp_path / "second", seed=1 + ROUND_SEEDS)
    for a, b in (("both/round-1", "first"), ("both", "second")):
        one, other = (load_generator(tmp_path / name).state_dict() for name in (a, b))
        assert all(torch.equal(value, other[name]) for name, value in one.items())
    first, second = (read_log(tmp_path / "both" / name / "run" / "log.jsonl") for name in ("round-1", "."))
    assert second[0]["h_w"] == 0  # the reference is the last round's result
    assert second[0]["budget"] == pytest.approx(first[-1]["budget"] * 4 / 3)  # generation is counted on


def test_finished_rounds_are_kept_and_others_refused(world, tmp_path: Path) -> None:
    arguments = (world.data, world.generators["mdm"], world.reward, tmp_path, SOPO)
    align(*arguments, loop(0), rounds=2)
    logs = [folder / "run" / "log.jsonl" for folder in (tmp_path / "round-1", tmp_path)]
    before = [log.read_text() for log in logs]
    align(*arguments, loop(0), rounds=2)
    assert [log.read_text() for log in logs] == before
    with pytest.raises(UserError, match=r"LoopConfig\.seed"):
        align(*arguments, loop(5), rounds=2)
    with pytest.raises(UserError, match="steps"):
        align(*arguments, loop(0, steps=4), rounds=2)


def test_rounds_that_make_no_sense_are_refused(world, tmp_path: Path) -> None:
    arguments = (world.data, world.generators["mdm"], world.reward, tmp_path / "out", SOPO, loop(0))
    with pytest.raises(UserError, match="rounds is 0"):
        align(*arguments, rounds=0)
    with pytest.raises(UserError, match="pairs are of one model"):
        align(*arguments, pairs=tmp_path / "pairs.parquet", rounds=2)
    assert not (tmp_path / "out").exists()
