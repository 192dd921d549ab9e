"""All that a GPU has to show, in one run of some minutes: a table on standard output and in ``--out``.

For each of MDM, MLD* and MoMask at their published sizes with random weights, TMR as the reward, the ``paper`` preset:
loss and gradient against the CPU's; a step against the plain composition (``plain_step.py``); peak memory; the share
of the card's own matrix product that drawing candidates reaches, in float32, bf16 and compiled; what bf16 changes in
loss and rewards; and two steps of the loop, which accelerate puts on the device.
Run: ``python benchmarks/gpu.py --out gpu.md``; ``--device cpu --tiny`` tries the script itself.
"""

from __future__ import annotations

import argparse
import platform
import tempfile
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from published_sizes import FAMILIES, generator, tmr, typical_batch
from step import counter, forget_texts, gradient, matrix_peak, objective_of, step_of, timed, unlike

from sopo.batch import Batch
from sopo.nn.cheaper import cheaper
from sopo.preference.objective import PreferenceObjective
from sopo.randomness import Draws
from sopo.rewards.learned import TMRReward
from sopo.training.log import read_log
from sopo.training.loop import fit
from sopo.training.settings import LoopConfig

Row = tuple[str, str]


def made(family: str, tiny: bool, steps: int, device: torch.device) -> PreferenceObjective:
    """The same objective on any device: models, reference and text models."""
    torch.manual_seed(0)
    objective = objective_of(generator(family, tiny), TMRReward(tmr(tiny)), steps)
    unlike(objective)
    assert isinstance(objective.reward, TMRReward)
    objective.reward.matcher.to(device)
    for text in (objective.policy.text, objective.reward.matcher.embedder):
        text.encoder.network.to(device)  # type: ignore[attr-defined]
    return objective.to(device)


def against_the_cpu(family: str, tiny: bool, device: torch.device) -> list[Row]:
    """Loss and gradient of a small step with the same noise on both."""
    steps, batch = 2, typical_batch(2, seed=0)
    found = []
    for place in (torch.device("cpu"), device):
        objective, there = made(family, tiny, steps, place), batch.to(place)
        draws = _SameDraws(0, len(batch), place)
        loss = objective(there, draws)[0]
        loss.backward()
        found.append((loss.item(), gradient(objective.policy).cpu()))
    (loss, slope), (other, slope_there) = found
    apart = float((slope - slope_there).abs().max() / slope.abs().max())
    return [("loss, CPU and here", f"{loss:.6f}, {other:.6f}"), ("gradient, apart by", f"{apart:.1e} of the largest")]


class _SameDraws(Draws):
    """A CPU's random numbers on any device."""

    def __init__(self, seed: int, total: int, place: torch.device) -> None:
        super().__init__(seed, total)
        self.place = place

    def normal(self, *shape: int) -> torch.Tensor:
        return super().normal(*shape).to(self.place)

    def uniform(self, *shape: int) -> torch.Tensor:
        return super().uniform(*shape).to(self.place)

    def integers(self, high: int, *shape: int) -> torch.Tensor:
        return super().integers(high, *shape).to(self.place)


def whole_step(family: str, tiny: bool, size: int, steps: int, device: torch.device) -> list[Row]:
    """Seconds of a step, plain and ours, and our peak memory."""
    batch, rows, seconds = typical_batch(size, seed=0).to(device), [], {}
    for side in ("plain", "ours"):
        objective = made(family, tiny, steps, device)
        step = step_of(side, objective, family, batch, 0)
        if side == "ours":  # the first one pays for what is made once; the plain one's weight is elsewhere
            step().backward()
            forget_texts(objective)
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats()
        seconds[side], _ = timed(lambda step=step: step().backward(), device)
    rows += [(f"a step of {size} captions, plain", f"{seconds['plain']:.2f} s")]
    rows += [("the same here", f"{seconds['ours']:.2f} s, {seconds['plain'] / seconds['ours']:.1f} times faster")]
    if device.type == "cuda":
        rows.append(("peak memory", f"{torch.cuda.max_memory_allocated() / 2**30:.1f} GiB"))
    return rows


