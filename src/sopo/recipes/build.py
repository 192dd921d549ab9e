"""Folders and names -> objects: the one place that knows every class."""

from __future__ import annotations

import copy
import math
from collections.abc import Collection
from pathlib import Path

from sopo.data.dataset import MotionDataset
from sopo.errors import UserError
from sopo.folders import read_kind
from sopo.generators.generator import Generator
from sopo.generators.mdm import MDM
from sopo.generators.mld import MLD
from sopo.generators.momask import MoMask
from sopo.matching.guo import GuoMatcher
from sopo.matching.tmr import TMR
from sopo.preference.base import Objective, Rankings
from sopo.preference.methods import method_by_name
from sopo.preference.objective import PreferenceObjective
from sopo.preference.policy_gradient import PolicyGradient
from sopo.preference.reward_gradient import RewardGradient
from sopo.preference.settings import PreferenceConfig
from sopo.rewards.bradley_terry import BradleyTerry, BradleyTerryReward
from sopo.rewards.learned import GuoReward, TMRReward
from sopo.rewards.physical import PhysicalReward, WeightedReward
from sopo.rewards.reward import Reward
from sopo.settings import shown

GENERATORS: dict[str, type[Generator]] = {MDM.kind: MDM, MLD.kind: MLD, MoMask.kind: MoMask}
MATCHERS: dict[str, type[TMR] | type[GuoMatcher]] = {TMR.kind: TMR, GuoMatcher.kind: GuoMatcher}

OBJECTIVES: dict[str, type[Objective]] = {
    "pairs": PreferenceObjective,
    "reward-gradient": RewardGradient,
    "policy-gradient": PolicyGradient,
}


def build_objective(
    policy: Generator, reward: Reward | None, config: PreferenceConfig, tau: float, pairs: Rankings | None = None
) -> Objective:
    """What trains ``policy`` by the method of ``config``; the arguments are ``Objective``'s."""
    return OBJECTIVES[method_by_name(config.method).objective](policy, reward, config, tau, pairs)


def load_generator(folder: str | Path) -> Generator:
    """The generator saved in ``folder``, whatever its family."""
    return GENERATORS[_kind(folder, GENERATORS, "generator")].from_pretrained(folder)


def load_matcher(folder: str | Path) -> TMR | GuoMatcher:
    """The text-motion matcher saved in ``folder``: TMR or the Guo et al. evaluator."""
    return MATCHERS[_kind(folder, MATCHERS, "matcher (reward or evaluator)")].from_pretrained(folder)


def load_reward(name: str | Path, features: int) -> Reward:
    """``physical``, a folder (TMR, evaluator, Bradley-Terry), or a sum ``0.7*FOLDER + 0.3*physical``."""
    terms = [(weight, _load_one_reward(part, features)) for weight, part in reward_terms(str(name))]
    return terms[0][1] if len(terms) == 1 and terms[0][0] == 1 else WeightedReward(terms)


def reward_terms(text: str) -> list[tuple[float, str]]:
    """(weight, name) of each term of ``0.7*NAME + NAME``, 1 where no weight is given; an existing path is one term.

    Raises UserError if a weight is no number or a name is missing.
    """
    if Path(text).exists():
        return [(1.0, text)]
    terms = []
    for term in text.split(" + "):
        weight, star, name = term.rpartition("*")
        try:
            value = float(weight) if star else 1.0
        except ValueError:
            value = math.nan
        if not math.isfinite(value) or value == 0 or not name.strip():
            raise UserError(f"reward {text!r}: cannot read {term!r}; write FOLDER, or 0.7*FOLDER + 0.3*physical")
        terms.append((value, name.strip()))
    return terms


def _load_one_reward(name: str, features: int) -> Reward:
    if name == "physical":
        return PhysicalReward()
    known = [*MATCHERS, BradleyTerry.kind]
    if _kind(name, known, "reward") == BradleyTerry.kind:
        model = BradleyTerry.from_pretrained(name)
        check_features(model.config.features, features, name)
        return BradleyTerryReward(model)
    matcher = load_matcher(name)
    check_features(matcher.config.features, features, name)
    return TMRReward(matcher) if isinstance(matcher, TMR) else GuoReward(matcher)


def load_dataset(root: str | Path, split: str, generator: Generator | None = None) -> MotionDataset:
    """A split, normalised as ``generator`` was trained, or by the folder's own statistics."""
    dataset = MotionDataset(root, split)
    if generator is not None:
        check_features(generator.config.features, dataset.skeleton.num_features, "the generator")
        dataset.normalizer = copy.deepcopy(generator.normalizer).cpu()  # where batches are made
    return dataset


def check_features(own: int, given: int, what: str) -> None:
    """UserError unless a model's feature count is the data's."""
    if own != given:
        raise UserError(f"{what} expects {own} features, the motions have {given}: use data of the same skeleton")


def _kind(folder: str | Path, known: Collection[str], what: str) -> str:
    kind = read_kind(folder)
    if kind not in known:
        raise UserError(f"{folder}: holds a {shown(kind)}, not a {what} ({', '.join(known)})")
    return kind
