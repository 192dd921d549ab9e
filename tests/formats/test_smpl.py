"""AMASS files through a body model."""

from pathlib import Path

import numpy as np
import pytest
from synthetic_smpl import motion_arrays, write_body_model

from sopo.errors import UserError
from sopo.formats.body_model import JOINTS, read_body_model
from sopo.formats.smpl import read_motion, read_smpl
from sopo.motion.skeleton import HUMANML3D


@pytest.fixture(scope="module")
def bodies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("bodies")
    for family in ("smpl", "smplh", "smplx"):
        for seed, gender in enumerate(("neutral", "male", "female")):
            write_body_model(root / family / f"{family.upper()}_{gender.upper()}.npz", family, seed)
    return root


def written(path: Path, **arrays: np.ndarray) -> Path:
    np.savez(path, **arrays)
    return path


@pytest.mark.parametrize(("family", "joints"), [("smpl", 24), ("smplh", 52), ("smplx", 55)])
def test_a_clip_is_the_posed_body(tmp_path: Path, bodies: Path, family: str, joints: int) -> None:
    arrays = motion_arrays(30, 120.0, joints=joints, gender=np.array("female"))
    clip = read_smpl(written(tmp_path / "walk_poses.npz", **arrays), bodies)
    body = read_body_model(bodies / family / f"{family.upper()}_FEMALE.npz")
    expected = body.pose(arrays["poses"].reshape(30, joints, 3), arrays["trans"], arrays["betas"])
    np.testing.assert_array_equal(clip.positions, expected)
    assert clip.names == JOINTS[family] and clip.names[:22] == HUMANML3D.joints and clip.parents == body.parents
    assert (clip.fps, clip.unit, clip.up, clip.notes) == (120.0, 1.0, "z", ())
    head, feet = clip.positions[:, clip.names.index("head"), 2], clip.positions[:, [10, 11], 2]
    assert (head > feet.max(axis=1) + 0.8).all()


def test_the_newer_files_of_amass(tmp_path: Path, bodies: Path) -> None:
    whole = motion_arrays(20, joints=55, gender=np.array("neutral"))
    poses = whole.pop("poses")
    parts = {"root_orient": 3, "pose_body": 63, "pose_jaw": 3, "pose_eye": 6, "pose_hand": 90}
    cuts = np.split(poses, np.cumsum(list(parts.values()))[:-1], axis=1)
    rate = whole.pop("mocap_framerate")
    whole |= {"mocap_frame_rate": rate, "latent_labels": np.array(["C7", None], dtype=object)}
    split = written(tmp_path / "a_stageii.npz", **whole, **dict(zip(parts, cuts, strict=True)))
    together = written(tmp_path / "b_stageii.npz", **whole, poses=poses)
    assert (read_smpl(split, bodies).positions == read_smpl(together, bodies).positions).all()


def test_a_body_of_another_family_shares_what_both_have(tmp_path: Path, bodies: Path) -> None:
    path = written(tmp_path / "a.npz", **motion_arrays(10, joints=52))
    clip = read_smpl(path, bodies / "smpl" / "SMPL_MALE.npz")
    assert clip.names == HUMANML3D.joints
    with pytest.raises(UserError, match=r"a smplx body, but .* needs smplh or smpl"):
        read_smpl(path, bodies / "smplx" / "SMPLX_MALE.npz")


def test_shape_coefficients_beyond_the_model_are_said(tmp_path: Path, bodies: Path) -> None:
    path = written(tmp_path / "a.npz", **motion_arrays(10, betas=np.ones(20)))
    assert "20 shape coefficients, of which the body model knows 16" in read_smpl(path, bodies).notes


@pytest.mark.parametrize("gender", ["male", b"male", "MALE"])
def test_gender_as_text_or_bytes(tmp_path: Path, gender: str | bytes) -> None:
    motion = read_motion(written(tmp_path / "a.npz", **motion_arrays(5, gender=np.array(gender))), "a")
    assert motion.gender == gender and motion.gender_name == "male"


def test_a_gender_that_is_pickled_or_unknown_is_neutral_aloud(tmp_path: Path, bodies: Path) -> None:
    for gender in (np.array(["male"], dtype=object), np.array("unknown")):
        clip = read_smpl(written(tmp_path / "a.npz", **motion_arrays(5, gender=gender)), bodies)
        assert clip.notes == ("gender not known: the neutral one stands in",)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"poses": np.zeros((5, 157))}, "66, 72, 156 or 165"),
        ({"poses": np.zeros((5, 22))}, "66, 72, 156 or 165"),
        ({"poses": np.zeros((0, 156)), "trans": np.zeros((0, 3))}, "0 frames"),
        ({"poses": np.full((5, 156), np.nan)}, "not finite"),
        ({"trans": np.full((5, 3), 1e30)}, "not of a plausible size"),
        ({"poses": np.array("x")}, "not finite numbers"),
        ({"trans": np.zeros((4, 3))}, r"trans is \[4, 3\], expected \[5, 3\]"),
        ({"betas": np.array(["a"])}, "betas has values"),
        ({"mocap_framerate": np.array(0.0)}, "no frame rate"),
        ({"mocap_framerate": np.array([1.0, 2.0])}, "no frame rate"),
        ({"mocap_framerate": np.array("fast")}, "no frame rate"),
    ],
)
def test_what_is_no_motion_is_refused(tmp_path: Path, bodies: Path, changed: dict[str, np.ndarray], said: str) -> None:
    with pytest.raises(UserError, match=said):
        read_smpl(written(tmp_path / "a.npz", **(motion_arrays(5) | changed)), bodies)


def test_the_subjects_shape_beside_the_motions_is_none(tmp_path: Path, bodies: Path) -> None:
    with pytest.raises(UserError, match=r"no SMPL motion: .*holds gender, betas"):
        read_smpl(written(tmp_path / "shape.npz", gender=np.array("male"), betas=np.zeros(16)), bodies)
