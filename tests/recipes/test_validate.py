"""What is measured on the way: nothing of it is learned from, a resumed run measures the same, the best is kept."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from sopo.cli.main import main
from sopo.data.dataset import MotionDataset
from sopo.diffusion.settings import Sampling
from sopo.errors import UserError
from sopo.preference.settings import PreferenceConfig
from sopo.recipes import validate
from sopo.recipes.align import align
from sopo.recipes.build import load_generator
from sopo.recipes.settings import ValidationConfig
from sopo.recipes.validate import hold_out
from sopo.training import loop as loops
from sopo.training.log import read_log
from sopo.training.settings import LoopConfig

ROLLOUT = Sampling("ddim", 1, 1.0)
SOPO = PreferenceConfig("sopo", K=2, tau="q1", scale=5.0, rollout=ROLLOUT)
LOOP = LoopConfig(steps=4, batch_size=4, learning_rate=1e-2, checkpoint_every=2, ema=0.5)
UNSEEN = ValidationConfig(every=1, captions=32, split="val", sampling=ROLLOUT)


def run(world, data: Path, out: Path, **settings) -> dict[str, torch.Tensor]:
    chosen = {"validation": UNSEEN, "keep": "best"} | settings
    align(data, world.generators["mdm"], world.reward, out, SOPO, LOOP, **chosen)
    return load_generator(out).state_dict()


def measured(out: Path) -> list[dict[str, float]]:
    found = [{k: v for k, v in line.items() if k.startswith("validation/")} for line in read_log(out / "run/log.jsonl")]
    return [{name: value for name, value in line.items() if "seconds" not in name} for line in found]


@pytest.mark.parametrize("killed_at", [2, 4])
def test_the_best_is_kept_and_a_resumed_run_keeps_the_same(
    world, data_with_val: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, killed_at: int
) -> None:
    whole = run(world, data_with_val, tmp_path / "whole")
    told = measured(tmp_path / "whole")
    assert len(told) == 5 and all(0 <= line["validation/R@1"] <= 1 and "validation/reward" in line for line in told)
    ranks = [(line["validation/R@1"], line["validation/reward"]) for line in told]
    kept = json.loads((tmp_path / "whole/run/kept.json").read_text())
    assert kept["step"] == ranks.index(max(ranks))

    # Killed before the checkpoint of step 2, it begins anew; after it, the best so far comes back from there.
    saved = loops.save_checkpoint

    def dying(path: Path, state: dict) -> None:
        if state["step"] == killed_at:
            raise KeyboardInterrupt
        saved(path, state)

    monkeypatch.setattr(loops, "save_checkpoint", dying)
    with pytest.raises(KeyboardInterrupt):
        run(world, data_with_val, tmp_path / "cut")
    monkeypatch.setattr(loops, "save_checkpoint", saved)
    again = run(world, data_with_val, tmp_path / "cut")
    assert measured(tmp_path / "cut") == told
    assert all(torch.equal(again[name], value) for name, value in whole.items())


def test_measuring_changes_nothing_of_the_run(world, data_with_val: Path, tmp_path: Path) -> None:
    with_it = run(world, data_with_val, tmp_path / "with", keep="last")
    without = run(world, data_with_val, tmp_path / "without", keep="last", validation=ValidationConfig())
    assert all(torch.equal(with_it[name], value) for name, value in without.items())
    assert not (tmp_path / "with/run/kept.json").exists()


def test_the_base_is_kept_where_nothing_is_better(
    world, data_with_val: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = iter([0.9, 0.8, 0.7, 0.6, 0.9])
    monkeypatch.setattr(validate.Measure, "__call__", lambda self: {"R@1": next(values), "reward": 0.5})
    kept = run(world, data_with_val, tmp_path / "out")
    base = load_generator(world.generators["mdm"]).state_dict()
    assert all(torch.equal(value, base[name]) for name, value in kept.items())


def test_what_is_kept_aside_is_not_trained_on(world) -> None:
    dataset = MotionDataset(world.data, "train")
    rest, aside = hold_out(dataset, 5, seed=3)
    keys = [{item.key for item in part.items} for part in (rest, aside, dataset)]
    assert not keys[0] & keys[1] and keys[0] | keys[1] == keys[2] and len(aside) == len(aside.lengths) == 5
    with pytest.raises(UserError, match=r"validation\.captions is 24"):
        hold_out(dataset, 24, seed=3)


def test_what_cannot_be_measured_is_refused(
    world, data_with_val: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UserError, match=r"--validation\.every"):
        run(world, data_with_val, tmp_path, validation=ValidationConfig())
    with pytest.raises(UserError, match="must not measure it"):
        ValidationConfig(split="test")
    with pytest.raises(UserError, match="nothing to validate by"):
        sft = PreferenceConfig("sft", rollout=ROLLOUT)
        align(data_with_val, world.generators["mdm"], None, tmp_path, sft, LOOP, validation=UNSEEN)
    words = ["align", "--generator", str(world.generators["mdm"]), "--data", str(world.data), "--out", str(tmp_path)]
    with pytest.raises(SystemExit):
        main([*words, "--method", "sft", "--keep", "best"])
    assert "--validation.every" in capsys.readouterr().err
