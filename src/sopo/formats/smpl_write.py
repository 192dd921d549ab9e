"""Write a motion as an ``.npz`` in the manner of AMASS: rotations of SMPL's joints, Z up."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from sopo.errors import UserError
from sopo.motion.posing import local_motion, t_pose
from sopo.motion.skeleton import HUMANML3D, Skeleton

JOINTS, BETAS = 52, 16  # of SMPL-H as AMASS has it: the body's 22 and two hands, which rest
# Of SMPL's mean body at rest, metres: where its pelvis is, from which ``trans`` counts, and thigh and shin.
PELVIS, LEG = np.array((-0.002, -0.223, 0.028)), 0.381 + 0.401
# HumanML3D was made from AMASS by the inverse of this: what faces +Z, Y up, faces +Y, Z up.
Z_UP = np.array(((-1.0, 0.0, 0.0), (0.0, 0.0, 1.0), (0.0, 1.0, 0.0)))


def write_smpl(path: str | Path, joints: NDArray, skeleton: Skeleton) -> None:
    """Write joints [T, 22, 3] in metres as poses [T, 156], trans [T, 3], betas of zeros, gender neutral.

    The bones keep their directions and get the lengths of the body that the reader poses, so the root's path
    is scaled by the legs, as HumanML3D's is: feet stay on the floor. Raises UserError for another skeleton,
    whose joints SMPL does not have.
    """
    if skeleton.name != HUMANML3D.name:
        raise UserError(f"SMPL's joints are those of {HUMANML3D.name}; a motion of {skeleton.name} has others")
    rotations, positions = local_motion(joints, t_pose(skeleton), skeleton)
    leg = np.linalg.norm(positions[:, list(skeleton.leg)], axis=-1).sum(axis=-1).mean()
    rotations[0] = Rotation.from_matrix(Z_UP) * rotations[0]
    poses = np.zeros((len(joints), JOINTS, 3))
    for joint, rotation in enumerate(rotations):
        poses[:, joint] = rotation.as_rotvec()
    np.savez_compressed(
        path,
        poses=poses.reshape(len(joints), -1),
        trans=positions[:, 0] @ Z_UP.T * (LEG / leg) - PELVIS,
        betas=np.zeros(BETAS),
        dmpls=np.zeros((len(joints), 8)),
        gender="neutral",
        mocap_framerate=skeleton.fps,
    )
