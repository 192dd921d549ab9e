"""Which joints of any skeleton are those of the 22-joint body: by their names and by the tree, which must agree.

A body is two pairs of limbs on a trunk. Each pair is found as the three joints (hip, knee, ankle; shoulder, elbow,
wrist) whose names and bone lengths fit best, on both sides alike; fingers, twist bones, helpers, props and further
roots fit worse and so drop out. The trunk is the way through the tree from where the legs meet to the head. What a
skeleton lacks is put where a body has it, as a weighted mean of joints that it has.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import log

import numpy as np
from numpy.typing import NDArray

from sopo.errors import UserError
from sopo.motion.joint_words import Label, read_names
from sopo.motion.tree import Tree
from sopo.motion.trunk import Weights, find_trunk, mix

Chain = tuple[int, int, int]  # joints down a limb
Pair = tuple[Chain, Chain]  # left and right; where names do not tell, one and the other
Parts = tuple[str, str, str]

_LEG, _ARM = ("hip", "knee", "ankle"), ("shoulder", "elbow", "wrist")
_ARM_OF_LEG = 0.64  # shoulder to wrist, of hip to ankle
_LONGEST = 20  # joints down a limb to a fingertip, twist bones among them
_MOST = 2000  # joints; the largest faces have some hundred
_ODDEST = 6.0  # the most that odd bones take from a score: names may outweigh them
_UNLIKE = -4.0  # the score of what is no limb
_SAME = 0.012  # of a leg: joints nearer than this lie on top of each other


@dataclass(frozen=True)
class Body:
    """weights: our joint -> the clip's joints whose weighted mean it is; none for a foot that is put on the sole.

    told: by "names" or the "tree". sided: whether names tell left from right, which else may have to be exchanged.
    doubts: a line each. beast: joints such as tails, which people have in costume alone.
    """

    weights: Mapping[str, Mapping[str, float]]
    told: str
    sided: bool
    doubts: tuple[str, ...] = ()
    beast: tuple[str, ...] = ()


def recognise(names: Sequence[str], parents: Sequence[int], positions: NDArray[np.float64]) -> Body:
    """The 22 joints among ``names``; positions [T, J, 3] of a few frames give bone lengths and sides.

    Raises UserError with the reason if there is no whole human body: only hands, only a face, no arms ...
    """
    if len(names) > _MOST:
        raise UserError(f"{len(names)} joints are more than any body has; give a mapping file")
    tree = Tree(parents, positions)
    labels = read_names(names)
    sided = any(label.other >= 0 for label in labels)
    return _Finder(names, tree, labels, tree.twins([label.other for label in labels]), sided).body()


@dataclass(frozen=True)
class _Finder:
    names: Sequence[str]
    tree: Tree
    labels: list[Label]
    others: list[int]
    sided: bool

    def body(self) -> Body:
        """The whole of it."""
        legs = self._best(_LEG, self._mirrored_chains())
        arms = self._best(_ARM, self._mirrored_chains(), legs)
        if not self.sided and not self.tree.same_side(*((pair[0][0], pair[1][0]) for pair in (legs, arms))):
            arms = arms[1], arms[0]
        leg = self._span(legs[0])
        weights = find_trunk(self.tree, self.labels, (legs[0][0], legs[1][0]), (arms[0][0], arms[1][0]), leg)
        weights |= self._feet(legs, leg) | self._collars(arms, weights["neck"])
        limbs = [dict(zip((*_LEG, *_ARM), (*legs[side], *arms[side]), strict=True)) for side in (0, 1)]
        for side, joints in zip(("left", "right"), limbs, strict=True):
            weights |= {f"{side}_{part}": {joint: 1.0} for part, joint in joints.items()}
        told = "names" if any(self.labels[joint].parts for joint in limbs[0].values()) else "tree"
        named = {ours: self._named(theirs) for ours, theirs in weights.items()}
        return Body(named, told, self.sided, self._doubts(limbs[0], told), self._of_kind("animal"))

    def _of_kind(self, kind: str) -> tuple[str, ...]:
        return tuple(name for name, label in zip(self.names, self.labels, strict=True) if label.kind == kind)

    def _named(self, weights: Weights) -> dict[str, float]:
        return {self.names[joint]: share for joint, share in weights.items()}

    def _best(self, parts: Parts, pairs: Iterable[Pair], legs: Pair | None = None) -> Pair:
        """The chains of both sides that suit ``parts`` best; arms are sought where the legs are not."""
        taken = {joint for chain in legs or () for joint in (*self.tree.below(chain[0]), *self.tree.line(chain[0]))}
        free = [pair for pair in pairs if not taken.intersection(pair[0])]
        size = _ARM_OF_LEG * self._span(legs[0]) if legs else max((self._span(pair[0]) for pair in free), default=1.0)
        scores = [round(self._suits(pair, parts, size), 6) for pair in free]  # the first of equals, on any machine
        best = int(np.argmax(scores)) if scores else -1
        if best < 0 or scores[best] < _UNLIKE:
            raise UserError(self._what_is_missing(parts))
        return free[best]

    def _mirrored_chains(self) -> Iterator[Pair]:
        """Every three joints down one limb, with their twins down the other, left (or the first) before right."""
        for end, other_end in enumerate(self.others):
            if other_end < 0:
                continue
            line = [joint for joint in self.tree.line(end, _LONGEST)[1:] if self.others[joint] >= 0]
            other_line = set(self.tree.line(other_end, _LONGEST))
            line = [joint for joint in line if self.others[joint] in other_line]
            for at, middle in enumerate(line):
                for start in line[at + 1 :]:
                    chain = start, middle, end
                    if self._is_first(chain) and self.tree.root[start] == self.tree.root[self.others[start]]:
                        yield chain, (self.others[start], self.others[middle], other_end)

    def _is_first(self, chain: Chain) -> bool:
        """Whether a chain is the left one, or where names do not tell, the one that comes first in the file."""
        sides = [self.labels[joint].side for joint in chain if self.labels[joint].side]
        return sides[0] == "left" if sides else not self.sided and chain[0] < self.others[chain[0]]

    def _suits(self, pair: Pair, parts: Parts, size: float) -> float:
        """Names weigh up to 9; the rest falls off with odd proportions, down to a bound, for bones may be nonsense."""
        named = sum(self.labels[joint].score(part) for chain in pair for joint, part in zip(chain, parts, strict=True))
        (upper, lower), (other_upper, other_lower) = map(self._segments, pair)
        if min(upper, lower, other_upper, other_lower) <= _SAME * size:
            return -np.inf
        bent = abs(log((upper + other_upper) / (lower + other_lower)))
        uneven = abs(log(upper / other_upper)) + abs(log(lower / other_lower))
        sized = abs(log((upper + other_upper + lower + other_lower) / (2 * size)))
        return named / 2 - min(4 * bent + 4 * uneven + 2 * sized, _ODDEST)

    def _segments(self, chain: Chain) -> tuple[float, float]:
        depth = self.tree.depth
        return float(depth[chain[1]] - depth[chain[0]]), float(depth[chain[2]] - depth[chain[1]])

    def _span(self, chain: Chain) -> float:
        return sum(self._segments(chain))

    def _feet(self, legs: Pair, leg: float) -> dict[str, Weights]:
        """The ball of each foot: a toe joint, else the foot's tip if it lies ahead of the shin's line, else nothing."""

        def suits(joint: int) -> float:
            away = self.tree.way(legs[0][2], joint) / leg
            return -np.inf if away < 0.03 else self.labels[joint].score("foot") - abs(np.log(away / 0.17))

        found: list[int] = sorted(self.tree.below(legs[0][2])[1:], key=suits, reverse=True)
        pairs = [(joint, self.others[joint]) for joint in found if self.others[joint] >= 0]
        for left, right in pairs[:1]:
            if suits(left) > -3 and (self.labels[left].score("foot") > 1 or self._bends(legs[0], left)):
                return {"left_foot": {left: 1.0}, "right_foot": {right: 1.0}}
        return {"left_foot": {}, "right_foot": {}}

    def _bends(self, leg: Chain, tip: int) -> bool:
        """Whether a foot's tip leaves the line of the shin, as toes do and an ankle's own end does not."""
        return self.tree.straight(leg[1], leg[2], tip) < 0.85

    def _collars(self, arms: Pair, neck: Weights) -> dict[str, Weights]:
        """A joint between trunk and shoulder, if it lies off both, else halfway from the neck to the shoulder."""
        left, right = arms[0][0], arms[1][0]
        meet = self.tree.meeting(left, right)
        reach = self.tree.way(meet, left) if meet >= 0 else 0.0
        between = [joint for joint in self.tree.line(left)[1:] if joint != meet and self.others[joint] >= 0]
        for joint in sorted(between, key=lambda each: -self.labels[each].score("collar")):
            if 0.12 * reach < self.tree.way(meet, joint) < 0.88 * reach:
                return {"left_collar": {joint: 1.0}, "right_collar": {self.others[joint]: 1.0}}
        return {
            f"{side}_collar": mix([(0.5, neck), (0.5, {shoulder: 1.0})])
            for side, shoulder in (("left", left), ("right", right))
        }

    def _doubts(self, limbs: Mapping[str, int], told: str) -> tuple[str, ...]:
        doubts = []
        if told == "tree":
            doubts.append("names say nothing, joints are told by the tree alone (--mapping)")
        elif against := [part for part, joint in limbs.items() if self._speaks_against(joint, part)]:
            taken = ", ".join(f"{self.names[limbs[part]]} is taken as {part}" for part in against)
            doubts.append(f"names and tree disagree: {taken} (--mapping)")
        if (bodies := len(self._roots_of_knees())) > 1:
            doubts.append(f"it holds {bodies} bodies, of which one is taken (--mapping)")
        return tuple(doubts)

    def _speaks_against(self, joint: int, part: str) -> bool:
        """Whether a name says another part; that of an end is only its parent's, so it says nothing."""
        return self.labels[joint].score(part) < 0 and not self.labels[joint].tip

    def _roots_of_knees(self) -> set[int]:
        """Roots of the trees that have a left knee by name."""
        knees = (joint for joint, label in enumerate(self.labels) if label.side == "left" and label.score("knee") >= 2)
        return {self.tree.line(knee)[-1] for knee in knees}

    def _what_is_missing(self, parts: Parts) -> str:
        shown = ", ".join(self.names[:8]) + (" ..." if len(self.names) > 8 else "")
        for kind, what in (("finger", "only hands"), ("face", "only a face")):
            if len(found := self._of_kind(kind)) > 0.4 * len(self.names):
                return f"{what}, no body: {len(found)} of {len(self.names)} joints are of it ({shown})"
        if beast := self._of_kind("animal"):
            return f"an animal, by its {beast[0]}: only people are taken"
        limb = "legs" if parts == _LEG else "arms"
        return f"no pair of {limb} ({', '.join(parts)}) found among the joints {shown}; give a mapping file"
