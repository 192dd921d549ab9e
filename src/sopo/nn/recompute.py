"""Activation checkpointing: transformer layers keep nothing for the way back but their input, and run twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from sopo.nn.dit import DiTBlock

LAYERS = (nn.TransformerEncoderLayer, nn.TransformerDecoderLayer, DiTBlock)


@contextmanager
def recomputed(module: nn.Module) -> Iterator[None]:
    """Inside, every layer of ``module`` is computed again when its gradient is asked for; the numbers are the same."""
    layers = [part for part in module.modules() if isinstance(part, LAYERS)]
    for layer in layers:
        layer.forward = partial(_forward, layer.forward)  # type: ignore[method-assign]
    try:
        yield
    finally:
        for layer in layers:
            del layer.forward


def _forward(forward: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    if torch.is_grad_enabled():
        return checkpoint(forward, *arguments, use_reentrant=False, **named)
    return forward(*arguments, **named)
