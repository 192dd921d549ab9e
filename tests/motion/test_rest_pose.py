import numpy as np
import pytest
from moving_body import t_pose, walking
from scipy.spatial.transform import Rotation

from sopo.motion.rest_pose import motion_range


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
