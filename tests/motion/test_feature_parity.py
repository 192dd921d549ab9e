"""Features, recovery and statistics against numbers recorded from the published code."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from parity_table import parity
from scipy.spatial.transform import Rotation

from sopo.motion.decode import decode_joints, decode_rotations, orthonormal
from sopo.motion.encode import encode_joints, place, uniform_skeleton
from sopo.motion.features import feature_slices
from sopo.motion.kinematics import forward_kinematics, inverse_kinematics, rotation_between
from sopo.motion.skeleton import HUMANML3D, KIT, Skeleton

CASES = [
    # recorded clip, skeleton, tolerance in its units
    ("humanml_synthetic_process_file", HUMANML3D, 2e-5),
    ("012314_derived_process_file", HUMANML3D, 2e-5),
    ("kit_synthetic_process_file", KIT, 5e-3),
]


@pytest.fixture(scope="module")
def features(shared: Path) -> Path:
    return shared / "parity" / "features"


def with_offsets(skeleton: Skeleton, offsets: np.ndarray) -> Skeleton:
    return replace(skeleton, target_offsets=tuple(tuple(row) for row in offsets.tolist()))


@pytest.mark.parametrize(("name", "skeleton", "tolerance"), CASES)
def test_every_stage_from_raw_joints(features: Path, name: str, skeleton: Skeleton, tolerance: float) -> None:
    recorded = np.load(features / f"{name}.npz")
    body = with_offsets(skeleton, recorded["tgt_offsets"])
    uniform = uniform_skeleton(recorded["raw_joints"].astype(np.float64), body)
    parity(f"features/{name}: uniform skeleton", uniform, recorded["uniform_skeleton_out"], tolerance)
    placed = place(uniform, body)
    parity(f"features/{name}: placed joints", placed, recorded["global_positions"], tolerance)

    ours, theirs = encode_joints(recorded["raw_joints"], body), recorded["features"]
    contacts = feature_slices(skeleton).contacts
    others = slice(0, contacts.start)
    assert ours.dtype == np.float32
    parity(f"features/{name}: features", ours[:, others], theirs[:, others], tolerance)
    feet = placed[:, list(skeleton.feet)]
    distance = np.square(np.diff(feet, axis=0)).sum(axis=-1) - skeleton.contact_threshold
    clear = np.abs(distance) > 1e-3 * skeleton.contact_threshold
    assert clear.mean() > 0.9
    parity(f"features/{name}: contacts", ours[:, contacts][clear], theirs[:, contacts][clear])


@pytest.mark.parametrize(("name", "skeleton", "tolerance"), CASES)
def test_recovered_joints_are_exact(features: Path, name: str, skeleton: Skeleton, tolerance: float) -> None:
    recorded = np.load(features / f"{name}.npz")
    joints = decode_joints(torch.from_numpy(recorded["features"]), skeleton)
    parity(f"features/{name}: recovered joints", joints, recorded["recovered_joints"])


def matrices(quaternions: np.ndarray) -> np.ndarray:
    """Recorded quaternions (w, x, y, z) [..., 4], whose sign means nothing, as rotations [..., 3, 3]."""
    turned = Rotation.from_quat(np.roll(quaternions, -1, axis=-1).reshape(-1, 4))
    return turned.as_matrix().reshape(*quaternions.shape[:-1], 3, 3)


@pytest.mark.parametrize("name", ["humanml_synthetic_process_file", "012314_derived_process_file"])
def test_rotations_on_the_way_there_and_back(features: Path, name: str) -> None:
    recorded = np.load(features / f"{name}.npz")
    half, local = inverse_kinematics(recorded["global_positions"].astype(np.float64), HUMANML3D)
    expected = matrices(recorded["ik_quat_smooth_on_global"])
    heading = Rotation.from_rotvec(np.outer(2 * half, (0.0, 1.0, 0.0))).as_matrix()
    parity(f"features/{name}: rotations", np.concatenate((heading[:, None], local), axis=1), expected, 2e-5)
    # Of the real clip, recovered from the vectors that it was published with.
    vectors = recorded["features"] if "synthetic" in name else np.load(features / "012314_new_joint_vecs.npy")[:100]
    turned, root = decode_rotations(torch.from_numpy(vectors), HUMANML3D)
    parity(f"features/{name}: root", turned[:, 0], matrices(recorded["root_quat"]), 1e-6)
    parity(f"features/{name}: root", root, recorded["root_pos"], 1e-6)


def test_rotations_of_vectors(features: Path) -> None:
    """Where the published code computes with quaternions, ours has matrices."""
    ops, name = np.load(features / "quaternion_ops.npz"), "features/quaternion_ops"
    first, second = matrices(ops["q1"]), matrices(ops["q2"])
    parity(name, first, ops["quaternion_to_matrix"], 1e-6)
    parity(name, first @ second, matrices(ops["qmul"]), 1e-6)
    parity(name, np.swapaxes(first, -1, -2), matrices(ops["qinv"]), 1e-6)
    parity(name, (first @ ops["v"][..., None])[..., 0], ops["qrot"], 1e-6)
    parity(name, np.swapaxes(first[..., :2], -1, -2).reshape(-1, 6), ops["quaternion_to_cont6d"], 1e-6)
    columns = torch.from_numpy(ops["cont6d"]).unflatten(-1, (2, 3)).transpose(-1, -2)
    parity(name, orthonormal(columns), ops["cont6d_to_matrix"], 1e-6)
    u, v = (ops[key] / np.linalg.norm(ops[key], axis=-1, keepdims=True) for key in ("v", "v2"))
    parity(name, rotation_between(u, v), matrices(ops["qbetween_v_v2"]), 1e-6)


def test_the_published_clip_decodes_exactly(features: Path) -> None:
    vectors = torch.from_numpy(np.load(features / "012314_new_joint_vecs.npy"))
    joints = np.load(features / "012314_new_joints.npy")
    parity("features/012314_new_joints", decode_joints(vectors, HUMANML3D), joints)


def test_rotations_of_the_published_clip(features: Path) -> None:
    vectors = torch.from_numpy(np.load(features / "012314_new_joint_vecs.npy"))[:20]
    recorded = np.load(features / "012314_derived_process_file.npz")["recover_from_rot_first20"]
    joints = forward_kinematics(*decode_rotations(vectors, HUMANML3D), HUMANML3D)
    parity("features/012314_derived_process_file: joints from rotations", joints, recorded, 1.5e-6)


def test_encoding_the_published_joints_again(features: Path) -> None:
    joints = np.load(features / "012314_new_joints.npy")
    recorded = np.load(features / "012314_derived_process_file.npz")["new_joints_rerun_features"]
    body = HUMANML3D.with_target(joints[0])
    parity("features/skeleton_tables: target offsets", body.target_offsets, HUMANML3D.target_offsets, 2e-7)
    parity("features/012314_new_joint_vecs: features again", encode_joints(joints, body), recorded, 2e-5)


def test_the_recorded_layout(features: Path) -> None:
    tables = json.loads((features / "skeleton_tables.json").read_text())
    for key, skeleton in (("t2m", HUMANML3D), ("kit", KIT)):
        table = tables[key]
        ranges = table["feature_layout"]["ranges_[start,end)"].values()
        assert [[part.start, part.stop] for part in feature_slices(skeleton).groups] == list(ranges)
        assert [list(chain) for chain in skeleton.chains] == table["kinematic_chain"]
        assert list(skeleton.parents) == table["parents"]
        assert [list(offset) for offset in skeleton.raw_offsets] == table["raw_offsets"]
        assert list(skeleton.feet) == table["contact_column_order_joint_ids"]
        left_hip, right_hip = skeleton.hips
        left_shoulder, right_shoulder = skeleton.shoulders
        face = table["face_joint_idx_documented_order_[r_hip,l_hip,sdr_r,sdr_l]"]
        assert [right_hip, left_hip, right_shoulder, left_shoulder] == face
