"""The contract of generators: ours keep it, and what breaks a promise is named by it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from sopo.cli.main import main
from sopo.errors import UserError
from sopo.generators.generator import Generator
from sopo.recipes.build import load_generator
from sopo.recipes.contract import check_contract, require_contract

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.fixture(autouse=True)
def examples(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(EXAMPLES), *sys.path])


@pytest.fixture
def model() -> Generator:
    return load_generator("own_generator:make")


@pytest.mark.parametrize("family", ["mdm", "mld", "momask", "flow"])
def test_ours_keep_it(world: Any, family: str) -> None:
    assert [finding for finding in check_contract(load_generator(world.generators[family])) if finding.lacks] == []


def test_the_example_keeps_it(capsys: pytest.CaptureFixture[str]) -> None:
    main(["check-generator", "own_generator:make"])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 13 and all(line.endswith("holds") for line in lines)


def _fresh_noise(m: Any) -> None:
    own = m.nll
    m.nll = lambda *given: own(*given) + torch.rand(3)[: len(given[0])]


def _detached(m: Any) -> None:
    own = m.nll
    m.nll = lambda *given: own(*given).detach().requires_grad_()


def _mean(m: Any) -> None:
    own = m.nll
    m.nll = lambda *given: own(*given).mean()


def _no_mask(m: Any) -> None:
    m.nll = lambda x, length, condition, draw: (x - m.say.bias).square().mean((1, 2))


def _unzeroed(m: Any) -> None:
    m.decode = lambda x, length: m.normalizer.denormalize(x) + 1


def _one_each(m: Any) -> None:
    own = m.sample
    m.sample = lambda *given: own(*given)[:3]


def _own_noise(m: Any) -> None:
    own = m.sample
    m.sample = lambda *given: own(*given) + torch.randn(1)


def _infinite(m: Any) -> None:
    m.encode = lambda batch: batch.motion / 0


def _half_saved(m: Any) -> None:
    m.state_dict = lambda *_, **__: {}


@pytest.mark.parametrize(
    ("spoil", "promise", "says"),
    [
        (_fresh_noise, "nll: same draw, same number", "belongs into draw"),
        (_fresh_noise, "h = 0 at the reference", "h is"),
        (_detached, "nll: a gradient reaches the parameters", "no gradient flows"),
        (_mean, "nll: a finite number a motion", r"shape \[\], expected \[3\]"),
        (_no_mask, "nll: padding has no influence", "behind a motion counts"),
        (_unzeroed, "decode: x -> raw features, zero after the length", "not zero"),
        (_one_each, "sample: K motions a caption, as encode gives them", "K = 2"),
        (_own_noise, "sample: same draws, same motions", "two calls differ"),
        (_infinite, "encode: motions -> x", "not finite"),
        (_half_saved, "save_pretrained and from_pretrained", "missing"),
    ],
)
def test_a_broken_promise_is_named(model: Generator, spoil: Any, promise: str, says: str) -> None:
    spoil(model)
    found = {finding.promise: finding.lacks for finding in check_contract(model)}
    with pytest.raises(AssertionError, match=says):
        raise AssertionError(found[promise])
    with pytest.raises(UserError, match=r"own_generator:\w+ breaks the contract"):
        require_contract(model)


def test_a_factory_that_changes_its_mind_fails_the_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("fickle.py").write_text(
        "from own_generator import NextFrame, NextFrameConfig\n\ndef make():\n    return NextFrame(NextFrameConfig())\n"
    )
    with pytest.raises(SystemExit) as stopped:
        main(["check-generator", "fickle:make"])
    told = capsys.readouterr()
    assert stopped.value.code == 2 and "1 of 13 promises do not hold" in told.err
    assert "loading again gives the same weights" in told.out and "NO: they differ" in told.out


def test_a_method_that_is_not_there_is_named() -> None:
    Path("partial.py").write_text(
        "from own_generator import NextFrame, NextFrameConfig\nimport sopo\n"
        "class Half(sopo.Generator):\n    Config, kind = NextFrameConfig, 'half'\n"
        "    def __init__(self, config):\n        super().__init__()\n"
        "class Most(NextFrame):\n    nll = sopo.Generator.nll\n"
    )
    for name, lacking in (("Half", "config"), ("Most", "nll")):
        with pytest.raises(UserError, match=f"partial:{name}: its {name} has no '{lacking}'"):
            load_generator(f"partial:{name}")
