"""HumanML3D's rules, against a plain computation in the published order, and against its published sample."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation
from synthetic_release import Release, lists, write_archives, write_checkout
from synthetic_smpl import motion_arrays, parents, write_body_model

from sopo.data.importers.folder import import_folder
from sopo.data.importers.settings import ImportConfig
from sopo.data.layout import MotionFolder
from sopo.data.official.amass import Motions
from sopo.data.official.build import build
from sopo.data.official.humanml3d import joints_of, plan_humanml3d, read_index, read_texts
from sopo.data.official.settings import BuildConfig
from sopo.errors import UserError
from sopo.formats.body_model import read_body_model
from sopo.formats.smpl import read_motion
from sopo.motion.decode import decode_joints
from sopo.motion.encode import encode_joints
from sopo.motion.kinematics import rotation_between
from sopo.motion.skeleton import HUMANML3D

LEFT, RIGHT = [1, 4, 7, 10, 13, 16, 18, 20], [2, 5, 8, 11, 14, 17, 19, 21]


@pytest.fixture(scope="module")
def built(release: Release, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("built") / "HumanML3D"
    sources = [Motions(release.checkout / "pose_data", ".npy"), Motions(release.amass)]
    build(plan_humanml3d(release.checkout), sources, release.bodies, out, BuildConfig(processes=2))
    return out


def published_steps(release: Release, row: tuple[str, int, int, str]) -> NDArray[np.float64]:
    """Joints of a row of the index, one step after the other as the notebooks take them."""
    path, start, end, _ = row
    if "humanact12" in path:
        return release.humanact12[path][:, :22].astype(np.float64)
    arrays = release.motions[path]
    gender = "male" if str(arrays["gender"]) == "male" else "female"
    body = read_body_model(release.bodies / "smplh" / gender / "model.npz")
    whole = body.pose(arrays["poses"].reshape(-1, 52, 3), arrays["trans"], arrays["betas"][:10])
    data = whole[:: int(arrays["mocap_framerate"] / 20)].dot([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, 1.0, 0.0]])
    for subset, seconds in (("Eyes_Japan_Dataset", 3), ("Transitions_mocap", 0.5)):
        if subset in path:
            data = data[int(seconds * 20) :]
    data = data[start:end]
    data[..., 0] *= -1
    return data[:, :22]


def test_every_clip_and_its_mirror_image(release: Release, built: Path) -> None:
    folder = MotionFolder(built)
    assert len(release.rows) == 14 and len(folder.ids("train")) == 22
    for row in release.rows[:-1]:
        joints = published_steps(release, row)
        other = joints * (-1, 1, 1)
        other[:, LEFT + RIGHT] = other[:, RIGHT + LEFT]
        for key, expected in ((row[3], joints), (f"M{row[3]}", other)):
            features = encode_joints(expected, HUMANML3D, published=True)
            assert len(features) == len(joints) - 1 and len(features) > 20
            np.testing.assert_allclose(folder.features(key), features, atol=1e-6)
            np.testing.assert_allclose(
                folder.joints(key), decode_joints(torch.from_numpy(features), HUMANML3D).numpy(), atol=1e-6
            )
            side = "right" if key.startswith("M") else "left"
            assert folder.captions(key)[0].caption.text == f"a man kicks {side}."


def test_statistics_are_of_every_clip(release: Release, built: Path) -> None:
    folder = MotionFolder(built)
    ids = (built / "all.txt").read_text().split()
    everything = np.concatenate([folder.features(key) for key in ids]).astype(np.float64)
    np.testing.assert_allclose(folder.mean, everything.mean(axis=0), atol=1e-5)
    assert len(ids) == 26 and json.loads((built / "build.json").read_text())["missing"] == {}


def test_people_stand_on_the_ground_and_look_ahead(release: Release, built: Path) -> None:
    folder = MotionFolder(built)
    for row in release.rows[:-1]:
        if "humanact12" not in row[0]:
            joints = folder.joints(row[3])
            assert joints[:, 15, 1].min() > 1.0 > 0.3 > joints[..., 1].min() > -0.01
            toes = joints[0, [10, 11], 2] - joints[0, [7, 8], 2]
            assert toes.sum() > 0


def test_the_bytes_male_are_female_as_published(release: Release) -> None:
    genders = {arrays["gender"].item() for arrays in release.motions.values()}
    assert genders == {"male", "female", b"male"}  # so the comparison above has seen all three


def test_rates_below_the_data_sets_are_refused(tmp_path: Path, release: Release) -> None:
    rows = [
        ("KIT/1/slow_poses", 0, 20, "000000"),
        ("KIT/1/good_poses", 0, 20, "000001"),
        ("KIT/1/good_poses", 0, 9, "000002"),
    ]
    motions = {"KIT/1/slow_poses": motion_arrays(40, 15.0), "KIT/1/good_poses": motion_arrays(200)}
    write_archives(tmp_path / "amass", motions)
    write_checkout(
        tmp_path / "checkout", rows, {"humanact12/humanact12/P": np.zeros((2, 24, 3))}, lists([row[3] for row in rows])
    )
    sources = [Motions(tmp_path / "amass")]
    plan = plan_humanml3d(tmp_path / "checkout")
    made = build(plan, sources, release.bodies, tmp_path / "out", BuildConfig(partial=True, processes=1))
    assert list(made.missing) == ["000000"] and "15 frames per second, fewer than the 20" in made.missing["000000"]
    assert made.ids == ("000001", "000002", "M000001", "M000002")


def test_an_import_of_the_same_file_comes_to_the_same(tmp_path: Path, release: Release) -> None:
    """Two ways from poses to features: these rules, and what an import finds out by itself."""
    path = next(path for path in release.motions if path.startswith("KIT"))
    arrays = {**release.motions[path], "gender": np.array("male")}
    arrays["betas"] = arrays["betas"] * (np.arange(16) < 10)
    (tmp_path / "source").mkdir()
    np.savez(tmp_path / "source" / "walk.npz", **arrays)
    (tmp_path / "source" / "walk.txt").write_text("a person walks")
    (tmp_path / "source" / "train.txt").write_text("walk")
    import_folder(tmp_path / "source", tmp_path / "out", ImportConfig(body_model=str(release.bodies)))
    motion = read_motion(tmp_path / "source" / "walk.npz", "walk")
    body = read_body_model(release.bodies / "smplh" / "male" / "model.npz")
    expected = encode_joints(joints_of(motion, {"male": body}, HUMANML3D), HUMANML3D)
    np.testing.assert_allclose(MotionFolder(tmp_path / "out").features("walk"), expected, atol=1e-5)


def body_of(joints: NDArray, path: Path) -> NDArray[np.float64]:
    """A body model whose bones are those of frame 0; the poses [T, 52, 3] that put it into joints [T, 22, 3]."""
    rest = joints[0] - joints[0, 0]
    write_body_model(path, rest=rest)
    tree = parents("smplh")[:22]
    world = np.empty((len(joints), 22, 3, 3))
    for joint in range(22):
        children = [child for child in range(22) if tree[child] == joint]
        before = rest[children] - rest[joint]
        after = joints[:, children] - joints[:, [joint]]
        if len(children) > 1:
            for frame in range(len(joints)):
                world[frame, joint] = Rotation.align_vectors(after[frame], before)[0].as_matrix()
        elif children:
            unit = before[0] / np.linalg.norm(before[0])
            carried = world[:, tree[joint]] @ unit
            world[:, joint] = rotation_between(
                carried, after[:, 0] / np.linalg.norm(after[:, 0], axis=-1, keepdims=True)
            )
            world[:, joint] = world[:, joint] @ world[:, tree[joint]]
        else:
            world[:, joint] = world[:, tree[joint]]
    local = np.stack(
        [world[:, j] if j == 0 else np.swapaxes(world[:, tree[j]], -1, -2) @ world[:, j] for j in range(22)], 1
    )
    poses = np.zeros((len(joints), 52, 3))
    poses[:, :22] = Rotation.from_matrix(local.reshape(-1, 3, 3)).as_rotvec().reshape(-1, 22, 3)
    return poses


def test_the_published_sample_comes_back(tmp_path: Path, shared: Path) -> None:
    """012314 as an AMASS file of a body that fits it: through the archive, the index and the rules to its features."""
    features = shared / "parity" / "features"
    joints = np.load(features / "012314_new_joints.npy").astype(np.float64)
    amass = joints[..., [0, 2, 1]] * (-1, 1, 1)  # Z up
    poses = body_of(amass, tmp_path / "bodies" / "smplh" / "male" / "model.npz")
    write_body_model(tmp_path / "bodies" / "smplh" / "female" / "model.npz")
    before, step = 3 * 20 + 149, 6
    arrays = motion_arrays(step * (before + len(joints)), 120.0, betas=np.zeros(16))
    arrays["poses"][step * before :] = np.repeat(poses, step, axis=0).reshape(-1, 156)
    arrays["trans"][step * before :] = np.repeat(amass[:, 0], step, axis=0)
    write_archives(tmp_path / "amass", {"Eyes_Japan_Dataset/yamaoka/tennis-15-first_service-yamaoka_poses": arrays})
    path = "Eyes_Japan_Dataset/yamaoka/tennis-15-first service-yamaoka_poses"
    write_checkout(
        tmp_path / "checkout",
        [(path, 149, 320, "012314")],
        {},
        {name: ["012314"] for name in ("all", "train", "val", "test", "train_val")},
    )
    build(
        plan_humanml3d(tmp_path / "checkout"),
        [Motions(tmp_path / "amass")],
        tmp_path / "bodies",
        tmp_path / "out",
        BuildConfig(),
    )
    ours = np.load(tmp_path / "out" / "new_joint_vecs" / "012314.npy")
    rerun = np.load(features / "012314_derived_process_file.npz")["new_joints_rerun_features"]
    published = np.load(features / "012314_new_joint_vecs.npy")
    assert np.abs(ours - rerun)[:, :259].max() < 2e-5 and (ours[:, 259:] == rerun[:, 259:]).mean() > 0.999
    assert np.abs(ours - published[:169])[:80, :259].max() < 2e-5  # one raw frame, at its end, is not public


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("source_path,start_frame,end_frame\n", None),
        ("source_path,start_frame,end_frame,new_name\na.npy,0,1,../x.npy\n", ":2: expected"),
        ("source_path,start_frame,end_frame,new_name\na.npy,zero,1,000000.npy\n", ":2: expected"),
        ("source_path,start_frame,end_frame,new_name\na.npy,0\n", ":2: expected"),
        ("a\n\x00", ":2: expected"),
        ("a" * 200_000 + "\n1", "CSV|:2: expected"),
    ],
)
def test_an_index_that_is_none(tmp_path: Path, text: str, said: str | None) -> None:
    (tmp_path / "index.csv").write_text(text)
    if said is None:
        assert read_index(tmp_path / "index.csv") == []
        return
    with pytest.raises(UserError, match=said):
        read_index(tmp_path / "index.csv")


def test_texts_come_packed_or_unpacked(tmp_path: Path, release: Release) -> None:
    ids = ["000000", "M000003", "999999"]
    packed = read_texts(release.checkout / "HumanML3D", ids)
    assert set(packed) == {"000000", "M000003"} and b"right" in packed["M000003"]
    (tmp_path / "texts").mkdir()
    for key, text in packed.items():
        (tmp_path / "texts" / f"{key}.txt").write_bytes(text)
    assert read_texts(tmp_path, ids) == packed
    with pytest.raises(UserError, match=r"texts.zip: no such file, nor a folder texts/ beside it"):
        read_texts(tmp_path / "absent", ids)
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "texts.zip").write_bytes(b"PK\x03\x04")
    with pytest.raises(UserError, match="damaged"):
        read_texts(tmp_path / "bad", ids)


def test_what_a_checkout_lacks_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"HumanML3D/all.txt: no such file"):
        plan_humanml3d(tmp_path)
