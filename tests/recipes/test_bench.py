"""The paper's tables at toy size: every cell is kept, an interrupted grid goes on, the page holds every row."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from PIL import Image

from sopo.cli.main import main
from sopo.diffusion.settings import Sampling
from sopo.errors import UserError
from sopo.matching.guo import GuoMatcher
from sopo.matching.settings import GuoConfig
from sopo.recipes import bench as recipe
from sopo.recipes import bench_grid
from sopo.recipes.align import align
from sopo.recipes.bench import bench, table1, table4
from sopo.recipes.bench_grid import Models
from sopo.recipes.figure1 import figure1
from sopo.recipes.presets import LOOP_STABLE, PRESETS, stable
from sopo.recipes.settings import AblationConfig, BenchConfig, FigureConfig, GainConfig, MineConfig
from sopo.reports.bench import PUBLISHED, published_rows, shortest_gain
from sopo.reports.results import Stat
from sopo.reports.tables import from_json
from sopo.training.log import read_log

ROLLOUT = Sampling("ddim", 1, 1.0)
CONFIG = BenchConfig(
    steps=2, seeds=(0, 1), runs=2, mining=MineConfig(K=2, captions=12, sampling=ROLLOUT), sampling=ROLLOUT
)

ABLATION = AblationConfig(steps=2, seeds=(0,), runs=1, sampling=ROLLOUT)


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(LOOP_STABLE, "batch_size", 4)
    monkeypatch.setitem(PRESETS["stable"], "rollout", ROLLOUT)
    monkeypatch.setitem(PRESETS["stable"], "K", 2)


@pytest.fixture
def models(world) -> Models:
    return Models((world.generators["mdm"],), str(world.reward), world.evaluator)


@pytest.fixture
def other_guo(tmp_path: Path) -> str:
    sizes = GuoConfig(words="hashed-16", word_width=16, movement_hidden=8, movement=8, motion_hidden=8)
    return str(GuoMatcher(sizes).save_pretrained(tmp_path / "guo"))


def test_rows_are_asked_for_by_name(world, models: Models, tmp_path: Path) -> None:
    config = dataclasses.replace(CONFIG, seeds=(0,), runs=1, rows=("sft", "sopo"))
    table, _ = bench("table1", tmp_path / "out", models, config, world.data)
    assert list(table) == ["real", "mdm", "mdm + sft", "mdm + sopo"]
    with pytest.raises(UserError, match="rows: unknown ppo; known: sft, modipo-T"):
        bench("table1", tmp_path / "none", models, dataclasses.replace(config, rows=("ppo",)), world.data)


def test_table1_has_every_method_of_every_generator(world, models: Models, other_guo: str, tmp_path: Path) -> None:
    two = (world.generators["mdm"], world.generators["momask"])
    config = dataclasses.replace(CONFIG, seeds=(0,), runs=1)
    both = dataclasses.replace(models, generators=two, reward_guo=other_guo)
    table, bases = bench("table1", tmp_path / "out", both, config, world.data)
    methods = ["sft", "modipo-T", "modipo-G", "dpo", "online-dpo", "sopo"]
    rows = [row for label in ("mdm", "momask") for row in (label, *(f"{label} + {method}" for method in methods))]
    assert list(table) == ["real", *rows]
    assert bases == {row: row.split(" + ")[0] for row in rows if "+" in row}
    captions = table["mdm + dpo"]["time"].mean
    assert table["mdm"]["time"].mean == table["mdm + sft"]["time"].mean == 0
    # 12 captions with 2 samples each were mined; 2 steps drew 2 samples for each of 4 captions
    assert table["mdm + sopo"]["time"].mean == pytest.approx(captions * 16 / 24)
    record = json.loads((tmp_path / "out" / "table1.json").read_text())
    assert from_json(record["rows"], "record").keys() == table.keys() and len(record["cells"]) == 12
    page = (tmp_path / "out" / "table1.md").read_text()
    assert all(f"| {row} |" in page for row in rows) and f"| {PUBLISHED}MLD + SoPo |" in page
    assert page.index("| mdm + sopo |") < page.index("Published (HumanML3D)") < page.index(f"| {PUBLISHED}MDM |")
    assert page.splitlines()[4].startswith("|  | time | seconds | R@1")
    assert (tmp_path / "out" / "table1.png").stat().st_size > 10_000


def test_a_stopped_grid_goes_on_and_gives_the_same_table(
    world, models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config = dataclasses.replace(CONFIG, runs=1, rows=("dpo", "sopo"))
    whole, _ = bench("table1", tmp_path / "whole", models, config, world.data)
    errors = capsys.readouterr().err
    assert "modipo-G is left out" in errors and "estimated time" in errors and "job 8/8" in errors
    trained: list[str] = []

    def stopping(*arguments, stop_at: int) -> object:
        if len(trained) == stop_at:
            raise KeyboardInterrupt
        trained.append(Path(arguments[3]).name)
        return align(*arguments)

    monkeypatch.setattr(bench_grid, "align", lambda *arguments: stopping(*arguments, stop_at=3))
    with pytest.raises(KeyboardInterrupt):
        bench("table1", tmp_path / "out", models, config, world.data)
    monkeypatch.setattr(bench_grid, "align", lambda *arguments: stopping(*arguments, stop_at=99))
    again, _ = bench("table1", tmp_path / "out", models, config, world.data)
    assert trained == [f"{method}-{seed}" for method in ("dpo", "sopo") for seed in (0, 1)]
    for table in (whole, again):
        for row in table.values():
            row.pop("seconds", None)  # of training, which no two runs share
    assert repr(again) == repr(whole)
    monkeypatch.setattr(bench_grid, "measure", None)  # neither trained nor measured again
    once_more, _ = bench("table1", tmp_path / "out", models, config, world.data)
    assert all(row.pop("seconds").mean >= 0 for name, row in once_more.items() if name != "real")
    assert repr(once_more) == repr(whole)
    with pytest.raises(UserError, match="another loop"):
        bench("table1", tmp_path / "out", models, dataclasses.replace(config, steps=3), world.data)


def test_rows_are_evaluated_in_pairs(world, models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that did not move has its base's every value: the runs share captions, crops and noise."""
    monkeypatch.setitem(LOOP_STABLE, "learning_rate", 1e-12)
    monkeypatch.setattr(recipe, "TABLES", {"table4": lambda models, kind, config: table4(models, kind, ABLATION)[:1]})
    table, _ = bench("table4", tmp_path, models, dataclasses.replace(CONFIG, seeds=(0,)), world.data)
    base, same = table["mdm"], table["mdm + dsopo"]
    for column in base.keys() - {"time", "seconds"}:
        assert same[column].mean == pytest.approx(base[column].mean, rel=1e-3, abs=1e-4), column


