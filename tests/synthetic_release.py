"""What the authors of AMASS and HumanML3D publish, of nobody's data: archives, a checkout, body models."""

import bz2
import io
import tarfile
import zipfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from synthetic_smpl import motion_arrays, write_body_model

Arrays = Mapping[str, NDArray]
HUMANACT12 = "humanact12/humanact12"


@dataclass(frozen=True)
class Release:
    """Folders to give to ``sopo data humanml3d``. rows: of index.csv; motions: what the archives hold."""

    amass: Path
    bodies: Path
    checkout: Path
    rows: tuple[tuple[str, int, int, str], ...]
    motions: Mapping[str, Arrays]
    humanact12: Mapping[str, NDArray]


def as_bytes(arrays: Arrays | NDArray) -> bytes:
    """The bytes of a ``.npz``, or of a ``.npy``."""
    file = io.BytesIO()
    if isinstance(arrays, np.ndarray):
        np.save(file, arrays)
    else:
        np.savez(file, **arrays)
    return file.getvalue()


def tar(members: Mapping[str, bytes]) -> bytes:
    """An archive, not packed."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return file.getvalue()


def write_archives(root: Path, motions: Mapping[str, Arrays]) -> None:
    """``KIT/3/kick_poses`` goes into KIT.tar.bz2, among what AMASS puts beside the motions."""
    root.mkdir(parents=True, exist_ok=True)
    inside: dict[str, dict[str, bytes]] = defaultdict(dict)
    for path, arrays in motions.items():
        subset = path.split("/")[0]
        folder = path.rpartition("/")[0]
        inside[subset].setdefault(f"{subset}/LICENSE.txt", b"not to be passed on")
        inside[subset].setdefault(f"{folder}/shape.npz", as_bytes({"gender": np.array("male"), "betas": np.zeros(16)}))
        inside[subset][f"{path}.npz"] = as_bytes(arrays)
    for subset, members in inside.items():
        (root / f"{subset}.tar.bz2").write_bytes(bz2.compress(tar(members), 1))


def write_checkout(
    root: Path,
    rows: Sequence[tuple[str, int, int, str]],
    humanact12: Mapping[str, NDArray],
    splits: Mapping[str, Sequence[str]],
) -> None:
    """index.csv, the lists, texts.zip and humanact12.zip, laid out as in HumanML3D's repository."""
    (root / "HumanML3D").mkdir(parents=True)
    (root / "pose_data").mkdir()
    lines = [
        "source_path,start_frame,end_frame,new_name",
        *(f"./pose_data/{a}.npy,{b},{c},{d}.npy" for a, b, c, d in rows),
    ]
    (root / "index.csv").write_text("\n".join(lines) + "\n")
    for name, ids in splits.items():
        (root / "HumanML3D" / f"{name}.txt").write_text("".join(f"{key}\n" for key in ids))
    with zipfile.ZipFile(root / "HumanML3D" / "texts.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for key in splits["all"]:
            side = "right" if key.startswith("M") else "left"
            archive.writestr(f"texts/{key}.txt", f"a man kicks {side}.#a/DET man/NOUN kick/VERB {side}/ADV#0.0#0.0\n")
            archive.writestr(f"__MACOSX/texts/._{key}.txt", b"\x00")
    with zipfile.ZipFile(root / "pose_data" / "humanact12.zip", "w") as archive:
        for path, joints in humanact12.items():
            archive.writestr(f"{path.removeprefix('humanact12/')}.npy", as_bytes(joints))


def lists(names: Sequence[str]) -> dict[str, list[str]]:
    """The published kinds of lists: both sides of a clip in one split, all of them in order."""
    both = [*names, *(f"M{name}" for name in names)]
    of = {"train": names[:-2], "val": names[-2:-1], "test": names[-1:], "train_val": names[:-1]}
    return {"all": both} | {split: [*some, *(f"M{name}" for name in some)] for split, some in of.items()}


def write_bodies(root: Path) -> Path:
    """SMPL-H's male and female model, as AMASS's site packs them."""
    for seed, gender in enumerate(("male", "female", "neutral")):
        write_body_model(root / "smplh" / gender / "model.npz", "smplh", seed)
    np.savez(root / "LICENSE.npz")
    return root


def write_release(root: Path, clips: int = 12) -> Release:
    """A small one: subsets with and without a cut at the start, three rates, two clips of a motion, plain joints."""
    subsets = ("KIT", "Eyes_Japan_Dataset", "Transitions_mocap", "BioMotionLab_NTroje")
    motions: dict[str, Arrays] = {}
    joints: dict[str, NDArray] = {}
    rows = []
    for index in range(clips):
        subset = subsets[index % 4] if index % 5 < 4 else ""
        name = f"{index:06d}"
        if not subset:
            path = f"{HUMANACT12}/P{index:02d}G01"
            joints[path] = np.random.default_rng(index).normal(size=(45, 24, 3)).astype(np.float32)
            rows.append((path, 0, -1, name))
            continue
        path = f"{subset}/s{index % 3}/walk {index}_poses"
        fps = (100.0, 120.0, 60.0)[index % 3]
        trim = {"Eyes_Japan_Dataset": 60, "Transitions_mocap": 10}.get(subset, 0)
        frames = (trim + 45 + index) * int(fps / 20)
        motions[path] = motion_arrays(frames, fps, index, gender=np.array(("male", "female", b"male")[index % 3]))
        rows.append((path, 3, 43 + index % 4, name))
    first = rows[0]
    rows.append((first[0], 0, 30, f"{clips:06d}"))  # a second clip of a motion
    rows.append((first[0], 0, 1, f"{clips + 1:06d}"))  # a single frame: in the index, in no list
    write_archives(root / "amass", motions)
    write_checkout(root / "checkout", rows, joints, lists([row[3] for row in rows[:-1]]))
    return Release(root / "amass", write_bodies(root / "bodies"), root / "checkout", tuple(rows), motions, joints)


def contents(root: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}