def rollouts(family: str, tiny: bool, size: int, steps: int, device: torch.device) -> list[Row]:
    """The share of a matrix product's speed that drawing reaches, and what bf16 changes."""
    objective = made(family, tiny, steps, device)
    policy, batch, config = objective.policy, typical_batch(size, seed=0).to(device), objective.config
    texts = policy.embed(batch.captions)

    def draw() -> torch.Tensor:
        draws = Draws(1, len(batch), device=device)
        return policy.sample(texts, batch.length, batch.motion.shape[1], draws, config.rollout, config.K)

    with counter() as count:  # the work does not hang on how it is done
        draw()
    rows = []
    wanted: list[tuple[Any, bool]] = [("no", False), ("bf16", False), ("no", True)]
    if device.type == "cuda":
        wanted.append(("bf16", True))
    size_of_peak = 256 if tiny else 8192
    for precision, compiled in wanted:
        dtype = torch.bfloat16 if precision == "bf16" else torch.float32
        with cheaper(policy, precision, compiled):
            draw()
            seconds, _ = timed(draw, device)
        share = count.get_total_flops() / seconds / matrix_peak(device, dtype, size_of_peak)
        name = f"candidates in {'bf16' if precision == 'bf16' else 'float32'}{', compiled' if compiled else ''}"
        rows.append((name, f"{seconds:.2f} s, {share:.0%} of that type's matrix product"))
    losses, rewards = [], []
    for precision in ("no", "bf16"):
        objective.config = replace(config, rollout_precision=precision)
        loss, values = objective(batch, Draws(2, len(batch), device=device))
        losses.append(loss.item())
        rewards.append(values["reward/all"].item())
    rows.append(("loss, float32 and bf16 candidates", f"{losses[0]:.6f}, {losses[1]:.6f}"))
    rows.append(("mean reward, likewise", f"{rewards[0]:.5f}, {rewards[1]:.5f}"))
    return rows


def through_accelerate(family: str, tiny: bool, size: int, device: torch.device) -> list[Row]:
    """Two steps of the loop, in two parts each."""
    batch = typical_batch(size, seed=0)
    objective = made(family, tiny, 2, device)
    config = LoopConfig(steps=2, batch_size=size, micro_batch=size // 2)

    def batches(step: int) -> Batch:
        return batch

    with tempfile.TemporaryDirectory() as folder:
        fit(objective, batches, config, Path(folder))
        lines = read_log(Path(folder) / "log.jsonl")
    return [("two steps of the loop, losses", ", ".join(f"{line['loss']:.6f}" for line in lines))]


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="what a GPU has to show")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--families", nargs="+", choices=FAMILIES, default=list(FAMILIES))
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--steps", type=int, default=0, help="of a rollout (0: as published)")
    parser.add_argument("--tiny", action="store_true", help="small networks: to try the script itself")
    parser.add_argument("--out", type=Path, default=None, help="a Markdown file")
    given = parser.parse_args(arguments)
    device = torch.device(given.device)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or "CPU"
    lines = [f"{name}, torch {torch.__version__}, {given.batch} captions, K = 4.", "", "| family | what | result |"]
    lines.append("| --- | --- | ---: |")
    for family in given.families:
        sizes = given.batch, given.steps, device
        parts = (
            partial(against_the_cpu, family, given.tiny, device),
            partial(whole_step, family, given.tiny, *sizes),
            partial(rollouts, family, given.tiny, *sizes),
            partial(through_accelerate, family, given.tiny, given.batch, device),
        )
        for part in parts:
            lines += [f"| {family} | {what} | {result} |" for what, result in part()]
            if given.out:
                given.out.write_text("\n".join(lines) + "\n")  # what is there already, if time runs out
    print("\n".join(lines))


if __name__ == "__main__":
    main()
