"""Folders and names -> objects: the one place that knows every class."""

from __future__ import annotations

import copy
import inspect
import math
from collections.abc import Collection
from pathlib import Path
from typing import Any

from sopo.data.dataset import MotionDataset
from sopo.device import device
from sopo.errors import UserError
from sopo.folders import local_folder, read_config, read_kind
from sopo.generators.flow_dit import FlowDiT
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
from sopo.recipes.own import GENERATORS as OWN_GENERATORS
from sopo.recipes.own import PLACE, REWARDS, installed, place, run
from sopo.rewards.bradley_terry import BradleyTerry, BradleyTerryReward
from sopo.rewards.function import Function, FunctionReward
from sopo.rewards.learned import GuoReward, TMRReward
from sopo.rewards.physical import PhysicalReward, WeightedReward
from sopo.rewards.reward import Reward
from sopo.settings import shown

GENERATORS: dict[str, type[Generator]] = {kind.kind: kind for kind in (MDM, MLD, MoMask, FlowDiT)}
MATCHERS: dict[str, type[TMR] | type[GuoMatcher]] = {TMR.kind: TMR, GuoMatcher.kind: GuoMatcher}

# What the functions of this module take for each.
GeneratorSource = str | Path | Generator
MatcherSource = str | Path | TMR | GuoMatcher
RewardSource = str | Path | Reward | Function | list[tuple[float, Any]]
DataSource = str | Path | MotionDataset

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


def load_generator(source: GeneratorSource) -> Generator:
    """A generator on the device: itself, or that of a folder, ``module:factory`` or an entry point's name.

    ``module:factory@FOLDER`` is what was saved in FOLDER by a generator that ``module:factory`` makes; factory is a
    function without arguments, or the class. Raises UserError if there is none, or it lacks what the contract asks.
    """
    return _generator(source).to(device())


def _generator(source: GeneratorSource) -> Generator:
    if isinstance(source, Generator):
        return source
    if named := place(source):
        return _own_generator(str(named), named.find(), named.folder)
    if not local_folder(source).exists() and (found := installed(OWN_GENERATORS, str(source))):
        return _own_generator(str(source), found)
    if (kind := read_kind(source)) not in GENERATORS and (found := installed(OWN_GENERATORS, kind)):
        return _own_generator(kind, found, local_folder(source))
    return GENERATORS[_kind(source, GENERATORS, "generator")].from_pretrained(source)


def _own_generator(name: str, factory: Any, folder: Path | None = None) -> Generator:
    own = isinstance(factory, type) and issubclass(factory, Generator)
    if own and folder:
        return _called(name, run(name, factory.from_pretrained, folder))
    made = run(name, factory, *([factory.Config()] if own else []))
    if not isinstance(made, Generator):
        raise UserError(f"{name}: makes a {type(made).__name__}; a generator is a subclass of sopo.Generator")
    asked = [part for part in dir(Generator) if getattr(getattr(Generator, part), "__isabstractmethod__", False)]
    for part in ("config", "normalizer", "text", "kind", *asked):
        if getattr(getattr(made, part, Generator.nll), "__isabstractmethod__", False):
            raise UserError(f"{name}: its {type(made).__name__} has no {part!r}, which sopo.Generator asks for")
    return _called(name, made if folder is None else run(name, type(made).from_pretrained, folder))


def _called(name: str, made: Generator) -> Generator:
    made.name = made.name or name
    return made


def saved_from(source: GeneratorSource, folder: Path) -> GeneratorSource:
    """How to load what ``save_pretrained`` of the generator of ``source``, or of a copy, has written to ``folder``."""
    if isinstance(source, Generator):
        return type(source).from_pretrained(folder)
    named = place(source)
    return f"{named}@{folder}" if named else folder


def load_matcher(folder: MatcherSource) -> TMR | GuoMatcher:
    """The text-motion matcher saved in ``folder``, or itself, on the device: TMR or the Guo et al. evaluator."""
    if isinstance(folder, TMR | GuoMatcher):
        return folder.to(device())
    return MATCHERS[_kind(folder, MATCHERS, "matcher (reward or evaluator)")].from_pretrained(folder).to(device())


def load_reward(source: RewardSource, features: int, **options: Any) -> Reward:
    """A reward: itself, ``physical``, a folder (TMR, evaluator, Bradley-Terry), ``module:function``, an entry point's
    name, a function (``sopo.rewards.function``), or a sum, ``0.7*FOLDER + 0.3*physical`` or [(weight, source)].

    features: of the motions that it will score. options: of ``FunctionReward``.
    Raises UserError if it is of other features, or options are given for what is no function.
    """
    if isinstance(source, str | Path):
        terms = [(weight, _named_reward(part, features, options)) for weight, part in reward_terms(str(source))]
    elif isinstance(source, list):
        terms = [(weight, load_reward(part, features, **options)) for weight, part in source]
    else:
        terms = [(1.0, _own_reward("", source, options))]
    return terms[0][1] if len(terms) == 1 and terms[0][0] == 1 else WeightedReward(terms)


def _own_reward(name: str, found: Any, options: dict[str, Any]) -> Reward:
    """A reward of an object, of a class or factory of such, or of a function, which is told by its parameters."""
    if name and not isinstance(found, Reward) and callable(found) and not _asks_for_arguments(found):
        found = run(name, found)
    if not isinstance(found, Reward):
        if not callable(found):
            raise UserError(f"{name or 'reward'}: is a {type(found).__name__}; a reward is a function or a sopo.Reward")
        found = FunctionReward(found, name, **options)
    elif options:
        raise UserError(f"{name or found.describe()}: {', '.join(options)} can only be set for a function")
    found.name = name or found.name
    return found


def _asks_for_arguments(function: Any) -> bool:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return True
    return any(p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in parameters)


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


def _named_reward(name: str, features: int, options: dict[str, Any]) -> Reward:
    if named := place(name):
        return _own_reward(name, named.find(), options)
    if name != "physical" and not local_folder(name).exists() and (found := installed(REWARDS, name)):
        return _own_reward(name, found, options)
    return _own_reward(name, _our_reward(name, features), options)


def _our_reward(name: str, features: int) -> Reward:
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


def load_dataset(data: DataSource, split: str, generator: Generator | None = None) -> MotionDataset:
    """A split (a data set: its own), normalised as ``generator`` was trained, or by the folder's own statistics."""
    dataset = copy.copy(data) if isinstance(data, MotionDataset) else MotionDataset(data, split)
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
    if kind in known:
        return kind
    made_by = str(read_config(local_folder(folder)).get("class"))
    if PLACE.fullmatch(made_by):
        named = f"{made_by}@{folder}"
        raise UserError(f"{folder}: holds a {shown(kind)}, code that is only imported where you name it: {named}")
    raise UserError(f"{folder}: holds a {shown(kind)}, not a {what} ({', '.join(known)})")
