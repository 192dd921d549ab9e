"""Generators and rewards from files of the user: found where they are named, and never imported otherwise."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
import torch

from sopo.errors import UserError
from sopo.recipes import own
from sopo.recipes.build import load_generator, saved_from
from sopo.recipes.fingerprints import model_hash

SOURCE = """
from sopo.generators.mdm import MDM
from sopo.generators.settings import MDMConfig
import torch

class Mine(MDM):
    kind = "mine"

def make():
    torch.manual_seed(0)
    return Mine(MDMConfig(width=8, feedforward=8, layers=1, heads=2, text_encoder="hashed-16", diffusion_steps=4))

def number():
    return 3

def broken():
    return 1 / 0
"""


@pytest.fixture(autouse=True)
def strangers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The working directory, with a file of the user's."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "strangers.py").write_text(SOURCE)
    sys.modules.pop("strangers", None)  # tests/strangers.py, where the whole suite runs
    importlib.invalidate_caches()
    yield tmp_path
    sys.modules.pop("strangers", None)


def same(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    return all(torch.equal(value, other.state_dict()[name]) for name, value in one.state_dict().items())


def test_a_factory_and_what_it_saved(strangers: Path) -> None:
    made = load_generator("strangers:make")
    assert made.kind == "mine" and load_generator(made) is made
    with torch.no_grad():
        made.embed_text.weight.add_(1)
    made.save_pretrained(strangers / "saved")
    for source in ("strangers:make", "strangers:Mine", made):
        assert same(load_generator(saved_from(source, strangers / "saved")), made)
    assert model_hash("strangers:make") == model_hash(load_generator("strangers:make")) != model_hash(made)


def test_a_folder_says_what_to_give_and_imports_nothing(strangers: Path) -> None:
    load_generator("strangers:make").save_pretrained(strangers / "saved")
    sys.modules.pop("strangers")
    with pytest.raises(UserError, match="name it: strangers:Mine@saved"):
        load_generator("saved")
    assert "strangers" not in sys.modules
    config = strangers / "saved" / "config.json"
    fields = json.loads(config.read_text())
    (strangers / "evil.py").write_text("open('executed', 'w').close()")
    for code in ("evil:Mine", "evil", "evil:\n\x1b[2J", 3, None):
        config.write_text(json.dumps(fields | {"class": code}))
        with pytest.raises(UserError, match="holds a 'mine'") as refused:
            load_generator("saved")
        assert "\n" not in str(refused.value)
    assert not (strangers / "executed").exists()


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("nowhere:make", "nowhere:make: ModuleNotFoundError"),
        ("strangers:nothing", "strangers has no 'nothing'"),
        ("strangers:number", "makes a int; a generator is a subclass of sopo.Generator"),
        ("strangers:broken", r"ZeroDivisionError: division by zero \(strangers.py, line 17\)"),
        ("strangers:make@gone", "gone"),
    ],
)
def test_what_is_wrong_is_one_line(source: str, says: str) -> None:
    with pytest.raises(UserError, match=says) as refused:
        load_generator(source)
    assert "\n" not in str(refused.value)


def test_an_entry_point_is_a_name_and_the_kind_of_folders(strangers: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = EntryPoint("mine", "strangers:make", own.GENERATORS)
    monkeypatch.setattr(
        own, "entry_points", lambda group, name: [entry] if name == "mine" and group == entry.group else []
    )
    monkeypatch.syspath_prepend(strangers)
    made = load_generator("mine")
    made.save_pretrained(strangers / "saved")
    assert same(load_generator("saved"), made)
