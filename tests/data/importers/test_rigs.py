"""Clips in any axes, unit and order of joints, of people who stand, lie or stand on their hands: read as they are."""

from collections.abc import Sequence

import numpy as np
import pytest
from moving_body import t_pose, walking
from numpy.testing import assert_allclose
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from sopo.data.importers.mapping import Given
from sopo.data.importers.rigs import Look, Rig, look_at, settle
from sopo.motion.clip import Clip
from sopo.motion.encode import place
from sopo.motion.posture import AXES, upright
from sopo.motion.retarget import on_body
from sopo.motion.skeleton import HUMANML3D

Joints = NDArray[np.float64]

J = HUMANML3D.joints.index
HEAD = J("head")
STANDING = walking(speed=0.0)
# Of a still sleeper on the back, along X; and of somebody on the hands, whose arms are straight beyond the head.
LYING = STANDING[40][None].repeat(60, axis=0) @ Rotation.from_euler("z", -90, degrees=True).as_matrix().T
LYING += np.random.default_rng(0).normal(scale=1e-3, size=LYING.shape)
REACHING = STANDING.copy()
for _side in ("left", "right"):
    for _part, _height in (("elbow", 0.25), ("wrist", 0.5)):
        REACHING[:, J(f"{_side}_{_part}")] = REACHING[:, J(f"{_side}_shoulder")] + (0, _height, 0)
HANDSTAND = REACHING * (-1, -1, 1)


def clip(
    joints: Joints,
    axes: Joints | None = None,
    unit: float = 1.0,
    names: Sequence[str] = HUMANML3D.joints,
    rest: Joints | None = None,
    up: str | None = None,
) -> Clip:
    """Joints [T, 22, 3] in metres, Y up -> as a file has them whose axes are the rows of ``axes``."""
    axes = np.eye(3) if axes is None else axes
    resting = None if rest is None else rest @ axes.T / unit
    return Clip(tuple(names), HUMANML3D.parents, joints @ axes.T / unit, 20.0, up=up, rest=resting)


def read(
    clips: dict[str, Clip], given: Sequence[Given] = (), **settings: object
) -> tuple[dict[str, Joints], list[Rig]]:
    """What each clip is read as, in metres and Y up, unless it is refused."""
    looks = {name: look_at(name, each, given) for name, each in clips.items()}
    rigs = settle({k: v for k, v in looks.items() if isinstance(v, Look)}, settings.get("up"), settings.get("unit"))
    found = {
        name: upright(on_body(clips[name], rig.joints), rig.up, rig.unit, rig.mirrored)
        for rig in rigs
        for name in rig.looks
        if not rig.refused and name not in rig.strays
    }
    return found, rigs


def assert_same(found: Joints, expected: Joints) -> None:
    """Equal but for the place and the direction that they start with."""
    assert_allclose(place(found, HUMANML3D), place(expected, HUMANML3D), atol=1e-6)


def turned_to(up: str, angle: float = 0.3) -> Joints:
    """Axes in which ``up`` points up and the body faces anywhere."""
    to_up = np.zeros(3)
    to_up["xyz".index(up[-1])] = -1.0 if up[0] == "-" else 1.0
    turn = Rotation.align_vectors([to_up], [[0, 1, 0]])[0]
    return (turn * Rotation.from_euler("y", angle)).as_matrix()


@pytest.mark.parametrize("up", AXES)
@pytest.mark.parametrize("unit", [1.0, 0.01, 0.0254, 0.001])
def test_any_axis_up_and_any_unit(up: str, unit: float) -> None:
    found, (rig,) = read({"walk": clip(walking(), turned_to(up), unit)})
    assert rig.up == up and rig.unit == unit and not rig.mirrored
    assert_same(found["walk"], walking())
    assert bool(rig.doubts) == (up != "y")  # another axis than most files have is said


