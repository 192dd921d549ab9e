"""``sopo align``: fine-tune a generator with a preference objective."""

from __future__ import annotations

from jsonargparse import Namespace

from sopo.cli.parser import Parser, Verb, add_config, add_path, config_from
from sopo.preference.objective import PreferenceConfig
from sopo.recipes.align import align
from sopo.recipes.presets import LOOP_STABLE, PRESETS
from sopo.training.loop import LoopConfig


def _prepare(parser: Parser) -> None:
    add_path(parser, "--generator", "folder of the generator to align")
    add_path(parser, "--data", "folder in the HumanML3D layout")
    parser.add_argument("--reward", type=str, required=True, help="folder of a TMR or evaluator, or 'physical'")
    add_path(parser, "--out", "folder for the aligned generator; its log and checkpoint lie in OUT/run")
    add_config(parser, PreferenceConfig, PRESETS["stable"])
    add_config(parser, LoopConfig, LOOP_STABLE)


def _run(flags: Namespace) -> None:
    align(
        data=flags.data,
        generator=flags.generator,
        reward=flags.reward,
        out=flags.out,
        preference=config_from(flags, PreferenceConfig),
        loop=config_from(flags, LoopConfig),
    )
    print(f"aligned generator: {flags.out}")


ALIGN = Verb("fine-tune a generator with SoPo or a rival objective", _prepare, _run)
