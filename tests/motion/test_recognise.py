"""Skeletons of many conventions: whatever joints are called, the same ones are found."""

import numpy as np
import pytest
from moving_body import MakeJoints
from numpy.typing import NDArray

from sopo.errors import UserError
from sopo.motion.recognise import Body, recognise
from sopo.motion.skeleton import HUMANML3D

LIMBS = ("hip", "knee", "ankle", "foot", "collar", "shoulder", "elbow", "wrist")
TRUNK = ("pelvis", "spine1", "spine2", "spine3", "neck", "head")

# Names of the trunk and of one side's limbs in the order above ("-": the skeleton has no such joint), and how a
# side is marked: "{}" stands for the name.
CONVENTIONS: dict[str, tuple[str, str, tuple[str, str]]] = {
    "mixamo": (
        "Hips Spine Spine1 Spine2 Neck Head",
        "UpLeg Leg Foot ToeBase Shoulder Arm ForeArm Hand",
        ("mixamorig:Left{}", "mixamorig:Right{}"),
    ),
    "no prefix in the trunk": (
        "Hips Chest Chest2 Chest3 Neck Head",
        "Hip Knee Ankle Toe Collar Shoulder Elbow Wrist",
        ("Left{}", "Right{}"),
    ),
    "smpl": (
        "f_avg_Pelvis f_avg_Spine1 f_avg_Spine2 f_avg_Spine3 f_avg_Neck f_avg_Head",
        "Hip Knee Ankle Foot Collar Shoulder Elbow Wrist",
        ("f_avg_L_{}", "f_avg_R_{}"),
    ),
    "unreal": (
        "pelvis spine_01 spine_02 spine_03 neck_01 head",
        "thigh calf foot ball clavicle upperarm lowerarm hand",
        ("{}_l", "{}_r"),
    ),
    "biped": (
        "Bip01_Pelvis Bip01_Spine Bip01_Spine1 Bip01_Spine2 Bip01_Neck Bip01_Head",
        "Thigh Calf Foot Toe0 Clavicle UpperArm Forearm Hand",
        ("Bip01 L {}", "Bip01 R {}"),
    ),
    "vrm": (
        "J_Bip_C_Hips J_Bip_C_Spine J_Bip_C_Chest J_Bip_C_UpperChest J_Bip_C_Neck J_Bip_C_Head",
        "UpperLeg LowerLeg Foot ToeBase Shoulder UpperArm LowerArm Hand",
        ("J_Bip_L_{}", "J_Bip_R_{}"),
    ),
    "rigify": (
        "spine spine.001 spine.002 spine.003 spine.004 spine.006",
        "thigh shin foot toe shoulder upper_arm forearm hand",
        ("DEF-{}.L", "DEF-{}.R"),
    ),
    "poser": (
        "hip abdomen waist chest neck head",
        "Thigh Shin Foot Toe Collar Shldr ForeArm Hand",
        ("l{}", "r{}"),
    ),
    "acclaim": (
        "root lowerback upperback thorax upperneck head",
        "femur tibia foot toes clavicle humerus radius hand",
        ("l{}", "r{}"),
    ),
    "mmd": (
        "センター 上半身 上半身2 上半身3 首 頭",
        "足 ひざ 足首 つま先 肩 腕 ひじ 手首",
        ("左{}", "右{}"),
    ),
    "capitals": (
        "HIPS SPINE1 SPINE2 SPINE3 NECK HEAD",
        "UPLEG LOWLEG FOOT TOES COLLAR UPARM LOWARM HAND",
        ("L{}", "R{}"),
    ),
    "numbers behind": (
        "Hips-0 Spine-1 Spine1-2 Spine2-3 Neck-4 Head-5",
        "UpLeg Leg Foot Toe Shoulder Arm ForeArm Hand",
        ("{}-left", "{}-right"),
    ),
    "words of no body": (
        "k0 k1 k2 k3 k4 k5",
        "a b c d e f g h",
        ("Left_{}", "Right_{}"),
    ),
}


