"""Properties of the features that need no recorded numbers."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray

from sopo.errors import UserError
from sopo.motion.decode import decode_joints, decode_rotations
from sopo.motion.encode import encode_joints, place, uniform_skeleton
from sopo.motion.features import feature_slices
from sopo.motion.kinematics import forward_kinematics, inverse_kinematics, rotation_between, turn_y
from sopo.motion.mirror import mirror_joints
from sopo.motion.skeleton import HUMANML3D, KIT, SKELETONS, Skeleton

MakeJoints = Callable[..., NDArray[np.float64]]

both = pytest.mark.parametrize("skeleton", SKELETONS, ids=lambda skeleton: skeleton.name)


def features_of(make_joints: MakeJoints, skeleton: Skeleton, **how: int) -> torch.Tensor:
    return torch.from_numpy(encode_joints(make_joints(skeleton, **how), skeleton))


@both
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_decoding_returns_the_placed_clip(make_joints: MakeJoints, skeleton: Skeleton, seed: int) -> None:
    joints = make_joints(skeleton, seed=seed)
    placed = place(uniform_skeleton(joints, skeleton), skeleton)
    turns = np.diff(inverse_kinematics(placed, skeleton)[0])
    assume(np.abs(turns).max() < np.pi / 2)  # crossing -Z loses the way, see below
    features = torch.from_numpy(encode_joints(joints, skeleton)).double()
    tolerance = 2e-5 / skeleton.metres_per_unit
    assert_allclose(decode_joints(features, skeleton).numpy(), placed[:-1], atol=tolerance)
    by_rotation = forward_kinematics(*decode_rotations(features, skeleton), skeleton)
    assert_allclose(by_rotation.numpy(), placed[:-1], atol=tolerance)


@both
@settings(max_examples=10, deadline=None)
@given(x=st.floats(-9, 9), y=st.floats(-9, 9), z=st.floats(-9, 9), half=st.floats(-1.5, 1.5))
def test_features_ignore_where_and_which_way(
    make_joints: MakeJoints, skeleton: Skeleton, x: float, y: float, z: float, half: float
) -> None:
    joints = make_joints(skeleton)
    moved = turn_y(joints, half) + np.array((x, y, z)) / skeleton.metres_per_unit
    expected, found = encode_joints(joints, skeleton), encode_joints(moved, skeleton)
    rows = slice(0, feature_slices(skeleton).contacts.start)  # a contact may sit on its threshold
    assert_allclose(found[:, rows], expected[:, rows], atol=2e-5 / skeleton.metres_per_unit)


@both
def test_size_does_not_matter_to_retargeted_features(make_joints: MakeJoints, skeleton: Skeleton) -> None:
    joints = make_joints(skeleton)
    expected, found = encode_joints(joints, skeleton), encode_joints(3 * joints, skeleton)
    assert_allclose(found, expected, atol=2e-5 / skeleton.metres_per_unit)
    own_size = decode_joints(torch.from_numpy(encode_joints(3 * joints, skeleton, retarget=False)), skeleton)
    height = np.ptp(own_size[0, :, 1].numpy())
    assert_allclose(height, 3 * np.ptp(joints[0, :, 1]), rtol=1e-4)


@both
def test_mirroring_flips_turns_and_sides(make_joints: MakeJoints, skeleton: Skeleton) -> None:
    joints = make_joints(skeleton)
    assert_array_equal(mirror_joints(mirror_joints(joints, skeleton), skeleton), joints)
    columns = feature_slices(skeleton)
    here = encode_joints(joints, skeleton, retarget=False)
    there = encode_joints(mirror_joints(joints, skeleton), skeleton, retarget=False)
    tolerance = 1e-5 / skeleton.metres_per_unit
    assert_allclose(there[:, columns.root_turn], -here[:, columns.root_turn], atol=1e-5)
    assert_allclose(there[:, columns.root_height], here[:, columns.root_height], atol=tolerance)
    assert_array_equal(there[:, columns.contacts], here[:, columns.contacts][:, [2, 3, 0, 1]])
    velocities = here[:, columns.velocities].reshape(len(here), -1, 3)
    expected = mirror_joints(velocities, skeleton).reshape(len(here), -1)
    assert_allclose(there[:, columns.velocities], expected, atol=tolerance)


@both
@pytest.mark.parametrize("turns", [-2.0, 1.0, 1.5])
def test_turns_beyond_half_a_turn(make_joints: MakeJoints, skeleton: Skeleton, turns: float) -> None:
    # A still body is turned around: published, the turn points the other way in each frame that crosses -Z.
    pose = make_joints(skeleton)[:1]
    joints = turn_y(np.repeat(pose, 241, axis=0), np.linspace(0, turns * np.pi, 241)[:, None])
    ours, published = (encode_joints(joints, skeleton, published=each) for each in (False, True))
    sign = np.sign(np.median(ours[1:, 0]))
    assert (np.sign(ours[1:, 0]) == sign).all()
    flipped = np.flatnonzero(np.sign(published[:, 0]) == -sign)
    assert 1 <= len(flipped) <= 3
    assert_array_equal(np.delete(published, flipped, axis=0), np.delete(ours, flipped, axis=0))
    decoded = decode_joints(torch.from_numpy(ours).double(), skeleton).numpy()
    tolerance = 1e-3 / skeleton.metres_per_unit
    assert_allclose(decoded, place(uniform_skeleton(joints, skeleton), skeleton)[:-1], atol=tolerance)


unit_vectors = st.tuples(*[st.floats(-1, 1)] * 3).map(np.array).filter(lambda v: np.linalg.norm(v) > 0.1)


@given(u=unit_vectors, v=unit_vectors, opposite=st.booleans())
@settings(max_examples=60, deadline=None)
def test_rotation_between_any_two_directions(u: np.ndarray, v: np.ndarray, opposite: bool) -> None:
    u = u / np.linalg.norm(u)
    v = -u if opposite else v / np.linalg.norm(v)
    if not opposite and u @ v < -1 + 1e-6:
        return  # nearly opposite: the rotation exists, its precision is gone
    matrix = rotation_between(u[None], v[None])[0]
    assert_allclose(matrix @ u, v, atol=1e-6)
    assert_allclose(matrix @ matrix.T, np.eye(3), atol=1e-9)
    assert np.linalg.det(matrix) > 0


def test_an_arm_straight_up_is_encoded(make_joints: MakeJoints) -> None:
    joints = make_joints(HUMANML3D)
    shoulder, elbow, wrist = (HUMANML3D.joints.index(f"left_{part}") for part in ("shoulder", "elbow", "wrist"))
    joints[:, elbow] = joints[:, shoulder] + (0, 0.25, 0)
    joints[:, wrist] = joints[:, shoulder] + (0, 0.5, 0)
    features = encode_joints(joints, HUMANML3D)
    assert np.isfinite(features).all()
    rebuilt = forward_kinematics(*decode_rotations(torch.from_numpy(features), HUMANML3D), HUMANML3D)
    assert_allclose(rebuilt, decode_joints(torch.from_numpy(features), HUMANML3D), atol=2e-5)


@both
def test_leading_dimensions(make_joints: MakeJoints, skeleton: Skeleton) -> None:
    clips = torch.stack([features_of(make_joints, skeleton, frames=9, seed=seed) for seed in range(6)])
    grid = clips.unflatten(0, (2, 3))
    J = skeleton.num_joints
    assert decode_joints(grid, skeleton).shape == (2, 3, 8, J, 3)
    assert_array_equal(decode_joints(grid, skeleton)[1, 2], decode_joints(clips[5], skeleton))
    rotations, root = decode_rotations(grid, skeleton)
    assert rotations.shape == (2, 3, 8, J, 3, 3) and root.shape == (2, 3, 8, 3)
    assert_allclose(rotations[1, 2], decode_rotations(clips[5], skeleton)[0], atol=1e-6)


def test_padding_decodes_to_finite_numbers() -> None:
    padded = torch.zeros(2, 5, 263, requires_grad=True)
    rotations, root = decode_rotations(padded, HUMANML3D)
    joints = decode_joints(padded, HUMANML3D)
    assert all(values.isfinite().all() for values in (rotations, root, joints))


@both
def test_gradients_through_decoding(make_joints: MakeJoints, skeleton: Skeleton) -> None:
    features = features_of(make_joints, skeleton, frames=5).double() * skeleton.metres_per_unit
    features.requires_grad_()

    def joints_both_ways(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        by_rotation = forward_kinematics(*decode_rotations(x, skeleton), skeleton)
        return decode_joints(x, skeleton), by_rotation * skeleton.metres_per_unit

    assert torch.autograd.gradcheck(joints_both_ways, (features,), fast_mode=True)


def test_wrong_input_is_named(make_joints: MakeJoints) -> None:
    joints = make_joints(HUMANML3D)
    with pytest.raises(UserError, match=r"\[24, 22, 3\].*expected.*21.*kit"):
        encode_joints(joints, KIT)
    with pytest.raises(UserError, match="T >= 2"):
        encode_joints(joints[:1], HUMANML3D)
    with pytest.raises(UserError, match="NaN or infinity, first in frame 7"):
        encode_joints(np.where(np.arange(24)[:, None, None] == 7, np.nan, joints), HUMANML3D)
    with pytest.raises(UserError, match="left_hip coincides with pelvis in frame 0"):
        encode_joints(np.zeros_like(joints), HUMANML3D)
    narrow = joints.copy()
    narrow[:, [1, 2, 16, 17], 0] = narrow[:, [1, 2, 16, 17], 2] = 0
    with pytest.raises(UserError, match="faces nowhere"):
        encode_joints(narrow, HUMANML3D, retarget=False)
    for decode in (decode_joints, decode_rotations):
        with pytest.raises(UserError, match=r"251.*expected.*263"):
            decode(torch.zeros(4, 251), HUMANML3D)
