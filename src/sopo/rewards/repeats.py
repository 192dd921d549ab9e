"""How often limbs swing, held against the number that a caption names: text-motion embeddings hardly count."""

from __future__ import annotations

import re
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from sopo.batch import Caption, length_mask
from sopo.motion.features import feature_slices
from sopo.motion.skeleton import Skeleton

LIMBS = ("left_wrist", "right_wrist", "left_ankle", "right_ankle", "head")
WIDTH = 2 * 3 * len(LIMBS)  # crests and troughs along each axis of each limb
SMOOTH_S = 0.075  # deviation of the Gaussian that takes a sample's tremble away
SHARE, LEAST_M = 0.5, 0.06  # a swing is as great as this share of the limb's way along the axis, and as this
FAR = 2.0  # from the number named; further off is no worse
NAMED = {
    "once": 1,
    "one": 1,
    "single": 1,
    "twice": 2,
    "two": 2,
    "thrice": 3,
    "three": 3,
    "four": 4,
    "five": 5,
    "six": 6,
}
NUMBER = re.compile(rf"\b({'|'.join(NAMED)}|[1-9])\b", re.IGNORECASE)


def numbers(caption: str) -> list[int]:
    """The numbers that a caption names, each once; English words and digits."""
    return sorted({NAMED.get(word.lower()) or int(word) for word in NUMBER.findall(caption)})


def agreement(motions: Tensor, length: Tensor, captions: Sequence[Caption], skeleton: Skeleton) -> Tensor:
    """How near each limb's swings come to a number that the caption names, [N, WIDTH] from -1 to 1; 0 if it names none.

    motions: raw features [N, T, D]. length: [N] frames. Of several numbers the nearest counts, whosever it is.
    """
    swings = count_swings(motions, length, skeleton)
    agreed = torch.zeros_like(swings)
    for row, caption in enumerate(captions):
        if named := numbers(caption.text):
            off = (swings[row, :, None] - swings.new_tensor(named)).abs().amin(-1)
            agreed[row] = 1 - 2 * off.clamp(max=FAR) / FAR
    return agreed


def count_swings(motions: Tensor, length: Tensor, skeleton: Skeleton) -> Tensor:
    """Raw features [N, T, D] -> how often each of ``LIMBS`` swings out along each axis and back, [N, WIDTH].

    Seen from the body, whose heading and place on the floor the features leave out.
    """
    places = motions[..., feature_slices(skeleton).positions].unflatten(-1, (-1, 3))
    way = (
        places[..., [skeleton.joints.index(name) - 1 for name in LIMBS], :].flatten(-2).transpose(-1, -2)
    )  # [N, 15, T]
    valid = length_mask(length, motions.shape[1])[:, None]
    last = way.gather(-1, (length - 1)[:, None, None].expand(-1, way.shape[1], -1))
    way = _smoothed(torch.where(valid, way, last), SMOOTH_S * skeleton.fps)
    both = torch.cat([way, -way], dim=1)
    low = torch.where(valid, both, torch.inf).amin(-1)
    reach = torch.where(valid, both, -torch.inf).amax(-1) - low
    least = (SHARE * reach).clamp(min=LEAST_M / skeleton.metres_per_unit)
    return crests(torch.where(valid, both, low[..., None]), low, least)


def crests(curve: Tensor, low: Tensor, least: Tensor) -> Tensor:
    """Maxima of curves [..., T] that stand out by ``least`` [...] on both sides; beyond the ends it is ``low``."""
    crest, trough = low.clone(), low.clone()
    rising, count = torch.ones_like(low, dtype=torch.bool), torch.zeros_like(low)
    for height in (*curve.unbind(-1), low):
        crest = torch.where(rising, torch.maximum(crest, height), crest)
        trough = torch.where(rising, trough, torch.minimum(trough, height))
        fell, rose = rising & (crest - height >= least), ~rising & (height - trough >= least)
        count = count + fell
        trough, crest = torch.where(fell, height, trough), torch.where(rose, height, crest)
        rising = rising ^ (fell | rose)
    return count


def _smoothed(curve: Tensor, frames: float) -> Tensor:
    """Curves [N, C, T] under a Gaussian of that deviation; their ends go on level."""
    reach = round(3 * frames)
    kernel = torch.exp(-0.5 * (torch.arange(-reach, reach + 1, device=curve.device, dtype=curve.dtype) / frames) ** 2)
    padded = F.pad(curve, (reach, reach), mode="replicate").flatten(0, 1)[:, None]
    return F.conv1d(padded, (kernel / kernel.sum())[None, None]).view_as(curve)
