"""Checkpoints appear whole, and reading one never runs what is in it."""

from __future__ import annotations

import io
import os
import pickle
import zipfile
from pathlib import Path

import pytest
import torch
from small_run import batches, objective_of, settings

from sopo.errors import UserError
from sopo.training.checkpoint import load_checkpoint, save_checkpoint
from sopo.training.loop import CHECKPOINT, fit

STATE = {"step": 3, "model": {"weight": torch.arange(1000.0)}}


class Bomb:
    """Creates a file when it is unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = str(target)

    def __reduce__(self) -> tuple[object, tuple[str, int]]:
        return os.mkdir, (self.target, 0o777)


def test_there_and_back(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "run" / "c.pt", STATE)
    loaded = load_checkpoint(tmp_path / "run" / "c.pt")
    assert loaded["step"] == 3 and torch.equal(loaded["model"]["weight"], STATE["model"]["weight"])
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["c.pt"]


def test_a_failed_write_keeps_the_old_checkpoint(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "c.pt", STATE)
    with pytest.raises((pickle.PicklingError, AttributeError, TypeError)):
        save_checkpoint(tmp_path / "c.pt", {"step": lambda: 4})
    assert load_checkpoint(tmp_path / "c.pt")["step"] == 3


@pytest.mark.parametrize("kept", [0.0, 0.001, 0.2, 0.5, 0.9, 0.999])
def test_truncated(tmp_path: Path, kept: float) -> None:
    path = tmp_path / "c.pt"
    save_checkpoint(path, STATE)
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    with pytest.raises(UserError, match=r"c\.pt: truncated or not a checkpoint") as caught:
        load_checkpoint(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"hello", b"\x80\x02.", b"PK\x03\x04" + bytes(40), bytes(64), b"\x80\x02]q\x00e."])
def test_something_else(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "c.pt").write_bytes(content)
    with pytest.raises(UserError, match="not a checkpoint"):
        load_checkpoint(tmp_path / "c.pt")


@pytest.mark.parametrize("value", [[1, 2], torch.zeros(3), 5], ids=["list", "tensor", "number"])
def test_readable_but_no_state(tmp_path: Path, value: object) -> None:
    torch.save(value, tmp_path / "c.pt")
    with pytest.raises(UserError, match="not a checkpoint"):
        load_checkpoint(tmp_path / "c.pt")


def test_nothing_in_a_hostile_file_is_executed(tmp_path: Path) -> None:
    target = tmp_path / "executed"
    plain, zipped = tmp_path / "plain.pt", tmp_path / "zipped.pt"
    plain.write_bytes(pickle.dumps(Bomb(target), protocol=2))
    torch.save({**STATE, "extra": Bomb(target)}, zipped)
    with zipfile.ZipFile(zipped) as archive:
        assert b"mkdir" in archive.read("zipped/data.pkl")  # it would go off
    for path in (plain, zipped):
        with pytest.raises(UserError, match="not a checkpoint"):
            load_checkpoint(path)
    assert not target.exists()


def test_a_run_stops_at_a_bad_checkpoint(tmp_path: Path) -> None:
    fit(objective_of(), batches, settings(1), tmp_path)
    path = tmp_path / CHECKPOINT
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match="delete it to start anew"):
        fit(objective_of(), batches, settings(2), tmp_path)
    sound = torch.load(io.BytesIO(whole), weights_only=True)
    for wrong in (
        STATE,
        sound | {"model": 3},
        sound | {"model": {}},
        sound | {"optimizer": {"state": 1}},
        sound | {"ema": {"x": 1}},
        sound | {"step": "x"},
    ):
        save_checkpoint(path, wrong)
        with pytest.raises(UserError, match="belongs to another model"):
            fit(objective_of(), batches, settings(2), tmp_path)