def test_a_mirror_image_is_mirrored_back_and_that_is_said() -> None:
    found, (rig,) = read({"walk": clip(walking(), np.diag([-1.0, 1.0, 1.0]))})
    assert rig.mirrored and "mirror image" in rig.doubts[0]
    assert_same(found["walk"], walking())


def test_sides_that_names_do_not_tell_are_told_by_toes_and_knees() -> None:
    names = [f"bone{number}" for number in range(22)]
    for mirror in (False, True):  # in the order of either side
        order = list(HUMANML3D.mirror) if mirror else list(range(22))
        found, (rig,) = read({"walk": clip(walking()[:, order], names=names)})
        assert not rig.mirrored and "tree alone" in rig.doubts[0]
        assert_same(found["walk"], walking())


def test_without_any_sign_of_sides_nothing_is_taken() -> None:
    still = walking()
    for side in ("left", "right"):  # straight legs without feet
        for part, share in (("knee", 0.5), ("ankle", 1.0), ("foot", 1.0)):
            still[:, J(f"{side}_{part}")] = still[:, J(f"{side}_hip")] - (0, 0.8 * share, 0)
    found, (rig,) = read({"walk": clip(still, names=[f"bone{number}" for number in range(22)])})
    assert not found and "tell left from right" in rig.refused
    assert read({"walk": clip(still)})[0]


def test_who_lies_among_those_who_stand_stays_lying() -> None:
    for up in ("y", "z"):
        axes = turned_to(up)
        found, rigs = read({name: clip(joints, axes) for name, joints in (("a", walking()), ("b", LYING))})
        assert len(rigs) == 1 and rigs[0].up == up
        assert_same(found["b"], LYING)
    other = clip(1.2 * LYING, turned_to("z"))  # another actor, of whom nothing else is known
    found, (rig,) = read({"a": clip(walking(), turned_to("z")), "b": other})
    assert rig.looks.keys() == {"a", "b"} and found["b"][:, HEAD, 1].max() < 0.5


def test_who_lies_alone_is_doubted() -> None:
    aslant = LYING @ Rotation.from_euler("y", 40, degrees=True).as_matrix().T
    assert "which axis is up" in read({"a": clip(aslant)})[1][0].refused
    assert "do they lie" in read({"a": clip(LYING, rest=t_pose())})[1][0].refused
    found, (rig,) = read({"a": clip(aslant, rest=t_pose())})
    assert "rest pose alone says that y is up" in rig.doubts[0]
    assert_same(found["a"], LYING)
    for settings in ({"up": "y"}, {}):
        stated = None if settings else "y"
        found, (rig,) = read({"a": clip(LYING, up=stated)}, **settings)
        assert not rig.refused
        assert_same(found["a"], LYING)


def test_a_handstand_is_left_alone_and_a_flipped_file_is_not() -> None:
    clips = {"a": clip(walking()), "hands": clip(HANDSTAND), "flipped": clip(walking(), np.diag([1.0, -1.0, 1.0]))}
    found, rigs = read(clips)
    assert {name: (rig.up, rig.mirrored) for rig in rigs for name in rig.looks} == {
        "a": ("y", False),
        "hands": ("y", False),
        "flipped": ("-y", True),
    }
    assert found["hands"][:, HEAD, 1].mean() < found["hands"][:, 0, 1].mean()
    assert_same(found["flipped"], walking())


def test_crawling_headfirst_is_not_standing_along_the_ground() -> None:
    prone = STANDING @ Rotation.from_euler("x", 90, degrees=True).as_matrix().T
    crawl = prone + np.linspace(0, 2, len(prone))[:, None, None] * (0, 0, 1)
    assert "which axis is up" in read({"a": clip(crawl)})[1][0].refused
    found, _ = read({"a": clip(crawl), "b": clip(STANDING)})
    assert_same(found["a"], crawl)


