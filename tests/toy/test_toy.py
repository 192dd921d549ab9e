"""Figure 2 at toy size: the world, the model's contract, and one short course of every method."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from sopo.cli.main import main
from sopo.errors import UserError
from sopo.preference.ratio import log_ratio
from sopo.randomness import Draws
from sopo.toy.points import PointDiffusion
from sopo.toy.run import REFERENCE, align, as_table, interval, play, pretrain
from sopo.toy.settings import PointConfig, ToyConfig
from sopo.toy.world import CENTRES, REGIONS, RegionReward, as_batch, labelled_pairs, masses, training_points

SMALL = ToyConfig(seeds=2, pretrain_steps=30, steps=4, every=2, points=200, batch_size=16, pairs=32)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def test_the_world_is_as_its_regions_say() -> None:
    mass = masses(training_points(Draws(0, 20000))[:, 0])
    for region in REGIONS:
        assert mass[region.name] == pytest.approx(0.989 * region.share, abs=0.015)
    assert sum(mass.values()) == pytest.approx(1)


def test_labels_leave_an_unpreferred_region_out() -> None:
    winners, losers = labelled_pairs(Draws(0, 4000))
    won, lost = masses(winners[:, 0]), masses(losers[:, 0])
    for region in REGIONS:
        assert (won[region.name] > 0.1) == (region.labelled and region.good)
        assert (lost[region.name] > 0.1) == (region.labelled and not region.good)


def test_reward_is_highest_at_the_rare_good_and_lowest_at_the_bad() -> None:
    scores = RegionReward().score(CENTRES[:, None], torch.ones(len(CENTRES)), ())
    expected = torch.tensor([region.reward for region in REGIONS])
    torch.testing.assert_close(scores, expected, atol=0.1, rtol=0)  # the bumps have tails


def test_the_model_keeps_the_contract_of_generators() -> None:
    model = PointDiffusion(PointConfig(width=8)).eval()
    batch = as_batch(training_points(Draws(0, 6)))
    draw = model.draw(batch.motion, Draws(1, 6))
    h, error = log_ratio(model, model, batch.motion, batch.length, model.embed(batch.captions), draw)
    assert h.abs().max() == 0 and error.shape == (6,)


@pytest.mark.parametrize("method", ["dpo", "online-dpo", "sopo"])
def test_a_course_starts_at_the_reference_and_marks_its_losers(method: str) -> None:
    reference = pretrain(SMALL, 0)
    snapshots = align(reference, method, SMALL, 0)
    assert [snapshot.step for snapshot in snapshots] == [0, 2, 4]
    assert all(snapshot.points.shape == (200, 2) for snapshot in snapshots)
    again = align(reference, method, SMALL, 0)
    torch.testing.assert_close(again[-1].points, snapshots[-1].points, rtol=0, atol=0)
    pushed = snapshots[0].pushed
    assert 0 < len(pushed) <= 16
    if method == "dpo":
        assert masses(pushed)["labelled bad"] > 0.9
    if method == "sopo":
        assert (RegionReward().score(pushed[:, None], torch.ones(len(pushed)), ()) < 0).all()


def test_the_table_is_the_mean_over_seeds() -> None:
    courses = play(SMALL, lambda done, total, note="": None)
    table = as_table(courses)
    assert list(table) == [REFERENCE, *SMALL.methods]
    by_hand = [masses(course["sopo"][-1].points)["good"] for course in courses]
    assert table["sopo"]["good"].mean == pytest.approx(np.mean(by_hand))
    mean, reach = interval(np.array([1.0, 2.0, 3.0]))
    assert (mean, reach) == (2.0, pytest.approx(4.302653 / 3**0.5))


def test_the_command_writes_pictures_and_numbers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    size = ["--seeds", "1", "--pretrain_steps", "20", "--steps", "2", "--every", "1", "--points", "50"]
    main(["toy", "--out", str(tmp_path), "--batch_size", "8", "--pairs", "8", *size])
    content = json.loads((tmp_path / "toy.json").read_text())
    assert content["share_of_samples"].keys() == {REFERENCE, "dpo", "online-dpo", "sopo"}
    assert content["share_of_samples"]["sopo"]["good"]["ci"] is None  # one seed has no spread
    assert (tmp_path / "toy.png").stat().st_size > 10_000 and (tmp_path / "toy.gif").stat().st_size > 10_000
    assert "toy.png" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("settings", "says"),
    [({"steps": 0}, "steps is 0"), ({"pairs": 4}, "pairs is 4"), ({"methods": ("sft",)}, "sft")],
)
def test_refuses(settings: dict, says: str) -> None:
    with pytest.raises(UserError, match=says):
        ToyConfig(**settings)
