"""What is measured of a body: its turns, sides, size, floor, jumps and bones."""

import numpy as np
import pytest

from sopo.motion.mirror import mirror_joints
from sopo.motion.skeleton import HUMANML3D, KIT, Skeleton
from sopo.motion.stance import stance


@pytest.fixture(params=[HUMANML3D, KIT], ids=lambda skeleton: skeleton.name)
def skeleton(request: pytest.FixtureRequest) -> Skeleton:
    return request.param


@pytest.fixture
def walker(skeleton: Skeleton) -> np.ndarray:
    """Joints [T, J, 3] in units of a body that stands with its toes ahead, sways, and goes along at 1 m/s."""
    offsets = np.array(skeleton.target_offsets)
    if skeleton is KIT:  # its directions at rest have the sides exchanged; bodies have not
        offsets[:, 0] *= -1
    rest = np.zeros_like(offsets)
    for joint, parent in enumerate(skeleton.parents[1:], start=1):
        rest[joint] = rest[parent] + offsets[joint]
    rest[:, 1] -= rest[:, 1].min()
    time = np.arange(60)[:, None, None] / skeleton.fps
    sway = 0.005 * np.sin(3 * time + np.arange(skeleton.num_joints)[:, None]) * (1, 0, 1)
    return rest + (sway + time * (0, 0, 1)) / skeleton.metres_per_unit


def test_a_walker_stands_as_people_do(walker: np.ndarray, skeleton: Skeleton) -> None:
    found = stance(walker, skeleton)
    assert found.trunk > 0.9 and found.legs > 0.9 and found.square > 0.9
    assert found.ahead > 0.05 and found.faces > 0.99
    assert 0.8 < found.leg < 0.85 and abs(found.lowest) < 0.01
    assert found.moved == pytest.approx(59 / skeleton.fps / 2, rel=0.05) and found.jump == 0


def test_turned_bodies_lie_or_stand_on_their_head_but_keep_their_sides(walker: np.ndarray, skeleton: Skeleton) -> None:
    upright = stance(walker, skeleton)
    lying = stance(walker[..., [0, 2, 1]] * (1, -1, 1), skeleton)
    head_down = stance(walker * (-1, -1, 1), skeleton)
    assert abs(lying.trunk) < 0.3 and abs(lying.legs) < 0.2
    assert head_down.trunk == pytest.approx(-upright.trunk) and head_down.legs == pytest.approx(-upright.legs)
    assert lying.ahead == pytest.approx(upright.ahead) and head_down.ahead == pytest.approx(upright.ahead)


def test_a_mirror_image_shows_by_its_toes_unless_the_names_change_too(walker: np.ndarray, skeleton: Skeleton) -> None:
    upright = stance(walker, skeleton)
    assert stance(walker * (-1, 1, 1), skeleton).ahead == pytest.approx(-upright.ahead)
    assert stance(mirror_joints(walker, skeleton), skeleton).ahead == pytest.approx(upright.ahead)


def test_legs_whose_sides_are_exchanged_are_not_square_to_the_shoulders(walker: np.ndarray, skeleton: Skeleton) -> None:
    legs = [joint for joint, name in enumerate(skeleton.joints) if name.endswith(("hip", "knee", "ankle", "foot"))]
    order = np.arange(skeleton.num_joints)
    order[legs] = np.array(skeleton.mirror)[legs]
    assert stance(walker[:, order], skeleton).square < -0.9


def test_a_body_that_turns_its_back_faces_minus_z(walker: np.ndarray, skeleton: Skeleton) -> None:
    assert stance(walker * (-1, 1, -1), skeleton).faces == pytest.approx(-stance(walker, skeleton).faces)
    assert abs(stance(walker[..., [2, 1, 0]] * (1, 1, -1), skeleton).faces) < 0.1


def test_size_and_floor_are_metres(walker: np.ndarray, skeleton: Skeleton) -> None:
    upright = stance(walker, skeleton)
    assert stance(100 * walker, skeleton).leg == pytest.approx(100 * upright.leg)
    raised = walker + np.array((0, 0.5, 0)) / skeleton.metres_per_unit
    assert stance(raised, skeleton).lowest == pytest.approx(upright.lowest + 0.5)


@pytest.mark.parametrize("at", [0, 20, 58])
def test_a_jump_is_found_where_it_is(walker: np.ndarray, skeleton: Skeleton, at: int) -> None:
    jumped = walker.copy()
    jumped[at + 1 :] += np.array((0.5, 0, 0)) / skeleton.metres_per_unit
    found = stance(jumped, skeleton)
    assert found.jump_at == at
    assert found.jump == pytest.approx(np.hypot(1, 0.5 * skeleton.fps), rel=0.1)


def test_a_start_or_an_end_in_haste_is_no_jump(walker: np.ndarray, skeleton: Skeleton) -> None:
    """From standing to 6 m/s within a fifth of a second, and a frame that is held."""
    speed = np.interp(np.arange(60), [20, 20 + 0.2 * skeleton.fps, 50], [0, 6, 6]) / skeleton.fps
    sprint = walker + np.cumsum(speed)[:, None, None] * np.array((0, 0, 1)) / skeleton.metres_per_unit
    sprint[40] = sprint[39]
    assert stance(sprint, skeleton).jump == 0


def test_a_bone_that_stretches_is_named(walker: np.ndarray, skeleton: Skeleton) -> None:
    wrist = skeleton.joints.index("left_wrist")
    longer = walker.copy()
    longer[30, wrist] += np.array((0, -0.1, 0)) / skeleton.metres_per_unit
    found = stance(longer, skeleton)
    assert stance(walker, skeleton).stretch < 0.03
    assert found.stretched == "left_wrist" and found.stretch == pytest.approx(0.1, abs=0.02)
