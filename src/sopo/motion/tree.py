"""A hierarchy of joints as a tree: who is below whom, and how far apart along the bones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_NEAR = 8  # branches that reach about as far, among which a twin is sought
_LIKE = 0.15  # bones of twins differ by at most this share


class Tree:
    """parents: [J], -1 at roots, before their children. positions: [T, J, 3] of a few frames, any unit."""

    def __init__(self, parents: Sequence[int], positions: NDArray[np.float64]) -> None:
        self.parents = tuple(parents)
        self.positions = positions
        self.children: list[list[int]] = [[] for _ in parents]
        self.depth = np.zeros(len(self.parents))  # along the bones from the root
        self.root = list(range(len(self.parents)))
        for joint, parent in enumerate(self.parents):
            if parent >= 0:
                self.children[parent].append(joint)
                self.depth[joint] = self.depth[parent] + self.apart(joint, parent)
                self.root[joint] = self.root[parent]
        self._reach = self.depth.copy()  # of what hangs on a joint: how far along the bones from the root
        for joint in reversed(range(len(self.parents))):
            if (parent := self.parents[joint]) >= 0:
                self._reach[parent] = max(self._reach[parent], self._reach[joint])

    def apart(self, one: int, other: int) -> float:
        """The usual distance between two joints."""
        return float(np.median(np.linalg.norm(self.positions[:, one] - self.positions[:, other], axis=-1)))

    def line(self, joint: int, most: int | None = None) -> list[int]:
        """The joint, its parent, and so on to the root; at most so many."""
        line: list[int] = []
        while joint >= 0 and (most is None or len(line) < most):
            line.append(joint)
            joint = self.parents[joint]
        return line

    def below(self, joint: int) -> list[int]:
        """The joint and all that hangs on it."""
        found = [joint]
        for each in found:
            found += self.children[each]
        return found

    def meeting(self, one: int, other: int) -> int:
        """The lowest joint above both (or one of them), -1 if they are of different roots."""
        above = set(self.line(one))
        return next((joint for joint in self.line(other) if joint in above), -1)

    def path(self, start: int, stop: int) -> list[int]:
        """Joints from ``start`` through the tree to ``stop``."""
        top = self.meeting(start, stop)
        up, down = self.line(start), self.line(stop)
        return [*up[: up.index(top) + 1], *reversed(down[: down.index(top)])]

    def way(self, start: int, stop: int) -> float:
        """The length of ``path``."""
        return float(self.depth[start] + self.depth[stop] - 2 * self.depth[self.meeting(start, stop)])

    def straight(self, first: int, middle: int, last: int) -> float:
        """The mean cosine between first -> middle and middle -> last: 1 where the way goes straight on."""
        before = self.positions[:, middle] - self.positions[:, first]
        after = self.positions[:, last] - self.positions[:, middle]
        lengths = np.linalg.norm(before, axis=-1) * np.linalg.norm(after, axis=-1)
        return float(((before * after).sum(axis=-1) / np.maximum(lengths, 1e-12)).mean())

    def same_side(self, pair: tuple[int, int], other: tuple[int, int]) -> bool:
        """Whether the first joints of two pairs lie on one side, and so the second."""
        across = [self.positions[:, left] - self.positions[:, right] for left, right in (pair, other)]
        return float((across[0] * across[1]).sum()) >= 0

    def twins(self, named: Sequence[int]) -> list[int]:
        """For each joint that of the other side, -1 if it has none: as ``named``, and what hangs alike on those.

        Where none is named, a joint's twin is in a branch of the same shape and size beside its own.
        """
        twins = list(named)
        unnamed = max(named) < 0
        roots = [joint for joint, parent in enumerate(self.parents) if parent < 0]
        for joint, branches in ((-1, roots), *enumerate(self.children)):
            free = self._ordered([branch for branch in branches if twins[branch] < 0])
            if unnamed and (joint < 0 or twins[joint] < 0):
                for at, one in enumerate(free):
                    near = free[at + 1 : at + 1 + _NEAR]
                    like = [other for other in near if twins[other] < 0 and self._alike(one, other)]
                    if twins[one] < 0 and like:
                        twins[one], twins[like[0]] = like[0], one
            elif joint < twins[joint]:
                others = [branch for branch in self.children[twins[joint]] if twins[branch] < 0]
                for one, other in zip(free, self._ordered(others), strict=False):
                    if len(free) == len(others) == 1 or self._alike(one, other):
                        twins[one], twins[other] = other, one
        return twins

    def _ordered(self, branches: Sequence[int]) -> list[int]:
        """Those that reach farthest first."""
        return sorted(branches, key=lambda branch: -self._reach[branch])

    def _alike(self, one: int, other: int) -> bool:
        """Whether all that hangs on two joints has the same shape and size."""
        pairs = [(one, other)]
        for one, other in pairs:  # grows while it is gone through
            lengths = [self.depth[joint] - self.depth[max(self.parents[joint], 0)] for joint in (one, other)]
            below = [self._ordered(self.children[joint]) for joint in (one, other)]
            if abs(lengths[0] - lengths[1]) > _LIKE * max(lengths) + 1e-9 or len(below[0]) != len(below[1]):
                return False
            pairs += zip(*below, strict=True)
        return True
