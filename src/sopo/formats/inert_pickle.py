"""Pickles of body models -> their arrays; nothing that such a file names is ever looked up, let alone called.

SMPL's own files are pickles of arrays that Python 2, scipy and chumpy made. Every object becomes a ``Blank``
that remembers its name, arguments and state; ``as_array`` knows what the few names that hold numbers mean.
"""

from __future__ import annotations

import pickle
import re
from io import BytesIO
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from sopo.errors import UserError

# Objects of these packages, and these names of Python's own, belong into such a file; others are refused.
_PACKAGES = ("numpy", "scipy", "chumpy")
_NAMES = ("_codecs.encode", "copyreg._reconstructor", "copy_reg._reconstructor", "builtins.object", "builtins.set")
_MOST_JOINTS = 200  # the side of a sparse regressor that the file's size does not bound


class Blank:
    """An object that a pickle asks for: what it was to be made of, and no more."""

    name = ""  # module.class, set on a subclass for each name

    def __init__(self, *args: Any) -> None:
        self.args = args
        self.state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state


class _Reader(pickle._Unpickler):  # the one in C lets a hostile file choose how large its memo is
    def find_class(self, module: str, name: str) -> Any:
        full = f"{module}.{name}".replace("__builtin__.", "builtins.")
        if module.split(".")[0] not in _PACKAGES and full not in _NAMES:
            raise UserError(f"loading it would run {full}")
        return type("Blank", (Blank,), {"name": full})

    def persistent_load(self, pid: Any) -> Any:
        raise UserError("it refers to objects outside of itself")

    def get_extension(self, code: int) -> Any:
        raise UserError("it refers to objects outside of itself")


def read_inert(path: Path) -> dict[str, Any]:
    """The dict that a pickle holds, with a ``Blank`` for each object in it.

    Raises UserError if the file is missing, damaged, no dict, or asks for anything but arrays.
    """
    try:
        tree = _Reader(BytesIO(path.read_bytes()), encoding="latin1").load()
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except UserError as error:
        raise UserError(f"{path}: refused, because {error}; expected a body model of plain arrays") from error
    # A damaged pickle raises of everything.
    except Exception as error:
        raise UserError(f"{path}: damaged, or not a pickled body model ({type(error).__name__})") from error
    if not isinstance(tree, dict):
        raise UserError(f"{path}: holds a {type(tree).__name__}, expected a body model's dict")
    return tree


def as_array(value: Any, label: str) -> NDArray[Any]:
    """What a ``Blank`` of NumPy, scipy.sparse or chumpy stands for; UserError, starting with ``label``, if unclear."""
    try:
        return _array(value)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError, OverflowError) as error:
        raise UserError(f"{label}: not an array that is understood, or damaged ({type(error).__name__})") from error


def _array(value: Any) -> NDArray[Any]:
    name, state = value.name, value.state
    if name.endswith("._reconstructor"):  # how Python 2 made objects: class, base, base's state
        name = value.args[0].name
    kind = name.rpartition(".")[2]
    if kind == "_frombuffer":
        raw, dtype, shape, order = value.args
        return _from_bytes(raw, dtype, shape, order == "F")
    if kind in ("_reconstruct", "ndarray"):
        shape, dtype, fortran, raw = state[-4:]
        return _from_bytes(raw, dtype, shape, fortran)
    if kind in ("csc_matrix", "csr_matrix", "csc_array", "csr_array"):
        return _dense(kind, state)
    if name.startswith("chumpy.") and "x" in state:
        return _array(state["x"])
    if name == "chumpy.reordering.Select":  # elements of another array, chosen and shaped anew
        return _array(state["a"]).ravel()[_array(state["idxs"])].reshape(state["preferred_shape"])
    raise ValueError(name)


def _from_bytes(raw: Any, dtype: Blank, shape: Any, fortran: Any) -> NDArray[Any]:
    if isinstance(raw, Blank) and raw.name == "_codecs.encode":  # bytes, as Python 2's protocol writes them
        raw = raw.args[0]
    data = raw.encode("latin1") if isinstance(raw, str) else raw
    code = re.fullmatch(r"[fiu][1248]", dtype.args[0])
    order = dtype.state[1] if dtype.state else "|"
    if code is None or order not in "<>|=" or prod(shape) * int(code[0][1]) != len(data):
        raise ValueError(dtype.args)
    return np.frombuffer(data, np.dtype(order + code[0])).reshape(shape, order="F" if fortran else "C")


def _dense(kind: str, state: dict[str, Any]) -> NDArray[Any]:
    parts = [_array(state[part]) for part in ("data", "indices", "indptr")]
    shape = tuple(state["_shape" if "_shape" in state else "shape"])
    if prod(shape) > _MOST_JOINTS * len(parts[2]):
        raise ValueError(shape)
    matrix = getattr(sparse, kind)(tuple(parts), shape=shape)
    matrix.check_format(full_check=True)  # indices beyond the shape would be written beyond the array
    dense: NDArray[Any] = matrix.toarray()
    return dense
