"""A stranger's file outside the package: its generator and reward go through `align`, `eval` and `sample`."""

from __future__ import annotations

import json
import os
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import sopo
from sopo.corpus.settings import CorpusConfig
from sopo.corpus.write import make_corpus

ROOT = Path(__file__).resolve().parents[2]
TINY = ["--steps", "1", "--batch_size", "2", "--rollout.steps", "1"]


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a corpus and one file, of the examples' generator and a reward."""
    folder = tmp_path_factory.mktemp("stranger")
    make_corpus(folder / "corpus", CorpusConfig(train=8, val=0, test=36))
    source = (ROOT / "examples/own_generator.py").read_text(encoding="utf-8").partition("if __name__")[0]
    source += "\ndef longer(joints, lengths, captions):\n    return lengths / 200\n"
    (folder / "mine.py").write_text(source, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `pip install` makes of the checkout."""
    pytest.importorskip("setuptools", "77")
    folder = tmp_path_factory.mktemp("installed")
    copy = folder / "checkout"  # which is built in, and left as it was
    shutil.copytree(ROOT / "src", copy / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    install = [sys.executable, "-m", "pip", "install", "-q", "--no-index", "--no-deps", "--no-build-isolation"]
    subprocess.run([*install, "--target", str(folder / "site"), str(copy)], check=True, capture_output=True)
    return folder / "site"


def test_everything_is_installed(installed: Path) -> None:
    """Checkpoints with their cards, pages of the viewers, figures of papers, py.typed; and the command itself."""

    def files(folder: Path) -> set[str]:
        every = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
        return {str(path) for path in every if "__pycache__" not in path.parts}

    assert files(installed / "sopo") == files(ROOT / "src/sopo")
    path = os.environ | {"PYTHONPATH": str(installed)}
    told = subprocess.run([installed / "bin/sopo", "--help"], capture_output=True, text=True, check=True, env=path)
    assert "quickstart" in told.stdout


def command(package: Path, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sopo.cli.main", *words],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(package)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_align_eval_and_sample(installed: Path, stranger: Path, tmp_path: Path) -> None:
    stranger = Path(shutil.copytree(stranger, tmp_path / "stranger"))
    reward = "0.5*mine:longer + 0.5*shipped/reward"
    align = ["align", "--generator", "mine:make", "--reward", reward, "--data", "corpus", "--out", "aligned", *TINY]
    done = command(installed, stranger, *align)
    assert done.returncode == 0, done.stderr
    log = json.loads((stranger / "aligned/run/log.jsonl").read_text().splitlines()[0])
    assert 0 < log["reward/mine:longer"] < 1 and log["h_w"] == pytest.approx(0, abs=1e-3)
    evaluate = ["eval", "--data", "corpus", "--evaluator", "shipped/evaluator", "--runs", "1"]
    done = command(
        installed, stranger, *evaluate, "--generator", "mine:make", "mine:make@aligned", "--out", "table.json"
    )
    assert done.returncode == 0, done.stderr
    assert {"mine:make", "mine:make@aligned"} <= set(json.loads((stranger / "table.json").read_text())["rows"])
    sample = ["sample", "a person waves", "--seconds", "1", "--formats", "npy", "--out", "motions"]
    done = command(installed, stranger, *sample, "--generator", "mine:NextFrame@aligned")
    assert done.returncode == 0 and (stranger / "motions/00_0.npy").is_file(), done.stderr
    done = command(installed, stranger, *sample, "--generator", "aligned")
    assert done.returncode == 2 and done.stderr.strip().endswith("mine:NextFrame@aligned")
    assert len(done.stderr.strip().splitlines()) == 1


def test_the_same_objects_in_python(stranger: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(stranger)
    monkeypatch.setattr(sys, "path", [str(stranger), *sys.path])
    from mine import longer, make  # type: ignore[import-not-found]

    data, base = sopo.load_data("corpus"), make()
    base.normalizer = data.normalizer
    before = {name: value.clone() for name, value in base.state_dict().items()}
    reward = sopo.load_reward([(1.0, longer), (1.0, "shipped/reward")])
    tiny = {"steps": 1, "batch_size": 2, "rollout": {"steps": 1}}
    aligned = sopo.align(base, reward, data, "object", rounds=2, **tiny)
    assert all(torch.equal(value, before[name]) for name, value in base.state_dict().items())
    assert any(not torch.equal(value, before[name]) for name, value in aligned.state_dict().items())
    test = sopo.load_data("corpus", split="test")
    table = sopo.evaluate({"base": base, "aligned": aligned}, test, "shipped/evaluator", runs=1)
    assert set(table) == {"real", "base", "aligned"}
    assert sopo.sample("a person waves", aligned, seconds=1)[0].shape == (20, 22, 3)
    again = type(base).from_pretrained("object")
    assert all(torch.equal(value, again.state_dict()[name]) for name, value in aligned.state_dict().items())


def test_the_example_runs(stranger: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """As a script, at a smaller size."""
    align, evaluate = sopo.align, sopo.evaluate
    tiny = {"steps": 1, "batch_size": 2, "rollout": {"steps": 1}}
    monkeypatch.setattr(sopo, "align", lambda *given, **settings: align(*given, **settings | tiny), raising=False)
    monkeypatch.setattr(sopo, "evaluate", lambda *given: evaluate(*given, runs=1), raising=False)
    monkeypatch.chdir(stranger)
    monkeypatch.setattr(sys, "argv", ["own_generator.py", "corpus"])
    runpy.run_path(str(ROOT / "examples/own_generator.py"), run_name="__main__")
    shown = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert shown[-3:] == ["real", "base", "aligned"]


def test_the_example_is_short() -> None:
    lines = (ROOT / "examples/own_generator.py").read_text(encoding="utf-8").splitlines()
    assert sum(bool(line.strip()) for line in lines) < 80
