"""``sopo align``: fine-tune a generator with a preference objective."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import yaml
from jsonargparse import Namespace

from sopo.cli.parser import GENERATOR, REWARD, Parser, Verb, add_config, add_path, config_from, flat
from sopo.cli.yaml_files import load_yaml
from sopo.errors import UserError
from sopo.folders import read_kind
from sopo.nn.settings import LoRAConfig
from sopo.preference.settings import PreferenceConfig
from sopo.recipes.presets import LOOP_STABLE, PRESETS, aligning
from sopo.recipes.settings import Keep, ValidationConfig
from sopo.training.settings import LoopConfig


def add_run(parser: Parser, loop: dict[str, Any]) -> None:
    """The flags of a run: everything but where its result goes."""
    add_path(parser, "--generator", f"the generator to align: {GENERATOR}")
    parser.add_argument("--data", type=Path, default=None, help="folder in the HumanML3D layout")
    parser.add_argument(
        "--captions",
        type=Path,
        default=None,
        help="captions alone, one a line, for methods that need no motions; 'caption#0#3.2' lasts 3.2 s",
    )
    parser.add_argument(
        "--reward",
        type=str,
        default=None,
        help=f"{REWARD}; sft and the mined pairs need none",
    )
    parser.add_argument(
        "--pairs",
        type=Path,
        default=None,
        help="file of `sopo pairs mine`, or people's answers (docs/people.md), for dpo, dpo-ranked and modipo",
    )
    parser.add_argument("--preset", type=Literal[*PRESETS], default="stable", help="settings that other flags override")
    add_config(parser, PreferenceConfig, PRESETS["stable"])
    parser.add_class_arguments(LoRAConfig, "lora")
    add_config(parser, LoopConfig, loop)


def run_from(flags: Namespace) -> dict[str, Any]:
    """The flags of ``add_run`` as arguments of ``sopo.recipes.align.prepare``."""
    return {
        "data": flags.data,
        "generator": flags.generator,
        "reward": flags.reward,
        "preference": config_from(flags, PreferenceConfig),
        "loop": config_from(flags, LoopConfig),
        "pairs": flags.pairs,
        "lora": config_from(flags, LoRAConfig, "lora"),
        "captions": flags.captions,
    }


def _prepare(parser: Parser) -> None:
    add_path(parser, "--out", "folder for the aligned generator; its log and checkpoint lie in OUT/run")
    parser.add_argument(
        "--rounds", type=int, default=1, help="runs in a row, each from the last one's result, its new reference"
    )
    add_run(parser, LOOP_STABLE)
    parser.add_class_arguments(ValidationConfig, "validation")
    parser.add_argument(
        "--keep", type=Keep, default="last", help="best: save the best weights by what --validation.every measures"
    )


def _run(flags: Namespace) -> None:
    from sopo.recipes.align import align

    validation = config_from(flags, ValidationConfig, "validation")
    align(out=flags.out, rounds=flags.rounds, validation=validation, keep=flags.keep, **run_from(flags))
    print(f"aligned generator: {flags.out}")


def preset_flags(arguments: Sequence[str]) -> list[str]:
    """The settings of the ``--preset`` among the arguments, or in their YAML file, as flags to stand before them."""
    before = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    for name in ("config", "preset", "generator", "method"):
        before.add_argument(f"--{name}")
    given = vars(before.parse_known_args(arguments)[0])
    given = _named_in(given["config"]) | {name: value for name, value in given.items() if value is not None}
    preset, kind = given.get("preset", "stable"), ""
    if generator := given.get("generator"):
        with suppress(UserError):  # a folder that is none is refused where it is loaded
            kind = read_kind(str(generator))
    known = isinstance(preset, str) and preset in PRESETS  # the parser refuses others
    row = aligning(preset, kind, str(given.get("method", "sopo"))) if known else {}
    return [f"--{name}={'null' if value is None else value}" for name, value in flat(row).items()]


def _named_in(config: str | None) -> dict[str, Any]:
    """The top level of a YAML file; nothing of one that cannot be read, which is refused when the flags are parsed."""
    with suppress(OSError, UnicodeDecodeError, yaml.YAMLError):
        values = load_yaml(Path(config).read_text(encoding="utf-8")) if config else None
        return values if isinstance(values, dict) else {}
    return {}


ALIGN = Verb(_prepare, _run, before=preset_flags, networks=True)
