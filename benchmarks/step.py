"""One step of SoPo, loss and gradient, as `sopo align` computes it against the plain composition of ``plain_step.py``.

MDM, MLD* and MoMask at their published sizes with random weights, TMR as the reward, K = 4 and the ``paper`` preset;
motions as long as HumanML3D's, in a batch as the loop cuts them. Both are given the same noise, and their losses
and gradients are compared. Each side runs in a process of its own, once for its work (matrix products, as a share of
what the machine does in a plain one) and then for its time: processor seconds, and peak memory beyond the models'. Ours
runs once more with the texts and the winners' codes known, as they are from the second epoch on.
Run: ``python benchmarks/step.py``; ``--batch 4 --families mdm`` and so on for more or less.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from plain_step import plain_step
from published_sizes import FAMILIES, generator, tmr, typical_batch, uncached
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from sopo.generators.generator import Generator
from sopo.generators.mld import MLD
from sopo.preference.objective import PreferenceObjective
from sopo.preference.settings import PreferenceConfig
from sopo.randomness import Draws
from sopo.recipes.presets import PRESETS
from sopo.rewards.learned import TMRReward
from sopo.text.cache import CachedEncoder

SIDES = ("plain", "ours")
ROLLOUTS: dict[str, dict[str, Any]] = {
    "float32": {},
    "compiled": {"rollout_compile": True},
    "bf16": {"rollout_precision": "bf16"},
}
BATCH = {"mdm": 2, "mld-star": 8, "momask": 8}  # captions: what takes minutes on a CPU
MATRIX = 2048


def objective_of(policy: Generator, reward: TMRReward, steps: int = 0, **changes: Any) -> PreferenceObjective:
    """SoPo by the ``paper`` preset; steps: of a rollout (0: as published)."""
    preset = PRESETS["paper"]
    config = PreferenceConfig(**preset | {"rollout": replace(preset["rollout"], steps=steps)} | changes)
    return PreferenceObjective(policy, reward, config, tau=float(config.tau))


def step_of(side: str, objective: PreferenceObjective, family: str, batch: Any, seed: int) -> Callable[[], Tensor]:
    """The loss of one step, differentiable; of the plain side texts are never remembered."""
    draws = lambda: Draws(seed, len(batch), device=batch.length.device)  # noqa: E731
    if side == "ours":
        return lambda: objective(batch, draws())[0]
    policy, reference, reward = objective.policy, objective.reference, objective.reward
    assert isinstance(reward, TMRReward)
    policy.text = reference.text = uncached(policy.text, family)
    reward.matcher.embedder = uncached(reward.matcher.embedder, "tmr")
    return lambda: plain_step(policy, reference, reward, batch, objective.config, objective.tau, draws())


def unlike(objective: PreferenceObjective) -> None:
    """Move the policy off its reference, as training does: at the start h is 0 and its gradient alike everywhere."""
    for index, parameter in enumerate(objective.policy.parameters()):
        if parameter.requires_grad:
            noise = torch.randn(parameter.shape, generator=torch.Generator().manual_seed(index))
            with torch.no_grad():
                parameter.add_(0.02 * parameter.std() * noise.to(parameter)) if parameter.numel() > 1 else None


def forget_texts(objective: PreferenceObjective) -> None:
    """Of our side: the next step reads them again."""
    assert isinstance(objective.reward, TMRReward)
    fresh = CachedEncoder(objective.policy.text.encoder)  # type: ignore[attr-defined]
    objective.policy.text = objective.reference.text = fresh
    objective.reward.matcher.embedder = CachedEncoder(objective.reward.matcher.embedder.encoder)  # type: ignore[attr-defined]


def gradient(model: nn.Module) -> Tensor:
    """All gradients in a row."""
    return torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])


def matrix_peak(device: torch.device, dtype: torch.dtype = torch.float32, size: int = MATRIX) -> float:
    """Operations a second of a product of two square matrices, the best of a few."""
    a, b = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))
    best = 0.0
    for _ in range(8):
        seconds, _ = timed(lambda: a @ b, device)
        best = max(best, 2 * size**3 / seconds)
    return best


def timed(work: Callable[[], Any], device: torch.device) -> tuple[float, Any]:
    """Seconds, and what it gave; on a CPU the processor's, which other work on the machine leaves alone."""
    clock = time.perf_counter if device.type == "cuda" else time.process_time
    wait = torch.cuda.synchronize if device.type == "cuda" else lambda: None
    wait()
    start = clock()
    result = work()
    wait()
    return clock() - start, result


def fused_layer_work(*shapes: Any, out_shape: Any = None, **named: Any) -> int:
    """Operations of torch's fused encoder layer, which the counter does not know: from the shapes of its arguments."""
    (N, T, W), (hidden, _) = shapes[0], shapes[14]
    return 2 * N * T * (4 * W * W + 2 * W * hidden) + 4 * N * T * T * W


