"""Left and right exchanged: the published augmentation (clips whose name starts with M)."""

from __future__ import annotations

from numpy.typing import NDArray

from sopo.motion.skeleton import Skeleton


def mirror_joints(joints: NDArray, skeleton: Skeleton) -> NDArray:
    """Joints [..., J, 3] -> x negated and the sides exchanged; done before ``encode_joints``."""
    return joints[..., list(skeleton.mirror), :] * (-1, 1, 1)
