"""Any function as a reward: what it is shown, how often it is asked, and what is said when it fails."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from sopo.batch import as_captions
from sopo.errors import UserError
from sopo.motion.decode import decode_joints
from sopo.motion.skeleton import HUMANML3D
from sopo.rewards.function import FunctionReward
from sopo.rewards.physical import PhysicalReward, WeightedReward
from sopo.rewards.threshold import resolve_tau, seen_range

CAPTIONS = as_captions(["walk", "jump up", "walk"])
LENGTH = torch.tensor([24, 12, 16])


def motions(seed: int = 0) -> torch.Tensor:
    return 0.3 * torch.randn(3, 24, 263, generator=torch.Generator().manual_seed(seed))


def test_it_is_shown_joints_or_features_without_padding() -> None:
    seen: list[Any] = []

    def of_joints(joints: Any, lengths: Any, captions: Any) -> Any:
        seen.append((joints, lengths, captions))
        return lengths / 100

    def of_features(features: Any, lengths: Any, captions: Any) -> Any:
        seen.append((features, lengths, captions))
        return lengths / 100

    x = motions()
    x[1, 12:] = torch.nan
    for function in (of_joints, of_features):
        torch.testing.assert_close(FunctionReward(function).score(x, LENGTH, CAPTIONS), LENGTH / 100)
    (joints, lengths, captions), (features, *_) = seen
    assert joints.shape == (3, 24, 22, 3) and features.shape == (3, 24, 263) and captions == ["walk", "jump up", "walk"]
    assert lengths.tolist() == [24, 12, 16]
    assert not joints[1, 12:].any() and not features[1, 12:].any()
    np.testing.assert_allclose(joints[0], decode_joints(x[0], HUMANML3D), rtol=1e-5, atol=1e-5)


def test_a_motion_and_caption_are_asked_for_once() -> None:
    asked: list[int] = []

    def count(features: Any, lengths: Any, captions: Any) -> Any:
        asked.append(len(captions))
        return features[:, 0, 0]

    reward = FunctionReward(count, batch_size=2)
    x = motions()
    first = reward.score(x, LENGTH, CAPTIONS)
    longer = torch.cat([x, torch.ones(3, 4, 263)], 1)  # padding is no part of a motion
    torch.testing.assert_close(reward.score(longer, LENGTH, CAPTIONS), first)
    assert asked == [2, 1]
    reward.score(x, LENGTH, as_captions(["walk", "jump up", "run"]))
    reward.score(x[:1].repeat(3, 1, 1), LENGTH[:1].repeat(3), as_captions(["new"] * 3))
    assert asked == [2, 1, 1, 1]
    assert reward.report() == {
        "reward/count/calls": 4,
        "reward/count/cache hits": 3 + 2 + 2,
        "reward/count/retries": 0,
    }
    assert set(reward.report().values()) == {0}


def test_what_fails_is_asked_for_again_but_not_for_ever() -> None:
    failures = [TimeoutError("slow"), ConnectionError("gone")]

    def flaky(features: Any, lengths: Any, captions: Any) -> Any:
        if failures:
            raise failures.pop()
        return np.zeros(len(captions))

    reward = FunctionReward(flaky, attempts=3, pause=0)
    assert not reward.score(motions(), LENGTH, CAPTIONS).any()
    assert reward.report()["reward/flaky/retries"] == 2
    failures += [TimeoutError("slow")] * 9
    with pytest.raises(UserError, match="flaky: failed 3 times, at last with TimeoutError: slow"):
        reward.score(motions(1), LENGTH, CAPTIONS)
    failures[:] = [NameError("x")] * 2
    with pytest.raises(UserError, match="flaky: failed with NameError: x"):
        reward.score(motions(1), LENGTH, CAPTIONS)
    assert len(failures) == 1, "a mistake of the code is no reason to ask again"


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (lambda n: np.zeros(n + 1), r"numbers of shape \[4\] for 3 motions"),
        (lambda n: np.full(n, np.nan), "not finite"),
        (lambda n: np.full(n, 1.5), r"gave 1.5, outside the range 0..1"),
        (lambda n: ["good"] * n, "gave list, not a number"),
        (lambda n: None, "not finite|shape"),
    ],
)
def test_answers_that_are_none(answer: Callable[[int], Any], says: str) -> None:
    reward = FunctionReward(lambda features, lengths, captions: answer(len(captions)), "mine", range=(0, 1))
    with pytest.raises(UserError, match=f"mine: .*({says})"):
        reward.score(motions(), LENGTH, CAPTIONS)


def test_what_takes_something_else_is_refused() -> None:
    for function in (lambda motion: 0, lambda frames, lengths, captions: 0, lambda joints: 0):
        with pytest.raises(UserError, match="expected a function of"):
            FunctionReward(function)  # type: ignore[arg-type]
    with pytest.raises(UserError, match="a range"):
        FunctionReward(lambda joints, lengths, captions: 0, range=(1, 0))


def test_a_range_that_is_not_declared_is_that_of_what_was_seen() -> None:
    reward = FunctionReward(lambda features, lengths, captions: features[:, 0, 0])
    seen = torch.tensor([3.0, -1.0, 2.0])
    assert seen_range(reward.range, seen) == (-1, 3) and seen_range((0, 1), seen) == (0, 1)
    with pytest.raises(UserError, match=r"tau is 5, the reward lies in -1\.\.3"):
        resolve_tau(5, seen, seen_range(reward.range, seen))


def test_a_sum_reports_its_terms_by_name() -> None:
    half = FunctionReward(lambda features, lengths, captions: [0.5] * len(captions), "half")
    total = WeightedReward([(2.0, half), (1.0, PhysicalReward())])
    score = total.score(motions(), LENGTH, CAPTIONS)
    told = total.report()
    assert told["reward/half"] == 0.5 and told["reward/half/calls"] == 1
    assert told["reward/PhysicalReward"] == pytest.approx((score - 1).mean().item(), abs=1e-6)
    assert "reward/half" not in total.report()