def counter() -> FlopCounterMode:
    """Counts the operations of matrix products inside it."""
    return FlopCounterMode(
        display=False, custom_mapping={torch.ops.aten._transformer_encoder_layer_fwd: fused_layer_work}
    )


def measure(side: str, family: str, size: int, steps: int, seed: int, rollout: str, out: Path) -> None:
    """One side of one family on the CPU; writes what it found to ``out``."""
    torch.manual_seed(seed)
    objective = objective_of(generator(family), TMRReward(tmr()), steps, **ROLLOUTS[rollout])
    unlike(objective)
    batch = typical_batch(size, seed)
    rest = _most_memory()
    step = step_of(side, objective, family, batch, seed)
    with counter() if rollout != "compiled" else nullcontext() as count:  # which would count in the compiler's place
        _loss_and_gradient(objective, step)
    found = {"work": count.get_total_flops() if count else 0}
    if side == "ours":
        forget_texts(objective)
    found["seconds"], found["loss"] = timed(partial(_loss_and_gradient, objective, step), torch.device("cpu"))
    if side == "ours":
        policy = objective.policy
        known = replace(batch, code=policy.code(batch) if isinstance(policy, MLD) else policy.encode(batch))
        step = step_of(side, objective, family, known, seed)
        found["known"], _ = timed(partial(_loss_and_gradient, objective, step), torch.device("cpu"))
    found["memory"] = _most_memory() - rest
    torch.save({"found": found, "gradient": gradient(objective.policy), "length": batch.length}, out)


def _loss_and_gradient(objective: PreferenceObjective, step: Callable[[], Tensor]) -> float:
    objective.zero_grad()
    loss = step()
    loss.backward()
    return loss.item()


def _most_memory() -> int:
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else 1024 * most


def main() -> None:
    parser = argparse.ArgumentParser(description="a step of SoPo: here against the plain composition")
    parser.add_argument("--families", nargs="+", choices=FAMILIES, default=list(FAMILIES))
    parser.add_argument("--batch", type=int, default=0, help="captions (0: what takes minutes)")
    parser.add_argument("--steps", type=int, default=0, help="of a rollout (0: as published)")
    how = "how our side draws its candidates, one after another; the last line is of the first"
    parser.add_argument("--rollouts", nargs="+", choices=ROLLOUTS, default=["float32"], help=how)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)  # what this program calls itself with
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.side:
        measure(given.side, given.families[0], given.batch, given.steps, given.seed, given.rollouts[0], given.out)
        return
    peak = matrix_peak(torch.device("cpu"))
    print(f"{torch.get_num_threads()} threads, a product of {MATRIX} x {MATRIX}: {peak / 1e9:.0f} GFLOP/s", flush=True)
    ratios: defaultdict[str, list[str]] = defaultdict(list)
    for family in given.families:
        plain = _apart("plain", family, "float32", given, peak)
        for rollout in given.rollouts:
            ours = _apart("ours", family, rollout, given, peak)
            apart = (plain["gradient"] - ours["gradient"]).abs().max() / plain["gradient"].abs().max()
            print(f"{family}: gradients differ by {apart:.1e} of the largest", flush=True)
            for which, clock in (("texts known, ", "known"), ("", "seconds")):
                ratio = plain["found"]["seconds"] / ours["found"][clock]
                ratios[f"{which}{rollout}"].append(f"{family}={ratio:.1f}")
    last = ratios.pop(given.rollouts[0])
    for setting, each in ratios.items():
        print(f"{setting}: {' '.join(each)}")
    print(f"ratios: {' '.join(last)}")


def _apart(side: str, family: str, rollout: str, given: argparse.Namespace, peak: float) -> dict[str, Any]:
    """``measure`` in a process of its own; says what it found."""
    size = given.batch or BATCH[family]
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "found.pt"
        words = ["--side", side, "--families", family, "--batch", size, "--steps", given.steps, "--seed", given.seed]
        subprocess.run([sys.executable, __file__, *map(str, [*words, "--rollouts", rollout, "--out", out])], check=True)
        found: dict[str, Any] = torch.load(out)
    seconds, memory, work, loss = (found["found"][name] for name in ("seconds", "memory", "work", "loss"))
    done = f"{work / 1e12:.2f} TFLOP, {work / seconds / peak:.0%} of the peak, " if work else ""
    name = side if rollout == "float32" else f"{side}, {rollout}"
    known = f" ({found['found']['known']:.1f} s with texts known)" if "known" in found["found"] else ""
    print(
        f"{family}, {size} captions of {found['length'].float().mean():.0f} frames, {name}:"
        f" {seconds:.1f} s{known}, {memory / 2**20:.0f} MiB, {done}loss {loss:.6f}",
        flush=True,
    )
    return found


if __name__ == "__main__":
    main()
