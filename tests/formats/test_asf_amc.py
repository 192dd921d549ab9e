"""Acclaim: a skeleton and its motions."""

import re
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.spatial.transform import Rotation

from sopo.errors import UserError
from sopo.formats.asf_amc import read_amc
from sopo.motion.clip import Clip

ASF = """# by hand
:version 1.10
:units
  mass 1.0
  length 0.45
  angle deg
:documentation
  one leg and a head
:root
  order TX TY TZ RX RY RZ
  axis XYZ
  position 0 1 0
  orientation 0 0 0
:bonedata
  begin
    id 1
    name lfemur
    direction 0 -1 0
    length 7
    axis 10 20 30  XYZ
    dof rx ry rz
    limits (-160.0 20.0)
           (-70.0 70.0)
           (-60.0 70.0)
  end
  begin
    id 2
    name ltibia
    direction 0 -1 0
    length 8
    axis 0 0 90  XYZ
    dof rx
    limits (-10.0 170.0)
  end
  begin
    name neck
    direction 0 1 0
    length 2
    axis 0 0 0  XYZ
  end
:hierarchy
  begin
    root lfemur neck
    lfemur ltibia
  end
"""
AMC = """#!OML:ASF C:\\anywhere.ASF
:FULLY-SPECIFIED
:DEGREES
1
root 1 2 3 0 90 0
lfemur 0 0 0
ltibia 0
2
root 1 2 3 5 6 7
lfemur 40 50 60
ltibia 70
"""


def _read(folder: Path, amc: str = AMC, asf: str = ASF, name: str = "7_01") -> Clip:
    (folder / "7.asf").write_text(asf)
    (folder / f"{name}.amc").write_text(amc)
    return read_amc(folder / f"{name}.amc")


def test_bones_turn_about_their_own_axes(tmp_path: Path) -> None:
    clip = _read(tmp_path)
    assert clip.names == ("root", "lfemur", "neck", "ltibia", "neck end", "ltibia end")
    assert clip.parents == (-1, 0, 0, 1, 2, 3) and clip.up is None
    assert clip.unit == pytest.approx(0.0254 / 0.45)
    root = np.array((1, 3, 3))
    straight = [(0, 0, 0), (0, 0, 0), (0, 0, 0), (0, -7, 0), (0, 2, 0), (0, -15, 0)]
    assert_allclose(clip.positions[0], root + straight, atol=1e-12)

    # Fixed axes, x first; a bone's motion is told in its own axes: C M C^T.
    def turn(*angles: float) -> np.ndarray:
        return Rotation.from_euler("xyz", angles, degrees=True).as_matrix()

    femur = turn(5, 6, 7) @ turn(10, 20, 30) @ turn(40, 50, 60) @ turn(10, 20, 30).T
    tibia = femur @ turn(0, 0, 90) @ turn(70, 0, 0) @ turn(0, 0, 90).T
    knee = root + femur @ (0, -7, 0)
    assert_allclose(clip.positions[1, [3, 5]], [knee, knee + tibia @ (0, -8, 0)], atol=1e-12)
    assert_allclose(clip.positions[1, 4], root + turn(5, 6, 7) @ (0, 2, 0), atol=1e-12)


def test_the_rate_is_assumed_and_said(tmp_path: Path) -> None:
    clip = _read(tmp_path)
    assert clip.fps == 120 and "120 frames a second are assumed" in clip.notes[0] and "--fps" in clip.notes[0]
    clip = read_amc(tmp_path / "7_01.amc", fps=30)
    assert clip.fps == 30 and clip.notes == ()


def test_radians_and_other_units(tmp_path: Path) -> None:
    degrees = _read(tmp_path)
    radians = AMC.replace(":DEGREES", ":RADIANS")
    for angle in (90, 5, 6, 7, 40, 50, 60, 70):
        radians = re.sub(rf" {angle}\b", f" {np.deg2rad(angle):.15f}", radians)
    assert_allclose(_read(tmp_path, radians).positions, degrees.positions, atol=1e-9)
    assert _read(tmp_path, asf=ASF.replace("length 0.45", "length 1.0")).unit is None


