"""From joints to rotations and back, for any body and any rest pose."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.spatial.transform import Rotation

from sopo.errors import UserError
from sopo.motion.posing import local_motion, t_pose
from sopo.motion.skeleton import HUMANML3D, KIT, SKELETONS, Skeleton

EVERY = pytest.mark.parametrize("skeleton", SKELETONS, ids=lambda s: s.name)


def posed(rotations: list[Rotation], positions: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    """Frames composed down the tree [T, J, 3], by matrices."""
    frames: list[np.ndarray] = []
    for joint, parent in enumerate(skeleton.parents):
        local = np.tile(np.eye(4), (len(positions), 1, 1))
        local[:, :3, :3], local[:, :3, 3] = rotations[joint].as_matrix(), positions[:, joint]
        frames.append(local if parent < 0 else frames[parent] @ local)
    return np.stack(frames, axis=1)[..., :3, 3]


@EVERY
def test_composing_gives_the_joints_back_from_any_rest(make_joints, skeleton: Skeleton) -> None:
    joints = make_joints(skeleton, 30)
    for rest in (t_pose(skeleton), np.array(skeleton.raw_offsets, dtype=float)):
        rotations, positions = local_motion(joints, rest, skeleton)
        assert_allclose(posed(rotations, positions, skeleton), joints, atol=1e-9 * np.abs(joints).max())


@EVERY
def test_a_body_at_rest_does_not_turn(skeleton: Skeleton) -> None:
    rest = t_pose(skeleton)
    joints = np.zeros((2, skeleton.num_joints, 3))
    for joint, parent in list(enumerate(skeleton.parents))[1:]:
        joints[:, joint] = joints[:, parent] + 0.3 * rest[joint]
    rotations, _ = local_motion(joints, rest, skeleton)
    assert max(rotation.magnitude().max() for rotation in rotations) < 1e-6
    turn = Rotation.from_euler("y", 100, degrees=True)
    rotations, _ = local_motion(turn.apply(joints.reshape(-1, 3)).reshape(joints.shape), rest, skeleton)
    assert (rotations[0] * turn.inv()).magnitude().max() < 1e-6
    assert max(rotation.magnitude().max() for rotation in rotations[1:]) < 1e-6


def test_a_bent_limb_turns_by_its_angle_and_not_about_itself() -> None:
    rest = t_pose(HUMANML3D)
    joints = np.zeros((1, 22, 3))
    for joint, parent in list(enumerate(HUMANML3D.parents))[1:]:
        joints[:, joint] = joints[:, parent] + 0.3 * rest[joint]
    elbow, wrist = (HUMANML3D.joints.index(f"left_{name}") for name in ("elbow", "wrist"))
    forearm = Rotation.from_rotvec(
        1.1 * np.cross(rest[wrist], (0, 0, 1)) / np.linalg.norm(np.cross(rest[wrist], (0, 0, 1)))
    )
    joints[:, wrist] = joints[:, elbow] + 0.3 * forearm.apply(rest[wrist])
    rotations, _ = local_motion(joints, rest, HUMANML3D)
    assert rotations[elbow].magnitude() == pytest.approx(1.1)
    assert rotations[elbow].as_rotvec()[0] @ rest[wrist] == pytest.approx(0, abs=1e-6)


@EVERY
def test_the_t_pose_stands_upright_with_its_sides_apart(skeleton: Skeleton) -> None:
    rest = t_pose(skeleton)
    assert_allclose(np.linalg.norm(rest[1:], axis=1), 1)
    names = skeleton.joints
    for joint, other in enumerate(skeleton.mirror):
        assert_allclose(rest[joint], rest[other] * (-1, 1, 1))
    assert rest[names.index("left_elbow"), 0] > 0.9 and rest[names.index("right_elbow"), 0] < -0.9
    assert rest[names.index("left_knee"), 1] < -0.9 and rest[names.index("left_foot"), 2] > 0.5


@pytest.mark.parametrize(
    ("joints", "says"),
    [
        (np.zeros((2, 21, 3)), "shape"),
        (np.zeros((0, 22, 3)), "shape"),
        (np.full((2, 22, 3), np.nan), "finite"),
        (np.zeros((2, 22, 3)), "coincides"),
    ],
)
def test_refuses_what_has_no_pose(joints: np.ndarray, says: str) -> None:
    with pytest.raises(UserError, match=says):
        local_motion(joints, t_pose(HUMANML3D), HUMANML3D)


def test_sides() -> None:
    for skeleton in (HUMANML3D, KIT):
        assert {side for side, other in zip(skeleton.sides, skeleton.mirror, strict=True)} == {
            "left",
            "right",
            "middle",
        }
        for joint, other in enumerate(skeleton.mirror):
            pair = {skeleton.sides[joint], skeleton.sides[other]}
            assert pair == ({"middle"} if joint == other else {"left", "right"})
