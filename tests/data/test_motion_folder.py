from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sopo.batch import Caption
from sopo.data.captions import CaptionLine
from sopo.data.layout import (
    MotionFolder,
    clip_length,
    read_array,
    staged_folder,
    write_clip,
    write_metadata,
    write_split,
    write_statistics,
)
from sopo.errors import UserError
from sopo.motion.skeleton import HUMANML3D, KIT


@pytest.mark.parametrize("skeleton", [HUMANML3D, KIT])
def test_round_trip(tmp_path: Path, skeleton) -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(50, skeleton.num_features)).astype(np.float32)
    joints = rng.normal(size=(50, skeleton.num_joints, 3)).astype(np.float32)
    lines = (CaptionLine(Caption("a walk", ("a/DET", "walk/NOUN"))), CaptionLine(Caption("b"), 0.5, 2.0))
    with staged_folder(tmp_path / "out") as root:
        write_clip(root, "a b", features, lines, joints)
        write_split(root, "train", ["a b"])
        write_statistics(root, features.mean(0), features.std(0))
    folder = MotionFolder(tmp_path / "out")
    assert folder.skeleton is skeleton and folder.splits == ("train",) and folder.ids("train") == ("a b",)
    assert folder.captions("a b") == lines
    np.testing.assert_array_equal(folder.features("a b"), features)
    np.testing.assert_array_equal(folder.joints("a b"), joints)
    assert folder.features("a b").dtype == np.float32
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_metadata_by_id_and_its_damage(make_folder) -> None:
    root = make_folder({"a": 50})
    assert MotionFolder(root).metadata() == {}
    entries = [{"id": "a", "program": ["walk"]}, {"id": "b", "note": "schön"}]
    write_metadata(root, entries)
    assert MotionFolder(root).metadata() == {entry["id"]: entry for entry in entries}
    (root / "corpus.jsonl").write_text('{"id": "a"}\n{"no": 1}\n')
    with pytest.raises(UserError, match=r"corpus\.jsonl:2: expected a JSON object with an 'id'"):
        MotionFolder(root).metadata()


def test_staging_leaves_behind_on_failure(tmp_path: Path) -> None:
    with pytest.raises(KeyError), staged_folder(tmp_path / "out") as root:
        (root / "half").write_text("")
        raise KeyError
    assert not list(tmp_path.iterdir())


def test_staging_never_overwrites(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/precious").write_text("")
    with pytest.raises(UserError, match="exists already"), staged_folder(tmp_path / "out"):
        pass
    assert (tmp_path / "out/precious").exists()


def test_missing_parts_are_named(tmp_path: Path, make_folder) -> None:
    with pytest.raises(UserError, match="no such folder"):
        MotionFolder(tmp_path / "nowhere")
    root = make_folder({"a": 50})
    with pytest.raises(UserError, match="no such split; the folder has train"):
        MotionFolder(root).ids("val")
    with pytest.raises(UserError, match=r"b\.npy: no such file"):
        MotionFolder(root).features("b")
    (root / "Mean.npy").unlink()
    with pytest.raises(UserError, match=r"Mean\.npy: no such file"):
        _ = MotionFolder(root).skeleton
    (root / "texts").rename(root / "hidden")
    (root / "texts.zip").write_text("")
    with pytest.raises(UserError, match=r"no texts/ folder inside; unzip texts\.zip"):
        MotionFolder(root)


def test_wrong_arrays_are_named(make_folder) -> None:
    root = make_folder({"a": 50})
    np.save(root / "new_joint_vecs/a.npy", np.zeros((50, 251)))
    with pytest.raises(UserError, match=r"shape \[50, 251\], expected \[T, 263\]"):
        MotionFolder(root).features("a")
    np.save(root / "new_joint_vecs/a.npy", np.array([{"evil": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(UserError, match="pickled objects"):
        MotionFolder(root).features("a")
    np.save(root / "Std.npy", np.zeros(263))
    with pytest.raises(UserError, match="entries that are 0"):
        _ = MotionFolder(root).std


@given(st.integers(0, 300), st.binary(max_size=12), st.booleans())
@settings(max_examples=200, deadline=None)
def test_any_bytes_give_an_array_or_a_user_error(tmp_path_factory, cut: int, noise: bytes, keep: bool) -> None:
    path = tmp_path_factory.getbasetemp() / "noise.npy"
    np.save(path, np.zeros((3, 5), dtype=np.float32))
    whole = path.read_bytes()
    path.write_bytes(whole[:cut] + noise + (whole[cut + len(noise) :] if keep else b""))
    for read in (read_array, clip_length):
        try:
            read(path)
        except UserError as error:
            assert "\n" not in str(error)
