"""The 12 J - 1 columns of the motion features, named: the only place that knows them."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cache

from sopo.motion.skeleton import Skeleton


@dataclass(frozen=True)
class FeatureSlices:
    """Columns of a feature vector of frame t (Guo et al. 2022); N = J - 1, all lengths in units.

    root_turn [1]: half the change of heading to frame t + 1, radians.
    root_velocity [2]: x, z of the root's displacement to frame t + 1, seen from heading t + 1.
    root_height [1]: y.
    positions [3 N]: joints 1..N from the root's point on the ground, seen from heading t.
    rotations [6 N]: the first two columns of each local rotation.
    velocities [3 J]: displacement of all joints to frame t + 1, seen from heading t.
    contacts [4]: 1 where left ankle, left foot, right ankle, right foot are planted.
    """

    root_turn: slice
    root_velocity: slice
    root_height: slice
    positions: slice
    rotations: slice
    velocities: slice
    contacts: slice

    @property
    def groups(self) -> tuple[slice, ...]:
        """The seven slices in order; the published statistics share one deviation inside each."""
        return tuple(getattr(self, field.name) for field in fields(self))


@cache
def feature_slices(skeleton: Skeleton) -> FeatureSlices:
    """The columns for a skeleton: 263 wide for 22 joints, 251 for 21."""
    J = skeleton.num_joints
    widths = (1, 2, 1, 3 * (J - 1), 6 * (J - 1), 3 * J, 4)
    ends = [sum(widths[: index + 1]) for index in range(len(widths))]
    return FeatureSlices(*(slice(end - width, end) for end, width in zip(ends, widths, strict=True)))
