"""The recipe of the shipped checkpoints: `make checkpoints`.

The procedural corpus, then reward, evaluator and a generator of each family, each with its own seed; an
interrupted call goes on where it stopped. Nothing but the procedural corpus is seen. Reward and evaluator learn from a
corpus of their own, larger and without wrong captions, as judges should know better than what they judge. A generator
is pre-trained on captions of which some are wrong, then fine-tuned on the same clips without those: what is left for a
preference is what plain training no longer mends. The FlowDiT sees the clips without those from the start.
"""

from __future__ import annotations

from pathlib import Path

from safetensors.torch import save_file

from sopo.cards import LICENCE, LOAD, set_parts
from sopo.corpus.settings import CorpusConfig
from sopo.folders import CHECKPOINTS, CONFIG_FILE, WEIGHTS_FILE, read_kind
from sopo.preference.settings import PreferenceConfig
from sopo.recipes import presets
from sopo.recipes.align import align
from sopo.recipes.build import load_generator, load_matcher
from sopo.recipes.corpus import made_corpus
from sopo.recipes.presets import ALIGNMENT_CORPUS, RAW_CORPUS
from sopo.recipes.pretrain import (
    train_evaluator,
    train_flow,
    train_mdm,
    train_mld,
    train_momask,
    train_reward,
    train_rvq,
    train_vae,
)
from sopo.training.settings import LoopConfig
from sopo.weights import read_weights

JUDGES_CORPUS = CorpusConfig(train=12000, val=64, test=64, seed=100, wrong_share=0.0, coarse_share=0.15)
TUNED = ("mdm", "mld", "momask")
GENERATORS = (*TUNED, "flow")
SHIPPED = ("reward", "evaluator", *GENERATORS)
HALF = GENERATORS[1:]  # stored in half precision, for the size of the package; computed in single as the others


def make_checkpoints(work: Path, out: Path = CHECKPOINTS) -> None:
    """Train everything in ``work``, then write the models (not their logs) to ``out``."""
    judges = made_corpus(work / "judges", JUDGES_CORPUS)
    train_reward(judges, work / "reward", presets.TMR_SMALL, LoopConfig(**presets.LOOP_REWARD))
    train_evaluator(judges, work / "evaluator", presets.GUO_SMALL, LoopConfig(**presets.LOOP_EVALUATOR))
    raw, pretrained = made_corpus(work / "raw", RAW_CORPUS), work / "pretrained"
    train_mdm(raw, pretrained / "mdm", presets.MDM_PRESETS["small"], LoopConfig(**presets.LOOP_GENERATOR))
    train_vae(raw, work / "vae", presets.VAE_PRESETS["small"], LoopConfig(**presets.LOOP_VAE))
    train_mld(raw, work / "vae", pretrained / "mld", presets.MLD_PRESETS["small"], LoopConfig(**presets.LOOP_MLD))
    train_rvq(raw, work / "rvq", presets.RVQ_PRESETS["small"], LoopConfig(**presets.LOOP_RVQ))
    momask = presets.MOMASK_PRESETS["small"]
    train_momask(raw, work / "rvq", pretrained / "momask", momask, LoopConfig(**presets.LOOP_MOMASK))
    tuning = made_corpus(work / "data", ALIGNMENT_CORPUS)
    for name in TUNED:
        loop = LoopConfig(**presets.LOOP_TUNINGS[name])
        align(tuning, pretrained / name, None, work / name, PreferenceConfig(method="sft"), loop)
    train_flow(tuning, work / "flow", presets.FLOW_PRESETS["small"], LoopConfig(**presets.LOOP_FLOW))
    for name in SHIPPED:
        ship(work / name, out / name, half=name in HALF)


def ship(source: Path, out: Path, half: bool) -> None:
    """Copy a model folder; ``half``: the parameters of a generator as float16, statistics and codebooks as they are."""
    out.mkdir(parents=True, exist_ok=True)
    tensors = read_weights(source / WEIGHTS_FILE)
    if half:
        parameters = {name for name, _ in load_generator(source).named_parameters()}
        tensors = {name: value.half() if name in parameters else value for name, value in tensors.items()}
    save_file(tensors, out / WEIGHTS_FILE)
    (out / CONFIG_FILE).write_text((source / CONFIG_FILE).read_text())
    write_shipped_card(out)


def write_shipped_card(folder: Path) -> None:
    """The card of a shipped model; its weights are ours, and so is their licence."""
    kind = read_kind(folder)
    model = load_generator(folder) if kind in GENERATORS else load_matcher(folder)
    model.write_card(folder, {"by": "`make checkpoints` (`sopo.recipes.checkpoints`)", "data": "the procedural corpus"})
    licence = "MIT. Nothing but the procedural corpus, which is ours, went into it."
    set_parts(folder, {LICENCE: licence, LOAD: model.how_to_load(f"shipped/{folder.name}")}, {"license": "mit"})


if __name__ == "__main__":
    make_checkpoints(Path("runs/checkpoints"))
