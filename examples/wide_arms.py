"""A taste that no text-motion matcher has: wide, energetic arm movements, measured from joints.

sopo label simulate runs/study --taste wide_arms:wide_arms --answers 1000 --out runs/study/arms.jsonl
sopo train preference-reward --labels runs/study/arms.jsonl --reward shipped/reward --out runs/arms
"""

import numpy as np

FPS = 20.0
PELVIS, WRISTS = 0, [20, 21]


def wide_arms(joints, lengths, captions):
    """joints [N, T, 22, 3], lengths [N] frames, N captions -> [N], m²/s: mean reach of the wrists times their speed.

    Reach is how far a wrist is from the pelvis, on the floor; speed is relative to the pelvis.
    """
    arms = joints[:, :, WRISTS] - joints[:, :, PELVIS, None]
    reach = np.linalg.norm(arms[..., [0, 2]], axis=-1).mean(-1)  # [N, T]
    speed = FPS * np.linalg.norm(np.diff(arms, axis=1), axis=-1).mean(-1)  # [N, T - 1]
    frame = np.arange(joints.shape[1])
    return _mean(reach, frame < lengths[:, None]) * _mean(speed, frame[1:] < lengths[:, None])


def _mean(values, valid):
    return np.where(valid, values, 0.0).sum(1) / valid.sum(1)
