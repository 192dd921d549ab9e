"""Code of the user's that fails in the middle of a run: one line that says where, and no step is lost."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from sopo.cli.main import main
from sopo.corpus.settings import CorpusConfig
from sopo.corpus.write import make_corpus
from sopo.training.log import read_log

SOURCE = """
from pathlib import Path
import torch
from sopo import Reward
from sopo.generators.mdm import MDM
from sopo.generators.settings import MDMConfig

def due(what):
    return Path(what).exists()

class Midway(MDM):
    kind = "midway"

    def nll(self, *given):
        if len(given[0]) == 2 and due("break-nll"):  # not with the three of the check before
            [][3]
        return super().nll(*given)

    def denoiser(self, condition, length, guidance, K=1):
        inner = super().denoiser(condition, length, guidance, K)

        def denoise(x, step):
            if due("break-sample"):
                raise KeyError("left hand")
            return inner(x, step)

        return denoise

def make():
    torch.manual_seed(0)
    sizes = dict(width=8, feedforward=8, layers=1, heads=2, text_encoder="hashed-16", diffusion_steps=4)
    return Midway(MDMConfig(**sizes))

class Longest(Reward):
    range = (0.0, 1.0)
    seen = 0

    def score(self, motions, length, captions):
        Longest.seen += 1
        if due("break-score") and Longest.seen > 4:
            torch.ones(2) + torch.ones(3)
        return length / 200

    def describe(self):
        return "the longest"
"""
TINY = ["--method", "usopo", "--batch_size", "2", "--K", "2", "--rollout.steps", "1", "--data", "corpus"]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("midway") / "corpus"
    make_corpus(folder, CorpusConfig(train=8, val=0, test=36))
    return folder


@pytest.fixture(autouse=True)
def midway(corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "corpus").symlink_to(corpus)
    (tmp_path / "midway.py").write_text(SOURCE)
    importlib.invalidate_caches()
    yield
    sys.modules.pop("midway", None)


def refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    [line] = [line for line in capsys.readouterr().err.splitlines() if line.startswith("sopo: ")]
    assert stopped.value.code == 2 and "Traceback" not in line
    return line


def test_a_reward_that_fails_at_a_later_step_loses_none(capsys: pytest.CaptureFixture[str]) -> None:
    align = ["align", "--generator", "shipped/mdm", "--reward", "midway:Longest", *TINY, "--steps", "4"]
    main([*align, "--out", "whole"])
    sys.modules["midway"].Longest.seen = 0
    Path("break-score").touch()
    line = refused([*align, "--out", "out"], capsys)
    assert line.startswith("sopo: midway:Longest: its score failed with RuntimeError: The size of tensor a (2)")
    assert f"(midway.py, line {SOURCE.splitlines().index('            torch.ones(2) + torch.ones(3)') + 1});" in line
    kept = len(read_log(Path("out/run/log.jsonl")))
    assert 0 < kept < 4 and line.endswith(f"{kept} steps are kept, the same command goes on from there")
    Path("break-score").unlink()
    main([*align, "--out", "out"])
    assert Path("out/model.safetensors").read_bytes() == Path("whole/model.safetensors").read_bytes()


@pytest.mark.parametrize(
    ("switch", "says"),
    [("break-nll", "midway:make: its nll failed with IndexError"), ("break-sample", "its sample failed with KeyError")],
)
def test_a_generator_that_fails(switch: str, says: str, capsys: pytest.CaptureFixture[str]) -> None:
    models = ["--generator", "midway:make", "--reward", "shipped/reward"]
    Path(switch).touch()
    for command in (
        ["align", *models, *TINY, "--steps", "1", "--out", "out"],
        ["eval", *models[:2], "--data", "corpus", "--evaluator", "shipped/evaluator", "--runs", "1"],
        ["sample", "a person waves", *models[:2], "--seconds", "1", "--sampling.steps", "1"],
        ["pairs", "mine", *models, "--data", "corpus", "--K", "2", "--captions", "4", "--out", "pairs.parquet"],
    ):
        if switch == "break-nll" and command[0] != "align":
            continue
        line = refused(command, capsys)
        assert says in line and "(midway.py, line " in line


def test_what_is_ours_is_not_blamed_on_them(monkeypatch: pytest.MonkeyPatch) -> None:
    sys.path.insert(0, str(Path.cwd()))
    from midway import make  # type: ignore[import-not-found]

    model = make()
    monkeypatch.setattr(model.normalizer, "denormalize", lambda x: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        model.decode(torch.zeros(1, 40, 263), torch.tensor([40]))
