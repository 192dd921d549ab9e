"""``sopo train``: generators, the reward (TMR) and the evaluator (Guo et al.) from scratch."""

from __future__ import annotations

from typing import Any

from jsonargparse import Namespace

from sopo.cli.parser import Parser, Verb, add_config, add_path, config_from, flat
from sopo.recipes import presets
from sopo.training.settings import LoopConfig


def _verb(small: Any, loop: dict[str, Any], given: tuple[str, ...] = ()) -> Verb:
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
        from sopo.recipes.pretrain import TRAIN

        folders = {part: getattr(flags, part) for part in given}
        for part in given:
            setattr(flags, part, getattr(small, part))
        config = config_from(flags, model)
        TRAIN[model](flags.data, out=flags.out, model=config, loop=config_from(flags, LoopConfig), **folders)
        print(f"trained: {flags.out}")

    return Verb(prepare, run, networks=True)


MDM = _verb(presets.MDM_PRESETS["small"], presets.LOOP_GENERATOR)
FLOW = _verb(presets.FLOW_PRESETS["small"], presets.LOOP_FLOW)
VAE = _verb(presets.VAE_PRESETS["small"], presets.LOOP_VAE)
MLD = _verb(presets.MLD_PRESETS["small"], presets.LOOP_MLD, given=("vae",))
RVQ = _verb(presets.RVQ_PRESETS["small"], presets.LOOP_RVQ)
MOMASK = _verb(presets.MOMASK_PRESETS["small"], presets.LOOP_MOMASK, given=("rvq",))
REWARD = _verb(presets.TMR_SMALL, presets.LOOP_REWARD)
EVALUATOR = _verb(presets.GUO_SMALL, presets.LOOP_EVALUATOR)
