"""Alignment by adapters: the reference shares the policy's weights, and what is saved is a plain model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor

import sopo.recipes.align as recipe
from sopo.batch import Batch
from sopo.cli.main import main
from sopo.diffusion.settings import Sampling
from sopo.generators.generator import Generator
from sopo.nn.lora import add_adapters
from sopo.nn.settings import LoRAConfig
from sopo.preference.objective import PreferenceObjective
from sopo.preference.settings import PreferenceConfig
from sopo.randomness import Draws
from sopo.recipes.align import align
from sopo.recipes.batches import training_batches
from sopo.recipes.build import load_dataset, load_generator, load_reward
from sopo.training.log import read_log
from sopo.training.settings import LoopConfig

every_family = pytest.mark.parametrize("family", ["mdm", "mld", "momask", "flow"])
SOPO = PreferenceConfig("sopo", K=2, tau="q1", scale=5.0, rollout=Sampling("ddim", 1, 1.0))
LOOP = LoopConfig(steps=4, batch_size=4, learning_rate=1e-2, checkpoint_every=2, ema=0.5)


def tensors(model: Generator) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


@every_family
def test_the_reference_is_the_policy_without_its_adapters(world, family: str) -> None:
    policy = load_generator(world.generators[family])
    before, weights = tensors(policy), {p.data_ptr() for p in policy.parameters()}
    add_adapters(policy, 3, seed=0)
    objective = PreferenceObjective(policy, load_reward(world.reward, 263), SOPO, tau=1.0)
    own = [p for p in objective.reference.parameters() if p.data_ptr() not in weights]
    adapters = [p for p in policy.parameters() if p.requires_grad]
    assert [p.shape for p in own] == [p.shape for p in adapters] and not any(p.requires_grad for p in own)

    batch = training_batches(load_dataset(world.data, "train", policy), LOOP)(0)
    optimizer = torch.optim.AdamW(adapters, lr=1e-2)
    for step in range(3):
        loss, values = objective(batch, Draws(0, 4))
        moved = values["h_w"] != 0 and values["h_l"] != 0
        assert moved == (step > 0)  # exactly 0 at the start
        loss.backward()
        optimizer.step()
    now = objective.reference.state_dict()
    for name, value in before.items():
        place, _, last = name.rpartition(".")
        assert torch.equal(now[name] if name in now else now[f"{place}.parametrizations.{last}.original"], value)


@every_family
def test_what_is_saved_is_the_adapted_model(world, tmp_path: Path, family: str, monkeypatch) -> None:
    seen: list[Tensor] = []
    dataset = load_dataset(world.data, "train", base := load_generator(world.generators[family]))
    batch = training_batches(dataset, LOOP)(0)

    def error(model: Generator) -> Tensor:
        x = base.encode(batch)
        with torch.no_grad():
            return model.nll(x, batch.length, model.embed(batch.captions), model.draw(x, Draws(1, 4)))

    merge = recipe.merge_adapters
    monkeypatch.setattr(recipe, "merge_adapters", lambda model: (seen.append(error(model.eval())), merge(model)))
    align(world.data, world.generators[family], world.reward, tmp_path / "out", SOPO, LOOP, lora=LoRAConfig(3))
    saved = load_generator(tmp_path / "out")
    torch.testing.assert_close(error(saved), seen[0], atol=1e-5, rtol=1e-5)
    assert not torch.allclose(error(saved), error(base), atol=1e-4)
    assert saved.state_dict().keys() == base.state_dict().keys()
    log = read_log(tmp_path / "out" / "run" / "log.jsonl")
    assert log[0]["h_w"] == 0 and log[0]["loss"] == pytest.approx(0.693147, abs=1e-5)
    state = torch.load(tmp_path / "out" / "run" / "checkpoint.pt", weights_only=True)
    trained = [name for name in state["model"] if not name.endswith((".codes", ".sum", ".count"))]  # or codebooks
    assert trained and all(name.endswith((".up", ".down")) for name in trained)


def test_a_resumed_run_is_the_uninterrupted_one(world, tmp_path: Path, monkeypatch) -> None:
    def run(out: Path) -> dict[str, Tensor]:
        return tensors(align(world.data, world.generators["mdm"], world.reward, out, SOPO, LOOP, lora=LoRAConfig(2)))

    whole = run(tmp_path / "whole")
    batches = recipe.training_batches

    def killed(*arguments):
        inner = batches(*arguments)

        def batch(step: int) -> Batch:
            if step == 3:
                raise KeyboardInterrupt
            return inner(step)

        return batch

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(recipe, "training_batches", killed)
        run(tmp_path / "cut")
    resumed = run(tmp_path / "cut")
    assert all(torch.equal(resumed[name], value) for name, value in whole.items())


def test_the_command(world, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    models = ["--generator", str(world.generators["mdm"]), "--reward", str(world.reward), "--data", str(world.data)]
    small = ["--steps", "1", "--batch_size", "4", "--out", str(tmp_path / "out"), "--rollout.steps", "1"]
    main(["align", *models, *small, "--lora.rank", "2"])
    assert json.loads((tmp_path / "out" / "run" / "run.json").read_text())["LoRAConfig"] == {"rank": 2}
    capsys.readouterr()
    with pytest.raises(SystemExit) as stopped:
        main(["align", *models, *small, "--lora.rank", "-2"])
    assert stopped.value.code == 2 and "lora.rank is -2" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["align", *models, *small, "--lora.rank", "3", "--steps", "2"])
    assert "LoRAConfig.rank (2, now 3)" in capsys.readouterr().err
