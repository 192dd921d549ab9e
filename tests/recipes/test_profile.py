"""The cost of a step: every moment belongs to one part, and it is the real step that is timed."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

import sopo.recipes.profile as recipe
from sopo.cli.main import main
from sopo.diffusion.settings import Sampling
from sopo.preference.settings import PreferenceConfig
from sopo.recipes.build import load_dataset, load_generator
from sopo.recipes.profile import (
    KEPT,
    OPTIMISER,
    POLICY,
    REFERENCE,
    REST,
    SAMPLING,
    SCORING,
    UPDATE,
    WEIGHTS,
    Clock,
    profile,
)
from sopo.training.settings import LoopConfig

LOOP = LoopConfig(steps=2, batch_size=4)


def config(method: str) -> PreferenceConfig:
    return PreferenceConfig(method, K=3, rollout=Sampling("ddim", 1, 1.0))


def test_a_clock_gives_the_time_to_one_part_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(recipe, "_now", lambda: now)

    def spend(seconds: float) -> None:
        nonlocal now
        now += seconds

    clock = Clock()
    inner = clock.timed("inner", spend)

    def outer() -> None:
        spend(1)
        inner(2)
        spend(4)

    spend(8)
    clock.timed("outer", outer)()
    spend(16)
    clock.turn("next")
    assert clock.seconds == {"inner": 2, "outer": 5, REST: 24}


@pytest.mark.parametrize("family", ["mdm", "mld", "momask", "flow"])
def test_a_step_of_sopo_has_all_parts(world, family: str) -> None:
    cost = profile(world.data, world.generators[family], world.reward, config("sopo"), LOOP)
    assert list(cost.seconds) == [SAMPLING, SCORING, POLICY, REFERENCE, UPDATE, REST]
    assert all(seconds > 0 for seconds in cost.seconds.values()) and cost.peak > 2**20
    captions = sum(len(item.captions) for item in load_dataset(world.data, "train").items)
    assert cost.budget == pytest.approx(1000 * 4 * 3 / captions)
    trained = sum(p.numel() for p in load_generator(world.generators[family]).parameters() if p.requires_grad)
    assert cost.memory[OPTIMISER] == 16 * trained and cost.memory[WEIGHTS] > 2 * 4 * trained


def test_layers_that_are_computed_again_keep_less(world) -> None:
    costs = [
        profile(world.data, world.generators["mdm"], world.reward, config("sopo"), replace(LOOP, recompute=recompute))
        for recompute in (False, True)
    ]
    assert 0 < costs[1].memory[KEPT] < costs[0].memory[KEPT]


def test_plain_training_has_neither_samples_nor_reference(world) -> None:
    cost = profile(world.data, world.generators["mdm"], world.reward, config("sft"), LOOP)
    idle = {part for part, seconds in cost.seconds.items() if seconds == 0}
    assert idle == {SAMPLING, SCORING, REFERENCE} and cost.budget == 0


def test_the_command(
    world, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    models = ["--generator", str(world.generators["mdm"]), "--data", str(world.data)]
    small = ["--steps", "1", "--batch_size", "4", "--rollout.steps", "1", "--lora.rank", "2"]
    small += ["--plan.steps", "3600", "--plan.price", "200"]
    main(["profile", *models, "--reward", "physical", "--method", "dsopo", *small])
    *parts, whole, weights, optimiser, kept, peak, plan = capsys.readouterr().out.strip().splitlines()
    assert all(line.endswith("MiB") for line in (weights, optimiser, kept, peak))
    hours, cost = map(
        float, re.fullmatch(r"3600 steps: ([\d.]+) hours, ([\d.]+) at 200 an hour; .* passes", plan).groups()
    )
    seconds = float(re.findall(r"([\d.]+) ms", whole)[0]) / 1000
    assert hours == pytest.approx(seconds, abs=0.006) and cost == pytest.approx(200 * seconds, abs=0.02)
    shares = [float(re.findall(r"([\d.]+)%", line)[0]) for line in parts]
    assert len(shares) == 6 and sum(shares) == pytest.approx(100, abs=0.5) and "100.0%" in whole
    assert not list(tmp_path.iterdir())
