"""Joint positions as arrays."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from numpy.typing import NDArray
from synthetic_smpl import motion_arrays, write_body_model

from sopo.errors import UserError
from sopo.formats.arrays import read_array
from sopo.formats.body_model import JOINTS
from sopo.motion.skeleton import HUMANML3D

MakeJoints = Callable[..., NDArray[np.float64]]


def test_the_22_joints(tmp_path: Path, make_joints: MakeJoints) -> None:
    joints = make_joints(HUMANML3D).astype(np.float32)
    np.save(tmp_path / "walk.npy", joints)
    clip = read_array(tmp_path / "walk.npy")
    assert dict(zip(clip.names, clip.parents, strict=True))["left_hip"] == clip.names.index("pelvis")
    for joint, parent in enumerate(HUMANML3D.parents):
        place = clip.names.index(HUMANML3D.joints[joint])
        assert clip.parents[place] == (clip.names.index(HUMANML3D.joints[parent]) if parent >= 0 else -1)
        assert_allclose(clip.positions[:, place], joints[:, joint])
    assert clip.fps == 20 and "20 frames a second are assumed" in clip.notes[0] and clip.unit is None
    assert read_array(tmp_path / "walk.npy", fps=30).fps == 30


@pytest.mark.parametrize("family", JOINTS)
def test_smpl_families_have_whole_trees(tmp_path: Path, family: str) -> None:
    names = JOINTS[family]
    np.savez(tmp_path / "a.npz", joints=np.random.default_rng(0).normal(size=(1, len(names), 3)), fps=30)
    clip = read_array(tmp_path / "a.npz")
    above = {name: clip.names[parent] for name, parent in zip(clip.names, clip.parents, strict=True) if parent >= 0}
    assert sorted(clip.names) == sorted(names) and len(above) == len(names) - 1 and clip.notes == ()
    assert above.get("left_index3", "left_index2") == "left_index2"
    assert above.get("right_thumb1", "right_wrist") == "right_wrist"
    assert all(parent < joint for joint, parent in enumerate(clip.parents))


NAMED = np.arange(24.0).reshape(1, 8, 3).repeat(2, axis=0)[:, :3]


@pytest.mark.parametrize("beside", ["walk.joints.txt", "joints.txt"])
def test_names_beside(tmp_path: Path, beside: str) -> None:
    np.save(tmp_path / "walk.npy", NAMED)
    (tmp_path / beside).write_text("left hand, spine\nspine, hips\nhips,\n")
    clip = read_array(tmp_path / "walk.npy")
    assert clip.names == ("hips", "spine", "left hand") and clip.parents == (-1, 0, 1)
    assert_allclose(clip.positions, NAMED[:, ::-1])
    (tmp_path / beside).write_text("left_knee\nleft_foot\npelvis\n")  # SMPL's own need no parents
    clip = read_array(tmp_path / "walk.npy")
    assert clip.names == ("pelvis", "left_knee", "left_foot") and clip.parents == (-1, 0, 1)


def test_names_inside(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", positions=NAMED, names=["a", "b", "c"], parents=[1, -1, 1], fps=np.float32(25))
    clip = read_array(tmp_path / "a.npz")
    assert clip.names == ("b", "a", "c") and clip.parents == (-1, 0, 0) and clip.fps == 25
    assert_allclose(clip.positions, NAMED[:, [1, 0, 2]])


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"positions": np.zeros((2, 66))}, r"is float64 \[2, 66\], expected"),
        ({"positions": np.zeros((2, 3, 3))}, "no body is known of 3 joints; list them in a.joints.txt"),
        ({"positions": np.full((2, 22, 3), np.nan)}, "not finite"),
        ({"positions": np.full((2, 22, 3), 1e30)}, "plausible size"),
        ({"positions": np.zeros((0, 22, 3))}, "expected numbers"),
        ({"positions": np.array([["a"]])}, "expected numbers"),
        ({"positions": np.array([{}])}, "pickled"),
        ({"positions": NAMED, "names": ["a", "b"]}, "2 names"),
        ({"positions": NAMED, "names": ["a", "b", "c"]}, "'a' needs a parent"),
        ({"positions": NAMED, "names": ["a", "b", "c"], "parents": [1, 0, -1]}, "in a circle"),
        ({"positions": NAMED, "names": ["a", "b", "c"], "parents": [-1, 7, 0]}, "are not the numbers"),
        ({"positions": np.zeros((2, 22, 3)), "fps": 0}, "no rate"),
        ({"positions": np.random.default_rng(0).normal(size=(50, 22, 3))}, "change their length"),
        ({"frames": np.zeros(3)}, r"no array is called positions, .* \(it holds frames\)"),
        ({"poses": np.zeros((2, 66)), "trans": np.zeros((2, 3))}, "--body_model"),
    ],
)
def test_other_arrays_are_one_line(tmp_path: Path, arrays: dict[str, Any], message: str) -> None:
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(UserError, match=message) as caught:
        read_array(tmp_path / "a.npz")
    assert str(tmp_path / "a.npz") in str(caught.value) and "\n" not in str(caught.value)


def test_poses_go_through_the_body_model(tmp_path: Path) -> None:
    write_body_model(tmp_path / "SMPLH_NEUTRAL.npz", "smplh", 0)
    arrays = motion_arrays(30, joints=52)
    del arrays["mocap_framerate"]
    np.savez(tmp_path / "a.npz", **arrays)
    clip = read_array(tmp_path / "a.npz", fps=50, body_model=tmp_path)
    assert clip.names == JOINTS["smplh"] and clip.fps == 50 and clip.unit == 1
    with pytest.raises(UserError, match="no frame rate"):
        read_array(tmp_path / "a.npz", body_model=tmp_path)


def test_a_parent_must_be_among_the_names(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", NAMED)
    (tmp_path / "joints.txt").write_text("a,\nb, a\nc, nobody\n")
    with pytest.raises(UserError, match="'nobody' is named as a parent"):
        read_array(tmp_path / "a.npy")


def test_a_header_that_promises_more_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((2, 22, 3)))
    raw = (tmp_path / "a.npy").read_bytes()
    (tmp_path / "a.npy").write_bytes(raw.replace(b"(2, 22, 3)", b"(2000000000, 22, 3)").replace(b" " * 9, b"", 1))
    with pytest.raises(UserError, match="is not what follows"):
        read_array(tmp_path / "a.npy")
    (tmp_path / "a.npy").write_bytes(raw[:-8])
    with pytest.raises(UserError, match="not what follows; truncated"):
        read_array(tmp_path / "a.npy")
