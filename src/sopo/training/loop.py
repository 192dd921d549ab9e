"""Batch -> objective -> backward -> step, on Hugging Face Accelerate; knows no model.

Everything random in a step follows from (seed, step), so a resumed run repeats an uninterrupted one, and
N processes repeat one process with the same global batch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Protocol

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from sopo.batch import Batch
from sopo.device import device, state
from sopo.errors import DivergenceError, UserError
from sopo.nn.recompute import recomputed
from sopo.randomness import Draws, derive_seed
from sopo.training.checkpoint import load_checkpoint, save_checkpoint
from sopo.training.ema import EMA
from sopo.training.log import RunLog
from sopo.training.mean import Mean
from sopo.training.progress import progress
from sopo.training.settings import LoopConfig
from sopo.training.validation import Validation

Batches = Callable[[int], Batch]
Values = dict[str, Tensor | Mean]
CHECKPOINT = "checkpoint.pt"


class Watch(Protocol):
    """Told what a step logs, to which it may add; True ends the run."""

    def __call__(self, step: int, values: dict[str, float]) -> bool: ...


def fit(
    objective: nn.Module,
    batches: Batches,
    config: LoopConfig,
    folder: Path,
    title: str = "training",
    watch: Watch | None = None,
    validation: Validation | None = None,
) -> EMA:
    """Train ``objective`` in place for ``config.steps``; leaves its averaged weights (if any) applied.

    objective: ``forward(batch, draws) -> (scalar loss, {name: scalar or Mean})``. batches: step -> the global batch.
    folder: gets log.jsonl, checkpoint.pt and what trackers write; a checkpoint found there is resumed.
    watch: where it ends the run, the weights go back to the last checkpoint, if there is one.
    validation: measures the averaged weights now and then, for the log; with its ``keep_best`` the best are left.
    Raises DivergenceError if the loss stops being finite, UserError if the checkpoint does not fit or the objective
    raises one: the steps before are then in the checkpoint.
    """
    processes = state().num_processes
    if config.batch_size % processes:
        raise UserError(f"batch_size {config.batch_size} must divide by {processes} processes")
    share = config.batch_size // processes
    micro = config.micro_batch or share
    if share % micro:
        raise UserError(f"micro_batch is {micro}: a process's {share} motions must divide by it")
    accelerator = Accelerator(
        cpu=device().type == "cpu",
        mixed_precision=config.precision,
        gradient_accumulation_steps=share // micro,
    )
    start = share * accelerator.process_index
    objective.to(accelerator.device)
    trainable = [p for p in objective.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trainable, lr=config.learning_rate, weight_decay=config.weight_decay, fused=True)
    ema = EMA(objective, config.ema)
    first = _resume(objective, optimizer, ema, config, folder / CHECKPOINT, validation)
    wrapped, optimizer = accelerator.prepare(objective, optimizer)
    log = RunLog(folder, first or -1, config.track) if accelerator.is_main_process else None

    def keep(steps: int) -> None:
        state = {"step": steps, "model": dict(_moving_state(objective)), "optimizer": optimizer.state_dict()}
        if accelerator.is_main_process:
            best = {} if validation is None else {"best": validation.best}
            save_checkpoint(folder / CHECKPOINT, state | {"ema": ema.state_dict()} | best)

    with progress(title) as report, ExitStack() as undo:
        if log:
            undo.callback(log.close)
            if validation and first == 0:
                log.write(0, validation(0, ema))
        if config.recompute:
            undo.enter_context(recomputed(objective))
        for step in range(first, config.steps):
            # Dropout draws from the process's own stream, fixed anew at each step for exact resume.
            torch.manual_seed(derive_seed(config.seed, "dropout", step, accelerator.process_index))
            batch = batches(step).rows(start, start + share)
            for group in optimizer.param_groups:
                group["lr"] = config.rate(step)
            parts: list[Values] = []
            for begin in range(0, share, micro):
                rows = start + begin, start + begin + micro
                draws = Draws(derive_seed(config.seed, "draws", step), config.batch_size, *rows, accelerator.device)
                part = batch.rows(begin, begin + micro).to(accelerator.device)
                with accelerator.accumulate(wrapped):  # the gradients of all parts add up before the step
                    try:
                        with accelerator.autocast():
                            loss, values = wrapped(part, draws)
                    except UserError as error:  # a reward that does not answer, say: no step is lost
                        if step == first:
                            raise
                        keep(step)
                        line = f"{error}; {step} steps are kept, the same command goes on from there"
                        raise UserError(line) from error
                    accelerator.backward(loss)
                    parts.append({"loss": loss.detach(), **values})
                    if accelerator.sync_gradients:
                        norm = accelerator.clip_grad_norm_(trainable, config.gradient_clip or math.inf)
                    optimizer.step()
                    optimizer.zero_grad(set_to_none=True)
            ema.update(step + 1)
            means = _means(accelerator, parts)
            # fp16 meets infinite gradients by plan: its scaler skips those steps.
            checked = {"loss": means["loss"], "gradient": 0.0 if config.precision == "fp16" else float(norm)}
            if spoilt := next((name for name, value in checked.items() if not math.isfinite(value)), None):
                raise DivergenceError(
                    f"{title}: the {spoilt} is {checked[spoilt]} at step {step + 1}; lower --learning_rate"
                    f" (the last good state is in {folder / CHECKPOINT})"
                )
            stopped = watch is not None and watch(step + 1, means)
            if log:
                told = {} if stopped or not validation else validation.told(step + 1, config.steps, ema)
                learning = {"gradient_norm": float(norm), "learning_rate": config.rate(step)}
                log.write(step + 1, {**means, **learning, **told})
            report(step + 1, config.steps, f"loss {means['loss']:.4f}")
            if stopped:
                _resume(objective, optimizer, ema, config, folder / CHECKPOINT, validation)
                break
            last = step + 1 == config.steps
            if last or (config.checkpoint_every and (step + 1) % config.checkpoint_every == 0):
                keep(step + 1)
                accelerator.wait_for_everyone()
    if config.ema:
        ema.copy_in(ema.average)
    if validation and validation.keep_best and validation.best:
        ema.copy_in(validation.best["weights"])
    return ema


def _moving_state(objective: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """What a step changes: trainable parameters, and the buffers that a module names in ``moving_buffers``."""
    yield from ((name, p.detach()) for name, p in objective.named_parameters() if p.requires_grad)
    for prefix, module in objective.named_modules():
        for name in getattr(module, "moving_buffers", ()):
            yield f"{prefix}.{name}", module.get_buffer(name)


def _resume(
    objective: nn.Module,
    optimizer: torch.optim.Optimizer,
    ema: EMA,
    config: LoopConfig,
    path: Path,
    validation: Validation | None,
) -> int:
    """Restore the state at ``path``, if there is one; the number of steps it has behind it."""
    if not path.is_file():
        return 0
    state = load_checkpoint(path)
    own = dict(_moving_state(objective))
    try:
        saved = {name: value.shape for name, value in state["model"].items()}
        if saved != {name: value.shape for name, value in own.items()}:
            raise ValueError("other tensors")
        with torch.no_grad():
            for name, value in own.items():
                value.copy_(state["model"][name])
        optimizer.load_state_dict(state["optimizer"])
        ema.load_state_dict(state["ema"])
        if validation is not None:
            validation.best = state.get("best")
        return min(int(state["step"]), config.steps)
    except (AttributeError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise UserError(f"{path}: belongs to another model; choose another --out or delete it") from error


def _means(accelerator: Accelerator, parts: list[Values]) -> dict[str, float]:
    """Over the parts of a step and over the processes: sums and counts add up, so that no part weighs too much."""
    pairs = [[value if isinstance(value, Mean) else (value, 1.0) for value in part.values()] for part in parts]
    scalar = partial(torch.as_tensor, dtype=torch.get_default_dtype(), device=accelerator.device)
    added = torch.stack([scalar(value) for part in pairs for pair in part for value in pair])  # read once, at the end
    added = added.reshape(len(pairs), -1, 2).sum(0)
    total, number = accelerator.reduce(added, reduction="sum").unbind(1)
    return dict(zip(parts[0], (total / number.clamp(min=1)).tolist(), strict=True))
