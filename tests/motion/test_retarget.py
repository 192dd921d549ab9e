import numpy as np
import pytest
from moving_body import walking
from numpy.testing import assert_allclose

from sopo.errors import UserError
from sopo.motion.clip import Clip
from sopo.motion.retarget import on_body
from sopo.motion.skeleton import HUMANML3D

ONE_TO_ONE = {name: {name: 1.0} for name in HUMANML3D.joints}


def _clip() -> Clip:
    return Clip(HUMANML3D.joints, HUMANML3D.parents, walking(), 20.0)


def test_joints_are_weighted_means() -> None:
    mixed = on_body(_clip(), {**ONE_TO_ONE, "spine2": {"pelvis": 0.25, "neck": 0.75}})
    expected = walking()
    expected[:, 6] = 0.25 * expected[:, 0] + 0.75 * expected[:, 12]
    assert_allclose(mixed, expected, atol=1e-12)


def test_a_foot_of_no_joint_lies_ahead_of_the_ankle_square_to_the_shin() -> None:
    joints = on_body(_clip(), {**ONE_TO_ONE, "left_foot": {}, "right_foot": {}})
    for side in ("left", "right"):
        knee, ankle, foot = (HUMANML3D.joints.index(f"{side}_{part}") for part in ("knee", "ankle", "foot"))
        sole, shin = joints[:, foot] - joints[:, ankle], joints[:, ankle] - joints[:, knee]
        assert (sole[:, 2] > 0.05).all()  # it walks to +Z
        along = (sole * shin).sum(axis=-1) / np.linalg.norm(shin, axis=-1)
        assert_allclose(along, 0.08 * 0.82, atol=1e-9)
        assert_allclose(np.linalg.norm(sole, axis=-1), 0.17 * 0.82, atol=1e-9)


def test_gaps_in_a_mapping_are_named() -> None:
    with pytest.raises(UserError, match="has no joints Chest"):
        on_body(_clip(), {**ONE_TO_ONE, "spine3": {"Chest": 1.0}})
    with pytest.raises(UserError, match="lacks left_hip"):
        on_body(_clip(), {"pelvis": {"pelvis": 1.0}})
