"""The index of a data set: what it saves, and that it never tells of files as they were."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

import sopo.data.dataset as dataset_module
import sopo.data.index as index_module
from sopo.data.dataset import MotionDataset
from sopo.data.index import INDEX, write_index
from sopo.data.layout import MotionFolder
from sopo.errors import UserError


@pytest.fixture
def root(make_folder, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of three clips, which is worth an index, and settled long ago."""
    monkeypatch.setattr(index_module, "LEAST_FILES", 1)
    folder = make_folder({"a": 50, "b": 60, "c": 70}, {"a": ["x##0#0", "y##0#2.4"]})
    np.save(folder / "new_joint_vecs/c.npy", np.full((70, 263), np.nan, dtype=np.float32))
    for path in [*folder.glob("new_joint_vecs/*"), *folder.glob("texts/*")]:
        os.utime(path, (1, 1))
    return folder


def opened(root: Path) -> list[tuple]:
    dataset = MotionDataset(root, "train")
    items = [(item.key, item.captions, len(item), item.features.tobytes()) for item in dataset.items]
    return [*items, dataset.skipped]


def test_a_second_opening_reads_no_clip(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = opened(root)
    assert first[-1] == {"not finite": ("c",)}

    def read(*_: object) -> None:
        raise AssertionError("read")

    monkeypatch.setattr(index_module, "clip_length", read)
    monkeypatch.setattr(index_module, "read_caption_file", read)
    with monkeypatch.context() as inside:
        inside.setattr(MotionFolder, "features", read)
        assert len(MotionDataset(root, "train")) == 3
    assert opened(root) == first


def test_changed_clips_and_captions_are_read_anew(root: Path) -> None:
    opened(root)
    np.save(root / "new_joint_vecs/b.npy", np.ones((80, 263), dtype=np.float32))
    np.save(root / "new_joint_vecs/c.npy", np.ones((70, 263), dtype=np.float32))
    (root / "texts/a.txt").write_text("z##0#0\n")
    (_, captions, _, _), (key, _, _, _), (_, _, frames, _), skipped = opened(root)
    assert captions[0].text == "z" and key == "c" and frames == 80 and skipped == {}


def test_a_file_that_was_just_written_is_not_remembered(root: Path) -> None:
    np.save(root / "new_joint_vecs/b.npy", np.ones((60, 263), dtype=np.float32))
    opened(root)
    assert "new_joint_vecs/b.npy" not in (root / INDEX).read_text()
    assert "new_joint_vecs/a.npy" in (root / INDEX).read_text()


@pytest.mark.parametrize("text", ["", "[]", '{"texts/a.txt": [1]}', '{"new_joint_vecs/a.npy": [1, 2, "x", true]}'])
def test_a_damaged_index_is_made_anew(root: Path, text: str) -> None:
    first = opened(root)
    (root / INDEX).write_text(text)
    assert opened(root) == first


def test_motions_that_do_not_fit_into_memory_are_read_each_time(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = opened(root)
    monkeypatch.setattr(dataset_module, "MEMORY", 0)
    dataset = MotionDataset(root, "train")
    assert opened(root) == first
    np.save(root / "new_joint_vecs/b.npy", np.ones((40, 263), dtype=np.float32))
    with pytest.raises(UserError, match=r"b\.npy: was longer when the data set was opened"):
        dataset.batch([0, 2], np.random.default_rng(0))


def test_a_folder_can_be_indexed_before_it_is_opened(root: Path) -> None:
    write_index(root, ["a", "b", "c"])
    known = (root / INDEX).read_text()
    opened(root)
    assert json.loads(known).keys() == json.loads((root / INDEX).read_text()).keys() and len(json.loads(known)) == 6
