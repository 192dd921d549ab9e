"""What the numbers in files of motions mean: raw or normalised, which axis is up, which side is left."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from sopo.data.bodies import FAULTS, LEG_M, LOOSE_M, faults
from sopo.errors import UserError
from sopo.motion.decode import decode_joints
from sopo.motion.skeleton import Skeleton
from sopo.motion.stance import largest_stretch, leg_length

TAKE = "--motions_are raw takes them as they are"
MOST = 0.5  # of the motions looked at
MISREAD = ("lies", "upside-down", "backwards", "crossed")  # the other faults say that motions are poor


def doubts(motions: Sequence[NDArray], where: str, skeleton: Skeleton) -> list[str]:
    """Raw motions [T, D] or [T, J, 3] -> a line for each fault that most of them share.

    Raises UserError, with the flag that settles it, if features hold no body, as normalised ones do, and if most bodies
    lie, stand on their head or have their sides exchanged.
    """
    features = [motion for motion in motions if motion.ndim == 2]
    if features and not _hold_bodies(features, skeleton):
        raise UserError(
            f"{where}: read as raw features these are no bodies (legs of {_leg(features, skeleton):.2g} m); if they "
            f"are normalised by the data's Mean.npy and Std.npy, add --motions_are normalised; {TAKE}"
        )
    bodies = [motion if motion.ndim == 3 else _joints(motion, skeleton) for motion in motions]
    counts = Counter(kind for joints in bodies for kind in faults(joints, skeleton, recorded=False))
    most = {kind: count for kind, count in counts.items() if count > MOST * len(bodies)}
    shared = {kind: f"{FAULTS[kind].most} ({count} of {len(bodies)})" for kind, count in most.items()}
    if misread := [line for kind, line in shared.items() if kind in MISREAD]:
        raise UserError(f"{where}: {misread[0]}: turn or exchange their axes or sides; {TAKE}")
    if "size" in shared:  # of joints
        shared["size"] += "; their bones are brought to the data's lengths, so another unit changes nothing"
    return [f"{where}: {line}" for line in shared.values()]


def _hold_bodies(motions: Sequence[NDArray], skeleton: Skeleton) -> bool:
    """Whether features, taken as raw, have legs of a person's length and bones that keep theirs."""
    # A poor generator's bones stretch by centimetres, those in numbers that are no positions by more than a leg.
    stretch = np.median([largest_stretch(_joints(motion, skeleton), skeleton)[0] for motion in motions])
    return bool(LEG_M[0] <= _leg(motions, skeleton) <= LEG_M[1] and stretch * skeleton.metres_per_unit < LOOSE_M)


def _leg(motions: Sequence[NDArray], skeleton: Skeleton) -> float:
    """Metres, median over the motions."""
    legs = [leg_length(_joints(motion, skeleton), skeleton) for motion in motions]
    return float(np.median(legs)) * skeleton.metres_per_unit


def _joints(features: NDArray, skeleton: Skeleton) -> NDArray:
    return decode_joints(_tensor(features), skeleton).numpy()


def _tensor(array: NDArray) -> torch.Tensor:
    return torch.from_numpy(np.asarray(array, dtype=np.float32))
