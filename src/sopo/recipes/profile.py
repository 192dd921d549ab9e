"""What a step of ``sopo align`` costs: the real objective in the real loop, its parts timed as they are called."""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from sopo.device import device, synchronize
from sopo.nn.settings import LoRAConfig
from sopo.preference.base import Objective
from sopo.preference.settings import PreferenceConfig
from sopo.recipes.align import ALL_WEIGHTS, prepare
from sopo.recipes.build import DataSource, GeneratorSource, RewardSource
from sopo.recipes.settings import Plan
from sopo.training.loop import fit
from sopo.training.settings import LoopConfig

SAMPLING, SCORING, POLICY, REFERENCE = "sampling", "scoring", "loss, policy", "loss, reference"
UPDATE, REST = "backward and optimiser", "the rest"
WEIGHTS, OPTIMISER, KEPT = "all weights", "gradients, moments, average", "kept for the way back"


@dataclass(frozen=True)
class StepCost:
    """seconds: of each part of a step, which add up to the whole. peak: bytes, of the GPU, or of the process without.

    memory: bytes by what they are for; what ``peak`` has beyond their sum comes and goes within a step.
    budget: motions generated in the run foretold, mining included, in units of the training captions ("Time*").
    """

    seconds: dict[str, float]
    peak: int
    memory: dict[str, int]
    budget: float
    plan: Plan

    def __str__(self) -> str:
        total = sum(self.seconds.values())
        rows = [*self.seconds.items(), ("a step", total)]
        lines = [f"{part:<28}{1000 * seconds:>10.1f} ms{seconds / total:>9.1%}" for part, seconds in rows]
        sizes = [*self.memory.items(), ("peak memory", self.peak)]
        lines += [f"{part:<28}{size / 2**20:>10.0f} MiB" for part, size in sizes]
        hours = self.plan.steps * total / 3600
        cost = f", {hours * self.plan.price:.2f} at {self.plan.price:g} an hour" if self.plan.price else ""
        return "\n".join([*lines, f"{self.plan.steps} steps: {hours:.2f} hours{cost}; Time* {self.budget:.2f} passes"])


def profile(
    data: DataSource | None,
    generator: GeneratorSource,
    reward: RewardSource | None,
    preference: PreferenceConfig,
    loop: LoopConfig,
    pairs: Path | None = None,
    lora: LoRAConfig = ALL_WEIGHTS,
    captions: Path | None = None,
    plan: Plan | None = None,
) -> StepCost:
    """The mean over ``loop.steps`` steps of ``align``, after a first one that is not counted; keeps nothing."""
    made = prepare(data, generator, reward, preference, loop, pairs, lora, captions)
    plan, clock, kept = plan or Plan(), Clock(), Kept(made.objective)
    time_parts(made.objective, clock)

    def watch(step: int, values: dict[str, float]) -> bool:
        clock.turn(REST)
        if step == 1:  # it also pays for what is made once
            clock.seconds.clear()
        return False

    counted = replace(loop, steps=loop.steps + 1, checkpoint_every=0, track=())
    with tempfile.TemporaryDirectory() as folder:
        fit(made.objective, made.batches, counted, Path(folder), f"profiling {preference.method}", watch)
    parts = (SAMPLING, SCORING, POLICY, REFERENCE, UPDATE, REST)
    seconds = {part: clock.seconds[part] / loop.steps for part in parts}
    memory = standing_memory(made.objective) | {KEPT: kept.bytes}
    return StepCost(seconds, _peak(), memory, made.spent + plan.steps * made.each_step, plan)


def standing_memory(objective: Objective) -> dict[str, int]:
    """Bytes that a run holds from step to step, by what they are for; a weight that two models share counts once."""
    modules = [objective, *vars(objective.reward).values()] if objective.reward else [objective]
    tensors = [t for part in modules if isinstance(part, nn.Module) for t in (*part.parameters(), *part.buffers())]
    weights = {t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in tensors}
    trained = sum(p.numel() * p.element_size() for p in objective.parameters() if p.requires_grad)
    # A gradient, AdamW's two moments, and the moving average, which is kept whether it moves or not.
    return {WEIGHTS: sum(weights.values()), OPTIMISER: 4 * trained}


class Kept:
    """How many bytes the first forward pass of ``objective`` keeps for the way back, weights apart."""

    def __init__(self, objective: Objective) -> None:
        self._weights = {p.untyped_storage().data_ptr() for p in objective.parameters()}
        self._sizes: dict[int, int] = {}
        hooks = torch.autograd.graph.saved_tensors_hooks(self._note, lambda tensor: tensor)
        entering = objective.register_forward_pre_hook(lambda *_: hooks.__enter__())

        def leave(*_: Any) -> None:
            hooks.__exit__(None, None, None)
            entering.remove()
            leaving.remove()

        leaving = objective.register_forward_hook(leave)

    @property
    def bytes(self) -> int:
        return sum(self._sizes.values())

    def _note(self, tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in self._weights:
            self._sizes[storage.data_ptr()] = storage.nbytes()
        return tensor


class Clock:
    """Which part the time goes to: as a chess clock, one at a time."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._part, self._since = REST, _now()

    def turn(self, part: str) -> str:
        """From now on the time is ``part``'s; whose it was."""
        before, now = self._part, _now()
        self.seconds[before] += now - self._since
        self._part, self._since = part, now
        return before

    def timed(self, part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """``function``, whose time is ``part``'s."""

        def wrapped(*arguments: Any, **named: Any) -> Any:
            before = self.turn(part)
            try:
                return function(*arguments, **named)
            finally:
                self.turn(before)

        return wrapped


def time_parts(objective: Objective, clock: Clock) -> None:
    """Have ``clock`` follow the objective's parts; what comes after its forward pass, until told, is the update."""
    owners: dict[str, tuple[object, tuple[str, ...]]] = {
        SAMPLING: (objective.policy, ("sample", "decode")),
        POLICY: (objective.policy, ("nll", "training_loss")),
        REFERENCE: (objective.reference, ("nll",)),
    }
    if objective.reward is not None:
        owners[SCORING] = (objective.reward, ("score", "score_and_embed"))
    for part, (owner, names) in owners.items():
        for name in names:
            setattr(owner, name, clock.timed(part, getattr(owner, name)))

    def after_forward(*_: Any) -> None:
        clock.turn(UPDATE)

    objective.register_forward_hook(after_forward)


def _now() -> float:
    synchronize()
    return time.perf_counter()


def _peak() -> int:
    if device().type == "cuda":
        return torch.cuda.max_memory_allocated()
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else 1024 * most  # kilobytes elsewhere
