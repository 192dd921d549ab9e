"""A reward from A/B choices: the likelihood, the folder, the labels' file, and the command end to end."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from sopo.batch import as_captions
from sopo.cli.main import main
from sopo.errors import UserError
from sopo.matching.settings import TMRConfig
from sopo.matching.tmr import TMR
from sopo.recipes.build import load_reward, reward_terms
from sopo.recipes.preference_reward import train_preference_reward
from sopo.recipes.settings import ChoicesConfig
from sopo.rewards.bradley_terry import BradleyTerry, BradleyTerryReward
from sopo.rewards.learned import TMRReward
from sopo.rewards.physical import PhysicalReward, WeightedReward
from sopo.rewards.settings import BradleyTerryConfig

SIZES = TMRConfig(263, "hashed-16", 16, 32)
CAPTIONS = as_captions(["walk", "jump up", "walk", "a person sits down"])
LENGTH = torch.tensor([24, 12, 16, 8])


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def tmr(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    return TMR(SIZES).save_pretrained(tmp_path / "tmr")


def motions(seed: int = 0) -> Tensor:
    return 0.3 * torch.randn(4, 24, 263, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    """40 choices; people like motions whose first feature is high."""
    rng = np.random.default_rng(0)
    rows = []
    for index in range(40):
        sign = 1.0 if index % 2 else -1.0
        for side, level in (("a", sign), ("b", -sign)):
            motion = rng.normal(0, 0.3, (16, 263)).astype(np.float32)
            motion[:, :40] += 1.5 * level
            np.save(tmp_path / f"{index}{side}.npy", motion)
        files = {"motion_a": f"{index}a.npy", "motion_b": f"{index}b.npy"}
        rows.append({"caption": f"a person, walks {index % 3}", **files, "preferred": "a" if sign > 0 else "b"})
    path = tmp_path / "choices.csv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    (tmp_path / "choices.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.mark.usefixtures("float64")
def test_reward_keeps_its_range_and_sees_no_padding() -> None:
    reward = BradleyTerryReward(BradleyTerry(BradleyTerryConfig(SIZES)))
    score = reward.score(motions(), LENGTH, CAPTIONS)
    assert score.shape == (4,) and ((score > 0) & (score < 1)).all() and not score.requires_grad
    dirty = motions()
    dirty[1, 12:] = 1e6
    torch.testing.assert_close(reward.score(dirty, LENGTH, CAPTIONS), score)
    assert reward.embed_motions(motions(), LENGTH).shape == (4, 16)


def test_the_matcher_inside_is_frozen() -> None:
    model = BradleyTerry(BradleyTerryConfig(SIZES)).train()
    assert not model.matcher.training and not any(p.requires_grad for p in model.matcher.parameters())


def test_it_learns_what_people_prefer(tmr: Path, labels: Path, tmp_path: Path) -> None:
    found = train_preference_reward(labels, tmr, tmp_path / "out", ChoicesConfig(prior=1.0, held_out=0.4))
    held = found["held_out"]
    assert held["share"] == 1.0 > held["low"] and held["choices"] + found["trained_on"] == 40
    assert found["curve"][-1]["answers"] == found["trained_on"] and (tmp_path / "out/run/accuracy.png").is_file()
    liked, disliked = motions() + 0.0, motions() + 0.0
    liked[:, :, :40] += 1.5
    disliked[:, :, :40] -= 1.5
    model = BradleyTerry.from_pretrained(tmp_path / "out")
    high, low = (model.strength(model.describe_pair(x, LENGTH, CAPTIONS)) for x in (liked, disliked))
    assert (high > low).all() and isinstance(load_reward(tmp_path / "out", 263), BradleyTerryReward)
    before, after = TMR.from_pretrained(tmr), model.matcher
    for name, tensor in before.state_dict().items():
        torch.testing.assert_close(after.state_dict()[name], tensor, rtol=0, atol=0)


@pytest.mark.usefixtures("float64")
def test_without_answers_it_ranks_as_the_tmr_does() -> None:
    model = BradleyTerry(BradleyTerryConfig(SIZES))
    reward = BradleyTerryReward(model)
    cosine = TMRReward(model.matcher, plain_cosine=True).score(motions(), LENGTH, CAPTIONS)
    torch.testing.assert_close(reward.score(motions(), LENGTH, CAPTIONS), cosine.sigmoid())


def test_the_command(tmr: Path, labels: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "people"
    arguments = ["train", "preference-reward", "--reward", str(tmr), "--labels", str(labels), "--out", str(out)]
    main(arguments)
    assert "choices foreseen" in capsys.readouterr().out
    assert isinstance(load_reward(out, 263), BradleyTerryReward)
    assert json.loads((out / "run" / "run.json").read_text())["choices"] == 40
    with pytest.raises(SystemExit, match="2"):
        main([*arguments[:-3], "gone.csv", "--out", str(out)])
    assert "gone.csv" in capsys.readouterr().err


def test_a_sum_of_rewards_by_name(tmr: Path) -> None:
    total = load_reward(f"0.7*{tmr} + 0.3*physical", 263)
    assert isinstance(total, WeightedReward) and total.range == pytest.approx((0, 1))
    parts = TMRReward(TMR.from_pretrained(tmr)), PhysicalReward()
    expected = sum(w * part.score(motions(), LENGTH, CAPTIONS) for w, part in zip((0.7, 0.3), parts, strict=True))
    torch.testing.assert_close(total.score(motions(), LENGTH, CAPTIONS), expected)


def test_terms() -> None:
    assert reward_terms("physical") == [(1.0, "physical")]
    assert reward_terms("-0.5 * runs/tmr + physical") == [(-0.5, "runs/tmr"), (1.0, "physical")]
    for nonsense in ("much*physical", "0.5*", "physical + ", "0*physical", "nan*physical"):
        with pytest.raises(UserError, match="cannot read"):
            reward_terms(nonsense)
