import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from sopo.data import check
from sopo.data.bodies import FAULTS
from sopo.data.check import KINDS, check_folder
from sopo.data.layout import SPLITS, write_split, write_statistics
from sopo.data.statistics import feature_statistics
from sopo.motion.decode import decode_joints
from sopo.motion.encode import encode_joints
from sopo.motion.skeleton import HUMANML3D


@pytest.fixture
def sound(make_folder, rest_pose: np.ndarray) -> Path:
    """A folder with nothing to remark: four clips of a body that sways."""
    keys = {"a": "train", "Ma": "train", "b": "val", "c": "test"}
    root = make_folder(dict.fromkeys(keys, 0))
    rng = np.random.default_rng(0)
    clips = {}
    for key in keys:
        joints = rest_pose + 0.1 * np.sin(np.arange(71)[:, None, None] / 9 + rng.normal(size=(1, 22, 3)))
        clips[key] = encode_joints(joints, HUMANML3D)
        np.save(root / f"new_joint_vecs/{key}.npy", clips[key])
        np.save(root / f"new_joints/{key}.npy", _decoded(clips[key]))
    for split in SPLITS:
        write_split(root, split, [key for key, where in keys.items() if where == split])
    write_statistics(root, *feature_statistics([clips["a"], clips["Ma"]], HUMANML3D))
    return root


def _decoded(features: np.ndarray) -> np.ndarray:
    return decode_joints(torch.from_numpy(features), HUMANML3D).numpy()


def test_a_sound_folder_has_no_findings(sound: Path) -> None:
    calls: list[tuple[int, int]] = []
    report = check_folder(sound, report=lambda done, total: calls.append((done, total)))
    assert calls == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert report.findings == ()
    assert report.ok and report.skeleton == "humanml3d"
    train = report.splits["train"]
    assert (train.listed, train.present, train.usable, train.captions, train.frames) == (2, 2, 2, 2, 140)
    assert json.loads(json.dumps(report.to_dict()))["ok"] is True


def _vecs(root: Path, array: np.ndarray) -> None:
    np.save(root / "new_joint_vecs/a.npy", array)


def _long(root: Path, frames: int) -> None:
    _vecs(root, np.resize(np.load(root / "new_joint_vecs/a.npy"), (frames, 263)))


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "no features folder": (lambda root: (root / "new_joint_vecs").rename(root / "x"), "no-part"),
    "no texts folder": (lambda root: (root / "texts").rename(root / "x"), "no-part"),
    "no mean": (lambda root: (root / "Mean.npy").unlink(), "no-part"),
    "no joints": (lambda root: (root / "new_joints").rename(root / "x"), "no-joints"),
    "no val list": (lambda root: (root / "val.txt").unlink(), "no-split"),
    "binary list": (lambda root: (root / "val.txt").write_bytes(b"\xff\xfe\x00"), "bad-split"),
    "empty list": (lambda root: (root / "val.txt").write_text("\n"), "empty-split"),
    "no list at all": (lambda root: [(root / f"{split}.txt").unlink() for split in SPLITS], "empty-split"),
    "zero std": (lambda root: np.save(root / "Std.npy", np.zeros(263)), "bad-statistics"),
    "odd width": (lambda root: np.save(root / "Mean.npy", np.zeros(7)), "bad-statistics"),
    "nan mean": (lambda root: np.save(root / "Mean.npy", np.full(263, np.nan)), "bad-statistics"),
    "absent clip": (lambda root: (root / "new_joint_vecs/a.npy").unlink(), "absent"),
    "truncated clip": (lambda root: (root / "new_joint_vecs/a.npy").write_bytes(b"\x93NUMPY\x01"), "bad-features"),
    "folder for a clip": (lambda root: _replace_by_folder(root / "new_joint_vecs/a.npy"), "bad-features"),
    "wrong width": (lambda root: _vecs(root, np.zeros((70, 251))), "bad-features"),
    "nan clip": (lambda root: _vecs(root, np.full((70, 263), np.nan)), "not-finite"),
    "short clip": (lambda root: _long(root, 39), "too-short"),
    "empty clip": (lambda root: _long(root, 0), "too-short"),
    "long clip": (lambda root: _long(root, 200), "too-long"),
    "empty captions": (lambda root: (root / "texts/a.txt").write_text(""), "bad-captions"),
    "no captions": (lambda root: (root / "texts/a.txt").unlink(), "bad-captions"),
    "malformed captions": (lambda root: (root / "texts/a.txt").write_text("a##b#c"), "bad-captions"),
    "untagged captions": (lambda root: (root / "texts/a.txt").write_text("plain"), "untagged"),
    "same clip twice": (lambda root: (root / "test.txt").write_text("c\nb\n"), "leak"),
    "mirrored twin": (lambda root: (root / "test.txt").write_text("c\nMa\n"), "leak"),
    "other statistics": (lambda root: np.save(root / "Std.npy", np.full(263, 5.0)), "drift"),
    "other joints": (lambda root: np.save(root / "new_joints/a.npy", np.zeros((70, 22, 3))), "joints-differ"),
    "no such joints": (lambda root: (root / "new_joints/a.npy").unlink(), "joints-differ"),
}


def _replace_by_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("name", DAMAGE)
def test_each_damage_is_reported_with_a_remedy(sound: Path, name: str) -> None:
    damage, kind = DAMAGE[name]
    damage(sound)
    report = check_folder(sound)
    finding = next(finding for finding in report.findings if finding.kind == kind)
    assert finding.count >= 1 and finding.examples
    assert report.ok == all(each.level != "error" for each in report.findings)
    assert any(KINDS[kind][2] in line for line in report.lines())
    assert all("\n" not in line for line in report.lines())


def test_processes_find_what_one_finds(sound: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "PART", 1)
    monkeypatch.setattr(check, "WORTH", 1)
    for name in ("nan clip", "no captions"):
        DAMAGE[name][0](sound)
    one, two = (check_folder(sound, workers=workers) for workers in (1, 2))
    assert one == two and len(one.findings) >= 2


def test_every_kind_of_finding_is_tested() -> None:
    bodies = {row for kind, fault in FAULTS.items() for row in fault.rows(kind)}  # tests/data/test_bodies.py
    assert {kind for _, kind in DAMAGE.values()} | {"no-folder"} | bodies == set(KINDS)


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    report = check_folder(tmp_path / "nowhere")
    assert not report.ok and report.findings[0].kind == "no-folder"
    (tmp_path / "file").write_text("")
    assert not check_folder(tmp_path / "file").ok
    assert not check_folder(tmp_path).ok
