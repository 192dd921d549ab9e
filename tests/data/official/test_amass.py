"""AMASS as people have it."""

import bz2
import io
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from synthetic_release import as_bytes, tar

from sopo.data.official.amass import SUBSETS, Motions, motion_key, subset_of
from sopo.errors import UserError

A = as_bytes({"a": np.arange(3)})
B = as_bytes({"a": np.arange(4)})


def read(motions: Motions, *keys: str) -> tuple[dict[str, bytes], dict[str, str]]:
    """Bytes of the motions that are there, and why others are not."""
    loads, absent = motions.loads(keys)
    found, missing = {}, dict.fromkeys(absent, "absent")
    for load in loads:
        for key, source, label in load.motions():
            if source is None:
                missing[key] = label
            else:
                found[key] = source.read_bytes() if isinstance(source, Path) else source.getvalue()
    return found, missing


@pytest.mark.parametrize(
    ("published", "theirs"),
    [
        ("./pose_data/KIT/3/kick_high_left02_poses.npy", "KIT/3/kick_high_left02_poses.npz"),
        (
            "./pose_data/ACCAD/Male1General_c3d/General A9 -   Lie_poses.npy",
            "ACCAD/Male1General_c3d/General_A9_-_Lie_poses.npz",
        ),
        ("./pose_data/BioMotionLab_NTroje/rub001/0000_walk_poses.npy", "BMLrub/rub001/0000_walk_poses.npz"),
        ("./pose_data/MPI_mosh/00008/misc_poses.npy", "AMASS/MoSh/MPI_mosh/00008/misc_poses.npz"),
        ("./pose_data/SSM_synced/1/a_poses.npy", "D:\\AMASS\\SSM\\1\\a_poses.npz"),
        (
            "./pose_data/Eyes_Japan_Dataset/aita/turn-03-look at-aita_poses.npy",
            "EyesJapanDataset/aita/turn-03-look_at-aita_poses.npz",
        ),
    ],
)
def test_a_motion_has_one_name_in_every_release(published: str, theirs: str) -> None:
    assert motion_key(published) == motion_key(theirs)


def test_different_motions_have_different_names() -> None:
    names = [
        "KIT/3/walk_1_poses",
        "KIT/3/walk1_poses",
        "KIT/31/walk_poses",
        "CMU/3/walk_1_poses",
        "EKUT/3/walk_1_poses",
    ]
    assert len({motion_key(name) for name in names}) == len(names)


def test_archives_are_known_by_the_names_of_each_time() -> None:
    for name in ("HDM05.tar.bz2", "MPIHDM05.tar.bz2", "MPI_HDM05"):
        assert subset_of(name) == "MPI_HDM05"
    for name in ("DFaust.tar.bz2", "DFaust67.tar.bz2", "DFaust_67"):
        assert subset_of(name) == "DFaust_67"
    assert subset_of("Subject_11_F_MoSh") is None
    names = [name.lower() for subset, others in SUBSETS.items() for name in (subset, *others)]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("suffix", [".tar.bz2", ".tar.gz", ".tar.xz", ".tar", ".zip"])
def test_any_packing(tmp_path: Path, suffix: str) -> None:
    members = {"KIT/3/a_poses.npz": A, "KIT/3/b_poses.npz": B}
    path = tmp_path / f"KIT{suffix}"
    if suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in members.items():
                archive.writestr(name, data)
    else:
        with tarfile.open(path, f"w:{suffix.removeprefix('.tar').removeprefix('.')}") as archive:
            for name, data in members.items():
                info = tarfile.TarInfo(name)
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
    assert read(Motions(tmp_path), "kit/3/b_poses", "kit/3/a_poses") == ({"kit/3/a_poses": A, "kit/3/b_poses": B}, {})


def test_archives_packed_in_several_streams(tmp_path: Path) -> None:
    whole = tar({"KIT/3/a_poses.npz": A, "KIT/3/b_poses.npz": B})
    packed = b"".join(bz2.compress(whole[start : start + 700]) for start in range(0, len(whole), 700))
    (tmp_path / "KIT.tar.bz2").write_bytes(packed)  # as pbzip2 does
    assert set(read(Motions(tmp_path), "kit/3/a_poses", "kit/3/b_poses")[0]) == {"kit/3/a_poses", "kit/3/b_poses"}


