"""Model folders: ``config.json`` + ``model.safetensors`` (+ ``mean.npy``, ``std.npy`` as buffers inside).

Every network of the package is saved and loaded by this mixin, so one set of checks guards all of them.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any, ClassVar, Self, get_type_hints

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from sopo.errors import UserError
from sopo.folders import CONFIG_FILE, WEIGHTS_FILE, local_folder, read_config


class Pretrained(nn.Module):
    """A module that is built from one frozen dataclass, ``config``, and lives in a folder.

    Subclasses set ``Config`` (the dataclass) and ``kind`` (a word that names the class in config.json).
    """

    Config: ClassVar[type]
    kind: ClassVar[str]
    config: Any

    def save_pretrained(self, folder: str | Path) -> Path:
        """Write config.json and model.safetensors into ``folder``, all or nothing."""
        folder = Path(folder)
        folder.parent.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        config = {"kind": self.kind, **dataclasses.asdict(self.config)}
        (staging / CONFIG_FILE).write_text(json.dumps(config, indent=2) + "\n")
        tensors = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in self.state_dict().items()}
        save_file(tensors, staging / WEIGHTS_FILE)
        folder.mkdir(exist_ok=True)
        for name in (WEIGHTS_FILE, CONFIG_FILE):
            (staging / name).replace(folder / name)
        shutil.rmtree(staging)
        return folder

    @classmethod
    def from_pretrained(cls, folder: str | Path) -> Self:
        """Load a folder written by ``save_pretrained``, in eval mode, on the CPU.

        A name ``org/name`` is fetched from the Hugging Face hub (``local_folder``).
        Raises UserError if a file is missing or truncated, of another kind, or if a key or shape is off.
        """
        folder = local_folder(folder)
        fields = read_config(folder)
        kind = fields.pop("kind", None)
        if kind != cls.kind:
            raise UserError(f"{folder}: holds a model of kind {kind!r}, expected {cls.kind!r}")
        config = build_config(cls.Config, fields, str(folder / CONFIG_FILE))
        try:
            model = cls(config)
        except (TypeError, ValueError) as error:
            raise UserError(f"{folder / CONFIG_FILE}: {error}") from error
        load_weights(model, read_weights(folder / WEIGHTS_FILE), str(folder / WEIGHTS_FILE))
        return model.eval()


def build_config(kind: type, fields: dict[str, Any], source: str) -> Any:
    """A config dataclass, and those nested in it, from JSON; UserError on entries it does not know."""
    known = get_type_hints(kind)
    if unknown := sorted(set(fields) - {field.name for field in dataclasses.fields(kind)}):
        raise UserError(f"{source}: unknown entries {unknown}; written by another version?")
    values = {}
    for name, value in fields.items():
        if isinstance(value, dict) and dataclasses.is_dataclass(known[name]):
            value = build_config(known[name], value, source)
        values[name] = tuple(value) if isinstance(value, list) else value
    try:
        return kind(**values)
    except (TypeError, ValueError) as error:
        raise UserError(f"{source}: {error}") from error


def read_weights(path: Path) -> dict[str, Tensor]:
    """Tensors of a safetensors file; UserError if it is missing, truncated or not safetensors."""
    if not path.is_file():
        raise UserError(f"{path}: weights are missing")
    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise UserError(f"{path}: truncated or not a safetensors file ({error})") from error


def load_weights(model: nn.Module, tensors: dict[str, Tensor], source: str) -> None:
    """Strict load: every key and shape must match; UserError names the first few that do not."""
    expected = model.state_dict()
    missing = sorted(set(expected) - set(tensors))
    unexpected = sorted(set(tensors) - set(expected))
    shapes = [
        f"{name} is {list(tensors[name].shape)}, expected {list(expected[name].shape)}"
        for name in expected
        if name in tensors and tensors[name].shape != expected[name].shape
    ]
    problems = [f"missing {missing[:3]}"] * bool(missing)
    problems += [f"unexpected {unexpected[:3]}"] * bool(unexpected) + shapes[:3]
    if problems:
        raise UserError(f"{source}: {'; '.join(problems)}")
    model.load_state_dict(tensors)
