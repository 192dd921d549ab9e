"""KIT-ML's captions on AMASS's motions, as TMR published which is whose (github.com/Mathux/TMR, 6d74688).

The KIT-ML features that papers report on were made of KIT's own recordings by code that is not public; AMASS has
2,883 of its 3,911 motions, fitted by another body. So these clips are KIT-ML's motions, not its numbers.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sopo.batch import Caption
from sopo.data.captions import CaptionLine, format_line, mirror_text
from sopo.data.layout import SPLITS
from sopo.data.official.amass import motion_key
from sopo.data.official.clips import Bodies, Cut, upright
from sopo.data.official.plan import Plan, read_ids
from sopo.data.tagging import tag
from sopo.errors import UserError
from sopo.formats.smpl import SmplMotion
from sopo.motion.retarget import on_skeleton, resample
from sopo.motion.skeleton import HUMANML3D, Skeleton

ANNOTATIONS_FILE, SPLITS_FOLDER = "annotations.json", "splits"
LISTS = ("all", *SPLITS)
_WHOLE = 0.05  # seconds by which an annotation may miss the motion's ends and still be of all of it


def plan_kit(root: Path, skeleton: Skeleton) -> Plan:
    """KIT-ML on ``skeleton``, from TMR's folder of annotations; UserError if a file is missing or damaged."""
    path = root / ANNOTATIONS_FILE
    try:
        content = path.read_bytes()
        entries = json.loads(content)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; expected TMR's datasets/annotations/kitml") from None
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path}: not readable as JSON ({error})") from error
    if not isinstance(entries, dict):
        raise UserError(f"{path}: expected an object, clip id -> path and annotations")
    cuts, captions = [], {}
    for name, entry in entries.items():
        try:
            lines = [_line(each, float(entry["duration"])) for each in entry["annotations"]]
            key = motion_key(entry["path"])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise UserError(f"{path}: entry {name[:40]!r} has no path, duration and annotations ({error})") from error
        captions[name] = _file(lines)
        if re.fullmatch(r"\d{1,9}", name):
            cuts.append(Cut(name, key))
            captions.setdefault(f"M{name}", _file([_mirrored(line) for line in lines]))
    return Plan(
        name="kit",
        skeleton=skeleton,
        joints_of=joints_of,
        cuts=tuple(cuts),
        captions=captions,
        lists={name: read_ids(root / SPLITS_FOLDER / f"{name}.txt") for name in LISTS},
        fingerprint={"annotations": hashlib.sha256(content).hexdigest(), "skeleton": skeleton.name},
    )


def joints_of(motion: SmplMotion, bodies: Bodies, skeleton: Skeleton) -> NDArray[np.float64]:
    """Joints [T, J, 3] of ``skeleton`` in its units, Y up, at its rate; the gender's body, female if not known."""
    body = bodies["male" if motion.gender_name == "male" else "female"]
    joints = upright(body.pose(motion.poses, motion.root, motion.betas, HUMANML3D.num_joints))
    return on_skeleton(resample(joints, motion.fps, skeleton.fps), skeleton)


def _line(annotation: Mapping[str, Any], duration: float) -> CaptionLine:
    """A caption; of the whole motion where it says so, as nearly all do."""
    start, end, text = float(annotation["start"]), float(annotation["end"]), annotation["text"].strip()
    whole = start < _WHOLE and end > duration - _WHOLE
    return CaptionLine(Caption(text, tag(text)), *((0.0, 0.0) if whole else (start, end)))


def _mirrored(line: CaptionLine) -> CaptionLine:
    text = mirror_text(line.caption.text)
    return CaptionLine(Caption(text, tag(text)), line.start_s, line.end_s)


def _file(lines: list[CaptionLine]) -> bytes:
    return "".join(format_line(line) + "\n" for line in lines).encode()
