"""SMPL body models and AMASS files without anybody's data: the joints of a person, vertices strewn around them."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from sopo.formats.body_model import JOINTS
from sopo.motion.skeleton import HUMANML3D

# How far each of the 22 joints lies from its parent in a T-pose, metres, as SMPL's mean body about is.
_BONES = {
    "pelvis": (0.0, -0.24, 0.03),
    "hip": (0.06, -0.09, -0.01),
    "knee": (0.04, -0.38, -0.01),
    "ankle": (-0.01, -0.42, -0.04),
    "foot": (0.03, -0.06, 0.12),
    "spine1": (0.0, 0.12, -0.03),
    "spine2": (0.0, 0.14, 0.0),
    "spine3": (0.0, 0.05, 0.02),
    "neck": (0.0, 0.21, -0.04),
    "head": (0.0, 0.09, 0.05),
    "collar": (0.07, 0.12, -0.03),
    "shoulder": (0.11, 0.04, -0.01),
    "elbow": (0.26, -0.01, -0.02),
    "wrist": (0.25, 0.01, 0.0),
}
_BEYOND = {"smpl": [20, 21], "smplh": [20] * 15 + [21] * 15, "smplx": [15] * 3 + [20] * 15 + [21] * 15}


def parents(family: str) -> tuple[int, ...]:
    """The family's tree: fingers in chains of three from the wrists, hands, jaw and eyes on theirs."""
    tree = list(HUMANML3D.parents)
    for joint, (name, origin) in enumerate(zip(JOINTS[family][22:], _BEYOND[family], strict=True), start=22):
        tree.append(joint - 1 if name[-1] in "23" else origin)
    return tuple(tree)


def body_arrays(family: str = "smplh", seed: int = 0, rest: NDArray | None = None) -> dict[str, NDArray]:
    """The arrays of a model file, four vertices a joint. ``rest`` [22, 3]: its joints instead of a usual body's."""
    rng = np.random.default_rng(seed)
    tree = parents(family)
    J = len(tree)
    joints = np.zeros((J, 3))
    for joint, parent in enumerate(tree):
        name = JOINTS[family][joint]
        side, _, part = name.partition("_")
        bone = np.array(_BONES.get(part or name, (0.03, 0.0, 0.01)))
        joints[joint] = joints[max(parent, 0)] * (parent >= 0) + bone * (-1 if side == "right" else 1, 1, 1)
    if rest is not None:
        joints[22:] += (rest[20] - joints[20]) * (np.arange(J - 22) >= 0)[:, None]
        joints[:22] = rest
    strewn = rng.normal(scale=0.02, size=(J, 4, 3))
    strewn -= strewn.mean(axis=1, keepdims=True)
    template = (joints[:, None] + strewn).reshape(-1, 3)
    table = np.array([tree, range(J)], dtype=np.int64).astype(np.uint32)  # the root's -1 wraps, as published
    return {
        "v_template": template,
        "shapedirs": rng.normal(scale=0.002, size=(4 * J, 3, 16)),
        "J_regressor": np.kron(np.eye(J), np.full((1, 4), 0.25)),
        "kintree_table": table,
        "posedirs": np.zeros((4 * J, 3, 9 * (J - 1))),
        "weights": np.repeat(np.eye(J), 4, axis=0),
        "f": np.zeros((1, 3), dtype=np.uint32),
    }


def write_body_model(path: Path, family: str = "smplh", seed: int = 0, rest: NDArray | None = None) -> Path:
    """A model as ``.npz``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, **body_arrays(family, seed, rest))
    return path


def motion_arrays(frames: int, fps: float = 100.0, seed: int = 0, joints: int = 52, **changed) -> dict[str, NDArray]:
    """The arrays of an AMASS file: somebody upright, Z up, who sways and wanders."""
    rng = np.random.default_rng(seed)
    poses = gaussian_filter1d(rng.normal(scale=0.6, size=(frames, joints, 3)), 12.0, axis=0, mode="nearest")
    poses[:, 0] = (np.pi / 2, 0.0, 0.0)  # from SMPL's Y up to AMASS's Z up
    wander = np.cumsum(rng.normal(scale=0.01, size=(frames, 3)), axis=0) * (1, 1, 0.05) + (0, 0, 1.1)
    return {
        "poses": poses.reshape(frames, -1),
        "trans": wander,
        "betas": rng.normal(size=16),
        "dmpls": np.zeros((frames, 8)),
        "gender": np.array("male"),
        "mocap_framerate": np.array(fps),
        **changed,
    }
