"""``sopo data export``: clips of a data set become files, and come back as they were."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from sopo.cli.main import main
from sopo.data.layout import MotionFolder
from sopo.errors import UserError
from sopo.formats.reading import read_clip
from sopo.motion.decode import decode_joints
from sopo.motion.skeleton import HUMANML3D
from sopo.recipes.export import export
from sopo.recipes.settings import ExportConfig


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("export") / "corpus"
    main(["data", "make", "--out", str(folder), "--train", "3", "--val", "1", "--test", "2"])
    return folder


def exported(corpus: Path, out: Path, **config: object) -> list[str]:
    outputs = export(corpus, out, ExportConfig(**config), lambda *_: None)
    assert not outputs.failed
    return sorted(path.name for path in outputs.written if path.suffix != ".json")


@pytest.mark.parametrize("format", ["bvh", "glb"])
def test_our_readers_find_the_joints_of_every_frame(corpus: Path, tmp_path: Path, format: str) -> None:
    folder = MotionFolder(corpus)
    key = folder.ids("test")[0]
    assert exported(corpus, tmp_path, formats=(format,), ids=(key,)) == [f"{key}.{format}"]
    clip = read_clip(tmp_path / f"{key}.{format}")
    joints = decode_joints(torch.from_numpy(folder.features(key)), HUMANML3D).numpy()
    found = clip.positions[:, [clip.names.index(name) for name in HUMANML3D.joints]]
    found = found * (0.01 if format == "bvh" else 1.0)
    assert clip.fps == pytest.approx(20, abs=1e-3) and found.shape == joints.shape
    assert np.linalg.norm(found - joints, axis=-1).max() < 1e-3


def test_clips_are_chosen_by_split_by_id_or_drawn(corpus: Path, tmp_path: Path) -> None:
    folder = MotionFolder(corpus)
    named = {split: sorted(f"{key}.npy" for key in folder.ids(split)) for split in folder.splits}
    everything = sorted(name for names in named.values() for name in names)
    assert exported(corpus, tmp_path / "all", formats=("npy",)) == everything
    assert exported(corpus, tmp_path / "test", formats=("npy",), split="test") == named["test"]
    key = folder.ids("train")[1]
    assert exported(corpus, tmp_path / "one", formats=("npy",), ids=(key, key)) == [f"{key}.npy"]
    drawn = [exported(corpus, tmp_path / "most", formats=("npy",), most=2, seed=seed) for seed in (0, 0, 1, 2, 3)]
    assert drawn[0] == drawn[1] and len({*map(tuple, drawn)}) > 1 and all(len(names) == 2 for names in drawn)


def test_captions_and_splits_go_along(corpus: Path, tmp_path: Path) -> None:
    exported(corpus, tmp_path)
    told = json.loads((tmp_path / "captions.json").read_text())
    folder = MotionFolder(corpus)
    for split in folder.splits:
        for key in folder.ids(split):
            texts = [line.caption.text for line in folder.captions(key)]
            assert told[key] == {"captions": texts, "split": split}


def test_a_caption_of_a_part_keeps_its_seconds(corpus: Path, tmp_path: Path) -> None:
    key = MotionFolder(corpus).ids("val")[0]
    text = corpus / "texts" / f"{key}.txt"
    before = text.read_text()
    text.write_text("a person walks#a/DET person/NOUN walk/VERB#0.5#1.5\n")
    exported(corpus, tmp_path, formats=("npy",), ids=(key,))
    text.write_text(before)
    told = json.loads((tmp_path / "captions.json").read_text())[key]["captions"]
    assert told == [{"caption": "a person walks", "start": 0.5, "end": 1.5}]


def test_what_cannot_be_read_is_told_and_the_rest_is_written(corpus: Path, tmp_path: Path) -> None:
    listed = corpus / "val.txt"
    before = listed.read_text()
    listed.write_text(before + "absent\n../outside\n")
    outputs = export(corpus, tmp_path / "out", ExportConfig(("npy",), "val"), lambda *_: None)
    listed.write_text(before)
    assert len(outputs.failed) == 2 and "absent.npy" in outputs.failed[0] and "'../outside'" in outputs.failed[1]
    assert [path.name for path in outputs.written] == [f"{before.strip()}.npy", "captions.json"]
    assert {path.name for path in tmp_path.iterdir()} == {"out"}


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"split": "dev"}, "no clips to export; it has test, train, val"),
        ({"ids": ("nobody",)}, "no clip nobody in the folder"),
        ({"ids": ("nobody",), "split": "test"}, "no clip nobody in split test"),
        ({"formats": ("fbx",)}, "unknown fbx"),
        ({"most": -1}, "most is -1"),
    ],
)
def test_refuses(corpus: Path, tmp_path: Path, config: dict, says: str) -> None:
    with pytest.raises(UserError, match=says):
        export(corpus, tmp_path / "out", ExportConfig(**config), lambda *_: None)
    assert not (tmp_path / "out").exists()


def test_the_command_says_what_it_wrote(corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--split", "test", "--formats", "smpl", "bvh"]
    main(["data", "export", str(corpus), "--out", str(tmp_path), *words])
    assert capsys.readouterr().out.startswith("5 files: ")
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".bvh", ".bvh", ".json", ".npz", ".npz"]