def names_of(convention: str) -> dict[str, str]:
    """Our joint -> theirs."""
    trunk, limbs, marks = CONVENTIONS[convention]
    names = dict(zip(TRUNK, trunk.split(), strict=True))
    for side, mark in zip(("left", "right"), marks, strict=True):
        names |= {f"{side}_{part}": mark.format(name) for part, name in zip(LIMBS, limbs.split(), strict=True)}
    return names


def found(body: Body) -> dict[str, str]:
    """Our joint -> theirs, where it is one."""
    return {ours: next(iter(theirs)) for ours, theirs in body.weights.items() if len(theirs) == 1}


@pytest.fixture(scope="module")
def joints(make_joints: MakeJoints) -> NDArray[np.float64]:
    """A body that moves, [T, 22, 3]."""
    return make_joints(HUMANML3D)


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_conventions_are_recognised_in_any_order_of_joints(joints: NDArray[np.float64], convention: str) -> None:
    names = names_of(convention)
    rng = np.random.default_rng(0)
    order = sorted(range(22), key=lambda joint: (len(_line(joint)), rng.random()))
    parents = [-1 if joint == 0 else order.index(HUMANML3D.parents[joint]) for joint in order]
    body = recognise([names[HUMANML3D.joints[joint]] for joint in order], parents, joints[:, order])
    assert found(body) == names
    assert body.sided and body.told == ("tree" if convention == "words of no body" else "names")


def _line(joint: int) -> list[int]:
    return [] if joint < 0 else [joint, *_line(HUMANML3D.parents[joint])]


def test_hands_and_chains_are_no_body() -> None:
    positions = np.random.default_rng(0).normal(size=(3, 6, 3))
    with pytest.raises(UserError, match="only hands, no body"):
        recognise(["Hand", "Thumb1", "Index1", "Index2", "Ring1", "Pinky1"], [-1, 0, 0, 2, 0, 0], positions)
    with pytest.raises(UserError, match="no pair of legs"):
        recognise(["base", "a", "b", "c", "d", "e"], [-1, 0, 1, 2, 3, 4], positions)


def test_bones_may_be_nonsense_where_names_are_plain(joints: NDArray[np.float64]) -> None:
    odd = joints.copy()
    left_wrist = HUMANML3D.joints.index("left_wrist")
    odd[:, left_wrist] = odd[:, HUMANML3D.joints.index("left_elbow")] + 0.02
    names = names_of("mixamo")
    assert found(recognise([names[joint] for joint in HUMANML3D.joints], HUMANML3D.parents, odd)) == names


def test_two_bodies_in_one_file_are_said(joints: NDArray[np.float64]) -> None:
    names = [names_of("mixamo")[joint] for joint in HUMANML3D.joints]
    parents = [*HUMANML3D.parents, *(parent + 22 if parent >= 0 else -1 for parent in HUMANML3D.parents)]
    both = np.concatenate((joints, joints + 1.0), axis=1)
    body = recognise([*names, *(f"{name} 2" for name in names)], parents, both)
    assert found(body) == names_of("mixamo") and "2 bodies" in body.doubts[0]


def test_tails_are_told() -> None:
    positions = np.random.default_rng(0).normal(size=(3, 4, 3))
    with pytest.raises(UserError, match="an animal, by its Tail1: only people"):
        recognise(["Hips", "Tail1", "Tail2", "Head"], [-1, 0, 1, 0], positions)


@pytest.mark.parametrize("shape", ["chain", "star", "chains of two sides"])
def test_trees_that_no_body_has_are_refused_in_no_time(shape: str) -> None:
    count = 1999
    parents = [0] * count if shape == "star" else list(range(count))
    names = [f"bone{number}" for number in range(count + 1)]
    if shape == "chains of two sides":
        parents[count // 2] = 0
        names[1:] = [f"{side}Leg{number}" for side in ("Left", "Right") for number in range(count // 2 + 1)][:count]
    positions = np.random.default_rng(0).normal(size=(3, count + 1, 3))
    with pytest.raises(UserError, match="no pair of"):
        recognise(names, [-1, *parents], positions)
    with pytest.raises(UserError, match="more than any body"):
        recognise([*names, "one more"], [-1, *parents, 0], positions)
