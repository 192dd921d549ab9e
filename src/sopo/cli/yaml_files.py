"""YAML of strangers, as ``--config`` takes it: as long and as deep as settings are, and nothing told by reference."""

from __future__ import annotations

from typing import Any

import yaml
from jsonargparse import get_loader

MAX_LENGTH, MAX_DEPTH = 1 << 16, 16
_load = get_loader("yaml")


def load_yaml(text: str) -> Any:
    """The value of a YAML text; YAMLError also where it is longer, deeper or tells of more than settings do.

    A few lines of aliases to aliases stand for more than any memory holds.
    """
    if len(text) > MAX_LENGTH:
        raise yaml.YAMLError(f"above {MAX_LENGTH >> 10} kB, far more than settings are")
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH or isinstance(event, yaml.AliasEvent):
            raise yaml.YAMLError(f"line {event.start_mark.line + 1} nests too deep, or has an alias; write values out")
    try:
        return _load(text)
    except ValueError as error:  # such as a number of too many digits
        raise yaml.YAMLError(str(error)) from error
