"""The recipe of the shipped checkpoints: `make checkpoints`.

The procedural corpus, then reward, evaluator and generator, each with its own seed; an interrupted call goes
on where it stopped. Nothing but the procedural corpus is seen.
"""

from __future__ import annotations

from pathlib import Path

from sopo.corpus.write import CorpusConfig
from sopo.recipes import presets
from sopo.recipes.corpus import made_corpus
from sopo.recipes.pretrain import train_evaluator, train_mdm, train_reward
from sopo.recipes.shipped import CHECKPOINTS
from sopo.training.loop import LoopConfig

TRAIN_CLIPS = 6000
MODEL_FILES = ("config.json", "model.safetensors")


def make_checkpoints(work: Path, out: Path = CHECKPOINTS) -> None:
    """Train everything in ``work``, then copy the models (not their logs) to ``out``."""
    data = made_corpus(work / "data", CorpusConfig(train=TRAIN_CLIPS))
    train_reward(data, work / "reward", presets.TMR_SMALL, LoopConfig(**presets.LOOP_REWARD))
    train_evaluator(data, work / "evaluator", presets.GUO_SMALL, LoopConfig(**presets.LOOP_EVALUATOR))
    train_mdm(data, work / "generator", presets.MDM_PRESETS["small"], LoopConfig(**presets.LOOP_GENERATOR))
    for name in ("reward", "evaluator", "generator"):
        (out / name).mkdir(parents=True, exist_ok=True)
        for file in MODEL_FILES:
            (out / name / file).write_bytes((work / name / file).read_bytes())


if __name__ == "__main__":
    make_checkpoints(Path("runs/checkpoints"))
