"""Features, recovery and statistics against numbers recorded from the published code."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from parity_table import parity

from sopo.motion.decode import decode_joints, decode_rotations
from sopo.motion.encode import encode_joints, place, uniform_skeleton
from sopo.motion.features import feature_slices
from sopo.motion.kinematics import forward_kinematics
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
