"""Model folders of strangers: loaded, or refused in one line, and never larger than their files."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import mutated_models
import pytest
import torch
from safetensors.torch import load_file, save_file

from sopo.errors import UserError
from sopo.folders import CHECKPOINTS, CONFIG_FILE, WEIGHTS_FILE, read_kind
from sopo.generators.mdm import MDM
from sopo.generators.mld import MLD
from sopo.generators.settings import MDMConfig, MLDConfig, MotionVAEConfig
from sopo.recipes.build import load_generator

SMALL = MDMConfig(width=16, feedforward=16, layers=1, text_encoder="hashed-8", max_positions=64)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return MDM(SMALL).save_pretrained(tmp_path / "model")


def change(folder: Path, **entries: object) -> None:
    config = json.loads((folder / CONFIG_FILE).read_text())
    (folder / CONFIG_FILE).write_text(json.dumps(config | entries))


@pytest.mark.skipif(sys.platform != "linux", reason="the memory that a process may ask for is limited on Linux alone")
def test_mutated_folders_are_loaded_or_refused() -> None:
    """A hundred and fifty of them; more by ``python tests/mutated_models.py SEED COUNT``."""
    command = [sys.executable, mutated_models.__file__, "7", "150"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    report = json.loads(done.stdout)
    assert report["results"].keys() == {"loaded", "refused"}, report["results"]
    assert "sympy" not in report["imported"], "loading a model must not import torch's compiler"


@pytest.mark.parametrize(
    ("entries", "says"),
    [
        ({"layers": 10**12}, "layers is 1000000000000: must be a whole number from 1 to 64"),
        ({"width": 32}, "expected [32"),
        ({"width": True}, "width is True"),
        ({"dropout": float("nan")}, "dropout is nan"),
        ({"architecture": "x"}, "one of encoder, decoder"),
        ({"text_encoder": "hashed-1000000000000"}, "no text encoder"),
        ({"max_positions": 10}, "below diffusion_steps"),
        ({"kind": ["mdm"]}, "kind is ['mdm']"),
        ({"kind": "nothing"}, "holds a 'nothing'"),
        ({"layers": 2}, "missing"),
    ],
    ids=str,
)
def test_settings_are_checked_before_anything_is_built(folder: Path, entries: dict[str, object], says: str) -> None:
    change(folder, **entries)
    with pytest.raises(UserError) as refused:
        load_generator(folder)
    assert says in str(refused.value) and str(folder) in str(refused.value)


def test_tables_beside_the_weights_are_bounded(tmp_path: Path) -> None:
    """They are not in the file, so that it cannot speak for them; the bound is far above what models need."""
    sizes: dict[str, Any] = {"width": 2, "feedforward": 2, "heads": 1, "layers": 1}
    config = MLDConfig(MotionVAEConfig(**sizes), **sizes, text_encoder="hashed-8", step_width=16384)
    folder = MLD(config).save_pretrained(tmp_path / "mld")
    change(folder, diffusion_steps=10_000)
    with pytest.raises(UserError, match="625 MiB of tables"):
        load_generator(folder)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers(folder: Path, value: float) -> None:
    tensors = load_file(folder / WEIGHTS_FILE)
    tensors["predict.bias"][3] = value
    save_file(tensors, folder / WEIGHTS_FILE)
    with pytest.raises(UserError, match=r"predict\.bias holds NaN or infinity"):
        load_generator(folder)


def test_statistics_that_divide_by_nothing(folder: Path) -> None:
    tensors = load_file(folder / WEIGHTS_FILE)
    tensors["normalizer.std"][0] = 0
    save_file(tensors, folder / WEIGHTS_FILE)
    with pytest.raises(UserError, match=r"model\.safetensors: statistics: .* std positive"):
        load_generator(folder)


def test_types_of_weights(folder: Path) -> None:
    """Half the width is converted; whole numbers are no weights."""
    tensors = load_file(folder / WEIGHTS_FILE)
    save_file({name: tensor.half() for name, tensor in tensors.items()}, folder / WEIGHTS_FILE)
    assert load_generator(folder).predict.bias.dtype == torch.float32
    save_file({name: tensor.long() for name, tensor in tensors.items()}, folder / WEIGHTS_FILE)
    with pytest.raises(UserError, match=r"holds I64, expected torch\.float32"):
        load_generator(folder)


@pytest.mark.parametrize("name", ["mdm", "mld", "momask", "flow", "reward", "evaluator"])
def test_the_kind_of_what_is_shipped(name: str) -> None:
    kind = {"reward": "tmr", "evaluator": "guo"}.get(name, name)
    assert read_kind(f"shipped/{name}") == read_kind(CHECKPOINTS / name) == kind
