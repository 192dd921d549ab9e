"""Flags from dataclasses: every field of a config is a flag, checked by its type and by the config itself."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import yaml
from jsonargparse import ArgumentParser, Namespace, set_loader, set_parsing_settings

from sopo.cli.yaml_files import load_yaml
from sopo.errors import UserError

set_parsing_settings(docstring_parse_attribute_docstrings=True)
set_loader("yaml", load_yaml, (yaml.YAMLError,))

# What a flag for a generator or a reward takes.
GENERATOR = "a folder, or your own as module:factory, or module:factory@FOLDER for one that was saved"
REWARD = "a folder, 'physical', your own as module:function, or a sum 0.7*FOLDER + 0.3*physical"

ConfigT = TypeVar("ConfigT")


class Parser(ArgumentParser):
    """Errors are one line on standard error and exit code 2."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        line = " ".join(part.strip() for part in message.splitlines())
        print(f"sopo: {line} (see {self.prog.replace(' [options]', '')} --help)", file=sys.stderr)
        sys.exit(2)


@dataclasses.dataclass(frozen=True)
class Verb:
    """A command: ``prepare`` adds its flags, ``run`` imports the job and gives it what they say.

    before: the words after the verb -> flags that stand before them, so that theirs override. networks: whether it runs
    any, and so takes the flags of ``MachineConfig``.
    """

    prepare: Callable[[Parser], None]
    run: Callable[[Namespace], None]
    before: Callable[[Sequence[str]], Sequence[str]] = lambda words: ()
    networks: bool = False


def config_from(flags: Namespace, kind: type[ConfigT], group: str = "") -> ConfigT:
    """The dataclass ``kind`` from flags of its fields' names, those of a group if given; nested ones likewise."""
    values: dict[str, Any] = {}
    for field in dataclasses.fields(kind):  # type: ignore[arg-type]
        value = getattr(flags[group] if group else flags, field.name)
        if isinstance(value, Namespace):
            default = field.default_factory() if callable(field.default_factory) else field.default
            value = config_from(flags, type(default), f"{group}.{field.name}" if group else field.name)
        values[field.name] = value
    try:
        return kind(**values)
    except UserError as error:
        raise UserError(f"{group}.{error}" if group else str(error)) from error


def add_config(parser: Parser, kind: type, defaults: dict[str, Any] | None = None) -> None:
    """A flag for each field of a config dataclass, with other defaults where given."""
    parser.add_class_arguments(kind)
    parser.set_defaults(flat(defaults or {}))


def flat(values: dict[str, Any]) -> dict[str, Any]:
    """Settings as flags are named: those of a nested dataclass get its name and a dot before theirs."""
    named: dict[str, Any] = {}
    for name, value in values.items():
        if dataclasses.is_dataclass(value):
            named |= {f"{name}.{inner}": part for inner, part in flat(vars(value)).items()}
        else:
            named[name] = value
    return named


def add_path(parser: Parser, name: str, help: str, default: str | None = None) -> None:
    """A flag that takes a path; required unless it has a default."""
    if default is None:
        parser.add_argument(name, type=Path, required=True, help=help)
    else:
        parser.add_argument(name, type=Path, default=Path(default), help=help)
