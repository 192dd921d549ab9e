"""SMPL-style .npz: posed by another implementation, the body does what ours did."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose
from synthetic_smpl import write_body_model

from sopo.errors import UserError
from sopo.formats.smpl import read_smpl
from sopo.formats.smpl_write import LEG, PELVIS, Z_UP, write_smpl
from sopo.motion.encode import uniform_skeleton
from sopo.motion.posing import t_pose
from sopo.motion.skeleton import HUMANML3D, KIT

# Metres between a joint and its parent in SMPL's mean body, in the order of the joints.
# fmt: off
LENGTHS = np.array((
    0, .115, .113, .112, .377, .385, .135, .401, .401, .059, .134, .135, .218, .149, .149, .083, .096, .102, .261, .255,
    .249, .255,
))
# fmt: on


def rodrigues(vectors: np.ndarray) -> np.ndarray:
    """Rotation vectors [..., 3] -> matrices, by the formula."""
    angles = np.linalg.norm(vectors, axis=-1)[..., None, None]
    x, y, z = np.moveaxis(vectors / np.maximum(angles[..., 0], 1e-12), -1, 0)
    zero = np.zeros_like(x)
    cross = np.stack((zero, -z, y, z, zero, -x, -y, x, zero), axis=-1).reshape(*x.shape, 3, 3)
    return np.eye(3) + np.sin(angles) * cross + (1 - np.cos(angles)) * cross @ cross


def posed(path: Path) -> np.ndarray:
    """The file's joints [T, 22, 3], Y up, on SMPL's mean body, as its forward kinematics go."""
    with np.load(path) as file:
        poses, trans = file["poses"].reshape(len(file["poses"]), 52, 3), file["trans"]
    rest = t_pose(HUMANML3D) * LENGTHS[:, None]
    turns = rodrigues(poses)
    joints, world = [PELVIS + trans], [turns[:, 0]]
    for joint, parent in list(enumerate(HUMANML3D.parents))[1:]:
        joints.append(joints[parent] + world[parent] @ rest[joint])
        world.append(world[parent] @ turns[:, joint])
    x, y, z = np.moveaxis(np.stack(joints, axis=1), -1, 0)
    return np.stack((-x, z, y), axis=-1)  # as HumanML3D's processing takes AMASS


def test_what_amass_readers_look_for_is_there(tmp_path: Path, make_joints) -> None:
    write_smpl(tmp_path / "clip.npz", make_joints(HUMANML3D, 9), HUMANML3D)
    with np.load(tmp_path / "clip.npz", allow_pickle=False) as file:
        assert file["poses"].shape == (9, 156) and file["trans"].shape == (9, 3)
        assert not file["poses"][:, 66:].any() and not file["betas"].any()
        assert str(file["gender"]) == "neutral" and float(file["mocap_framerate"]) == 20.0
        assert float(file["trans"][0, 2]) > 0.5  # Z is up


def test_bones_that_leave_a_joint_alone_keep_their_directions(tmp_path: Path, make_joints) -> None:
    joints = make_joints(HUMANML3D, 30)
    write_smpl(tmp_path / "clip.npz", joints, HUMANML3D)
    found = posed(tmp_path / "clip.npz")
    parents = np.array(HUMANML3D.parents[1:])
    ours, theirs = joints[:, 1:] - joints[:, parents], found[:, 1:] - found[:, parents]
    cosines = (ours * theirs).sum(-1) / np.linalg.norm(ours, axis=-1) / np.linalg.norm(theirs, axis=-1)
    alone = ~np.isin(parents, (0, 9))
    assert cosines[:, alone].min() > 1 - 1e-6
    leg = np.linalg.norm(ours[:, [4, 7]], axis=-1).sum(-1).mean()
    assert_allclose(found[:, 0] / LEG, joints[:, 0] / leg, atol=1e-6)


def test_a_real_clip_comes_back_from_smpls_mean_body(tmp_path: Path, shared: Path) -> None:
    joints = np.load(shared / "parity" / "features" / "012314_new_joints.npy").astype(float)
    write_smpl(tmp_path / "clip.npz", joints, HUMANML3D)
    found = posed(tmp_path / "clip.npz")
    assert abs(found[..., 1].min() - joints[..., 1].min()) < 0.01  # feet on the floor
    error = np.linalg.norm(uniform_skeleton(found, HUMANML3D) - joints, axis=-1)
    assert error.mean() < 0.015 and error.max() < 0.03  # metres: 0.008 and 0.017 when written


def test_our_reader_poses_it_on_a_body_model(tmp_path: Path, make_joints) -> None:
    joints = make_joints(HUMANML3D, 30)
    write_smpl(tmp_path / "clip.npz", joints, HUMANML3D)
    write_body_model(tmp_path / "smplh" / "SMPLH_NEUTRAL.npz", "smplh")
    clip = read_smpl(tmp_path / "clip.npz", tmp_path)
    assert (clip.fps, clip.unit, clip.up) == (20.0, 1.0, "z") and clip.positions.shape[0] == 30
    found = clip.positions[:, :22] @ Z_UP
    ours, theirs = (body[:, [7, 8, 20, 21]] - body[:, [4, 5, 18, 19]] for body in (joints, found))  # shins, forearms
    cosines = (ours * theirs).sum(-1) / np.linalg.norm(ours, axis=-1) / np.linalg.norm(theirs, axis=-1)
    assert cosines.min() > 0.97  # this body's bones at rest lie a little otherwise than SMPL's


def test_refuses_a_body_with_other_joints(tmp_path: Path, make_joints) -> None:
    with pytest.raises(UserError, match="kit"):
        write_smpl(tmp_path / "clip.npz", make_joints(KIT, 3), KIT)
