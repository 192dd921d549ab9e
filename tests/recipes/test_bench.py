"""The paper's tables at toy size: every cell is kept, an interrupted grid goes on, the page holds every row."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

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
from sopo.recipes.presets import LOOP_STABLE, PRESETS, stable
from sopo.recipes.settings import BenchConfig, MineConfig
from sopo.reports.bench import PUBLISHED, published_rows
from sopo.reports.tables import from_json

ROLLOUT = Sampling("ddim", 1, 1.0)
CONFIG = BenchConfig(
    steps=2, seeds=(0, 1), runs=2, mining=MineConfig(K=2, captions=12, sampling=ROLLOUT), sampling=ROLLOUT
)


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
    whole, _ = bench("table1", tmp_path / "whole", models, CONFIG, world.data)
    errors = capsys.readouterr().err
    assert "modipo-G is left out" in errors and "estimated time" in errors and "job 17/17" in errors
    trained: list[str] = []

    def stopping(*arguments, stop_at: int) -> object:
        if len(trained) == stop_at:
            raise KeyboardInterrupt
        trained.append(Path(arguments[3]).name)
        return align(*arguments)

    monkeypatch.setattr(bench_grid, "align", lambda *arguments: stopping(*arguments, stop_at=3))
    with pytest.raises(KeyboardInterrupt):
        bench("table1", tmp_path / "out", models, CONFIG, world.data)
    monkeypatch.setattr(bench_grid, "align", lambda *arguments: stopping(*arguments, stop_at=99))
    again, _ = bench("table1", tmp_path / "out", models, CONFIG, world.data)
    methods = ("sft", "modipo-T", "dpo", "online-dpo", "sopo")
    assert trained == [f"{method}-{seed}" for method in methods for seed in (0, 1)]
    for table in (whole, again):
        for row in table.values():
            row.pop("seconds", None)  # of training, which no two runs share
    assert repr(again) == repr(whole)
    monkeypatch.setattr(bench_grid, "measure", None)  # neither trained nor measured again
    once_more, _ = bench("table1", tmp_path / "out", models, CONFIG, world.data)
    assert all(row.pop("seconds").mean >= 0 for name, row in once_more.items() if name != "real")
    assert repr(once_more) == repr(whole)
    with pytest.raises(UserError, match="another loop"):
        bench("table1", tmp_path / "out", models, dataclasses.replace(CONFIG, steps=3), world.data)


def test_rows_are_evaluated_in_pairs(world, models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that did not move has its base's every value: the runs share captions, crops and noise."""
    monkeypatch.setitem(LOOP_STABLE, "learning_rate", 1e-12)
    monkeypatch.setattr(recipe, "TABLES", {"table4": lambda models, kind: table4(models, kind)[:1]})
    table, _ = bench("table4", tmp_path, models, dataclasses.replace(CONFIG, seeds=(0,)), world.data)
    base, same = table["mdm"], table["mdm + dsopo"]
    for column in base.keys() - {"time"}:
        assert same[column].mean == pytest.approx(base[column].mean, rel=1e-3, abs=1e-4), column


def test_table4_varies_one_thing_at_a_time_and_trains_no_setting_twice(
    world, models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PRESETS["stable"], "tau", "q0.1")
    rows = table4(models, "mdm")
    assert [row.name for row in rows[:4]] == ["dsopo", "sopo-without-vu", "usopo", "sopo"]
    assert len(rows) == 23
    assert len({row.preference for row in rows}) == 19  # one tau, K, share and scale are the preset's
    chosen = [rows[3], *(row for row in rows if row.name in ("sopo (tau = q0.1)", "sopo (tau = 0.50)"))]
    monkeypatch.setattr(recipe, "TABLES", {"table4": lambda models, kind: chosen})
    table, _ = bench("table4", tmp_path, models, dataclasses.replace(CONFIG, seeds=(0,), runs=1), world.data)
    assert sorted(path.name for path in (tmp_path / "mdm").iterdir()) == ["base", "sopo-0", "sopo-tau-0.50-0"]
    assert repr(table["mdm + sopo"]) == repr(table["mdm + sopo (tau = q0.1)"])


@pytest.mark.parametrize("kind", ["mdm", "mld", "momask"])
def test_all_cells_start_from_the_preset_of_their_generator(models: Models, kind: str) -> None:
    for setting in (*table1(models, kind), *table4(models, kind)):
        own = {name for name, value in stable(kind).items() if getattr(setting.preference, name) != value}
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


@pytest.mark.slow
def test_from_the_command_line(world, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    words = ["--generator", str(world.generators["mdm"]), "--data", str(world.data), "--reward", str(world.reward)]
    words += ["--evaluator", str(world.evaluator), "--steps", "1", "--runs", "1", "--seeds", "[3]"]
    words += ["--mining.K", "2", "--mining.captions", "8", "--mining.sampling.steps", "1", "--sampling.steps", "1"]
    main(["bench", "table1", "--out", str(out), *words])
    assert "table1.md" in capsys.readouterr().out
    assert json.loads((out / "table1.json").read_text())["config"]["seeds"] == [3]