def test_noise_and_bent_trunks_are_refused_clip_by_clip() -> None:
    bent = walking()
    above = [J(name) for name in ("spine1", "spine2", "spine3", "neck", "head")]
    above += [J(f"{side}_{part}") for side in ("left", "right") for part in ("collar", "shoulder", "elbow", "wrist")]
    pivot = bent[:, :1]
    bent[:, above] = pivot + (bent[:, above] - pivot) @ Rotation.from_euler("x", 95, degrees=True).as_matrix().T
    for side in ("left", "right"):
        bent[:, J(f"{side}_wrist"), 1] = 0.7
    turns = Rotation.from_rotvec(np.random.default_rng(1).normal(scale=1.5, size=(80, 3))).as_matrix()
    noise = np.einsum("tij,tkj->tki", turns, STANDING)
    torn = walking(speed=40.0)  # the path in one unit, the body in another
    clips = {"a": walking(), "bent": bent, "noise": noise, "torn": torn}
    found, rigs = read({name: clip(joints) for name, joints in clips.items()})
    strays = {name: reason for rig in rigs for name, reason in rig.strays.items()}
    assert list(found) == ["a"] and strays.keys() == {"bent", "noise", "torn"} and "units" in strays["torn"]
    assert "--up y takes it" in strays["bent"] and "noise" in strays["noise"]
    assert "bent" in read({"a": clip(walking()), "bent": clip(bent)}, up="y")[0]


def test_clips_that_stand_along_different_axes_need_the_flag() -> None:
    clips = {"a": clip(STANDING), "b": clip(STANDING, turned_to("z")), "c": clip(STANDING, turned_to("x"))}
    assert "different axes" in read(clips)[1][0].refused
    assert not read(clips, up="y")[1][0].refused


def test_an_axis_that_the_format_states_is_doubted_only_by_who_walks() -> None:
    lying = walking() @ Rotation.from_euler("x", 90, degrees=True).as_matrix().T
    assert "its format says that y is up" in read({"a": clip(lying, up="y")})[1][0].refused
    assert "a" in read({"a": clip(lying, up="y")}, up="z")[0]
    assert "a" in read({"a": clip(LYING, up="y")})[0]


def test_arms_with_sides_exchanged_are_refused() -> None:
    swap = {"left": "right", "right": "left"}
    arms = ("collar", "shoulder", "elbow", "wrist")
    sides = ((name, *name.partition("_")) for name in HUMANML3D.joints)
    names = [f"{swap[side]}_{part}" if part in arms else name for name, side, _, part in sides]
    assert "exchanged" in read({"a": clip(walking(), names=names)})[1][0].refused


def test_a_given_mapping_settles_what_it_names() -> None:
    joints = {name: {name: 1.0} for name in HUMANML3D.joints}
    given = Given(joints, up="-z", unit=0.5, mirrored=True, clips=("a",))
    found, (rig,) = read({"a": clip(walking())}, [given])
    assert (rig.up, rig.unit, rig.mirrored) == ("-z", 0.5, True) and "a" in found
    unread = look_at("a", clip(walking()), [Given({**joints, "head": {"Kopf": 1.0}})])
    assert not isinstance(unread, Look) and "no skeleton of the mapping file" in unread.reason


def test_a_foot_given_in_the_place_of_its_ankle_is_where_the_foot_ends() -> None:
    plain = {name: {name: 1.0} for name in HUMANML3D.joints}
    given = Given(plain | {f"{side}_foot": {f"{side}_ankle": 1.0} for side in ("left", "right")})
    found, _ = read({"a": clip(walking())}, [given])
    assert_same(found["a"], walking())
    named = {f"{side}_foot": f"{side}_ankle end" for side in ("left", "right")}
    tips = clip(walking(), names=[named.get(name, name) for name in HUMANML3D.joints])
    assert_same(read({"a": tips}, [given])[0]["a"], walking())
    looks = look_at("a", clip(walking()), [Given({**given.joints, "left_ankle": {"left_knee": 1.0}})])
    assert isinstance(looks, Look) and looks.body.weights["left_foot"] == {"left_ankle": 1.0}
