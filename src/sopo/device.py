"""Where this process computes, and which share of a job is its own: Accelerate's state, asked here and nowhere else.

One process, or as many as ``accelerate launch`` or ``torchrun`` starts (on CPUs the first starts but one); a GPU (CUDA,
MPS, XPU ...) where there is one, else the CPU.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import torch
from accelerate import PartialState
from accelerate.state import AcceleratorState
from accelerate.utils import gather_object, parse_flag_from_env

from sopo.errors import UserError, reason

T = TypeVar("T")


def state() -> PartialState:
    """Accelerate's, the same in all calls. Processes without a GPU find each other only if it is told of the CPU."""
    return PartialState(cpu=parse_flag_from_env("ACCELERATE_USE_CPU") or not torch.accelerator.is_available())


def device() -> torch.device:
    """Where networks are, and all that they compute."""
    return state().device


def choose_device(name: str | None) -> None:
    """Compute on the device of that name from now on, such as ``cpu`` or ``cuda:1``; None: on the one that there is.

    Raises UserError if there is no such device, or one is named for several processes, each of which has its own.
    """
    AcceleratorState._reset_state(reset_partial_state=True)
    if name is None:
        return
    try:
        wanted = torch.device(name)
    except RuntimeError as error:
        raise UserError(f"--device {name}: not a device; write cpu, cuda, cuda:1, mps or xpu") from error
    if wanted.type == "cpu":
        PartialState(cpu=True)
    elif state().num_processes > 1 and name != state().device.type:
        raise UserError(f"--device {name}: every process has a device of its own; leave it out, or write cpu")
    elif state().num_processes == 1:
        _try(wanted)
        state().device = wanted


def _try(wanted: torch.device) -> None:
    try:
        (torch.ones(1, device=wanted) + 1).item()
        if wanted.index is not None and wanted.type == getattr(torch.accelerator.current_accelerator(), "type", None):
            torch.accelerator.set_device_index(wanted.index)
    except (RuntimeError, AssertionError) as error:  # the latter: torch was built without it
        found = torch.accelerator.current_accelerator()
        there = f"cpu and {found.type}" if found and torch.accelerator.is_available() else "cpu alone"
        raise UserError(
            f"--device {wanted}: this machine does not compute there ({reason(error)}); it has {there}"
        ) from error


def synchronize() -> None:
    """Wait until the device is done, so that a clock tells what was asked for."""
    if device().type != "cpu" and torch.accelerator.is_available():
        torch.accelerator.synchronize()


def own_share(items: Sequence[T]) -> Sequence[T]:
    """Those of ``items`` that fall to this process: every N-th of them."""
    return items[state().process_index :: state().num_processes]


def all_shares(results: Sequence[T]) -> list[T]:
    """What the processes made of their ``own_share``, in the order of the items; every process gets all of it."""
    processes = state().num_processes
    if processes == 1:
        return list(results)
    parts: list[list[T]] = gather_object([list(results)])
    return [parts[place % processes][place // processes] for place in range(sum(map(len, parts)))]


def explained(error: RuntimeError) -> str:
    """What a failure of the machine means, in a line; empty for any other error."""
    if isinstance(error, torch.OutOfMemoryError):
        return f"{device()} is out of memory: lower --batch_size or --K, or compute in 16 bits (--precision bf16)"
    lost = isinstance(error, torch.distributed.DistError) or "gloo" in str(error)
    if state().num_processes > 1 and lost:  # what the processes compute together then fails
        return "another process of this run has ended (killed, or out of memory?)"
    return ""
