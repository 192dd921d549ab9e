"""Pelvis, spine, neck and head: the way through a tree from where the legs meet to the head."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sopo.motion.joint_words import Label
from sopo.motion.tree import Tree

Weights = dict[int, float]  # joint -> share; they sum to 1

_SPINE_AT = (0.24, 0.50, 0.60)  # of the way from the pelvis to the neck
_NECK = 0.13  # of a leg, from neck to head
_SAME = 0.012  # of a leg: joints nearer than this lie on top of each other


def find_trunk(
    tree: Tree, labels: Sequence[Label], hips: tuple[int, int], shoulders: tuple[int, int], leg: float
) -> dict[str, Weights]:
    """Pelvis, spine1 to spine3, neck and head; ``leg`` is the length from hip to ankle."""
    start = _pelvis(tree, labels, hips, leg)
    attach = tree.meeting(*shoulders)
    top = _top(tree, labels, attach, {*hips, *shoulders})
    joints = tree.path(start, top)
    arms = joints.index(next((joint for joint in tree.line(attach) if joint in joints), start))
    line = _Line([{joint: 1.0} for joint in joints], [tree.way(start, joint) for joint in joints])
    neck, head = _neck_and_head(line, [labels[joint] for joint in joints], arms, leg)
    pelvis = line.points[0]
    if tree.way(start, hips[0]) > 0.45 * leg:  # legs that hang on a joint far off, as on a root on the floor
        pelvis = mix([(0.5, {hips[0]: 1.0}), (0.5, {hips[1]: 1.0})])
    spine = _spine(line, neck, _SAME * leg)
    return {
        "pelvis": pelvis,
        **{f"spine{number}": line.at(place) for number, place in enumerate(spine, start=1)},
        "neck": line.at(neck),
        "head": line.at(head),
    }


@dataclass(frozen=True)
class _Line:
    """Points on the way, each a joint, and how far along it they are."""

    points: list[Weights]
    places: list[float]

    def at(self, place: float) -> Weights:
        """The point ``place`` along the way; beyond its end, straight on."""
        if len(self.points) == 1:
            return self.points[0]
        after = next((index for index in range(1, len(self.places) - 1) if self.places[index] >= place), -1)
        after = after if after > 0 else len(self.places) - 1
        while after > 1 and self.places[after] == self.places[after - 1]:
            after -= 1
        before = after - 1
        gap = self.places[after] - self.places[before]
        share = (place - self.places[before]) / gap if gap else 1.0
        return mix([(1 - share, self.points[before]), (share, self.points[after])])


def mix(parts: Iterable[tuple[float, Weights]]) -> Weights:
    """A weighted mean of weighted means, without shares of nothing."""
    mixed: Weights = {}
    for share, weights in parts:
        for joint, weight in weights.items():
            mixed[joint] = mixed.get(joint, 0.0) + share * weight
    return {joint: weight for joint, weight in mixed.items() if abs(weight) > 1e-9}


def _pelvis(tree: Tree, labels: Sequence[Label], hips: tuple[int, int], leg: float) -> int:
    """Where the legs meet, or a joint near above that is named so."""
    meet = tree.meeting(*hips)
    near = [joint for joint in tree.line(meet) if tree.way(meet, joint) < 0.35 * leg]
    best = max(near, key=lambda joint: labels[joint].score("pelvis"))
    return best if labels[best].score("pelvis") > max(0.0, labels[meet].score("pelvis")) else meet


def _top(tree: Tree, labels: Sequence[Label], attach: int, limbs: set[int]) -> int:
    """The joint named head; else the end of the longest branch that goes on where the arms hang."""
    aside = {joint for limb in limbs for joint in tree.below(limb)} | {
        joint for limb in limbs for joint in tree.line(limb)
    }
    free = [joint for joint in tree.below(tree.line(attach)[-1]) if joint not in aside]
    heads = [joint for joint in free if labels[joint].score("head") > 0]
    if heads:
        return max(heads, key=lambda joint: (labels[joint].score("head"), -len(tree.line(joint))))
    necks = [joint for joint in free if labels[joint].score("neck") > 0]
    start = max(necks, key=lambda joint: len(tree.line(joint))) if necks else attach
    ends = [joint for joint in tree.below(start) if joint not in aside and labels[joint].other < 0]
    return max(ends, key=lambda joint: tree.depth[joint], default=start)


def _neck_and_head(line: _Line, labels: Sequence[Label], arms: int, leg: float) -> tuple[float, float]:
    """How far along the way they are; ``arms`` is where on it the arms hang."""
    places, same = line.places, _SAME * leg
    past = [index for index in range(arms, len(labels)) if not labels[index].tip]
    head = next((places[index] for index in past if labels[index].score("head") > 0), None)
    necks = [index for index in past if labels[index].score("neck") > 0]
    clear = [index for index in necks if places[index] > places[arms] + same]
    neck = places[(clear or necks)[0]] if necks else None
    joints = [places[index] for index in past if places[index] > places[arms] + same]
    if head is None:
        beyond = [place for place in joints if place > (neck if neck is not None else joints[0]) + 0.05 * leg]
        if beyond:
            head = next((place for place in beyond if place > (neck or joints[0]) + 0.08 * leg), beyond[-1])
        elif neck is None and joints:
            head = joints[0]
        else:  # at most a neck and its end: the head is a third of the way up to the crown, or a neck's length on
            low = places[arms] + _NECK * leg if neck is None else neck
            head = low + max((places[-1] - low) * 0.35, _NECK * leg / 2)
    if neck is None or head - neck < same:
        between = [place for place in joints if place < head - same]
        neck = between[0] if between else max(head - _NECK * leg, (places[arms] + head) / 2)
    return neck, head


def _spine(line: _Line, neck: float, same: float) -> list[float]:
    """Three places below the neck: those of three joints if there are just three, else where a body has them."""
    joints = [0.0]
    for place in line.places:
        if joints[-1] + same < place < neck - same:
            joints.append(place)
    return joints[1:] if len(joints) == 4 else [share * neck for share in _SPINE_AT]
