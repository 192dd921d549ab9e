"""Model folders: ``config.json`` + ``model.safetensors``, statistics included as buffers.

Every network of the package is saved and loaded by this mixin, so one set of checks guards all of them.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from safetensors.torch import save_file
from torch import nn
from torch.overrides import TorchFunctionMode

from sopo.cards import write_card
from sopo.errors import UserError
from sopo.folders import CONFIG_FILE, WEIGHTS_FILE, local_folder, read_config
from sopo.settings import Settings, settings_from, shown
from sopo.weights import check_weights, load_weights, read_header, read_weights

MAX_TABLES = 1 << 26  # bytes that a model may compute for itself beside its weights, or as many as these


class Pretrained(nn.Module):
    """A module that is built from one frozen dataclass, ``config``, and lives in a folder.

    Subclasses set ``Config`` (the dataclass) and ``kind`` (a word that names the class in config.json). Their
    constructors make tensors and fill them by ``torch.nn.init``, but compute nothing with them (see ``_Unfilled``).
    """

    Config: ClassVar[type[Settings]]
    kind: ClassVar[str]
    loader: ClassVar[str] = ""  # the function of ``sopo`` that loads it; empty where from_pretrained does
    config: Any

    def save_pretrained(self, folder: str | Path) -> Path:
        """Write config.json and model.safetensors into ``folder``, all or nothing, and then the model card."""
        folder = Path(folder)
        folder.parent.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        config = {"kind": self.kind, **_code(type(self)), **dataclasses.asdict(self.config)}
        (staging / CONFIG_FILE).write_text(json.dumps(config, indent=2) + "\n")
        tensors = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in self.state_dict().items()}
        save_file(tensors, staging / WEIGHTS_FILE)
        folder.mkdir(exist_ok=True)
        for name in (WEIGHTS_FILE, CONFIG_FILE):
            (staging / name).replace(folder / name)
        shutil.rmtree(staging)
        self.write_card(folder)
        return folder

    def write_card(self, folder: Path, made: Mapping[str, Any] | None = None) -> None:
        """The model card, README.md, of ``folder``, where this model was saved (``sopo.cards``).

        made: setting -> value, of the run that made it; None where that is not known.
        """
        told = getattr(sys.modules.get(type(self).__module__), "__doc__", None)
        about = (told or self.kind).strip().partition("\n\n")[0]
        size = sum(parameter.numel() for parameter in self.parameters())
        features = getattr(self.config, "features", None)
        body = f", motions of {features} features a frame" if features else ""
        facts = f"Kind `{self.kind}`, {size:,} parameters{body}; `config.json` has every setting."
        write_card(folder, self.kind, f"{about}\n\n{facts}", self.how_to_load(folder.name), made)

    def how_to_load(self, name: str) -> str:
        """Markdown: the code that loads this model from a folder or a hub name."""
        code = _code(type(self)).get("class")
        if self.loader:
            source = f"{code}@{name}" if code else name
            lines = ["import sopo", "", f'model = sopo.{self.loader}("{source}")']
        else:
            module, kind = type(self).__module__, type(self).__qualname__
            lines = [f"from {module} import {kind}", "", f'model = {kind}.from_pretrained("{name}")']
        needs = f"The code of `{code}` is its user's own. " if code else ""
        return "\n".join(
            [
                "```python",
                *lines,
                "```",
                "",
                f"{needs}The folder, or its name on the hub: `ORG/NAME`, `ORG/NAME@REVISION`.",
            ]
        )

    @classmethod
    def from_pretrained(cls, folder: str | Path) -> Self:
        """Load a folder written by ``save_pretrained``, in eval mode, on the CPU.

        A name ``org/name`` is fetched from the Hugging Face hub (``local_folder``). Such a folder is a stranger's: its
        settings are checked, then the header of its weights against them, before anything is allocated.
        Raises UserError if a file is missing or truncated, of another kind, or if a setting, a name, a shape, a type
        or a number is off.
        """
        folder = local_folder(folder)
        fields = read_config(folder)
        kind, _ = fields.pop("kind", None), fields.pop("class", None)
        if kind != cls.kind:
            raise UserError(f"{folder}: holds a model of kind {shown(kind)}, expected {cls.kind!r}")
        config = settings_from(cls.Config, fields, str(folder / CONFIG_FILE))
        weights = folder / WEIGHTS_FILE
        if not _code(cls):  # another's constructor may compute
            cls._check_size(config, weights)
        model = cls(config)
        load_weights(model, read_weights(weights), str(weights))
        return model.eval()

    @classmethod
    def _check_size(cls, config: Any, weights: Path) -> None:
        """UserError unless a model of these settings is one of the file's tensors, and little besides."""
        header = read_header(weights)
        try:
            with torch.device("meta"), _Unfilled():
                model = cls(config)
        except UserError as error:
            raise UserError(f"{weights.with_name(CONFIG_FILE)}: {error}") from error
        saved = model.state_dict()
        check_weights(saved, header, str(weights))
        tables = sum(table.nbytes for name, table in model.named_buffers() if name not in saved)
        if tables > max(MAX_TABLES, weights.stat().st_size):
            where = weights.with_name(CONFIG_FILE)
            raise UserError(f"{where}: asks for {tables >> 20} MiB of tables beside its weights")


def _code(kind: type) -> dict[str, str]:
    """Where the code of a class that is none of ours lies: for its user to read, for nothing here to import."""
    module = kind.__module__
    if module.partition(".")[0] == "sopo":
        return {}
    if module == "__main__":
        module = Path(getattr(sys.modules[module], "__file__", None) or module).stem
    return {"class": f"{module}:{kind.__qualname__}"}


class _Unfilled(TorchFunctionMode):
    """On the meta device: tensors are made, which allocates nothing there, and left as they are.

    To draw numbers for them, or to compute, would import torch's compiler, which takes longer than the model.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func in (torch.rand, torch.randn):
            return torch.empty(*args, **kwargs)
        if func.__name__.endswith("_") and not func.__name__.startswith("__"):  # in place, such as uniform_
            return args[0] if args else kwargs["tensor"]
        return func(*args, **kwargs)
