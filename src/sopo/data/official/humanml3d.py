"""HumanML3D's own rules and files (Guo et al. 2022, github.com/EricGuo5513/HumanML3D, 9176e8f)."""

from __future__ import annotations

import csv
import hashlib
import re
import zipfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sopo.data.layout import TEXTS
from sopo.data.official.amass import motion_key, subset_of_key
from sopo.data.official.clips import HUMANACT12, Bodies, Cut, upright
from sopo.data.official.plan import Plan, read_ids
from sopo.errors import UserError
from sopo.formats.smpl import SmplMotion
from sopo.motion.skeleton import HUMANML3D, Skeleton

INDEX_FILE, LISTS_FOLDER = "index.csv", "HumanML3D"
COLUMNS = ("source_path", "start_frame", "end_frame", "new_name")
LISTS = ("all", "train", "val", "test", "train_val")
SHAPES = 10  # shape coefficients used, of AMASS's 16

# Frames at 20 fps that are cut off the start of a whole motion (a T-pose, mostly) before the index counts.
TRIMS = {"Eyes_Japan_Dataset": 60, "MPI_HDM05": 60, "TotalCapture": 20, "MPI_Limits": 20, "Transitions_mocap": 10}

# The published code gets NaN for them (a bone exactly against its rest direction), and leaves them out of Mean and Std.
NAN_CLIPS = ("007975", "M007975")

_LARGEST_TEXT = 1 << 16  # bytes of a clip's captions


def plan_humanml3d(root: Path) -> Plan:
    """What HumanML3D consists of, from a checkout of its repository.

    Clips are those of all.txt: of the index's 14,616 two are a single frame long, which has no features.
    Raises UserError if a file is missing or damaged.
    """
    lists = {name: read_ids(root / LISTS_FOLDER / f"{name}.txt") for name in LISTS}
    wanted = {key.removeprefix("M") for key in lists["all"]}
    cuts = [cut for cut in read_index(root / INDEX_FILE) if cut.name in wanted]
    if lacking := sorted(wanted.difference(cut.name for cut in cuts)):
        raise UserError(f"{root / INDEX_FILE}: has no row for {lacking[0]}, which all.txt lists")
    return Plan(
        name="humanml3d",
        skeleton=HUMANML3D,
        joints_of=joints_of,
        cuts=tuple(cuts),
        captions=read_texts(root / LISTS_FOLDER, lists["all"]),
        lists=lists,
        outside_statistics=NAN_CLIPS,
        reference=root / LISTS_FOLDER,
        fingerprint={"index": hashlib.sha256((root / INDEX_FILE).read_bytes()).hexdigest()},
    )


def joints_of(motion: SmplMotion, bodies: Bodies, skeleton: Skeleton) -> NDArray[np.float64]:
    """Joints [T, 22, 3], Y up, of every n-th frame as n fits 20 fps without a remainder.

    As published, a gender that is not the text "male" is female: neutral, and the bytes b"male", too.
    """
    step = int(motion.fps / skeleton.fps)
    if step < 1:
        raise UserError(f"{motion.fps:g} frames per second, fewer than the {skeleton.fps:g} of the data set")
    body = bodies["male" if motion.gender == "male" else "female"]
    return upright(body.pose(motion.poses[::step], motion.root[::step], motion.betas[:SHAPES], HUMANML3D.num_joints))


def read_index(path: Path) -> list[Cut]:
    """The rows of index.csv; HumanAct12's are whole. UserError names a line that is none."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; expected a checkout of HumanML3D's repository") from None
    except (OSError, ValueError, csv.Error) as error:
        raise UserError(f"{path}: not readable as CSV ({error})") from error
    cuts = []
    for number, row in enumerate(rows, start=2):
        try:
            source, start, stop, name = (row[column] for column in COLUMNS)
            if not re.fullmatch(r"\d{1,9}\.npy", name):
                raise ValueError(f"{name} is no clip")
            key, first, last = motion_key(source), int(start), int(stop)
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            raise UserError(f"{path}:{number}: expected {','.join(COLUMNS)} ({error})") from error
        trim = TRIMS.get(subset_of_key(key), 0)
        whole = key.startswith(HUMANACT12)
        cuts.append(Cut(name.removesuffix(".npy"), key, *((0, None) if whole else (first + trim, last + trim))))
    return cuts


def read_texts(folder: Path, ids: Iterable[str]) -> dict[str, bytes]:
    """The caption files of ``ids``, from texts.zip or the folder that it unpacks to; without those not there."""
    unpacked, packed = folder / TEXTS, folder / f"{TEXTS}.zip"
    if unpacked.is_dir():
        paths = {key: unpacked / f"{key}.txt" for key in ids}
        return {key: path.read_bytes() for key, path in paths.items() if path.is_file()}
    try:
        with zipfile.ZipFile(packed) as archive:
            members = {Path(info.filename).name: info for info in archive.infolist()}
            found = {key: members[f"{key}.txt"] for key in ids if f"{key}.txt" in members}
            if large := [info.filename for info in found.values() if info.file_size > _LARGEST_TEXT]:
                raise UserError(f"{packed}: {large[0]} is above {_LARGEST_TEXT >> 10} KiB")
            return {key: archive.read(info) for key, info in found.items()}
    except FileNotFoundError:
        raise UserError(f"{packed}: no such file, nor a folder {TEXTS}/ beside it") from None
    except (OSError, zipfile.BadZipFile, RuntimeError, EOFError, ValueError) as error:
        raise UserError(f"{packed}: damaged ({error}); download it again") from error
