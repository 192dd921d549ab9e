"""BVH in and out, and the way from captured joints to ours."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose
from numpy.typing import NDArray

from sopo.errors import UserError
from sopo.formats.bvh import read_bvh
from sopo.formats.bvh_write import CENTIMETRE, write_bvh
from sopo.motion.clip import Clip
from sopo.motion.encode import encode_joints
from sopo.motion.recognise import recognise
from sopo.motion.retarget import on_body, on_skeleton, resample
from sopo.motion.skeleton import HUMANML3D, KIT, SKELETONS, Skeleton

MakeJoints = Callable[..., NDArray[np.float64]]

SMALL = """HIERARCHY
ROOT hips
{
  OFFSET 5 5 5
  CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
  JOINT knee
  {
    OFFSET 0 -10 0
    CHANNELS 3 Zrotation Xrotation Yrotation
    End Site
    {
      OFFSET 0 -10 0
    }
  }
  JOINT hand
  {
    OFFSET 1 1 1
    CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
  }
}
MOTION
Frames: 2
Frame Time: 0.05
0 100 0  0 0 0  0 0 0  20 0 0  0 0 0
0 100 0 90 0 0  0 0 0  20 0 0  0 0 0
"""


NAMES = ("hips", "knee", "knee end", "hand")
AT_REST = [(0, 100, 0), (0, 90, 0), (0, 80, 0), (20, 100, 0)]
TURNED = [(0, 100, 0), (10, 100, 0), (20, 100, 0), (0, 120, 0)]


def _read(tmp_path: Path, content: str | bytes, fps: float | None = None) -> Clip:
    (tmp_path / "clip.bvh").write_bytes(content.encode() if isinstance(content, str) else content)
    return read_bvh(tmp_path / "clip.bvh", fps)


def test_positions_replace_offsets_and_rotations_carry(tmp_path: Path) -> None:
    clip = _read(tmp_path, SMALL)
    assert clip.names == NAMES and clip.parents == (-1, 0, 1, 0)
    assert clip.fps == 20 and clip.unit is None and clip.up is None and not clip.notes
    assert_allclose(clip.positions, [AT_REST, TURNED], atol=1e-12)


_ROWS = SMALL[SMALL.index("0 100") :]
SPELLINGS: dict[str, Callable[[str], str | bytes]] = {
    "tabs": lambda text: text.replace("  ", "\t").replace(" ", "\t"),
    "runs of blanks": lambda text: text.replace(" ", "   ").replace("\n", "  \n"),
    "names with trailing blanks": lambda text: text.replace("JOINT knee", "JOINT knee  \t "),
    "CRLF": lambda text: text.replace("\n", "\r\n"),
    "CR": lambda text: text.replace("\n", "\r"),
    "CRCRLF": lambda text: text.replace("\n", "\r\r\n"),
    "UTF-8 mark": lambda text: text.encode("utf-8-sig"),
    "UTF-16": lambda text: text.encode("utf-16"),
    "UTF-16 BE": lambda text: b"\xfe\xff" + text.encode("utf-16-be"),
    "lower case": str.lower,
    "upper case but names": lambda text: re.sub(r"(?m)^(?!.*(ROOT|JOINT)).*$", lambda line: line[0].upper(), text),
    "bracket on the line": lambda text: re.sub(r"\n\s*\{", " {", text),
    "bracket against the name": lambda text: re.sub(r"\n\s*\{", "{", text),
    "all on one line": lambda text: re.sub(r"\s+", " ", text[: text.index("MOTION")]) + text[text.index("MOTION") :],
    "closing brackets in a row": lambda text: re.sub(r"\n\s*\}", " }", text),
    "comments": lambda text: "# made by hand\n" + text.replace("}\nMOTION", "} # done\n// the rows:\nMOTION"),
    "DOS end": lambda text: text + "\x1a",
    "zeros at the end": lambda text: text + "\x00" * 512,
    "blank lines": lambda text: text.replace("MOTION", "\n\nMOTION\n\n") + "\n\n\n",
    "no line end": str.rstrip,
    "decimal commas": lambda text: re.sub(r"(\d)\.(\d)", r"\1,\2", re.sub(r"\b(\d+) (?=.*\d)", r"\1.0 ", text)),
    "commas between": lambda text: text.replace(" 1 1 1", " 1.0, 1, 1").replace(_ROWS, _ROWS.replace(" 0", ", 0.0")),
    "exponents": lambda text: text.replace("100", "1.0e+02").replace(" 20", " 2E1"),
    "frames over lines": lambda text: text.replace(_ROWS, _ROWS.replace("  ", "\n")),
    "no colon's blank": lambda text: text.replace("Frames: ", "Frames:").replace("Time: ", "Time:"),
    "position after rotation": lambda text: re.sub(
        "(Xposition) (Yposition) (Zposition) (.*)", r"\4 \2 \1 \3", text
    ).replace(_ROWS, "0 0 0 100 0 0  0 0 0  0 0 0 0 20 0\n90 0 0 100 0 0  0 0 0  0 0 0 0 20 0\n"),
    "scale channels of one": lambda text: text.replace("CHANNELS 3 Z", "CHANNELS 6 Xscale Yscale Zscale Z").replace(
        _ROWS, "0 100 0 0 0 0  1 1 1 0 0 0  20 0 0 0 0 0\n0 100 0 90 0 0  1 1 1 0 0 0  20 0 0 0 0 0\n"
    ),
}  # fmt: skip


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_any_spelling_reads_alike(tmp_path: Path, spelling: str) -> None:
    clip = _read(tmp_path, SPELLINGS[spelling](SMALL))
    assert clip.names == NAMES and clip.parents == (-1, 0, 1, 0) and clip.fps == 20
    assert_allclose(clip.positions, [AT_REST, TURNED], atol=1e-12)
    assert not clip.notes


@pytest.mark.parametrize(
    ("name", "encoding"),
    [
        ("Left Arm", "ascii"),
        ("Armature|mixamorig:LeftArm", "ascii"),
        ("2-Hips.001", "ascii"),
        ("Bone#1", "ascii"),
        ("Bein_Hüfte", "utf-8"),
        ("Hüfte", "cp1252"),
        ("Épaule gauche", "cp1252"),
        ("左ひざ", "cp932"),
        ("首", "utf-8"),
        ("センターボーン", "cp932"),
        ("左足", "utf-16"),
    ],
)
def test_names_survive_their_encoding(tmp_path: Path, name: str, encoding: str) -> None:
    clip = _read(tmp_path, SMALL.replace("knee", name).encode(encoding))
    assert clip.names == ("hips", name, f"{name} end", "hand")


def test_a_kanji_alone_is_one_beside_others(tmp_path: Path) -> None:
    clip = _read(tmp_path, SMALL.replace("knee", "左ひざ").replace("hand", "首").encode("cp932"))
    assert clip.names == ("hips", "左ひざ", "左ひざ end", "首")


def test_tips_several_roots_and_equal_names(tmp_path: Path) -> None:
    named = SMALL.replace("End Site", "End Site toe")
    assert _read(tmp_path, named).names == ("hips", "knee", "toe", "hand")
    prop = "ROOT knee\n{\nOFFSET 0 0 0\nCHANNELS 1 Yposition\n}\n"
    two = _read(tmp_path, SMALL.replace("MOTION", prop + "MOTION").replace("20 0 0  0 0 0\n", "20 0 0  0 0 0 7\n"))
    assert two.names == (*NAMES, "knee 2") and two.parents == (-1, 0, 1, 0, -1)
    assert_allclose(two.positions[:, 4], [(0, 7, 0)] * 2)


def test_positions_that_fit_the_bones_as_places_in_the_world_are_such(tmp_path: Path) -> None:
    text = SMALL.replace("OFFSET 1 1 1", "OFFSET 20 0 0").replace("0 0 0  20 0 0  0", "0 0 0  20 100 0  0")
    clip = _read(tmp_path, text.replace("90 0 0  0 0 0  20 100 0", "90 0 0  0 0 0  0 120 0"))
    assert_allclose(clip.positions, [AT_REST, TURNED], atol=1e-12)
    assert "places in the world" in clip.notes[0]


def test_positions_near_zero_are_added_to_the_offsets(tmp_path: Path) -> None:
    clip = _read(tmp_path, SMALL.replace("20 0 0  0 0 0", "0 0.01 0  0 0 0"))
    assert_allclose(clip.positions[0], [(0, 100, 0), (0, 90, 0), (0, 80, 0), (1, 101.01, 1)], atol=1e-12)
    assert "added to the offsets" in clip.notes[0]


ROW = _ROWS.splitlines(keepends=True)[0]


@pytest.mark.parametrize(
    ("rows", "announced", "frames"),
    [
        (_ROWS + ROW, 2, 3),
        (_ROWS + 8 * ROW, 2, 10),
        (_ROWS, 3, 2),
        (_ROWS + 28 * ROW, 32, 30),
        (_ROWS + ROW[:12], 3, 2),
        (_ROWS + 28 * ROW + ROW[:-1], 32, 30),  # the last number may be cut
        (_ROWS + ROW + ROW[:-1], 4, 4),
    ],
)
def test_other_rows_than_announced_are_taken_and_said(tmp_path: Path, rows: str, announced: int, frames: int) -> None:
    clip = _read(tmp_path, SMALL.replace(_ROWS, rows).replace("Frames: 2", f"Frames: {announced}"))
    assert len(clip.positions) == frames
    said = (f"holds {frames} whole frames, not the {announced} that it announces",)
    assert clip.notes == (said if frames != announced else ())


@pytest.mark.parametrize(
    ("written", "fps"),
    [
        ("0.0333333", 30), ("0.03333", 30), ("0.033", 30), ("0,033333", 30), (".0083333", 120), ("0.008333", 120),
        ("8.33333e-3", 120), ("0.0417083750417", 24000 / 1001), ("0.008342", 120000 / 1001),
        ("0.016667", 60), ("0.0166", 60), ("0.04", 25), ("0.010000", 100), ("0.07", 1 / 0.07), ("0.0300000", 1 / 0.03),
        ("20", 20), ("120.0", 120), ("29.97", 29.97), ("33.3333", 30), ("8.333", 120),
    ],
)  # fmt: skip
def test_frame_times_are_rounded_rates(tmp_path: Path, written: str, fps: float) -> None:
    clip = _read(tmp_path, SMALL.replace("0.05", written))
    assert clip.fps == pytest.approx(fps, rel=1e-9)
    assert bool(clip.notes) == (written in ("0.033", "0.0166", "20", "120.0", "29.97", "33.3333", "8.333"))
    assert all("--fps" in note for note in clip.notes if float(written) > 1)
    assert _read(tmp_path, SMALL.replace("0.05", written), fps=50).fps == 50


def test_one_frame_needs_no_rate(tmp_path: Path) -> None:
    one = SMALL.replace(_ROWS, ROW).replace("Frames: 2", "Frames: 1").replace("0.05", "0")
    assert _read(tmp_path, one).positions.shape == (1, 4, 3)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            lambda text: (text + 20 * ROW).replace("Frames: 2", "Frames: 40"),
            "holds 22 whole frames of the 40 .* truncated",
        ),
        (lambda text: text[: text.index("0 100")], "no frame"),
        (lambda text: text[: text.index("Frame Time")], "truncated"),
        (lambda text: text[: text.index("MOTION")], "no line MOTION"),
        (
            lambda text: text.replace("0 100 0  0", "0 100 0", 1) + ROW,
            "holds 44 numbers, .* 15 channels .*row 1 holds 14",
        ),
        (lambda text: text.replace("JOINT hand", "JOINED hand"), ":15: 'JOINED hand' does not belong"),
        (lambda text: text.replace("OFFSET 1 1 1", "OFFSET 1 1"), ":17:"),
        (lambda text: text.replace("OFFSET 1 1 1", ""), "joint hand has no OFFSET"),
        (lambda text: text.replace("OFFSET 1 1 1", "OFFSET 1 1 1\nOFFSET 1 1 2"), ":18:"),
        (lambda text: text.replace("}\nMOTION", "MOTION"), "brackets"),
        (lambda text: text.replace("JOINT hand\n  {", "JOINT hand"), ":16:"),
        (lambda text: text.replace("}\nMOTION", "}\n}\nMOTION"), "does not belong"),
        (lambda text: text[text.index("MOTION") :], "empty"),
        (lambda text: text.replace("CHANNELS 3", "CHANNELS 4"), ":9:"),
        (lambda text: text.replace("3 Zrotation X", "3 Xrotation Q"), ":9:"),
        (lambda text: text.replace("Xposition Y", "Yposition Y"), ":5:"),
        (lambda text: text.replace("100", "many"), "'many' is not a number"),
        (lambda text: text.replace("100", "nan"), "not a finite number"),
        (lambda text: text.replace("100", "1e300"), "not a finite number of a plausible size"),
        (lambda text: text.replace("100", "1.#IND"), "'1.#IND' is not a number"),
        (lambda text: text.replace("0.05", "0"), "frame time 0 s .* --fps"),
        (lambda text: text.replace("0.05", "1.00000"), "frame time 1.00000 s .* --fps"),
        (lambda text: text.replace("0.05", "soon"), "frame time soon s .* --fps"),
        (lambda text: text.replace("Xposition", "Xscale", 1), "scales joint hips"),
    ],
)
def test_damage_is_one_line(tmp_path: Path, damage: Callable[[str], str], message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        _read(tmp_path, damage(SMALL))
    assert str(tmp_path / "clip.bvh") in str(caught.value) and "\n" not in str(caught.value)


def test_missing_or_binary_files(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not readable"):
        read_bvh(tmp_path / "nowhere.bvh")
    with pytest.raises(UserError, match="not readable"):
        _read(tmp_path, bytes(range(256)))
    (tmp_path / "folder.bvh").mkdir()
    with pytest.raises(UserError, match="not readable"):
        read_bvh(tmp_path / "folder.bvh")


def test_a_chain_may_be_deep_but_no_file_unfolds_without_bounds(tmp_path: Path) -> None:
    def chain(joints: int, frames: int) -> str:
        inner = "JOINT a\n{\nOFFSET 1 0 0\nCHANNELS 0\n"
        head = "ROOT r\n{\nCHANNELS 1 Yposition\n" + inner * (joints - 1) + "}" * joints
        return f"{head}\nMOTION\nFrames: {frames}\nFrame Time: .05\n" + "1\n" * frames

    clip = _read(tmp_path, chain(4000, 2))
    assert_allclose(clip.positions[1, -1], (3999, 1, 0))
    with pytest.raises(UserError, match="6000 joints"):
        _read(tmp_path, chain(6000, 2))
    with pytest.raises(UserError, match="more than a file of"):
        _read(tmp_path, chain(4000, 5000))


def test_cases_of_layout_and_tabs(shared: Path) -> None:
    for path in [*(shared / "cases/layout").glob("*.bvh"), shared / "cases/tabs/freebvh.bvh"]:
        clip = read_bvh(path)
        heights = clip.positions[:, [name.split(":")[-1].lower() in ("hips", "pelvis") for name in clip.names], 1]
        assert ((heights > 70) & (heights < 120)).all(), path


@pytest.mark.parametrize("skeleton", SKELETONS, ids=lambda skeleton: skeleton.name)
def test_what_is_written_is_read(tmp_path: Path, make_joints: MakeJoints, skeleton: Skeleton) -> None:
    joints = make_joints(skeleton)
    path = tmp_path / "folder" / "motion.bvh"
    write_bvh(path, joints, skeleton)
    clip = read_bvh(path)
    assert clip.fps == skeleton.fps
    order = [clip.names.index(name) for name in skeleton.joints]
    back = clip.positions[:, order] * CENTIMETRE / skeleton.metres_per_unit
    assert back.shape == joints.shape
    assert_allclose(back, joints, atol=1e-6 / skeleton.metres_per_unit)


def test_written_bones_are_turned_not_stretched(tmp_path: Path, make_joints: MakeJoints) -> None:
    joints = make_joints(HUMANML3D)
    path = tmp_path / "motion.bvh"
    write_bvh(path, joints, HUMANML3D.with_target(joints[0]))
    lines = path.read_text().splitlines()
    table = np.array([row.split() for row in lines[lines.index("MOTION") + 3 :]], dtype=float)
    order = [line.split()[1] for line in lines if line.strip().startswith(("ROOT", "JOINT"))]
    # Where one bone leaves a joint, the translation is the bone at rest, whatever the pose.
    for child, rest in (("left_knee", (0, -1, 0)), ("right_wrist", (0, -1, 0)), ("left_foot", (0, 0, 1))):
        at = 6 * order.index(child)
        moved = table[:, at : at + 3]
        assert_allclose(moved / np.linalg.norm(moved, axis=1, keepdims=True), [rest] * len(moved), atol=1e-5)


def test_writing_checks_its_input(tmp_path: Path, make_joints: MakeJoints) -> None:
    joints = make_joints(HUMANML3D)
    for bad in (joints[:, :21], joints[0], np.full_like(joints, np.nan)):
        with pytest.raises(UserError, match="cannot write"):
            write_bvh(tmp_path / "bad.bvh", bad, HUMANML3D)


def test_resampling_is_linear() -> None:
    ramp = np.arange(31.0)[:, None] / 30
    assert_allclose(resample(ramp, 30, 20)[:, 0], np.arange(21) / 20)
    assert_allclose(resample(ramp, 1 / 0.0333333, 20)[:, 0], np.arange(21) / 20, atol=1e-5)
    assert_allclose(resample(ramp, 30, 60)[:, 0], np.arange(61) / 60)
    assert_allclose(resample(ramp[:1], 30, 20), ramp[:1])


CAPTURES = ("dataset-1_bow_active_001", "dataset-1_run_normal_001")  # the second one moves its root joint


@pytest.mark.parametrize("name", CAPTURES)
def test_real_capture(shared: Path, name: str) -> None:
    facts = json.loads((shared / "mocap" / "captions.json").read_text())[name]
    clip = read_bvh(shared / "mocap" / facts["file"])
    assert len(clip.positions) == facts["frames_30fps"]
    body = recognise(clip.names, clip.parents, clip.positions[:50])
    joints = resample(on_body(clip, body.weights), clip.fps, HUMANML3D.fps) * CENTIMETRE
    assert joints.shape == (facts["frames_20fps"], 22, 3)

    def bone(upper: str, lower: str) -> np.ndarray:
        ends = joints[:, HUMANML3D.joints.index(upper)] - joints[:, HUMANML3D.joints.index(lower)]
        return np.linalg.norm(ends, axis=-1)

    # Linear resampling shortens a fast limb a little.
    assert_allclose(np.median(bone("left_hip", "left_knee")), 0.391, atol=0.002)
    assert_allclose(np.median(bone("right_knee", "right_ankle")), 0.410, atol=0.002)
    left, right = joints[0, 1], joints[0, 2]
    assert left[0] > right[0]  # faces +Z, so the left is +X
    assert np.isfinite(encode_joints(joints, HUMANML3D)).all()


def test_an_independent_reader_agrees(shared: Path) -> None:
    bvhio = pytest.importorskip("bvhio")
    path = shared / "mocap" / "bvh" / f"{CAPTURES[1]}.bvh"
    clip, root = read_bvh(path), bvhio.readAsHierarchy(str(path))
    joints = [joint for joint, *_ in root.layout()]
    for frame in range(len(clip.positions)):
        root.loadPose(frame)
        theirs = {joint.Name: np.array(joint.PositionWorld) for joint in joints}
        ours = dict(zip(clip.names, clip.positions[frame], strict=True))
        assert_allclose([ours[name] for name in theirs], list(theirs.values()), atol=2e-4)


def test_one_body_as_the_other_has_it(make_joints: MakeJoints) -> None:
    joints = make_joints(HUMANML3D)
    kit = on_skeleton(joints, KIT)
    for name in ("pelvis", "head", "left_hip", "right_knee", "left_ankle", "right_wrist"):
        theirs = kit[:, KIT.joints.index(name)] * KIT.metres_per_unit
        assert_allclose(theirs, joints[:, HUMANML3D.joints.index(name)], atol=1e-9)
    assert on_skeleton(joints, HUMANML3D) is joints
    assert np.isfinite(encode_joints(kit, KIT)).all()


def test_kits_toes_go_straight_on_or_lie_flat(make_joints: MakeJoints) -> None:
    joints = make_joints(HUMANML3D)
    joints[:5, HUMANML3D.joints.index("left_foot"), 1] = joints[..., 1].min()  # stands on its toes
    kit = on_skeleton(joints, KIT) * KIT.metres_per_unit
    ankle, ball, tip = (kit[:, KIT.joints.index(f"left_{part}")] for part in ("ankle", "midfoot", "foot"))
    floor = joints[..., 1].min()
    flat = np.isclose(tip[:, 1], floor)
    assert (tip[:, 1] >= floor - 1e-9).all() and flat.sum() == 5
    assert_allclose(np.cross(tip - ball, ball - ankle)[~flat], 0, atol=1e-9)
    assert_allclose(np.cross((tip - ball)[:, [0, 2]], (ball - ankle)[:, [0, 2]]), 0, atol=1e-9)
