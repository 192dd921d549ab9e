"""Folders and names -> objects: the one place that knows every class."""

from __future__ import annotations

import copy
from pathlib import Path

from sopo.data.dataset import MotionDataset
from sopo.errors import UserError
from sopo.generators.generator import Generator
from sopo.generators.mdm import MDM
from sopo.generators.mld import MLD
from sopo.generators.momask import MoMask
from sopo.matching.guo import GuoMatcher
from sopo.matching.tmr import TMR
from sopo.pretrained import local_folder, read_config
from sopo.rewards.learned import GuoReward, TMRReward
from sopo.rewards.physical import PhysicalReward
from sopo.rewards.reward import Reward

GENERATORS: dict[str, type[Generator]] = {MDM.kind: MDM, MLD.kind: MLD, MoMask.kind: MoMask}
MATCHERS: dict[str, type[TMR] | type[GuoMatcher]] = {TMR.kind: TMR, GuoMatcher.kind: GuoMatcher}


def load_generator(folder: str | Path) -> Generator:
    """The generator saved in ``folder``, whatever its family."""
    return GENERATORS[_kind(folder, GENERATORS, "generator")].from_pretrained(folder)


def load_matcher(folder: str | Path) -> TMR | GuoMatcher:
    """The text-motion matcher saved in ``folder``: TMR or the Guo et al. evaluator."""
    return MATCHERS[_kind(folder, MATCHERS, "matcher (reward or evaluator)")].from_pretrained(folder)


def load_reward(name: str | Path, features: int) -> Reward:
    """``physical``, or a matcher's folder as a reward: TMR's (cos + 1) / 2 or the evaluator's similarity."""
    if str(name) == "physical":
        return PhysicalReward()
    matcher = load_matcher(name)
    check_features(matcher.config.features, features, str(name))
    return TMRReward(matcher) if isinstance(matcher, TMR) else GuoReward(matcher)


def load_dataset(root: str | Path, split: str, generator: Generator | None = None) -> MotionDataset:
    """A split, normalised as ``generator`` was trained, or by the folder's own statistics."""
    dataset = MotionDataset(root, split)
    if generator is not None:
        check_features(generator.config.features, dataset.skeleton.num_features, "the generator")
        dataset.normalizer = copy.deepcopy(generator.normalizer)  # batches are made on the CPU
    return dataset


def check_features(own: int, given: int, what: str) -> None:
    """UserError unless a model's feature count is the data's."""
    if own != given:
        raise UserError(f"{what} expects {own} features, the motions have {given}: use data of the same skeleton")


def _kind(folder: str | Path, known: dict, what: str) -> str:
    kind = str(read_config(local_folder(folder)).get("kind"))
    if kind not in known:
        raise UserError(f"{folder}: holds a {kind!r}, not a {what} ({', '.join(known)})")
    return kind
