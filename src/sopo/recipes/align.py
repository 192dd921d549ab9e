"""The main path: policy, reference, reward and data become one objective and one loop."""

from __future__ import annotations

import copy
import dataclasses
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from sopo.batch import Batch
from sopo.data.dataset import MotionDataset
from sopo.device import device
from sopo.errors import UserError
from sopo.folders import local_pairs
from sopo.generators.generator import Generator
from sopo.nn.lora import add_adapters, merge_adapters
from sopo.nn.settings import LoRAConfig
from sopo.preference.base import Objective
from sopo.preference.candidates import draw_candidates
from sopo.preference.guard import WinnerGuard
from sopo.preference.label_pairs import LabelPairs, are_labels
from sopo.preference.methods import METHODS, method_by_name
from sopo.preference.pairs import PairStore
from sopo.preference.settings import PreferenceConfig
from sopo.randomness import Draws, derive_seed, numpy_rng
from sopo.recipes.batches import label_batches, pair_batches, training_batches
from sopo.recipes.build import (
    DataSource,
    GeneratorSource,
    RewardSource,
    build_objective,
    load_dataset,
    load_generator,
    load_matcher,
    load_reward,
    saved_from,
)
from sopo.recipes.caption_list import load_captions
from sopo.recipes.contract import require_contract
from sopo.recipes.fingerprints import data_hash, files_hash, label, model_hash
from sopo.recipes.record import save_model, write_json
from sopo.recipes.resume import write_run
from sopo.recipes.settings import Keep, ValidationConfig
from sopo.recipes.validate import Measure, hold_out, matcher_of
from sopo.rewards.reward import Reward
from sopo.rewards.threshold import resolve_tau, seen_range
from sopo.training.loop import Batches, fit
from sopo.training.progress import console, progress
from sopo.training.settings import LoopConfig
from sopo.training.validation import Validation

CALIBRATION_PAIRS = 512  # real pairs whose rewards define the quantiles of tau
DESCRIBED_SAMPLES = 64  # of the pretrained model, whose rewards run.json describes
ALL_WEIGHTS = LoRAConfig(rank=0)
UNSEEN = ValidationConfig()
ROUND_SEEDS = 10  # a round's seed is so far from the last one's: runs of seeds 0 to 9 never share one


@dataclass(frozen=True)
class Alignment:
    """All that a run needs before its first step. settings: what run.json says of it.

    validation: what measures the policy while it trains, if anything does.
    spent, each_step: motions generated before the run and by each of its steps, in units of the training captions
    (the paper's "Time*").
    """

    objective: Objective
    batches: Batches
    settings: dict[str, Any]
    spent: float
    each_step: float
    validation: Validation | None = None


def align(
    data: DataSource | None,
    generator: GeneratorSource,
    reward: RewardSource | None,
    out: Path,
    preference: PreferenceConfig,
    loop: LoopConfig,
    pairs: Path | None = None,
    lora: LoRAConfig = ALL_WEIGHTS,
    rounds: int = 1,
    captions: Path | None = None,
    validation: ValidationConfig = UNSEEN,
    keep: Keep = "last",
) -> Generator:
    """Fine-tune a copy of ``generator``; the result is saved in ``out``, its log in ``out/run``.

    reward: of the methods that sample the policy, which alone need one.
    pairs: a file of `sopo pairs mine`, or of people's answers, for the methods that learn from such pairs; its rows are
    the training set.
    lora: train a low-rank change of the weights instead of the weights; what is saved holds it merged.
    captions: a file of captions, one a line, for the methods that need no motions; then ``data`` gives lengths alone.
    validation, keep: what is measured on the way, and whether the last weights are saved or the best by it.
    rounds: each starts from the last one's result, its reference; those before the last are in ``out/round-N``.
    Raises UserError if there are rounds and pairs, which are those of one model.
    """
    if rounds < 1:
        raise UserError(f"rounds is {rounds}: must be 1 or more")
    if rounds > 1 and pairs is not None:
        raise UserError(f"rounds is {rounds}, but --pairs are of one model: align once, mine again, align from there")
    before = 0.0
    for number in range(1, rounds + 1):
        folder = out if number == rounds else out / f"round-{number}"
        part = dataclasses.replace(loop, seed=loop.seed + ROUND_SEEDS * (number - 1))
        made = prepare(data, generator, reward, preference, part, pairs, lora, captions, validation, keep)
        # A round that went on for longer would change what the next one began from.
        fixed = {"rounds": rounds, "steps": loop.steps} if rounds > 1 else {}
        made = dataclasses.replace(made, spent=made.spent + before, settings=made.settings | fixed)
        _train(made, folder, preference, part, lora)
        generator, before = saved_from(generator, folder), made.spent + loop.steps * made.each_step
    return made.objective.policy.eval()


