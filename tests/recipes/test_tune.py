"""Tuning at toy size: as many settings for each row, chosen by rule on the validation split, kept and gone on from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sopo.diffusion.settings import Sampling
from sopo.errors import DivergenceError, UserError
from sopo.recipes import bench_grid
from sopo.recipes import tune as recipe
from sopo.recipes.align import align
from sopo.recipes.bench import bench
from sopo.recipes.bench_grid import Models
from sopo.recipes.figure1 import figure1
from sopo.recipes.presets import LOOP_STABLE, PRESETS
from sopo.recipes.settings import BenchConfig, FigureConfig, MineConfig, TuneConfig
from sopo.recipes.tune import candidates, choose, tune
from sopo.recipes.tuning import TUNINGS
from sopo.reports.results import Stat

ROLLOUT = Sampling("ddim", 1, 1.0)
SMALL = {"steps": 2, "mining": MineConfig(K=2, captions=12, sampling=ROLLOUT), "sampling": ROLLOUT}
CONFIG = TuneConfig(**SMALL, runs=2, settings=2, rows=("sft", "modipo-T", "sopo"))


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(LOOP_STABLE, "batch_size", 4)
    monkeypatch.setitem(PRESETS["stable"], "rollout", ROLLOUT)


@pytest.fixture
def models(world) -> Models:
    return Models((world.generators["mdm"],), str(world.reward), world.evaluator)


def row(r1: float, fid: float) -> dict[str, Stat]:
    return {"R@1": Stat(r1, 0.01), "FID": Stat(fid, 0.1)}


def test_the_choice_is_the_highest_r1_of_those_that_do_no_harm() -> None:
    base = row(0.7, 3.0)
    assert choose(base, {"worse": row(0.9, 3.3), "good": row(0.8, 3.1), "less": row(0.75, 1.0)}) == "good"
    assert choose(base, {"far": row(0.9, 9.0), "near": row(0.4, 5.0)}) == "near"
    assert choose(base, {}) is None


@pytest.mark.parametrize("kind", ["mdm", "mld", "momask"])
def test_every_row_has_eight_different_settings(models: Models, kind: str) -> None:
    for name, tuning in TUNINGS.items():
        some = candidates(name, tuning, kind, models, most=8)
        assert len({(setting.preference, setting.learning_rate) for setting in some}) == 8, name
        assert len({bench_grid.slug(setting.name) for setting in some}) == 8, name


def test_a_stopped_tuning_goes_on_and_the_table_takes_its_choices(
    models: Models, data_with_val: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: list[str] = []

    def stopping(*arguments, stop_at: int) -> object:
        if len(trained) == stop_at:
            raise KeyboardInterrupt
        trained.append(arguments[3].name)
        if trained[-1].startswith("sft-learning_rate-6e-05"):
            raise DivergenceError("the loss is nan")
        return align(*arguments)

    monkeypatch.setattr(bench_grid, "align", lambda *arguments: stopping(*arguments, stop_at=3))
    with pytest.raises(KeyboardInterrupt):
        tune(tmp_path / "tune", models, CONFIG, data_with_val)
    monkeypatch.setattr(bench_grid, "align", lambda *arguments: stopping(*arguments, stop_at=99))
    tune(tmp_path / "tune", models, CONFIG, data_with_val)
    assert len(trained) == len(set(trained)) == 6
    record = json.loads((tmp_path / "tune" / "tuned.json").read_text())
    [made] = record["generators"]
    assert list(made["chosen"]) == list(CONFIG.rows) and record["split"] == "val"
    assert all(len(tried) == 2 for tried in made["tried"].values())
    broken = "sft, learning_rate 6e-05"
    assert made["tried"]["sft"][broken]["diverged"] == "the loss is nan" and made["chosen"]["sft"] != broken
    page = (tmp_path / "tune" / "tuned.md").read_text()
    assert f"- {broken}: diverged" in page and "| sopo, learning_rate 0.0002, scale 30 |" in page

    config = BenchConfig(**SMALL, seeds=(0, 1), runs=1)
    tuned = tmp_path / "tune" / "tuned.json"
    trained.clear()
    table, _ = bench("table1", tmp_path / "table", models, config, data_with_val, tuned)
    assert trained == ["sft-1", "modipo-T-1", "sopo-1"]  # the runs of seed 0 are those of the tuning
    assert list(table) == ["real", "mdm", *(f"mdm + {name}" for name in CONFIG.rows)]
    assert table["mdm + modipo-T"]["seconds"].mean > 0 and "floor_depth" in table["mdm + sopo"]
    settings = json.loads((tmp_path / "table" / "table1.json").read_text())["settings"]["mdm"]
    rates = {row["name"]: row["learning_rate"] for row in settings}
    assert rates == {name: made["tried"][name][chosen]["learning_rate"] for name, chosen in made["chosen"].items()}
    assert recipe.RULE in (tmp_path / "table" / "table1.md").read_text()
    drawn = FigureConfig(**SMALL, seeds=(1,), captions=1)
    trained.clear()
    assert len(figure1(tmp_path / "table", models, drawn, data_with_val, tuned)) == 1 and not trained
    with pytest.raises(UserError, match=r"another steps \(2, now 3\)"):
        bench("table1", tmp_path / "x", models, BenchConfig(**SMALL | {"steps": 3}), data_with_val, tuned)
    (tmp_path / "none.json").write_text("{}")
    with pytest.raises(UserError, match="not a file of `sopo bench tune`"):
        bench("table1", tmp_path / "x", models, config, data_with_val, tmp_path / "none.json")
    assert not (tmp_path / "x").exists()


def test_rows_that_a_generator_does_not_allow_are_named(
    world, data_with_val: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    models = Models((world.generators["momask"],), str(world.reward), world.evaluator)
    config = TuneConfig(**SMALL, runs=2, settings=1, rows=("sft", "policy-gradient", "modipo-G"))
    best = tune(tmp_path, models, config, data_with_val)
    assert list(best["momask"]) == ["real", "momask", "sft"]
    [made] = json.loads((tmp_path / "tuned.json").read_text())["generators"]
    assert "a momask has none" in made["left_out"]["policy-gradient"] and "--reward_guo" in made["left_out"]["modipo-G"]
    assert "policy-gradient is left out" in capsys.readouterr().err
    for wrong, said in (({"rows": ("ppo",)}, "rows: unknown ppo"), ({"runs": 1}, "runs is 1")):
        with pytest.raises(UserError, match=said):
            TuneConfig(**wrong)
