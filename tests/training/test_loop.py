"""The loop: exact resume, refusals, learning rates, averaged weights, and any number of processes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from small_run import batches, main, objective_of, settings
from torch import Tensor, nn

from sopo.batch import Batch
from sopo.errors import UserError
from sopo.preference.objective import PreferenceObjective
from sopo.randomness import Draws
from sopo.training.ema import EMA
from sopo.training.log import read_log
from sopo.training.loop import CHECKPOINT, fit
from sopo.training.settings import LoopConfig


class Toy(nn.Module):
    """A parabola, whose loss and slope can be spoilt at a given call."""

    def __init__(self, nan_loss_at: int = -1, nan_slope_at: int = -1) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([1.0, -2.0]))
        self.calls, self.nan_loss_at, self.nan_slope_at = 0, nan_loss_at, nan_slope_at

    def forward(self, batch: Batch, draws: Draws) -> tuple[Tensor, dict[str, Tensor]]:
        loss = self.weight.square().sum()
        if self.calls == self.nan_loss_at:
            loss = loss * float("nan")
        if self.calls == self.nan_slope_at:
            loss = loss + (0 * self.weight).sqrt().sum()  # 0, and its slope 0 times infinity
        self.calls += 1
        return loss, {"calls": torch.tensor(float(self.calls))}


def weights(objective: PreferenceObjective) -> dict[str, Tensor]:
    return {name: p.detach().clone() for name, p in objective.policy.named_parameters()}


def assert_same(one: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], value) for name, value in other.items())


@pytest.mark.parametrize("method", ["sopo", "online-dpo", "sft"])
def test_a_resumed_run_is_the_uninterrupted_one_to_the_last_bit(method: str, tmp_path: Path) -> None:
    plan = {"ema": 0.9, "warmup": 2, "checkpoint_every": 3}
    whole = objective_of(method)
    average = fit(whole, batches, settings(6, **plan), tmp_path / "whole")

    # Killed in step 5: the checkpoint of step 3 counts, the log is ahead of it and its last line is cut.
    def until_step_5(step: int) -> Batch:
        if step == 5:
            raise KeyboardInterrupt
        return batches(step)

    with pytest.raises(KeyboardInterrupt):
        fit(objective_of(method), until_step_5, settings(6, **plan), tmp_path / "cut")
    with (tmp_path / "cut" / "log.jsonl").open("a") as file:
        file.write('{"step": 6, "lo')
    assert [line["step"] for line in read_log(tmp_path / "cut" / "log.jsonl")] == [1, 2, 3, 4, 5]

    torch.manual_seed(99)  # nothing may hang on the state of the process
    resumed = objective_of(method)
    torch.manual_seed(98)
    average_resumed = fit(resumed, batches, settings(6, **plan), tmp_path / "cut")
    assert_same(weights(resumed), weights(whole))
    assert_same(average_resumed.average, average.average)
    assert (tmp_path / "cut" / "log.jsonl").read_text() == (tmp_path / "whole" / "log.jsonl").read_text()
    finals = [torch.load(tmp_path / name / CHECKPOINT, weights_only=True) for name in ("whole", "cut")]
    assert_same(finals[1]["model"], finals[0]["model"])


def test_a_finished_run_resumes_to_itself(tmp_path: Path) -> None:
    first, again = objective_of(), objective_of()
    fit(first, batches, settings(2, ema=0.5), tmp_path)
    fit(again, batches, settings(2, ema=0.5), tmp_path)
    assert_same(weights(again), weights(first))
    assert [line["step"] for line in read_log(tmp_path / "log.jsonl")] == [1, 2]


def test_a_longer_plan_continues_a_finished_run(tmp_path: Path) -> None:
    whole, longer = objective_of(), objective_of()
    fit(whole, batches, settings(4, ema=0.5), tmp_path / "whole")
    fit(objective_of(), batches, settings(2, ema=0.5), tmp_path / "longer")
    fit(longer, batches, settings(4, ema=0.5), tmp_path / "longer")
    assert_same(weights(longer), weights(whole))


def test_a_loss_that_is_no_number_stops_the_run(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"loss is nan at step 3; lower --learning_rate"):
        fit(Toy(nan_loss_at=2), batches, settings(5, checkpoint_every=1), tmp_path)
    state = torch.load(tmp_path / CHECKPOINT, weights_only=True)
    assert state["step"] == 2 and state["model"]["weight"].isfinite().all()


def test_a_slope_that_is_no_number_never_reaches_a_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"gradient is nan at step 3; lower --learning_rate"):
        fit(Toy(nan_slope_at=2), batches, settings(5, checkpoint_every=1), tmp_path)
    state = torch.load(tmp_path / CHECKPOINT, weights_only=True)
    assert state["step"] == 2 and state["model"]["weight"].isfinite().all()


def test_rates_warm_up_and_decay() -> None:
    config = LoopConfig(steps=10, learning_rate=0.1, warmup=3)
    assert [config.rate(step) for step in range(5)] == pytest.approx([0.025, 0.05, 0.075, 0.1, 0.1])
    config = LoopConfig(steps=10, learning_rate=0.1, decay="cosine")
    rates = [config.rate(step) for step in range(11)]
    assert rates[0] == pytest.approx(0.1) and rates[5] == pytest.approx(0.05) and rates[10] == pytest.approx(0)
    assert rates == sorted(rates, reverse=True)


def test_the_log_tells_loss_rate_and_what_the_objective_says(tmp_path: Path) -> None:
    fit(Toy(), batches, settings(3, warmup=1), tmp_path)
    lines = read_log(tmp_path / "log.jsonl")
    assert [line["step"] for line in lines] == [1, 2, 3]
    assert lines[0]["loss"] == 5 and lines[0]["gradient_norm"] == pytest.approx(2 * 5**0.5)
    assert [line["learning_rate"] for line in lines] == pytest.approx([5e-4, 1e-3, 1e-3])
    assert [line["calls"] for line in lines] == [1, 2, 3]


def test_average_of_weights() -> None:
    toy = Toy()
    ema = EMA(toy, decay=0.5)
    values = [1.0]
    for step in range(1, 21):
        with torch.no_grad():
            toy.weight += 1.0
        ema.update(step)
        decay = min(0.5, step / (step + 9))
        values.append(decay * values[-1] + (1 - decay) * toy.weight[0].item())
    assert ema.average["weight"][0].item() == pytest.approx(values[-1], rel=1e-5)
    live = toy.weight.detach().clone()
    with ema.applied():
        assert torch.equal(toy.weight, ema.average["weight"])
    assert torch.equal(toy.weight, live)
    toy.weight.requires_grad_()
    follower = EMA(toy, decay=0.0)
    with torch.no_grad():
        toy.weight += 1.0
    follower.update(1)
    assert torch.equal(follower.average["weight"], toy.weight)


@pytest.mark.parametrize(
    "wrong", [{"steps": 0}, {"batch_size": 0}, {"learning_rate": 0.0}, {"ema": 1.0}, {"warmup": -1}], ids=str
)
def test_plans_that_cannot_be_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(UserError, match=next(iter(wrong))):
        LoopConfig(**wrong)  # type: ignore[arg-type]


@pytest.mark.slow
@pytest.mark.usefixtures("float64")
def test_two_processes_learn_what_one_learns(tmp_path: Path) -> None:
    script = Path(__file__).with_name("small_run.py")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [*command, str(script), str(tmp_path / "two"), "sopo"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=400,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    main(tmp_path / "one", "sopo")
    one, two = (load_file(tmp_path / name / "weights.safetensors") for name in ("one", "two"))
    start = objective_of(dropout=0.0).policy.state_dict()
    for name, value in one.items():
        torch.testing.assert_close(two[name], value, atol=1e-7, rtol=0)
    assert any((value - start[name]).abs().max() > 1e-3 for name, value in one.items())
    logs = [read_log(tmp_path / name / "log.jsonl") for name in ("one", "two")]
    for alone, shared in zip(*logs, strict=True):
        if alone["step"] == 1:  # no model has moved: rounding decides which h is the larger
            del alone["implicit_accuracy"], shared["implicit_accuracy"]
        assert shared == pytest.approx(alone, rel=1e-9, abs=1e-9)
    assert any(line["vu"] not in (0, 0.5, 1) for line in logs[0])  # the processes have unlike numbers of losers


Line = dict[str, float]


def gradients_of(objective: PreferenceObjective, folder: Path, **changes: float | str) -> tuple[list[Tensor], Line]:
    """What the only step of a run steps by, and what it logs."""
    found: dict[int, Tensor] = {}
    trainable = [p for p in objective.parameters() if p.requires_grad]
    for number, parameter in enumerate(trainable):
        parameter.register_post_accumulate_grad_hook(lambda p, at=number: found.update({at: p.grad.clone()}))
    fit(objective, batches, settings(1, gradient_clip=0.0, **changes), folder)
    return [found[number] for number in sorted(found)], read_log(folder / "log.jsonl")[0]


@pytest.mark.parametrize("changes", [{"micro_batch": 1}, {"micro_batch": 2}, {"recompute": True}])
@pytest.mark.parametrize("method", ["sopo", "online-dpo"])
def test_micro_batches_and_recomputed_layers_give_the_whole_batch_s_gradient(
    method: str, changes: dict, tmp_path: Path, float64: None
) -> None:
    def moved() -> PreferenceObjective:
        objective = objective_of(method, dropout=0.0)
        for number, parameter in enumerate(objective.policy.parameters()):
            torch.manual_seed(number)
            parameter.data.add_(0.05 * torch.randn_like(parameter))
        return objective

    whole, line = gradients_of(moved(), tmp_path / "whole")
    parts, same = gradients_of(moved(), tmp_path / "parts", **changes)
    scale = max(float(gradient.abs().max()) for gradient in whole)
    assert scale > 1e-3 and len(parts) == len(whole)
    assert max(float((a - b).abs().max()) for a, b in zip(parts, whole, strict=True)) < 1e-9 * scale
    assert same == pytest.approx(line, rel=1e-9)
    assert method != "sopo" or line["vu"] in (0.25, 0.75)  # parts have unlike numbers of losers that count


def test_a_micro_batch_that_leaves_a_rest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="micro_batch is 3: a process's 4 motions must divide by it"):
        fit(Toy(), batches, settings(1, micro_batch=3), tmp_path)
