"""Features, recovery and statistics against numbers recorded from the published code."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from parity_table import parity, same_tokens
from recordings import Recordings, each, numbered
from scipy.spatial.transform import Rotation

from sopo.motion.decode import decode_joints, decode_rotations, orthonormal
from sopo.motion.encode import encode_joints, place, uniform_skeleton
from sopo.motion.features import feature_slices
from sopo.motion.kinematics import forward_kinematics, inverse_kinematics, rotation_between
from sopo.motion.skeleton import HUMANML3D, KIT, SKELETONS, Skeleton

each_clip = each(
    "name",
    "features/*_process_file.npz",
    "features/humanml_synthetic_process_file",
    "features/kit_synthetic_process_file",
    "features/012314_derived_process_file",
)
PLACES, ROTATIONS = (
    1e-5,
    1e-3,
)  # of the body's size in the clip; the latter are ill-conditioned where a bone turns round


def body_of(recorded: dict[str, np.ndarray]) -> Skeleton:
    """The skeleton of a recorded clip, with the bones and the threshold of contacts that it was made with."""
    skeleton = next(body for body in SKELETONS if body.num_joints == recorded["raw_joints"].shape[1])
    offsets = tuple(tuple(row) for row in recorded["tgt_offsets"].tolist())
    return replace(skeleton, target_offsets=offsets, contact_threshold=float(recorded["feet_thre"]))


@each_clip
def test_every_stage_from_raw_joints(recordings: Recordings, name: str) -> None:
    recorded = recordings.arrays(f"{name}.npz")
    body, size = body_of(recorded), float(np.abs(recorded["global_positions"]).max())
    uniform = uniform_skeleton(recorded["raw_joints"].astype(np.float64), body)
    parity(f"{name}: uniform skeleton", uniform, recorded["uniform_skeleton_out"], PLACES)
    placed = place(uniform, body)
    parity(f"{name}: placed joints", placed, recorded["global_positions"], PLACES)

    ours, theirs, columns = (
        encode_joints(recorded["raw_joints"], body, published=True),
        recorded["features"],
        feature_slices(body),
    )
    assert ours.dtype == np.float32
    for part in (columns.root_velocity, columns.root_height, columns.positions, columns.velocities):
        parity(f"{name}: places and velocities", ours[:, part], theirs[:, part], PLACES, size=size)
    parity(f"{name}: turns", ours[:, columns.root_turn], theirs[:, columns.root_turn], PLACES, size=1)
    parity(f"{name}: rotations of joints", ours[:, columns.rotations], theirs[:, columns.rotations], ROTATIONS)
    distance = np.square(np.diff(placed[:, list(body.feet)], axis=0)).sum(axis=-1) - body.contact_threshold
    clear = np.abs(distance) > 1e-3 * body.contact_threshold + PLACES * size * np.sqrt(body.contact_threshold)
    same_tokens(f"{name}: contacts", ours[:, columns.contacts], theirs[:, columns.contacts], clear)


@each_clip
def test_joints_are_recovered(recordings: Recordings, name: str) -> None:
    """To the last bit where sine and cosine are rounded as they were there."""
    recorded = recordings.arrays(f"{name}.npz")
    joints = decode_joints(torch.from_numpy(recorded["features"]), body_of(recorded))
    parity(f"{name}: recovered joints", joints, recorded["recovered_joints"], 2e-6)


def matrices(quaternions: np.ndarray) -> np.ndarray:
    """Recorded quaternions (w, x, y, z) [..., 4], whose sign means nothing, as rotations [..., 3, 3]."""
    turned = Rotation.from_quat(np.roll(quaternions, -1, axis=-1).reshape(-1, 4))
    return turned.as_matrix().reshape(*quaternions.shape[:-1], 3, 3)


@each_clip
def test_rotations_on_the_way_there_and_back(recordings: Recordings, name: str) -> None:
    recorded = recordings.arrays(f"{name}.npz")
    if "root_quat" not in recorded:
        pytest.skip(f"{name} records no rotations")
    body = body_of(recorded)
    half, local = inverse_kinematics(recorded["global_positions"].astype(np.float64), body)
    expected = matrices(recorded["ik_quat_smooth_on_global"])
    heading = Rotation.from_rotvec(np.outer(2 * half, (0.0, 1.0, 0.0))).as_matrix()
    parity(f"{name}: rotations", np.concatenate((heading[:, None], local), axis=1), expected, ROTATIONS)
    # Of the real clip, a frame longer, recovered from the vectors that it was published with.
    frames, vectors = len(recorded["root_quat"]), recorded["features"]
    if frames > len(vectors):
        vectors = recordings.array("features/012314_new_joint_vecs.npy")[:frames]
    turned, root = decode_rotations(torch.from_numpy(vectors), body)
    parity(f"{name}: root", turned[:, 0], matrices(recorded["root_quat"]), 2e-6)
    parity(f"{name}: root", root, recorded["root_pos"], 2e-6)


def test_rotations_of_vectors(recordings: Recordings) -> None:
    """Where the published code computes with quaternions, ours has matrices."""
    ops, name = recordings.arrays("features/quaternion_ops.npz"), "features/quaternion_ops"
    first, second = matrices(ops["q1"]), matrices(ops["q2"])
    parity(name, first, ops["quaternion_to_matrix"], 2e-6)
    parity(name, first @ second, matrices(ops["qmul"]), 2e-6)
    parity(name, np.swapaxes(first, -1, -2), matrices(ops["qinv"]), 2e-6)
    parity(name, (first @ ops["v"][..., None])[..., 0], ops["qrot"], 2e-6)
    parity(name, np.swapaxes(first[..., :2], -1, -2).reshape(-1, 6), ops["quaternion_to_cont6d"], 2e-6)
    columns = torch.from_numpy(ops["cont6d"]).double().unflatten(-1, (2, 3)).transpose(-1, -2)
    parity(name, orthonormal(columns), ops["cont6d_to_matrix"], 1e-5)
    u, v = (ops[key] / np.linalg.norm(ops[key], axis=-1, keepdims=True) for key in ("v", "v2"))
    parity(name, rotation_between(u, v), matrices(ops["qbetween_v_v2"]), ROTATIONS)


def test_the_published_clip_decodes(recordings: Recordings) -> None:
    vectors = torch.from_numpy(recordings.array("features/012314_new_joint_vecs.npy"))
    joints = recordings.array("features/012314_new_joints.npy")
    parity("features/012314_new_joints", decode_joints(vectors, HUMANML3D), joints, 2e-6)


def test_rotations_of_the_published_clip(recordings: Recordings) -> None:
    vectors = torch.from_numpy(recordings.array("features/012314_new_joint_vecs.npy"))
    name = "features/012314_derived_process_file"
    recorded = recordings.arrays(f"{name}.npz")
    for key, frames in numbered(recorded, "recover_from_rot_first{}"):
        joints = forward_kinematics(*decode_rotations(vectors[:frames], HUMANML3D), HUMANML3D)
        parity(f"{name}: joints from rotations", joints, recorded[key], 2e-6)


def test_encoding_the_published_joints_again(recordings: Recordings) -> None:
    joints = recordings.array("features/012314_new_joints.npy")
    recorded = recordings.arrays("features/012314_derived_process_file.npz")["new_joints_rerun_features"]
    body = HUMANML3D.with_target(joints[0])
    parity("features/skeleton_tables: target offsets", body.target_offsets, HUMANML3D.target_offsets, 1e-6)
    parity(
        "features/012314_new_joint_vecs: features again", encode_joints(joints, body, published=True), recorded, 2e-5
    )


def test_the_recorded_layout(recordings: Recordings) -> None:
    tables = recordings.json("features/skeleton_tables.json")
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
