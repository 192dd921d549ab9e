"""Quality measures on motions whose faults are known."""

import pytest
import torch

from sopo.errors import UserError
from sopo.motion.quality import floor_penetration, foot_skating, jitter, limb_speed
from sopo.motion.skeleton import HUMANML3D, KIT

FRAMES = 40
MEASURES = (foot_skating, jitter, floor_penetration, limb_speed)


def still(clips: int = 1) -> torch.Tensor:
    """Bodies [N, T, 22, 3] that stand at the origin: feet on the floor, all else above."""
    joints = torch.zeros(clips, FRAMES, 22, 3)
    joints[..., 1] = 1.0
    joints[:, :, list(HUMANML3D.feet), 1] = 0.02
    return joints


def seconds() -> torch.Tensor:
    return torch.arange(FRAMES) / HUMANML3D.fps


def full(joints: torch.Tensor) -> torch.Tensor:
    return torch.full(joints.shape[:1], joints.shape[1])


@pytest.mark.parametrize("measure", MEASURES)
def test_standing_still_is_faultless(measure) -> None:
    assert measure(still(), full(still()), HUMANML3D).item() == 0.0


def test_skating_counts_low_and_fast_feet() -> None:
    sliding, slow, high = still(), still(), still()
    for joints, speed in ((sliding, 1.0), (slow, 0.4), (high, 1.0)):
        joints[..., 0] += speed * seconds()[:, None]
    high[..., 1] += 0.5
    half = still()
    half[..., 0] += 1.0 * seconds().clamp(max=1.0)[:, None]  # 20 of 39 steps
    joints = torch.cat((sliding, slow, high, half))
    share = foot_skating(joints, full(joints), HUMANML3D)
    # The mean over 5 steps counts nothing beyond the ends: 3/5 of 1 m/s is still sliding.
    torch.testing.assert_close(share, torch.tensor([1.0, 0.0, 0.0, 20 / 39]))


def test_jitter_is_the_jerk() -> None:
    joints = still()
    joints[..., 2] += 2.0 * seconds()[:, None] ** 3  # third derivative: 12
    torch.testing.assert_close(jitter(joints, full(joints), HUMANML3D), torch.tensor([12.0]), rtol=1e-3, atol=0)
    smooth = still()
    smooth[..., 2] += 2.0 * seconds()[:, None] ** 2
    assert jitter(smooth, full(smooth), HUMANML3D).item() < 0.05


def test_limbs_move_against_the_root_wherever_it_goes() -> None:
    joints = still()
    joints[..., 0] += 3.0 * seconds()[:, None]  # the whole body
    joints[:, :, 20, 2] += 0.44 * seconds()  # one joint of 22 besides, at .44 m/s
    torch.testing.assert_close(limb_speed(joints, full(joints), HUMANML3D), torch.tensor([0.02]), rtol=1e-4, atol=0.0)


def test_penetration_is_the_depth_in_metres() -> None:
    joints = still()
    joints[:, : FRAMES // 2, 10, 1] = -0.1
    torch.testing.assert_close(floor_penetration(joints, full(joints), HUMANML3D), torch.tensor([0.05]))
    kit = torch.full((1, FRAMES, 21, 3), -100.0)
    torch.testing.assert_close(floor_penetration(kit, full(kit), KIT), torch.tensor([0.17]))


def test_kit_is_measured_in_metres_and_seconds_too() -> None:
    time = torch.arange(FRAMES) / KIT.fps
    bodies = torch.ones(3, FRAMES, 21, 3)
    bodies[:, :, list(KIT.feet), 1] = 0.02
    bodies[0, ..., 0] += 1.0 * time[:, None]  # slides at 1 m/s
    bodies[1, ..., 0] += 0.4 * time[:, None]
    bodies[2, ..., 2] += 2.0 * time[:, None] ** 3  # jerk of 12
    joints = bodies / KIT.metres_per_unit
    torch.testing.assert_close(foot_skating(joints[:2], full(joints[:2]), KIT), torch.tensor([1.0, 0.0]))
    torch.testing.assert_close(jitter(joints[2:], full(joints[2:]), KIT), torch.tensor([12.0]), rtol=1e-2, atol=0)


def test_the_tips_of_toes_may_swing_over_the_floor() -> None:
    joints = torch.full((1, FRAMES, 21, 3), 1.0)
    joints[0, :, [KIT.joints.index("left_foot"), KIT.joints.index("right_foot")], 1] = 0.0
    joints[..., 0] += torch.arange(FRAMES)[:, None] / KIT.fps
    assert foot_skating(joints / KIT.metres_per_unit, full(joints), KIT).item() == 0.0


@pytest.mark.parametrize("measure", MEASURES)
def test_padding_does_not_matter(measure) -> None:
    joints = still(3) + 0.05 * torch.randn(3, FRAMES, 22, 3)
    length = torch.tensor([FRAMES, 17, 2])
    expected = [measure(joints[n : n + 1, :frames], length[n : n + 1], HUMANML3D) for n, frames in enumerate(length)]
    for n, frames in enumerate(length):
        joints[n, frames:] = float("nan")
    torch.testing.assert_close(measure(joints, length, HUMANML3D), torch.cat(expected))


@pytest.mark.parametrize("measure", MEASURES)
def test_wrong_shapes_are_named(measure) -> None:
    with pytest.raises(UserError, match=r"expected \[N, T, 22, 3\]"):
        measure(torch.zeros(2, 5, 21, 3), torch.tensor([5, 5]), HUMANML3D)
    with pytest.raises(UserError, match="length"):
        measure(torch.zeros(2, 5, 22, 3), torch.tensor([5]), HUMANML3D)
