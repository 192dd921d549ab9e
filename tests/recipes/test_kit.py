"""Everything on 21 joints, 251 features and 12.5 fps, by the commands that serve 22 joints, at toy size."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from sopo.cli.main import main
from sopo.formats.bvh import read_bvh
from sopo.motion.skeleton import KIT
from sopo.recipes.presets import LOOP_STABLE, PRESETS, stable

TINY = ["--width", "16", "--feedforward", "24", "--layers", "1", "--heads", "2"]
TOKENS = [f"--{part}.{word[2:]}" if word[:2] == "--" else word for part in ("masked", "residual") for word in TINY]
TEXT = ["--text_encoder", "hashed-16"]
EVALUATOR = ["--words", "hashed-16", "--word_width", "16", "--movement_hidden", "8", "--movement", "8"]
EVALUATOR += ["--motion_hidden", "8", "--text_hidden", "8"]
LATENT = ["--latent_tokens", "2", "--latent_width", "6"]
RVQ = ["--width", "12", "--code_dim", "6", "--codes", "16", "--quantizers", "3", "--depth", "1"]
DRAFT = ["--sampling.steps", "2"]


@pytest.fixture(scope="module")
def kit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a KIT-style corpus, and each model trained on it for two steps."""
    root = tmp_path_factory.mktemp("kit")
    main(
        [
            "data",
            "make",
            "--out",
            str(root / "data"),
            "--skeleton",
            "kit",
            "--train",
            "40",
            "--val",
            "0",
            "--test",
            "40",
        ]
    )

    def train(*what: str, out: str, sizes: list[str]) -> None:
        loop = ["--data", str(root / "data"), "--out", str(root / out), "--steps", "2", "--batch_size", "8"]
        main(["train", *what, *loop, *sizes])

    train("reward", out="reward", sizes=[*TINY, *TEXT])
    train("evaluator", out="evaluator", sizes=EVALUATOR)
    train("generator", "mdm", out="mdm", sizes=[*TINY, *TEXT, "--diffusion_steps", "8"])
    train("generator", "flow", out="flow", sizes=[*TINY, *TEXT])
    train("vae", out="vae", sizes=[*TINY, *LATENT])
    train("generator", "mld", out="mld", sizes=["--vae", str(root / "vae"), *TINY, *TEXT, "--step_width", "16"])
    train("rvq", out="rvq", sizes=RVQ)
    train("generator", "momask", out="momask", sizes=["--rvq", str(root / "rvq"), *TEXT, *TOKENS])
    return root


def paths(root: Path) -> dict[str, str]:
    return {name: str(root / name) for name in ("data", "reward", "evaluator", "mdm", "mld", "momask", "flow")}


def test_the_folder_is_sound(kit: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["data", "check", str(kit / "data")])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith("kit") and lines[-1] == "usable"


@pytest.mark.parametrize("family", ["mdm", "mld", "momask", "flow"])
def test_every_family_is_aligned_and_measured(kit: Path, tmp_path: Path, family: str) -> None:
    at = paths(kit)
    aligned, results = str(tmp_path / "aligned"), tmp_path / "results.json"
    models = ["--generator", at[family], "--reward", at["reward"], "--data", at["data"]]
    main(["align", *models, "--out", aligned, "--steps", "2", "--batch_size", "8", "--rollout.steps", "2"])
    log = [json.loads(line) for line in (tmp_path / "aligned" / "run" / "log.jsonl").read_text().splitlines()]
    anchored = stable(family).get("anchor", 0.0) * log[0].get("anchor", 0.0)
    assert log[0]["loss"] - anchored == pytest.approx(math.log(2), rel=1e-5, abs=1e-5 * anchored + 1e-5)
    words = ["--evaluator", at["evaluator"], "--generator", at[family], aligned, "--runs", "2", *DRAFT]
    main(["eval", "--data", at["data"], *words, "--out", str(results)])
    table = json.loads(results.read_text())["rows"]
    for row in ("real", at[family], aligned):
        for column in ("R@1", "MMDist", "FID", "Diversity", "foot_skate", "jitter", "rule_accuracy"):
            assert math.isfinite(table[row][column]["mean"]), (row, column)
    assert table["real"]["rule_accuracy"]["mean"] > 0.95
    assert table["real"]["foot_skate"]["mean"] < 0.1 and 20 < table["real"]["jitter"]["mean"] < 100


def test_samples_have_kits_joints_and_rate(kit: Path, tmp_path: Path) -> None:
    main(["sample", "someone waves", "--generator", str(kit / "mdm"), "--out", str(tmp_path), "--seconds", "2", *DRAFT])
    assert np.load(tmp_path / "00_0.npy").shape == (24, 21, 3)
    assert read_bvh(tmp_path / "00_0.bvh").fps == pytest.approx(KIT.fps)
    assert (tmp_path / "00_0.gif").stat().st_size > 1000


def test_a_bench(kit: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at = paths(kit)
    monkeypatch.setitem(LOOP_STABLE, "batch_size", 4)
    monkeypatch.setitem(PRESETS["stable"], "K", 2)
    words = ["--generator", at["mdm"], "--reward", at["reward"], "--evaluator", at["evaluator"], "--data", at["data"]]
    words += ["--steps", "1", "--runs", "1", "--seeds", "[0]", "--mining.K", "2", "--mining.captions", "8"]
    main(["bench", "table1", "--out", str(tmp_path), *words, "--mining.sampling.steps", "1", *DRAFT])
    rows = json.loads((tmp_path / "table1.json").read_text())["rows"]
    assert "mdm + sopo" in rows and rows["real"]["rule_accuracy"]["mean"] > 0.95


def test_bodies_do_not_mix(kit: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """22-joint models on a KIT folder: one line that names both widths, whichever part is the wrong one."""
    at, out = paths(kit), ["--out", str(tmp_path / "out")]
    data, mdm, reward = (["--data", at["data"]], ["--generator", at["mdm"]], ["--reward", at["reward"]])
    other = ["--generator", "shipped/mdm"]
    for words in (
        ["align", *other, *reward, *data, *out],
        ["align", *mdm, "--reward", "shipped/reward", *data, *out],
        ["eval", *other, "--evaluator", at["evaluator"], *data, *out],
        ["eval", *mdm, "--evaluator", "shipped/evaluator", *data, *out],
        ["bench", "table4", *other, *reward, "--evaluator", at["evaluator"], *data, *out],
        ["pairs", "mine", *other, *reward, *data, *out],
    ):
        capsys.readouterr()
        with pytest.raises(SystemExit) as stopped:
            main([*words, "--batch_size", "4"] if words[0] == "align" else words)
        lines = capsys.readouterr().err.strip().splitlines()
        assert stopped.value.code == 2 and len(lines) == 1, lines
        assert "263" in lines[0] and "251" in lines[0]
    assert not (tmp_path / "out").exists()
