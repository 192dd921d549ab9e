"""Every command computes on the device that it is told, and finds there what it finds on the CPU."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from second_device import NAME, second_device

from sopo.cli.main import main
from sopo.device import choose_device, device
from sopo.diffusion.settings import Sampling
from sopo.errors import UserError
from sopo.preference.pairs import PairStore
from sopo.recipes import bench, presets
from sopo.training.log import read_log

FAMILIES = ("mdm", "mld", "momask")
TINY = ["--steps", "2", "--batch_size", "4", "--rollout.steps", "2"]


def run(words: Sequence[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A command on the second device; no network may have computed on the CPU meanwhile."""
    with pytest.MonkeyPatch.context() as patch, second_device(patch) as counting:
        main([*words, "--device", NAME])
    assert counting.work["there"] > 10
    assert counting.work["cpu"] == 0, counting.work


def close(one: Any, other: Any) -> None:
    torch.testing.assert_close(torch.as_tensor(one), torch.as_tensor(other), rtol=1e-3, atol=1e-4, equal_nan=True)


@pytest.mark.parametrize("family", FAMILIES)
def test_align_learns_there_what_it_learns_here(
    world, tmp_path: Path, family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = ["--generator", str(world.generators[family]), "--data", str(world.data), "--reward", str(world.reward)]
    main(["align", *models, *TINY, "--out", str(tmp_path / "here")])
    run(["align", *models, *TINY, "--out", str(tmp_path / "there")], monkeypatch)
    here, there = (read_log(tmp_path / name / "run" / "log.jsonl") for name in ("here", "there"))
    for one, other in zip(here, there, strict=True):
        # But for the time, and the signs of what is nearly zero.
        numbers = [name for name in one if name != "seconds" and "accuracy" not in name]
        close([one[name] for name in numbers], [other[name] for name in numbers])


@pytest.mark.parametrize("family", FAMILIES)
def test_eval_measures_there_what_it_measures_here(
    world, tmp_path: Path, family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = ["--generator", str(world.generators[family]), "--data", str(world.data)]
    small = ["--evaluator", str(world.evaluator), "--runs", "1", "--sampling.steps", "2", "--multimodality", "true"]
    some = ["--mm_texts", "3", "--mm_repeats", "2", "--mm_pairs", "2"]
    main(["eval", *models, *small, *some, "--out", str(tmp_path / "here.json")])
    run(["eval", *models, *small, *some, "--out", str(tmp_path / "there.json")], monkeypatch)
    here, there = (json.loads((tmp_path / f"{name}.json").read_text())["rows"] for name in ("here", "there"))
    for row in here:
        close([stat["mean"] for stat in here[row].values()], [there[row][name]["mean"] for name in here[row]])


def test_sample_draws_there_what_it_draws_here(world, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["sample", "a person walks", "someone jumps", "--generator", str(world.generators["momask"])]
    how = ["--formats", "npy", "--repeats", "2", "--sampling.steps", "2"]
    main([*words, *how, "--out", str(tmp_path / "here")])
    run([*words, *how, "--out", str(tmp_path / "there")], monkeypatch)
    for file in sorted((tmp_path / "here").glob("*.npy")):
        close(np.load(file), np.load(tmp_path / "there" / file.name))


def test_pairs_are_mined_there(world, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    models = ["--generator", str(world.generators["mdm"]), "--data", str(world.data)]
    words = ["pairs", "mine", *models, "--reward", f"0.5*{world.reward} + 0.5*physical", "--captions", "6"]
    small = ["--K", "2", "--sampling.steps", "2"]
    main([*words, *small, "--out", str(tmp_path / "here.parquet")])
    run([*words, *small, "--out", str(tmp_path / "there.parquet")], monkeypatch)
    close(PairStore(tmp_path / "here.parquet").scores, PairStore(tmp_path / "there.parquet").scores)


def test_what_else_runs_networks_runs_them_there(world, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    models = ["--generator", str(world.generators["mdm"]), "--data", str(world.data), "--reward", str(world.reward)]
    run(["profile", *models, "--steps", "1", "--batch_size", "4", "--rollout.steps", "2"], monkeypatch)
    tiny = [
        "--steps",
        "1",
        "--batch_size",
        "4",
        "--width",
        "16",
        "--layers",
        "1",
        "--heads",
        "2",
        "--feedforward",
        "16",
    ]
    run(["train", "reward", "--data", str(world.data), "--out", "tmr", *tiny], monkeypatch)
    small = ["--steps", "1", "--seeds", "[0]", "--runs", "1", "--sampling.steps", "2", "--mining.captions", "4"]
    row = partial(bench.stable_row, method="sopo")
    monkeypatch.setitem(bench.TABLES, "table1", lambda models, kind, *_: [row(kind, models.reward)])
    monkeypatch.setitem(presets.LOOP_STABLE, "batch_size", 4)
    monkeypatch.setitem(presets.PRESETS["stable"], "rollout", Sampling("ddim", 2, 1.0))
    given = ["--evaluator", str(world.evaluator), "--mining.sampling.steps", "2", *small]
    run(["bench", "table1", *models, "--out", "table1", *given], monkeypatch)


def test_people_are_asked_about_what_was_drawn_there(world, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    models = ["--generator", str(world.generators["mdm"]), "--data", str(world.data), "--reward", str(world.reward)]
    words = ["label", "make", *models, "--choose", "unsure", "--pairs", "2", "--sampling.steps", "2"]
    run([*words, "--split", "train", "--out", str(tmp_path / "study")], monkeypatch)


def test_a_device_that_is_not_there_is_refused_in_one_line() -> None:
    for name in ("gpu", NAME):
        with pytest.raises(UserError, match=f"--device {name}: "):
            choose_device(name)
    choose_device(None)
    assert device().type in ("cpu", "cuda", "mps", "xpu")
