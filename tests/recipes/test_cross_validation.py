"""`sopo bench folds` at toy size: whole, gone on with, and its table by hand."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from sopo.cli.main import main
from sopo.corpus.settings import CorpusConfig
from sopo.corpus.write import make_corpus
from sopo.diffusion.settings import Sampling
from sopo.errors import UserError
from sopo.generators.settings import MDMConfig
from sopo.matching.settings import GuoConfig, TMRConfig
from sopo.recipes import bench_grid, presets
from sopo.recipes import folds as recipe
from sopo.recipes.align import align
from sopo.recipes.folds import cross_validate
from sopo.recipes.settings import FoldsConfig, MineConfig
from sopo.reports.folds import folded
from sopo.reports.results import Stat

ROLLOUT = Sampling("ddim", 1, 1.0)
SMALL = {"text_encoder": "hashed-16", "width": 16, "feedforward": 24, "layers": 1, "heads": 2}
CONFIG = FoldsConfig(
    folds=2,
    val_share=0.45,
    steps=2,
    seeds=(0,),
    runs=2,
    rows=("sft", "sopo"),
    reward_steps=1,
    evaluator_steps=1,
    base_steps=1,
    sampling=ROLLOUT,
    mining=MineConfig(K=2, captions=4, sampling=ROLLOUT),
)


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    for loop in (presets.LOOP_STABLE, presets.LOOP_REWARD, presets.LOOP_GENERATOR, recipe.SMALL_BATCH):
        monkeypatch.setitem(loop, "batch_size", 4)
    monkeypatch.setitem(presets.PRESETS["stable"], "rollout", ROLLOUT)
    mdm = MDMConfig(**SMALL, diffusion_steps=4, frames_per_token=4, token_window=3)  # type: ignore[arg-type]
    monkeypatch.setitem(presets.MDM_PRESETS, "small", mdm)
    monkeypatch.setattr(presets, "TMR_SMALL", TMRConfig(**SMALL))  # type: ignore[arg-type]
    guo = GuoConfig(words="hashed-16", word_width=16, movement_hidden=8, movement=8, motion_hidden=8)
    monkeypatch.setattr(presets, "GUO_SMALL", guo)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("folds") / "data"
    make_corpus(folder, CorpusConfig(train=90, val=0, test=60))
    return folder


def test_folds_are_trained_measured_kept_and_pooled(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [
        "--folds",
        "2",
        "--steps",
        "2",
        "--seeds",
        "[0]",
        "--runs",
        "2",
        "--rows",
        '["sft", "sopo"]',
        "--val_share",
        "0.45",
    ]
    words += [f"--{part}_steps=1" for part in ("reward", "evaluator", "base")]
    words += ["--sampling.sampler", "ddim", "--sampling.steps", "1", "--sampling.guidance", "1", "--mining.K", "2"]
    words += ["--mining.captions", "4", "--mining.half", "false", "--mining.sampling.sampler", "ddim"]
    words += ["--mining.sampling.steps", "1", "--mining.sampling.guidance", "1"]
    out = tmp_path / "out"
    main(["bench", "folds", "--data", str(data), "--out", str(out), *words])
    assert "| sopo against sft |" in capsys.readouterr().out
    record = json.loads((out / "folds.json").read_text())
    first, second = (fold for fold in record["folds"])
    assert list(first) == ["real", "base", "sft", "sopo"] and first["base"]["FID"] != second["base"]["FID"]
    written = (out / "fold-1" / "sopo-0" / "model.safetensors").stat().st_mtime_ns
    result = cross_validate(data, out, CONFIG)  # nothing is trained or measured anew
    assert (out / "fold-1" / "sopo-0" / "model.safetensors").stat().st_mtime_ns == written
    change = result.changes["sopo"]["base"]["FID"]
    by_hand = [100 * (fold["sopo"]["FID"]["mean"] / fold["base"]["FID"]["mean"] - 1) for fold in (first, second)]
    assert change.runs == pytest.approx(by_hand)
    more = cross_validate(data, out, dataclasses.replace(CONFIG, rows=("modipo-T", "sopo")))  # a row of mined pairs
    assert (
        set(more.changes["sopo"]) == {"base", "modipo-T"}
        and more.changes["sopo"]["base"] == result.changes["sopo"]["base"]
    )
    assert (out / "fold-1" / "sopo-0" / "model.safetensors").stat().st_mtime_ns == written
    for rows, line in ((("modipo-G",), "rows: modipo-G; known: sft"), ((), "rows: none; known")):
        with pytest.raises(UserError, match=line):
            dataclasses.replace(CONFIG, rows=rows)
    with pytest.raises(UserError, match=r"was made with another seed \(0, now 1\)"):
        cross_validate(data, out, dataclasses.replace(CONFIG, seed=1))


def test_settings_are_chosen_on_the_folds_own_validation_split_or_elsewhere(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: list[str] = []
    monkeypatch.setattr(bench_grid, "align", lambda *arguments: trained.append(arguments[3].name) or align(*arguments))
    config = dataclasses.replace(CONFIG, rows=("sopo",), settings=2)
    cross_validate(data, tmp_path, config)
    assert len(trained) == 4  # what was chosen is not trained again
    rates = []
    for number in (0, 1):
        tuned = json.loads((tmp_path / f"fold-{number}" / "tune" / "tuned.json").read_text())
        assert tuned["split"] == "val" and len(tuned["generators"][0]["tried"]["sopo"]) == 2
        told = tuned["generators"][0]
        rates.append(told["tried"]["sopo"][told["chosen"]["sopo"]]["learning_rate"])
        assert _rate(tmp_path, number) == rates[-1]

    elsewhere = tmp_path / "fold-1" / "tune" / "tuned.json"
    with pytest.raises(UserError, match="give one of the two"):
        cross_validate(data, tmp_path, config, elsewhere)
    shutil.rmtree(tmp_path / "fold-0" / "sopo-0")
    cross_validate(data, tmp_path, dataclasses.replace(CONFIG, rows=("sopo",)), elsewhere)
    assert _rate(tmp_path, 0) == rates[1] and str(elsewhere) in (tmp_path / "folds.md").read_text()
    with pytest.raises(UserError, match=r"tuned.json: sft of an mdm was not tuned there"):
        cross_validate(data, tmp_path, CONFIG, elsewhere)


def _rate(out: Path, fold: int) -> float:
    return json.loads((out / f"fold-{fold}" / "sopo-0" / "cell.json").read_text())["loop"]["learning_rate"]


def test_a_change_is_the_mean_over_folds_by_students_t() -> None:
    values = {"base": (4.0, 5.0, 8.0), "a": (2.0, 4.0, 8.0), "b": (3.0, 3.0, 4.0)}
    tables = [
        {"real": {"FID": Stat(0.0, 0.0)}} | {n: {"FID": Stat(v[k], 0.1)} for n, v in values.items()} for k in range(3)
    ]
    result = folded(tables, ("a", "b"))
    assert set(result.changes["a"]) == {"base"} and set(result.changes["b"]) == {"base", "a"}
    change = result.changes["b"]["base"]["FID"]
    wanted = np.array([-25.0, -40.0, -50.0])
    low, high = stats.t.interval(0.95, 2, wanted.mean(), stats.sem(wanted))
    assert (change.mean - change.ci, change.mean + change.ci) == pytest.approx((low, high))
    assert result.means["b"]["FID"].mean == pytest.approx(10 / 3)