def test_folders_go_before_archives_and_renamed_archives_are_looked_into(tmp_path: Path) -> None:
    (tmp_path / "AMASS" / "KIT" / "3").mkdir(parents=True)
    (tmp_path / "AMASS" / "KIT" / "3" / "a_poses.npz").write_bytes(A)
    (tmp_path / "KIT.tar.bz2").write_bytes(b"never opened")
    (tmp_path / "GRAB.tar.bz2").write_bytes(b"never opened")
    (tmp_path / "rest of it.tar.bz2").write_bytes(bz2.compress(tar({"x/CMU/01/01_01_poses.npz": B})))
    found, missing = read(Motions(tmp_path), "kit/3/a_poses", "cmu/01/01_01_poses", "sfu/1/a_poses")
    assert found == {"kit/3/a_poses": A, "cmu/01/01_01_poses": B}
    assert missing == {"sfu/1/a_poses": "not in rest of it.tar.bz2"}


def test_what_no_archive_can_hold_is_known_without_reading(tmp_path: Path) -> None:
    (tmp_path / "KIT.tar.bz2").write_bytes(b"never opened")
    loads, absent = Motions(tmp_path).loads(["cmu/01/01_01_poses"])
    assert loads == [] and absent == ["cmu/01/01_01_poses"]


def test_damage_costs_the_rest_of_the_archive_and_says_so(tmp_path: Path) -> None:
    members = {f"KIT/3/{name}_poses.npz": as_bytes({"a": np.random.default_rng(0).random(20000)}) for name in "abc"}
    packed = bz2.compress(tar(members), 1)
    keys = [f"kit/3/{name}_poses" for name in "abc"]
    broken = packed[: len(packed) // 2] + b"\x00" * 1000 + packed[len(packed) // 2 + 1000 :]
    for data in (packed[: len(packed) // 2], broken, b"", b"not an archive"):
        (tmp_path / "KIT.tar.bz2").write_bytes(data)
        found, missing = read(Motions(tmp_path), *keys)
        assert len(found) + len(missing) == 3 and missing
        assert all("KIT.tar.bz2: damaged or truncated" in reason and "\n" not in reason for reason in missing.values())


def test_smpl_x_archives_are_refused_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "KIT.tar.bz2").write_bytes(bz2.compress(tar({"KIT/3/a_stageii.npz": A, "KIT/3/a_poses.npz": A})))
    assert "SMPL-X data" in read(Motions(tmp_path), "kit/3/a_poses")[1]["kit/3/a_poses"]


def test_hostile_members_are_names_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for name, kind in (("KIT/3/a_poses.npz", tarfile.SYMTYPE), ("KIT/3/b_poses.npz", tarfile.CHRTYPE)):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)
        for name in ("../../../KIT/3/c_poses.npz", "/KIT/3/d_poses.npz"):
            info = tarfile.TarInfo(name)
            info.size = len(A)
            archive.addfile(info, io.BytesIO(A))
    home = tmp_path / "amass"
    home.mkdir()
    (home / "KIT.tar").write_bytes(file.getvalue())
    found, missing = read(Motions(home), *(f"kit/3/{name}_poses" for name in "abcd"))
    assert set(found) == {"kit/3/c_poses", "kit/3/d_poses"} and set(missing) == {"kit/3/a_poses", "kit/3/b_poses"}
    assert [path.name for path in tmp_path.rglob("*")] == ["amass", "KIT.tar"]  # nothing is unpacked
    monkeypatch.setattr("sopo.data.official.amass._LARGEST", 100)
    assert "above" in read(Motions(home), "kit/3/c_poses")[1]["kit/3/c_poses"]


def test_a_folder_without_motions(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no archive \(.tar.bz2\) and no .npz file"):
        Motions(tmp_path)
    with pytest.raises(UserError, match="no such folder"):
        Motions(tmp_path / "absent")