def _train(made: Alignment, out: Path, preference: PreferenceConfig, loop: LoopConfig, lora: LoRAConfig) -> None:
    write_run(out / "run", made.settings, preference, loop, lora)
    guard = WinnerGuard(preference.stop_on_winner_rise)
    since = time.monotonic()

    def watch(step: int, values: dict[str, float]) -> bool:
        nonlocal since
        before, since = since, time.monotonic()
        values["seconds"] = since - before
        values["budget"] = made.spent + step * made.each_step
        if made.objective.reward is not None:
            values |= made.objective.reward.report()
        return guard(step, values)

    title = f"aligning with {preference.method}"
    fit(made.objective, made.batches, loop, out / "run", title, watch, made.validation)
    guard.finish()
    if (validation := made.validation) and validation.keep_best and (best := validation.best):
        console.print(f"kept: the weights of step {best['step']}, the best on the captions kept aside", highlight=False)
        write_json(out / "run" / "kept.json", {"step": best["step"], "values": best["values"]})
    merge_adapters(made.objective.policy)
    save_model(made.objective.policy, out)


def prepare(
    data: DataSource | None,
    generator: GeneratorSource,
    reward: RewardSource | None,
    preference: PreferenceConfig,
    loop: LoopConfig,
    pairs: Path | None = None,
    lora: LoRAConfig = ALL_WEIGHTS,
    captions: Path | None = None,
    validation: ValidationConfig = UNSEEN,
    keep: Keep = "last",
) -> Alignment:
    """The objective and the batches of ``align``, whose arguments these are; writes nothing."""
    method = method_by_name(preference.method)
    if pairs is not None and not method.needs_pairs:
        raise UserError(f"method {preference.method} takes no mined pairs: leave --pairs out, or choose dpo or modipo")
    if reward is None and method.samples_policy:
        raise UserError(f"method {preference.method} scores samples of the policy: give --reward")
    if keep == "best" and not validation.every:
        raise UserError("--keep best is by what is measured on the way: give --validation.every STEPS")
    policy = load_generator(generator)
    if policy is generator:  # the user keeps it as it is, to compare with
        policy = copy.deepcopy(policy, {id(policy.text): policy.text})
    require_contract(policy)
    dataset = _training_set(data, captions, generator, policy, preference)
    settings: dict[str, Any] = {"data": str(dataset.root), "generator": label(generator), "reward": label(reward)}
    settings |= {"captions": files_hash(captions)} if captions else {}
    held_out = None
    settings |= {"validation": dataclasses.asdict(validation) if validation.every else {"every": 0}, "keep": keep}
    if validation.every:
        dataset, held_out = _kept_aside(dataset, data, pairs, policy, validation, loop.seed)
    scorer, tau, mined = None, 0.0, None
    a_pass = sum(len(item.captions) for item in dataset.items)
    spent, each_step = 0.0, 0.0
    if pairs is None:
        batches = training_batches(dataset, loop)
    elif are_labels(pairs):
        chosen = LabelPairs(pairs, dataset.normalizer, dataset.skeleton)
        batches = label_batches(chosen, loop)
        mined = chosen.rankings(policy)
        spent = 2 * len(chosen) / a_pass
        settings |= {"pairs": str(pairs), "labels": {"answers": chosen.answers, "pairs": len(chosen)}}
    else:
        store = PairStore(local_pairs(pairs))
        store.check({"generator": model_hash(generator), "data": data_hash(dataset.root, dataset.split)})
        batches = pair_batches(dataset, store, loop)
        mined = store.rankings(policy, ranking=method.ranking is not None)
        spent = store.scores.size / a_pass
        best, worst = (quantiles(torch.from_numpy(store.scores[:, k])) for k in (0, -1))
        settings |= {"pairs": str(pairs), "mined": store.origin, "rewards": {"best": best, "worst": worst}}
    if reward is not None and (method.samples_policy or preference.min_gap or held_out):
        scorer = load_reward(reward, policy.config.features)
    if method.samples_policy and scorer is not None:
        if method.reweight:  # asked for now, not after minutes
            nothing = torch.zeros(1, 40, policy.config.features, device=device())
            scorer.embed_motions(nothing, torch.tensor([40], device=device()))
        each_step = loop.batch_size * method.samples(preference.K) / a_pass
        with progress("first look at the rewards") as report:
            samples = sample_rewards(policy, dataset, scorer, preference)
            report(len(samples), len(samples) + min(CALIBRATION_PAIRS, len(dataset)), "samples")
            settings["rewards"] = {"samples": quantiles(samples)}
            if captions is None:
                real = real_rewards(dataset, scorer, loop.seed)
                report(len(samples) + len(real), len(samples) + len(real), "real motions")
                tau = resolve_tau(preference.tau, real, seen_range(scorer.range, torch.cat([real, samples.to(real)])))
                settings |= {"tau": tau, "rewards": {"real": quantiles(real), **settings["rewards"]}}
        scorer.report()  # which forgets what was no step's
    if lora.rank:
        add_adapters(policy, lora.rank, derive_seed(loop.seed, "lora"))
    objective = build_objective(policy, scorer, preference, tau, mined)
    measured = None
    if held_out is not None:
        judge = load_matcher(validation.evaluator) if validation.evaluator else matcher_of(scorer)
        measure = Measure(policy, held_out, scorer, judge, validation, loop.seed)
        measured = Validation(measure, measure.by, validation.every, keep == "best")
    return Alignment(objective, batches, settings, spent, each_step, measured)


