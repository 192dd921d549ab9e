"""The best of N samples: higher in reward than one, and never chosen by what measures."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from sopo.cli.main import main
from sopo.data.dataset import MotionDataset
from sopo.diffusion.settings import Sampling
from sopo.recipes.bench_grid import Grid, Models
from sopo.recipes.build import load_generator, load_reward
from sopo.recipes.settings import BenchConfig
from sopo.recipes.sources import BestOf, generator_source

ROLLOUT = Sampling("ddim", 1, 1.0)


def test_the_kept_sample_is_the_best_of_those_drawn(world) -> None:
    generator, reward = load_generator(world.generators["mdm"]), load_reward(str(world.reward), 263)
    batch = MotionDataset(world.data, "test").batch(range(8), np.random.default_rng(0))
    means = []
    for count in (1, 8):
        motions = generator_source(generator, ROLLOUT, 0, BestOf(count, reward))(batch, 0)
        means.append(float(reward.score(motions, batch.length, batch.captions).mean()))
    one = generator_source(generator, ROLLOUT, 0)(batch, 0)
    assert float(reward.score(one, batch.length, batch.captions).mean()) == pytest.approx(means[0], rel=1e-4)
    assert means[1] > means[0]


def test_rows_of_eval_and_of_a_bench(world, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["eval", "--generator", str(world.generators["mdm"]), "--data", str(world.data), "--runs", "1"]
    words += ["--evaluator", str(world.evaluator), "--sampling.steps", "1", "--best_of", "2"]
    main([*words, "--reward", str(world.reward), "--out", str(tmp_path / "eval.json")])
    record = json.loads((tmp_path / "eval.json").read_text())
    assert list(record["rows"]) == ["real", str(world.generators["mdm"]), f"{world.generators['mdm']}, best of 2"]
    assert record["best_of"]["count"] == 2
    for reward, said in ((None, "give --reward"), (world.evaluator, "must not measure itself")):
        with pytest.raises(SystemExit):
            main([*words, *(["--reward", str(reward)] if reward else [])])
        assert said in capsys.readouterr().err

    models = Models((world.generators["mdm"],), str(world.reward), world.evaluator)
    config = BenchConfig(runs=1, best_of=2, sampling=ROLLOUT)
    made = Grid("mdm", world.generators["mdm"], tmp_path / "grid", world.data, [], models, config)
    for name in made.untrained():
        made._measure(name)
    rows = made.rows()
    assert list(rows) == ["real", "mdm", "mdm, best of 2 at sampling"]
    assert rows["mdm"]["R@1"].mean == record["rows"][str(world.generators["mdm"])]["R@1"]["mean"]
    again = Grid("mdm", world.generators["mdm"], tmp_path / "grid", world.data, [], models, dataclasses.replace(config))
    assert repr(again.rows()) == repr(rows)
