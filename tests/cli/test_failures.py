"""Bad input to any command: one clear line, exit code 2, nothing half-written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sopo.cli.main import main
from sopo.folders import CHECKPOINTS

GENERATOR, REWARD, EVALUATOR = (str(CHECKPOINTS / name) for name in ("mdm", "reward", "evaluator"))
MODELS = ("--generator", GENERATOR, "--reward", REWARD)


def refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The one line that a refused command prints."""
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("sopo: "), lines
    return lines[0]


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    folder = tmp_path / "corpus"
    main(["data", "make", "--out", str(folder), "--train", "40", "--val", "2", "--test", "34"])
    return folder


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["align", "--stepz", "3"], "--stepz"),
        (["data", "make", "--train", "many", "--out", "x"], "train"),
        (
            ["align", "--C", "0.5", "--generator", GENERATOR, "--reward", REWARD, "--data", "x", "--out", "y"],
            "C is 0.5",
        ),
        (
            ["align", "--method", "ppo", "--generator", GENERATOR, "--reward", REWARD, "--data", "x", "--out", "y"],
            "sopo",
        ),
        (["align", "--generator", GENERATOR, "--data", "x", "--out", "y"], "give --reward"),
        (["align", "--generator", "gone", "--reward", REWARD, "--data", "x", "--out", "y"], "gone"),
        (["align", "--generator", REWARD, "--reward", REWARD, "--data", "x", "--out", "y"], "not a generator"),
        (["align", "--generator", GENERATOR, "--reward", REWARD, "--data", "gone", "--out", "y"], "gone"),
        (["align", "--method", "dpo", "--pairs", "gone.parquet", *MODELS, "--data", "x", "--out", "y"], "x"),
        (["align", "--pairs", "gone.parquet", *MODELS, "--data", "x", "--out", "y"], "takes no mined pairs"),
        (["profile", "--generator", "gone", "--reward", REWARD, "--data", "x"], "gone"),
        (["profile", "--K", "0", *MODELS, "--data", "x"], "K is 0"),
        (["profile", "--steps", "0", *MODELS, "--data", "x"], "steps is 0"),
        (["pairs", "mine", "--generator", "gone", "--data", "x", "--reward", REWARD, "--out", "y"], "gone"),
        (["pairs", "mine", *MODELS, "--data", "gone", "--out", "y"], "gone"),
        (["pairs", "mine", "--K", "1", *MODELS, "--data", "x", "--out", "y"], "K is 1"),
        (["bench", "table1", "--generator", "gone", "--data", "x", "--out", "y"], "gone"),
        (["bench", "table4", "--data", "gone", "--out", "y"], "gone"),
        (["bench", "table1", "--reward", EVALUATOR, "--data", "x", "--out", "y"], "must not measure itself"),
        (["bench", "table1", "--seeds", "[]", "--data", "x", "--out", "y"], "seeds"),
        (["train", "generator", "--data", "gone", "--out", "y"], "gone"),
        (["eval", "--data", "gone", "--evaluator", EVALUATOR], "nothing to evaluate"),
        (["sample", ""], "empty"),
        (["sample", "a person waves", "--seconds", "90"], "seconds"),
        (["data", "import", "--source", "gone", "--out", "y"], "gone"),
        (["quickstart", "--checkpoints", "gone"], "not among the checkpoints"),
        (["sample", "a person waves", "--generator", "shipped/gone"], "not among the checkpoints"),
    ],
)
def test_one_line_and_nothing_written(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert says in refused(arguments, capsys)
    assert not list(tmp_path.rglob("*.safetensors")) and not (tmp_path / "y").exists()


def test_truncated_checkpoint(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken = tmp_path / "generator"
    broken.mkdir()
    (broken / "config.json").write_bytes(Path(GENERATOR, "config.json").read_bytes())
    (broken / "model.safetensors").write_bytes(Path(GENERATOR, "model.safetensors").read_bytes()[:5000])
    line = refused(["sample", "a person waves", "--generator", str(broken), "--out", str(tmp_path / "out")], capsys)
    assert "truncated" in line and not (tmp_path / "out").exists()


def test_damaged_data(corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    key = (corpus / "train.txt").read_text().split()[0]
    path = corpus / "new_joint_vecs" / f"{key}.npy"
    arguments = [
        "align",
        "--generator",
        GENERATOR,
        "--reward",
        REWARD,
        "--data",
        str(corpus),
        "--out",
        str(tmp_path / "y"),
    ]
    capsys.readouterr()
    np.save(path, np.zeros((60, 7), dtype=np.float32))
    assert key in refused(arguments, capsys)
    (corpus / "texts" / f"{key}.txt").write_text("##0.0#0.0\n")
    np.save(path, np.zeros((60, 263), dtype=np.float32))
    assert key in refused(arguments, capsys)


def test_check_names_what_is_off(corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["data", "check", str(corpus)])
    key = (corpus / "train.txt").read_text().split()[0]
    np.save(corpus / "new_joint_vecs" / f"{key}.npy", np.full((60, 263), np.nan, dtype=np.float32))
    capsys.readouterr()
    main(["data", "check", str(corpus)])
    assert key in capsys.readouterr().out


def test_pairs_that_are_not_there_or_not_whole(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pairs, out = tmp_path / "p.parquet", tmp_path / "y"
    models = ["--generator", GENERATOR, "--reward", "physical", "--data", str(corpus)]
    align = ["align", "--method", "modipo", *models, "--batch_size", "4", "--out", str(out)]
    capsys.readouterr()
    assert "give --pairs" in refused(align, capsys)
    assert "no such file" in refused([*align, "--pairs", str(pairs)], capsys)
    main(["pairs", "mine", *models, "--K", "2", "--captions", "4", "--sampling.steps", "1", "--out", str(pairs)])
    capsys.readouterr()
    pairs.write_bytes(pairs.read_bytes()[:5000])
    assert "truncated" in refused([*align, "--pairs", str(pairs)], capsys)
    assert not out.exists()