def test_table4_varies_one_thing_at_a_time_and_trains_no_setting_twice(
    world, models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PRESETS["stable"], "tau", "q0.1")
    rows = table4(models, "mdm", ABLATION)
    assert [row.name for row in rows[:4]] == ["dsopo", "sopo-without-vu", "usopo", "sopo"]
    assert len(rows) == 30
    assert len({row.preference for row in rows}) == 25  # one tau, K, C, share and scale are the preset's
    chosen = [rows[3], *(row for row in rows if row.name in ("sopo (tau = q0.1)", "sopo (tau = 0.50)"))]
    monkeypatch.setattr(recipe, "TABLES", {"table4": lambda models, kind, config: chosen})
    table, _ = bench("table4", tmp_path, models, dataclasses.replace(CONFIG, seeds=(0,), runs=1), world.data)
    assert sorted(path.name for path in (tmp_path / "mdm").iterdir()) == ["base", "sopo-0", "sopo-tau-0.50-0"]
    assert repr(table["mdm + sopo"]) == repr(table["mdm + sopo (tau = q0.1)"])


@pytest.mark.parametrize("kind", ["mdm", "mld", "momask", "flow"])
def test_all_cells_start_from_the_preset_of_their_generator(models: Models, kind: str) -> None:
    for setting in (*table1(models, kind, CONFIG), *table4(models, kind, ABLATION)):
        own = {
            name
            for name, value in stable(kind, setting.preference.method).items()
            if getattr(setting.preference, name) != value
        }
        varied = {"own noise": "pair_noise", "one draw": "draws"}
        in_brackets = setting.name.partition("(")[2].rstrip(")").partition(" =")[0]
        assert own <= {varied.get(in_brackets, in_brackets)}, setting.name