def test_which_skeleton(tmp_path: Path) -> None:
    for name in ("1.asf", "12.asf", "12_0.asf"):
        (tmp_path / name).write_text("nonsense")
    assert _read(tmp_path).fps == 120
    with pytest.raises(UserError, match=r"127.asf, beside it; none of those beside it \(1.asf, 12.asf, .*7.asf\)"):
        _read(tmp_path, name="127_01")
    for name in ("1.asf", "12.asf", "12_0.asf"):
        (tmp_path / name).unlink()
    assert "7.asf is taken for its skeleton" in _read(tmp_path, name="127_01").notes[0]
    (tmp_path / "7.asf").unlink()
    with pytest.raises(UserError, match=r"skeleton, 127.asf, beside it; there is none"):
        read_amc(tmp_path / "127_01.amc")


def test_a_frame_cut_off_is_left_out(tmp_path: Path) -> None:
    for cut in ("ltibia 70\n", "lfemur 40 50 60\nltibia 70\n", "\n"):
        clip = _read(tmp_path, AMC.removesuffix(cut))
        assert len(clip.positions) == 1 and "frame 2, which is left out" in clip.notes[-1], cut


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (AMC, "", "no frame"),
        ("ltibia 0", "rtibia 0", "rtibia, which its skeleton lacks"),
        ("ltibia 0\n", "ltibia\n", "ltibia needs 1 numbers"),
        ("lfemur 0 0 0", "lfemur 0 0", "lfemur needs 3 numbers"),
        ("lfemur 0 0 0\n", "", "does not move lfemur"),
        ("lfemur 40 50 60", "ltibia 40 50 60", "some frame lacks lfemur"),
        ("40 50", "nan 50", "'nan'|not a finite"),
        ("40 50", "4o 50", "'4o' is not a number"),
    ],
)
def test_damaged_motion_is_one_line(tmp_path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        _read(tmp_path, AMC.replace(old, new))
    assert "7_01.amc" in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (ASF, "", "lacks 'units'"),
        (ASF[ASF.index(":hierarchy") :], "", "lacks 'hierarchy'"),
        ("root lfemur neck", "root neck", "lfemur does not hang on the root"),
        ("root lfemur neck", "root neck\nltibia lfemur", "does not hang on the root"),
        ("direction 0 -1 0", "direction 0 -1", "are not three numbers"),
        ("direction 0 1 0", "direction 0 1 20", "neck has a direction that is not of length 1"),
        ("name neck", "name ltibia", "ltibia is there twice"),
        ("XYZ\n    dof", "XXZ\n    dof", "no order of X, Y and Z"),
        ("dof rx\n", "dof tx\n", "does more than turn"),
        ("name neck", "neck", "lacks 'name'"),
        ("length 8", "length long", "'long' is not a number"),
    ],
)
def test_damaged_skeletons_are_one_line(tmp_path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        _read(tmp_path, asf=ASF.replace(old, new))
    assert "7.asf" in str(caught.value) and "\n" not in str(caught.value)


def test_recorded_people_stand_on_the_floor(shared: Path) -> None:
    for path in sorted((shared / "amc").glob("*.amc")):
        clip = read_amc(path, fps=30)
        assert clip.unit is not None
        metres = dict(zip(clip.names, np.swapaxes(clip.positions * clip.unit, 0, 1), strict=True))
        thigh = np.linalg.norm(metres["lfemur"] - metres["ltibia"], axis=-1)
        assert np.ptp(thigh) < 1e-9 and 0.37 < thigh[0] < 0.45
        lowest = np.min([joint[:, 1] for joint in metres.values()], axis=0)
        assert -0.02 < np.percentile(lowest, 10) < 0.05, path
        assert (metres["head"] - metres["root"])[:, 1].min() > 0.2
