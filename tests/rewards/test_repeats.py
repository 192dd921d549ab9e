"""Swings of limbs against the numbers that captions name."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from sopo.batch import as_captions
from sopo.motion.features import feature_slices
from sopo.motion.skeleton import HUMANML3D, KIT, Skeleton
from sopo.rewards.repeats import LIMBS, PARTS, SWINGS, WIDTH, agreement, count_swings, crests, numbers

LENGTH = torch.tensor([80, 60, 80])


@pytest.fixture(autouse=True)
def _float64(float64: None) -> None:
    pass


def swinging(times: int, skeleton: Skeleton, limb: str = "right_ankle") -> Tensor:
    """Raw features [3, 80, D]: one limb goes up and down again so often; the rest trembles by a centimetre."""
    metres = 1 / skeleton.metres_per_unit
    motion = 0.01 * metres * torch.randn(3, 80, skeleton.num_features, generator=torch.Generator().manual_seed(0))
    column = feature_slices(skeleton).positions.start + 3 * (skeleton.joints.index(limb) - 1) + 1
    for row, frames in enumerate(LENGTH.tolist()):
        phase = torch.arange(frames) / frames
        motion[row, :frames, column] += 0.4 * metres * (1 - torch.cos(2 * math.pi * times * phase)) / 2
        motion[row, frames:] = 1e6
    return motion


@pytest.mark.parametrize("skeleton", [HUMANML3D, KIT], ids=lambda body: body.name)
@pytest.mark.parametrize("times", [1, 2, 3])
def test_swings_are_counted_and_held_against_what_is_named(times: int, skeleton: Skeleton) -> None:
    place = 3 * LIMBS.index("right_ankle") + 1
    swings = count_swings(swinging(times, skeleton), LENGTH, skeleton)
    assert swings.shape == (3, SWINGS) and swings[:, place].tolist() == [times] * 3
    still = [3 * limb + axis for limb in range(len(LIMBS)) for axis in range(3) if 3 * limb + axis != place]
    assert not swings[:, still].any()
    captions = as_captions(["kicks twice", "a person kicks", "kicks three times, then once"])
    agreed = agreement(swinging(times, skeleton), LENGTH, captions, skeleton)
    assert agreed.shape == (3, WIDTH)
    of_legs = agreed.view(3, len(PARTS), SWINGS)[:, list(PARTS).index("legs"), place]
    assert of_legs.tolist() == [1.0 - abs(times - 2), 0.0, 1.0 - min(abs(times - 3), abs(times - 1))]
    assert not agreed[1].any() and not agreed.view(3, len(PARTS), SWINGS)[:, list(PARTS).index("arms")].any()


def test_small_waves_between_great_ones_are_none() -> None:
    curve = torch.tensor([[0.0, 1.0, 0.7, 1.0, 0.0, 0.9, 0.2], [0.0, 0.0, 0.2, 0.0, 0.3, 0.0, 0.0]])
    assert crests(curve, curve.amin(-1), torch.tensor([0.5, 0.5])).tolist() == [2.0, 0.0]


def test_numbers_and_the_parts_of_the_body_they_speak_of() -> None:
    assert numbers("Kicks TWICE and jumps three times, then waves once") == [("legs", 2), ("body", 3), ("arms", 1)]
    assert numbers("a single wave; someone hops 4 times") == [("arms", 1), ("body", 4)]
    assert numbers("a person waves at someone, slowly") == [] == numbers("walks twice around")
