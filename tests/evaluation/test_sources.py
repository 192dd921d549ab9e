"""Motions of other systems: what is read, which motion serves which caption, and what is refused."""

import dataclasses
import json

import numpy as np
import pytest

from sopo.batch import as_captions
from sopo.errors import UserError
from sopo.evaluation.protocol import evaluate
from sopo.evaluation.settings import ProtocolConfig
from sopo.evaluation.sources import FileSource
from sopo.motion.encode import encode_joints
from sopo.motion.skeleton import HUMANML3D

rng = np.random.default_rng(0)


def motion(frames=60):
    return rng.normal(size=(frames, 263)).astype(np.float32)


def joints(frames=50):
    rest = np.zeros((22, 3))
    for joint in range(1, 22):
        rest[joint] = rest[HUMANML3D.parents[joint]] + HUMANML3D.target_offsets[joint]
    return (rest + rng.normal(scale=0.01, size=(frames, 22, 3))).astype(np.float32)


def batch_of(dataset, *keys, text=None):
    rows = [i for key in keys for i, item in enumerate(dataset.items) if item.key == key]
    batch = dataset.batch(rows, np.random.default_rng(0))
    return dataclasses.replace(batch, captions=as_captions([text] * len(rows))) if text else batch


def save(folder, **arrays):
    folder.mkdir(exist_ok=True)
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    return folder


def test_the_datas_own_files_score_as_the_real_row_but_for_the_crop(dataset, matcher):
    source = FileSource(dataset.root / "new_joint_vecs", dataset.skeleton)
    table = evaluate({"files": source}, dataset, matcher, ProtocolConfig(runs=2))
    assert table["files"]["R@1"].mean == 1 and table["files"]["FID"].mean == pytest.approx(0, abs=1e-4)


def test_folder_and_npz_give_the_same_motions_cut_to_the_length(dataset, tmp_path):
    arrays = {"000000": motion(200), "000001": joints()}
    np.savez(tmp_path / "all.npz", **arrays)
    batch = batch_of(dataset, "000000", "000001")
    motions, length = FileSource(save(tmp_path / "folder", **arrays), HUMANML3D)(batch, 0)
    packed, packed_length = FileSource(tmp_path / "all.npz", HUMANML3D)(batch, 0)
    assert motions.equal(packed) and length.equal(packed_length)
    assert length.tolist() == [batch.length[0], min(49, batch.length[1])]
    assert np.array_equal(motions[0, : length[0]], arrays["000000"][: length[0]])
    assert np.array_equal(motions[1, : length[1]], encode_joints(arrays["000001"], HUMANML3D)[: length[1]])


def test_variants_take_turns_over_runs(dataset, tmp_path):
    folder = save(tmp_path / "m", **{"000000": motion(), "000000@1": motion(), "000000@2": motion()})
    source, batch = FileSource(folder, HUMANML3D), batch_of(dataset, "000000")
    first = [float(source(batch, run)[0][0, 0, 0]) for run in range(4)]
    assert source.repeats == 3 and len(set(first)) == 3 and first[0] == first[3]


def test_multimodality_needs_enough_variants(dataset, matcher, tmp_path):
    keys = [item.key for item in dataset.items]
    folder = save(tmp_path / "m", **{f"{key}@{i}": motion(45) for key in keys for i in range(3)})
    config = ProtocolConfig(runs=1, multimodality=True, mm_texts=4, mm_repeats=3, mm_pairs=3)
    source = {"x": FileSource(folder, HUMANML3D)}
    assert evaluate(source, dataset, matcher, config, {})["x"]["MultiModality"].mean > 0
    config = dataclasses.replace(config, mm_repeats=4)
    assert "MultiModality" not in evaluate(source, dataset, matcher, config, {})["x"]


def test_a_motion_made_for_a_caption_serves_no_other(dataset, tmp_path):
    folder = save(tmp_path / "m", **{"000000": motion(), "000000@1": motion()})
    (folder / "captions.json").write_text(json.dumps({"000000": "walk", "000000@1": "run"}))
    source = FileSource(folder, HUMANML3D)
    runs = {float(source(batch_of(dataset, "000000", text="run"), run)[0][0, 0, 0]) for run in range(3)}
    assert runs == {float(np.load(folder / "000000@1.npy")[0, 0])}
    with pytest.raises(UserError, match="'000000' has no motion for its caption 'jump'"):
        source(batch_of(dataset, "000000", text="jump"), 0)


def test_a_motion_with_several_captions_serves_each(dataset, tmp_path):
    folder = save(tmp_path / "m", **{"000000": motion()})
    told = {"captions": ["walk", {"caption": "run ", "start": 1, "end": 2}], "split": "test"}  # as `data export` tells
    (folder / "captions.json").write_text(json.dumps({"000000": told}))
    source = FileSource(folder, HUMANML3D)
    for text in ("walk", "run"):
        source(batch_of(dataset, "000000", text=text), 0)
    with pytest.raises(UserError, match="no motion for its caption 'jump'"):
        source(batch_of(dataset, "000000", text="jump"), 0)


@pytest.mark.parametrize(
    "array, words",
    [
        (np.zeros((60, 251)), r"float64 of shape \[60, 251\]; expected numbers \[T, 263\]"),
        (np.zeros((60, 21, 3)), r"shape \[60, 21, 3\]"),
        (np.full((60, 263), np.nan), "NaN"),
        (np.zeros((2, 263)), "2 frames"),
        (np.array([["a"] * 263] * 9), "expected numbers"),
        (np.array([{}] * 9), "not|damaged|object"),
    ],
)
def test_unusable_arrays_are_named(dataset, tmp_path, array, words):
    folder = save(tmp_path / "m", **{"000000": array})
    np.savez(tmp_path / "m.npz", **{"000000": array})
    for path in (folder, tmp_path / "m.npz"):
        with pytest.raises(UserError, match=words) as caught:
            FileSource(path, HUMANML3D)(batch_of(dataset, "000000"), 0)
        assert "000000" in str(caught.value)


def test_absent_and_damaged_files_are_named(dataset, tmp_path):
    with pytest.raises(UserError, match="no motion for clip '000001'"):
        FileSource(save(tmp_path / "m", **{"000000": motion()}), HUMANML3D)(batch_of(dataset, "000001"), 0)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="no motions"):
        FileSource(tmp_path / "empty", HUMANML3D)
    with pytest.raises(UserError, match="expected a folder"):
        FileSource(tmp_path / "nowhere", HUMANML3D)
    for content in (b"", b"PK\x03\x04 cut short", b"\x93NUMPY\x01\x00"):
        (tmp_path / "bad.npz").write_bytes(content)
        with pytest.raises(UserError, match=r"bad\.npz: not a"):
            FileSource(tmp_path / "bad.npz", HUMANML3D)
    for text, words in (
        ("{", "not readable"),
        ("[1]", "expected an object"),
        ('{"000000": 7}', "expected an object"),
        ("{}", "no caption for '000000'"),
    ):
        (tmp_path / "m" / "captions.json").write_text(text)
        with pytest.raises(UserError, match=words):
            FileSource(tmp_path / "m", HUMANML3D)
