"""A second device on any machine: tensors that say they are on ``meta``, and hold numbers in the CPU's memory.

As on a GPU, a computation that mixes the two fails, and NumPy gets nothing that was not brought to the CPU.
``Counting`` also notes which networks' work was done on the CPU in spite of it.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode, return_and_correct_aliasing
from torch.utils._pytree import tree_flatten, tree_map_only

from sopo.device import choose_device

NAME = "meta"
# What networks are made of; the second line as they are called in inference mode.
HEAVY = (
    "mm",
    "addmm",
    "bmm",
    "baddbmm",
    "convolution",
    "native_layer_norm",
    "embedding",
    "scaled_dot_product_attention",
)
HEAVY += ("linear", "matmul", "conv1d", "layer_norm", "gru")


aten = torch.ops.aten
# What takes tensors of two devices, as on a GPU: copies, and lengths for packing, which belong on the CPU.
MIXED = (aten._to_copy.default, aten.copy_.default, aten._pack_padded_sequence.default)


class There(torch.Tensor):
    """A tensor on the second device."""

    inner: torch.Tensor

    @staticmethod
    def __new__(cls, inner: torch.Tensor) -> There:
        with torch.inference_mode(False):  # a view of what was made outside cannot be one of those made inside
            there = torch.Tensor._make_wrapper_subclass(
                cls, inner.shape, inner.stride(), inner.storage_offset(), dtype=inner.dtype, device=NAME
            )
        there.inner = inner
        return there

    __torch_function__ = torch._C._disabled_torch_function_impl

    def __repr__(self, **_: Any) -> str:
        return f"There({self.inner})"

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return computed(func, args, kwargs or {})


def computed(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """What ``func`` gives, computed on the CPU, on the device where it belongs."""
    tensors = [part for part in tree_flatten((args, kwargs))[0] if isinstance(part, torch.Tensor)]
    there = [tensor for tensor in tensors if isinstance(tensor, There)]
    if there and func not in MIXED and (left := [t for t in tensors if not isinstance(t, There) and t.ndim]):
        raise RuntimeError(f"{func}: expected all tensors on one device; {list(left[0].shape)} was left on the CPU")
    asked = kwargs.get("device")
    goes_there = bool(there) if asked is None else torch.device(asked).type == NAME
    if func is aten.copy_.default:
        goes_there = isinstance(args[0], There)
    plain = tree_map_only(There, lambda tensor: tensor.inner, (args, kwargs))
    if asked is not None:
        plain[1]["device"] = torch.device("cpu")
    out = func(*plain[0], **plain[1])
    if func is aten._pack_padded_sequence.default:
        return There(out[0]), out[1]
    if goes_there:
        out = tree_map_only(torch.Tensor, lambda tensor: tensor if isinstance(tensor, There) else There(tensor), out)
        if any(tensor.dtype == torch.float64 for tensor in tree_flatten(out)[0] if isinstance(tensor, torch.Tensor)):
            raise TypeError(f"{func}: 64 bits on the device, which not every device has")
    if there and goes_there and not torch.is_inference_mode_enabled():
        return return_and_correct_aliasing(func, args, kwargs, out)
    return out


class Counting(TorchDispatchMode):
    """Makes tensors on the second device where asked; counts what networks compute, by device."""

    def __init__(self) -> None:
        super().__init__()
        self.work: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        tensors = [part for part in tree_flatten((args, kwargs))[0] if isinstance(part, torch.Tensor)]
        there = any(isinstance(tensor, There) for tensor in tensors)
        if func.overloadpacket.__name__ in HEAVY:
            self.work["there" if there else "cpu"] += 1
        asked = kwargs.get("device")
        if there or (asked is not None and torch.device(asked).type == NAME):
            return computed(func, args, kwargs)
        return func(*args, **kwargs)


class Made(TorchFunctionMode):
    """Tensors made of Python's numbers, past what ``Counting`` sees, go where they are asked to."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if func is torch.Tensor.new_tensor:
            return torch.tensor(args[1], dtype=kwargs.get("dtype", args[0].dtype)).to(args[0].device)
        if func in (torch.tensor, torch.as_tensor) and kwargs.get("device") is not None:
            asked = kwargs.pop("device")
            return func(*args, **kwargs).to(asked)
        if args and isinstance(args[0], There):
            if func is torch.Tensor.tolist:
                return args[0].inner.tolist()
            if func is torch.Tensor.__getitem__:
                return func(args[0], _with_tensors(args[1]))
        return func(*args, **kwargs)


def _with_tensors(index: Any) -> Any:
    """An index whose lists are tensors on the device."""
    if isinstance(index, list):
        return There(torch.tensor(index))
    return tuple(map(_with_tensors, index)) if isinstance(index, tuple) else index


PlainGenerator = torch.Generator


class OnTheCPU(PlainGenerator):
    """For either device, so that equal seeds give equal numbers there."""

    def __new__(cls, device: str = "cpu") -> OnTheCPU:
        return PlainGenerator.__new__(cls)

    def __init__(self, device: str = "cpu") -> None:
        pass


@contextmanager
def second_device(monkeypatch: Any) -> Iterator[Counting]:
    """The commands' ``--device meta`` computes inside."""
    monkeypatch.setattr(torch, "Generator", OnTheCPU)
    optimizers = sys.modules["torch.optim.optimizer"]
    monkeypatch.setattr(optimizers, "_get_fused_kernels_supported_devices", lambda: ["cpu", NAME])
    fused = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)  # which rounds in another way, and only on some devices
    try:
        with Made(), Counting() as counting:
            yield counting
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)
        monkeypatch.undo()
        choose_device(None)
