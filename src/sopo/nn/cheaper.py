"""Forward passes without a gradient in less time: in bf16, or compiled."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Literal
from weakref import WeakKeyDictionary

import torch
from torch import nn

from sopo.errors import UserError
from sopo.nn.skip_transformer import SkipTransformer

Precision = Literal["no", "bf16"]
STACKS = (nn.TransformerEncoder, nn.TransformerDecoder, SkipTransformer)

_compiled: WeakKeyDictionary[nn.Module, Callable[..., Any]] = WeakKeyDictionary()


@contextmanager
def cheaper(module: nn.Module, precision: Precision, compile: bool) -> Iterator[None]:
    """Inside, matrix products of ``module`` are in that precision, and its stacks of layers compiled if asked for.

    Raises UserError if the device computes no faster so.
    """
    device = next(module.parameters()).device.type
    if compile and precision != "no" and device == "cpu":
        raise UserError("bf16 and compiled: on a CPU either is faster alone, and both are slower; leave one out")
    with ExitStack() as undo:
        if precision == "bf16":
            require_bf16(device)
            undo.enter_context(torch.autocast(device, torch.bfloat16))
        if compile:
            undo.enter_context(_with_compiled_stacks(module))
        if compile or precision == "bf16":  # torch's fused layer is closed to the compiler, and mixes up types
            undo.enter_context(unfused())
        yield


@contextmanager
def unfused() -> Iterator[None]:
    """Without torch's fused attention layers, which it takes where no gradient is asked for."""
    enabled = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(enabled)


def require_bf16(device: str) -> None:
    """UserError unless that kind of device multiplies in bf16 by itself."""
    # _is...: torch has no public name for it
    if device == "cpu" and not torch.cpu._is_avx512_bf16_supported():
        raise UserError("bf16: this CPU has no instructions for it and would take longer; leave it out")
    if device == "cuda" and not torch.cuda.is_bf16_supported(including_emulation=False):
        raise UserError("bf16: this GPU has no instructions for it and would take longer; leave it out")


@contextmanager
def _with_compiled_stacks(module: nn.Module) -> Iterator[None]:
    """Lengths differ from batch to batch, so the number of rows and places is left open: one graph serves them all."""
    stacks = [part for part in module.modules() if isinstance(part, STACKS)]
    for stack in stacks:
        if stack not in _compiled:
            _compiled[stack] = torch.compile(type(stack).forward, dynamic=True)
        stack.forward = _compiled[stack].__get__(stack)  # type: ignore[method-assign]
    try:
        yield
    finally:
        for stack in stacks:
            del stack.forward