def _training_set(
    data: DataSource | None,
    captions: Path | None,
    generator: GeneratorSource,
    policy: Generator,
    preference: PreferenceConfig,
) -> MotionDataset:
    """The training split, or a file of captions for the methods that need no more."""
    dataset = None if data is None else load_dataset(data, "train", policy)
    if captions is not None:
        if method_by_name(preference.method).needs_motions or preference.anchor:
            enough = [name for name, method in METHODS.items() if not method.needs_motions]
            what = "an anchor" if preference.anchor else f"method {preference.method}"
            raise UserError(f"{what} needs real motions; captions alone do, without an anchor, for {', '.join(enough)}")
        return load_captions(captions, generator, policy, dataset)
    if dataset is None:
        raise UserError("give --data FOLDER, or --captions FILE to a method that needs no motions")
    return dataset


def _kept_aside(
    dataset: MotionDataset,
    data: DataSource | None,
    pairs: Path | None,
    policy: Generator,
    validation: ValidationConfig,
    seed: int,
) -> tuple[MotionDataset, MotionDataset]:
    """What is left to train on, and what is not."""
    if validation.split != "train":
        if data is None or isinstance(data, MotionDataset):
            raise UserError(f"validation.split is {validation.split}: give --data FOLDER, which has that split")
        return dataset, load_dataset(data, validation.split, policy)
    if pairs is not None:
        raise UserError("mined pairs are of the whole training split: validate on another, --validation.split val")
    return hold_out(dataset, validation.captions, seed)


def real_rewards(dataset: MotionDataset, reward: Reward, seed: int) -> torch.Tensor:
    """Rewards of real captioned motions, [N]: the scale on which a quantile tau is read."""
    batch = _some(dataset, CALIBRATION_PAIRS, seed)
    raw = dataset.normalizer.denormalize(batch.motion) * batch.mask[..., None]
    return reward.score(raw.to(device()), batch.length.to(device()), batch.captions)


def sample_rewards(
    policy: Generator, dataset: MotionDataset, reward: Reward, preference: PreferenceConfig
) -> torch.Tensor:
    """Rewards of the policy's motions as training will sample them, [N]: where the losers start."""
    batch = _some(dataset, DESCRIBED_SAMPLES, 0).to(device())
    draws = Draws(0, len(batch), device=device())
    return draw_candidates(policy.eval(), reward, batch, 1, preference.rollout, draws).reward.flatten()


def quantiles(rewards: torch.Tensor) -> dict[str, float]:
    """The distribution of rewards [N] in five numbers, for the record."""
    levels = (0.05, 0.25, 0.5, 0.75, 0.95)
    values = torch.quantile(rewards.cpu().double(), torch.tensor(levels, dtype=torch.float64)).tolist()
    return {f"q{level:g}": value for level, value in zip(levels, values, strict=True)}


def _some(dataset: MotionDataset, count: int, seed: int) -> Batch:
    rng = numpy_rng(seed, "calibration")
    return dataset.batch(rng.choice(len(dataset), min(count, len(dataset)), replace=False), rng)
