from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from sopo.errors import UserError
from sopo.recipes.resume import write_run
from sopo.training.loop import CHECKPOINT
from sopo.training.settings import LoopConfig

LOOP = LoopConfig(steps=10, learning_rate=1e-4)


def begun(folder: Path) -> Path:
    write_run(folder, {"data": "corpus", "tau": 0.9}, LOOP)
    (folder / CHECKPOINT).touch()
    return folder


def test_other_settings_do_not_go_on_with_a_run(tmp_path: Path) -> None:
    folder = begun(tmp_path)
    before = (folder / "run.json").read_text()
    with pytest.raises(UserError, match=r"another LoopConfig.learning_rate \(0.0001, now 0.001\)"):
        write_run(folder, {"data": "corpus", "tau": 0.9}, dataclasses.replace(LOOP, learning_rate=1e-3))
    with pytest.raises(UserError, match="another data"):
        write_run(folder, {"data": "others", "tau": 0.9}, LOOP)
    assert (folder / "run.json").read_text() == before


def test_a_run_may_go_on_for_longer(tmp_path: Path) -> None:
    folder = begun(tmp_path)
    write_run(folder, {"data": "corpus", "tau": 0.8}, dataclasses.replace(LOOP, steps=20))
    assert json.loads((folder / "run.json").read_text())["LoopConfig"]["steps"] == 20


def test_a_run_that_never_saved_may_begin_anew(tmp_path: Path) -> None:
    write_run(tmp_path, {"data": "corpus"}, LOOP)
    write_run(tmp_path, {"data": "others"}, LOOP)
    assert json.loads((tmp_path / "run.json").read_text())["data"] == "others"
