"""BVH in and out, and the way from captured joints to ours."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose
from numpy.typing import NDArray

from sopo.errors import UserError
from sopo.formats.bvh import read_bvh, write_bvh
from sopo.motion.clip import Clip
from sopo.motion.encode import encode_joints
from sopo.motion.retarget import BANDAI_NAMCO, on_skeleton, resample, retarget
from sopo.motion.skeleton import HUMANML3D, KIT, SKELETONS, Skeleton

MakeJoints = Callable[..., NDArray[np.float64]]

SMALL = """HIERARCHY
ROOT hips
{
  OFFSET 5 5 5
  CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
  JOINT knee
  {
    OFFSET 0 -10 0
    CHANNELS 3 Zrotation Xrotation Yrotation
    End Site
    {
      OFFSET 0 -10 0
    }
  }
  JOINT hand
  {
    OFFSET 1 1 1
    CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
  }
}
MOTION
Frames: 2
Frame Time: 0.05
0 100 0  0 0 0  0 0 0  20 0 0  0 0 0
0 100 0 90 0 0  0 0 0  20 0 0  0 0 0
"""


def test_positions_replace_offsets_and_rotations_carry(tmp_path: Path) -> None:
    (tmp_path / "small.bvh").write_text(SMALL)
    clip = read_bvh(tmp_path / "small.bvh")
    assert clip.names == ("hips", "knee", "hand") and clip.parents == (-1, 0, 0)
    assert clip.fps == pytest.approx(20)
    assert_allclose(clip.positions[0], [(0, 1, 0), (0, 0.9, 0), (0.2, 1, 0)], atol=1e-12)
    assert_allclose(clip.positions[1], [(0, 1, 0), (0.1, 1, 0), (0, 1.2, 0)], atol=1e-12)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda text: text[:-30], "holds .* numbers, but 2 frames of 15 channels need 30; truncated"),
        (lambda text: text[: text.index("Frame Time")], "truncated"),
        (lambda text: text[: text.index("MOTION")], "no line MOTION"),
        (lambda text: text.replace("JOINT hand", "JOINED hand"), ":15: 'JOINED hand' does not belong"),
        (lambda text: text.replace("OFFSET 1 1 1", "OFFSET 1 1"), ":17:"),
        (lambda text: text.replace("}\nMOTION", "MOTION"), "brackets"),
        (lambda text: text.replace("CHANNELS 3", "CHANNELS 4"), ":9:"),
        (lambda text: text.replace("100", "many"), "many"),
        (lambda text: text.replace("100", "nan"), "finite"),
        (lambda text: text.replace("0.05", "0"), "positive frame time"),
    ],
)
def test_damage_is_one_line(tmp_path: Path, damage, message: str) -> None:
    path = tmp_path / "damaged.bvh"
    path.write_text(damage(SMALL))
    with pytest.raises(UserError, match=message) as caught:
        read_bvh(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_missing_or_binary_files(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not readable"):
        read_bvh(tmp_path / "nowhere.bvh")
    (tmp_path / "binary.bvh").write_bytes(bytes(range(256)))
    with pytest.raises(UserError, match="not readable"):
        read_bvh(tmp_path / "binary.bvh")


@pytest.mark.parametrize("skeleton", SKELETONS, ids=lambda skeleton: skeleton.name)
def test_what_is_written_is_read(tmp_path: Path, make_joints: MakeJoints, skeleton: Skeleton) -> None:
    joints = make_joints(skeleton)
    path = tmp_path / "folder" / "motion.bvh"
    write_bvh(path, joints, skeleton)
    clip = read_bvh(path)
    assert clip.fps == pytest.approx(skeleton.fps)
    back = retarget(clip, {name: (name,) for name in skeleton.joints}, skeleton)
    assert back.shape == joints.shape
    assert_allclose(back, joints, atol=1e-6 / skeleton.metres_per_unit)


def test_written_bones_are_turned_not_stretched(tmp_path: Path, make_joints: MakeJoints) -> None:
    joints = make_joints(HUMANML3D)
    path = tmp_path / "motion.bvh"
    write_bvh(path, joints, HUMANML3D.with_target(joints[0]))
    lines = path.read_text().splitlines()
    table = np.array([row.split() for row in lines[lines.index("MOTION") + 3 :]], dtype=float)
    order = [line.split()[1] for line in lines if line.strip().startswith(("ROOT", "JOINT"))]
    # Where one bone leaves a joint, the translation is the bone at rest, whatever the pose.
    for child, rest in (("left_knee", (0, -1, 0)), ("right_wrist", (0, -1, 0)), ("left_foot", (0, 0, 1))):
        at = 6 * order.index(child)
        moved = table[:, at : at + 3]
        assert_allclose(moved / np.linalg.norm(moved, axis=1, keepdims=True), [rest] * len(moved), atol=1e-5)


def test_writing_checks_its_input(tmp_path: Path, make_joints: MakeJoints) -> None:
    joints = make_joints(HUMANML3D)
    for bad in (joints[:, :21], joints[0], np.full_like(joints, np.nan)):
        with pytest.raises(UserError, match="cannot write"):
            write_bvh(tmp_path / "bad.bvh", bad, HUMANML3D)


def test_resampling_is_linear() -> None:
    ramp = np.arange(31.0)[:, None] / 30
    assert_allclose(resample(ramp, 30, 20)[:, 0], np.arange(21) / 20)
    assert_allclose(resample(ramp, 1 / 0.0333333, 20)[:, 0], np.arange(21) / 20, atol=1e-5)
    assert_allclose(resample(ramp, 30, 60)[:, 0], np.arange(61) / 60)
    assert_allclose(resample(ramp[:1], 30, 20), ramp[:1])


def test_mapping_gaps_are_named() -> None:
    clip = Clip(("Hips", "Spine"), (-1, 0), np.zeros((3, 2, 3)), 30.0)
    with pytest.raises(UserError, match="has no joints Chest"):
        retarget(clip, BANDAI_NAMCO, HUMANML3D)
    with pytest.raises(UserError, match="lacks left_hip"):
        retarget(clip, {"pelvis": ("Hips",)}, HUMANML3D)


NAMES = ("dataset-1_bow_active_001", "dataset-1_run_normal_001")  # the second one moves its root joint


@pytest.mark.parametrize("name", NAMES)
def test_real_capture(shared: Path, name: str) -> None:
    facts = json.loads((shared / "mocap" / "captions.json").read_text())[name]
    clip = read_bvh(shared / "mocap" / facts["file"])
    assert len(clip.positions) == facts["frames_30fps"]
    joints = retarget(clip, BANDAI_NAMCO, HUMANML3D)
    assert joints.shape == (facts["frames_20fps"], 22, 3)

    def bone(upper: str, lower: str) -> np.ndarray:
        ends = joints[:, HUMANML3D.joints.index(upper)] - joints[:, HUMANML3D.joints.index(lower)]
        return np.linalg.norm(ends, axis=-1)

    # Linear resampling shortens a fast limb a little.
    assert_allclose(np.median(bone("left_hip", "left_knee")), 0.391, atol=0.002)
    assert_allclose(np.median(bone("right_knee", "right_ankle")), 0.410, atol=0.002)
    assert_allclose(bone("pelvis", "spine1"), bone("spine1", "spine2"), atol=1e-9)
    left, right = joints[0, 1], joints[0, 2]
    assert left[0] > right[0]  # faces +Z, so the left is +X
    assert np.isfinite(encode_joints(joints, HUMANML3D)).all()


def test_an_independent_reader_agrees(shared: Path) -> None:
    bvhio = pytest.importorskip("bvhio")
    path = shared / "mocap" / "bvh" / f"{NAMES[1]}.bvh"
    clip, root = read_bvh(path), bvhio.readAsHierarchy(str(path))
    joints = [joint for joint, *_ in root.layout()]
    for frame in range(len(clip.positions)):
        root.loadPose(frame)
        theirs = {joint.Name: np.array(joint.PositionWorld) * 0.01 for joint in joints}
        assert_allclose(clip.positions[frame], [theirs[name] for name in clip.names], atol=2e-6)


def test_one_body_as_the_other_has_it(make_joints: MakeJoints) -> None:
    joints = make_joints(HUMANML3D)
    kit = on_skeleton(joints, KIT)
    for name in ("pelvis", "head", "left_hip", "right_knee", "left_ankle", "right_wrist"):
        theirs = kit[:, KIT.joints.index(name)] * KIT.metres_per_unit
        assert_allclose(theirs, joints[:, HUMANML3D.joints.index(name)], atol=1e-9)
    assert on_skeleton(joints, HUMANML3D) is joints
    assert np.isfinite(encode_joints(kit, KIT)).all()


def test_kits_toes_go_straight_on_or_lie_flat(make_joints: MakeJoints) -> None:
    joints = make_joints(HUMANML3D)
    joints[:5, HUMANML3D.joints.index("left_foot"), 1] = joints[..., 1].min()  # stands on its toes
    kit = on_skeleton(joints, KIT) * KIT.metres_per_unit
    ankle, ball, tip = (kit[:, KIT.joints.index(f"left_{part}")] for part in ("ankle", "midfoot", "foot"))
    floor = joints[..., 1].min()
    flat = np.isclose(tip[:, 1], floor)
    assert (tip[:, 1] >= floor - 1e-9).all() and flat.sum() == 5
    assert_allclose(np.cross(tip - ball, ball - ankle)[~flat], 0, atol=1e-9)
    assert_allclose(np.cross((tip - ball)[:, [0, 2]], (ball - ankle)[:, [0, 2]]), 0, atol=1e-9)
