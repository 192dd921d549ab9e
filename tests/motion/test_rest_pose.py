import numpy as np
import pytest
from moving_body import walking
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from sopo.motion.rest_pose import motion_range
from sopo.motion.skeleton import HUMANML3D

Joints = NDArray[np.float64]


def t_pose() -> Joints:
    """[22, 3] legs straight down, arms straight to the sides."""
    joints = np.array(HUMANML3D.target_offsets)
    for joint, parent in enumerate(HUMANML3D.parents):
        joints[joint] += joints[parent] if parent >= 0 else 0.0
    for side, sign in (("left", 1.0), ("right", -1.0)):
        for part, reach in (("collar", 0.08), ("shoulder", 0.18), ("elbow", 0.45), ("wrist", 0.7)):
            joints[HUMANML3D.joints.index(f"{side}_{part}")] = (sign * reach, 0.45, 0.0)
        for part, height in (("hip", 0.0), ("knee", -0.4), ("ankle", -0.8)):
            joints[HUMANML3D.joints.index(f"{side}_{part}")] = (sign * 0.1, height, 0.0)
        joints[HUMANML3D.joints.index(f"{side}_foot")] = (sign * 0.1, -0.86, 0.13)
    return joints


@pytest.mark.parametrize("fps", [20, 30, 120])
@pytest.mark.parametrize("held", [0, 1, 7])
def test_a_rest_pose_before_and_after_the_motion_is_left_out(fps: int, held: int) -> None:
    rest = np.repeat(t_pose()[None], held, axis=0)
    slow = walking(80 * fps // 20, speed=1.0)[:: max(1, 20 // fps)]
    motion = np.concatenate((rest, slow, rest))
    assert motion_range(motion, fps) == (held, held + len(slow))
    turned = motion @ Rotation.from_rotvec((0.3, 2.0, -1.0)).as_matrix().T  # whatever the axes
    assert motion_range(turned, fps) == (held, held + len(slow))


def test_a_motion_that_starts_in_a_t_pose_is_kept() -> None:
    share = np.linspace(0, 1, 40)[:, None, None]
    lowered = t_pose() * (1 - share) + walking(1) * share
    assert motion_range(np.concatenate((np.repeat(t_pose()[None], 20, axis=0), lowered)), 20.0) == (0, 60)


def test_a_jump_from_any_other_pose_is_kept() -> None:
    motion = walking()
    motion[0] += 1.0  # not straight, so it may belong to the motion: data check says that it jumps
    assert motion_range(motion, 20.0) == (0, 80)
    assert motion_range(motion, 20.0, rest=walking()[0]) == (1, 80)  # but for the file's own pose of rest


def test_short_and_still_clips() -> None:
    for frames in (1, 2, 3, 30):
        still = np.repeat(t_pose()[None], frames, axis=0)
        assert motion_range(still, 20.0) == (0, frames)