def test_what_is_optimised_does_not_measure(world, models: Models, tmp_path: Path) -> None:
    for wrong in (
        dataclasses.replace(models, reward=str(world.evaluator)),
        dataclasses.replace(models, reward_guo=str(world.evaluator)),
    ):
        with pytest.raises(UserError, match="must not measure itself"):
            bench("table1", tmp_path / "out", wrong, CONFIG, world.data)
    with pytest.raises(UserError, match="Guo et al"):
        bench("table1", tmp_path / "out", dataclasses.replace(models, reward_guo=models.reward), CONFIG, world.data)
    assert not (tmp_path / "out").exists()


def test_every_published_row_is_labelled_and_has_its_base() -> None:
    table, bases = published_rows("table1")
    assert all(name.startswith(PUBLISHED) for name in table if name != "real")
    assert bases[f"{PUBLISHED}MDM (fast) + SoPo"] == f"{PUBLISHED}MDM (fast)"
    assert bases[f"{PUBLISHED}MLD + MoDiPO-T"] == f"{PUBLISHED}MLD" and "real" not in bases
    assert len(set(published_rows("table4")[1].values())) == 1


def test_the_shortest_run_that_gains_is_named(world, models: Models, tmp_path: Path) -> None:
    config = GainConfig(seeds=(0,), runs=2, sampling=ROLLOUT, lengths=(1, 3), method="sft")
    table, _ = bench("time-to-gain", tmp_path, models, config, world.data)
    assert list(table) == ["real", "mdm", "mdm + sft, 1 steps", "mdm + sft, 3 steps"]
    logs = [read_log(tmp_path / "mdm" / f"sft-{steps}-steps-0" / "run" / "log.jsonl") for steps in (1, 3)]
    assert [len(log) for log in logs] == [1, 3] and logs[0][-1]["learning_rate"] != logs[1][-1]["learning_rate"]
    assert shortest_gain(table, "mdm") in (tmp_path / "time-to-gain.md").read_text()
    assert (tmp_path / "time-to-gain.png").stat().st_size > 10_000

    def row(r1: float, seconds: float) -> dict[str, Stat]:
        return {"R@1": Stat(r1, 0.01), "seconds": Stat(seconds, 0.0)}

    runs = {"a": row(0.5, 0), "a + x": row(0.6, 9), "a + y": row(0.55, 5), "a + z": row(0.51, 2), "a + w": row(0.4, 1)}
    assert "a + y (+10.0%, 5 s of training)" in shortest_gain(runs, "a")
    assert "No run from a" in shortest_gain({name: runs[name] for name in ("a", "a + z", "a + w")}, "a")


def test_figure1_draws_every_seed_from_the_cells_of_the_table(world, models: Models, tmp_path: Path) -> None:
    config = FigureConfig(steps=1, seeds=(0, 1), sampling=ROLLOUT, captions=2)
    written = figure1(tmp_path, models, config, world.data)
    assert [path.name for path in written] == ["mdm-0.png", "mdm-1.png"]
    sizes = [Image.open(path).size for path in written]
    before = (tmp_path / "mdm" / "sopo-0" / "run" / "log.jsonl").stat().st_mtime_ns
    assert figure1(tmp_path, models, config, world.data) == written
    assert (tmp_path / "mdm" / "sopo-0" / "run" / "log.jsonl").stat().st_mtime_ns == before
    assert all(height > 4 * 200 for _, height in sizes)  # recorded, before, and after with two seeds


@pytest.mark.slow
def test_from_the_command_line(world, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    words = ["--generator", str(world.generators["mdm"]), "--data", str(world.data), "--reward", str(world.reward)]
    words += ["--evaluator", str(world.evaluator), "--steps", "1", "--runs", "1", "--seeds", "[3]"]
    words += ["--mining.K", "2", "--mining.captions", "8", "--mining.sampling.steps", "1", "--sampling.steps", "1"]
    main(["bench", "table1", "--out", str(out), *words])
    assert "table1.md" in capsys.readouterr().out
    assert json.loads((out / "table1.json").read_text())["config"]["seeds"] == [3]
