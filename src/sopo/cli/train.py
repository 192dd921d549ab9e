"""``sopo train``: generators, the reward (TMR) and the evaluator (Guo et al.) from scratch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jsonargparse import Namespace

from sopo.cli.parser import Parser, Verb, add_config, add_path, config_from, flat
from sopo.recipes import presets
from sopo.recipes.pretrain import (
    train_evaluator,
    train_mdm,
    train_mld,
    train_momask,
    train_reward,
    train_rvq,
    train_vae,
)
from sopo.training.loop import LoopConfig


def _verb(small: Any, loop: dict[str, Any], train: Callable[..., Any], given: tuple[str, ...] = ()) -> Verb:
    """A model's config, the loop's, and folders of trained parts that the config follows (``given``)."""
    model = type(small)

    def prepare(parser: Parser) -> None:
        add_path(parser, "--data", "folder in the HumanML3D layout")
        for part in given:
            add_path(parser, f"--{part}", f"folder of the trained {part}")
        add_path(parser, "--out", "folder for the model; its log and checkpoint lie in OUT/run")
        parser.add_class_arguments(model, skip=set(given))
        parser.set_defaults({k: v for k, v in flat(vars(small)).items() if k.split(".")[0] not in given})
        add_config(parser, LoopConfig, loop)

    def run(flags: Namespace) -> None:
        folders = {part: getattr(flags, part) for part in given}
        for part in given:
            setattr(flags, part, getattr(small, part))
        config = config_from(flags, model)
        train(flags.data, out=flags.out, model=config, loop=config_from(flags, LoopConfig), **folders)
        print(f"trained: {flags.out}")

    return Verb(prepare, run)


MDM = _verb(presets.MDM_PRESETS["small"], presets.LOOP_GENERATOR, train_mdm)
VAE = _verb(presets.VAE_PRESETS["small"], presets.LOOP_VAE, train_vae)
MLD = _verb(presets.MLD_PRESETS["small"], presets.LOOP_MLD, train_mld, given=("vae",))
RVQ = _verb(presets.RVQ_PRESETS["small"], presets.LOOP_RVQ, train_rvq)
MOMASK = _verb(presets.MOMASK_PRESETS["small"], presets.LOOP_MOMASK, train_momask, given=("rvq",))
REWARD = _verb(presets.TMR_SMALL, presets.LOOP_REWARD, train_reward)
EVALUATOR = _verb(presets.GUO_SMALL, presets.LOOP_EVALUATOR, train_evaluator)
