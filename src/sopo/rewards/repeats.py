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
SWINGS = 2 * 3 * len(LIMBS)  # crests and troughs along each axis of each limb
SMOOTH_S = 0.075  # deviation of the Gaussian that takes a sample's tremble away
SHARE, LEAST_M = 0.5, 0.06  # a swing is as great as this share of the limb's way along the axis, and as this
FAR = 2.0  # from the number named; further off is no worse
NAMED = {"once": 1, "one": 1, "single": 1, "twice": 2, "two": 2, "thrice": 3, "three": 3, "four": 4, "five": 5}
PARTS = {  # of the body, by how the words for what it does begin
    "arms": "arm hand fist elbow wav punch rais lift clap throw box swing reach point",
    "legs": "leg foot feet knee kick step sidestep stomp stamp march",
    "body": "body waist squat jump hop leap bow bend crouch sit nod lean spin turn",
}
WIDTH = SWINGS * len(PARTS)
WORDS = re.compile(
    "|".join(rf"(?P<{part}>\b(?:{'|'.join(begin.split())}))" for part, begin in PARTS.items()), re.IGNORECASE
)
NUMBER = re.compile(rf"\b({'|'.join(NAMED)}|[1-9])\b", re.IGNORECASE)


def numbers(caption: str) -> list[tuple[str, int]]:
    """The numbers that a caption names, as words or digits, each with the part of the body whose word is nearest.

    English. A number without such a word is left out.
    """
    parts = [(found.start(), str(found.lastgroup)) for found in WORDS.finditer(caption)]
    said = []
    for found in NUMBER.finditer(caption) if parts else ():
        part = min(parts, key=lambda one: abs(one[0] - found.start()))[1]
        said.append((part, NAMED.get(found[0].lower()) or int(found[0])))
    return said


def agreement(motions: Tensor, length: Tensor, captions: Sequence[Caption], skeleton: Skeleton) -> Tensor:
    """How near each limb's swings come to a number that the caption names, [N, WIDTH] from -1 to 1; 0 if it names none.

    For each of ``PARTS`` anew, as captions say of which it speaks. Of its several numbers the nearest counts.
    motions: raw features [N, T, D]. length: [N] frames.
    """
    swings = count_swings(motions, length, skeleton)
    agreed = swings.new_zeros(len(swings), len(PARTS), SWINGS)
    for row, caption in enumerate(captions):
        said = numbers(caption.text)
        for place, part in enumerate(PARTS):
            if named := [number for own, number in said if own == part]:
                off = (swings[row, :, None] - swings.new_tensor(named)).abs().amin(-1)
                agreed[row, place] = 1 - 2 * off.clamp(max=FAR) / FAR
    return agreed.flatten(1)


def count_swings(motions: Tensor, length: Tensor, skeleton: Skeleton) -> Tensor:
    """Raw features [N, T, D] -> how often each of ``LIMBS`` swings out along each axis and back, [N, SWINGS].

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
