"""``sopo train``: generator, reward (TMR) and evaluator (Guo et al.) from scratch."""

from __future__ import annotations

from jsonargparse import Namespace

from sopo.cli.parser import Parser, Verb, add_config, add_path, config_from
from sopo.generators.mdm import MDMConfig
from sopo.matching.guo import GuoConfig
from sopo.matching.tmr import TMRConfig
from sopo.recipes import presets
from sopo.recipes.pretrain import train_evaluator, train_generator, train_reward
from sopo.training.loop import LoopConfig


def _verb(model: type, small: object, loop: dict, train: object) -> Verb:
    def prepare(parser: Parser) -> None:
        add_path(parser, "--data", "folder in the HumanML3D layout")
        add_path(parser, "--out", "folder for the model; its log and checkpoint lie in OUT/run")
        add_config(parser, model, vars(small))
        add_config(parser, LoopConfig, loop)

    def run(flags: Namespace) -> None:
        train(flags.data, flags.out, config_from(flags, model), config_from(flags, LoopConfig))  # type: ignore[operator]
        print(f"trained: {flags.out}")

    return Verb(prepare, run)


GENERATOR = _verb(MDMConfig, presets.MDM_PRESETS["small"], presets.LOOP_GENERATOR, train_generator)
REWARD = _verb(TMRConfig, presets.TMR_SMALL, presets.LOOP_REWARD, train_reward)
EVALUATOR = _verb(GuoConfig, presets.GUO_SMALL, presets.LOOP_EVALUATOR, train_evaluator)
