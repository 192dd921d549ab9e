"""The functions of ``import sopo``: the jobs of the command on objects as on folders, a keyword for each flag.

A flag with a dot, ``--sampling.steps 10``, is a dict: ``sampling={"steps": 10}``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from numpy.typing import NDArray

from sopo.data.dataset import MotionDataset
from sopo.diffusion.settings import Sampling
from sopo.errors import UserError
from sopo.evaluation.settings import ProtocolConfig
from sopo.generators.generator import Generator
from sopo.matching.guo import GuoMatcher
from sopo.matching.tmr import TMR
from sopo.nn.settings import LoRAConfig
from sopo.preference.settings import PreferenceConfig
from sopo.recipes import align as aligning
from sopo.recipes import build, machine, presets
from sopo.recipes.build import DataSource, GeneratorSource, MatcherSource, RewardSource
from sopo.recipes.evaluate import measure_systems
from sopo.recipes.sample import draw_motions, length_estimator
from sopo.recipes.settings import Keep, MachineConfig, ValidationConfig
from sopo.reports.results import Table
from sopo.rewards.reward import Reward
from sopo.training.settings import LoopConfig

ConfigT = TypeVar("ConfigT")


def choose_machine(**settings: Any) -> None:
    """Where networks run and text models lie from now on: the flags ``device``, ``text_models`` and ``text_cache``.

    >>> sopo.choose_machine(device="cpu")
    """
    (config,) = _configs(settings, MachineConfig)
    machine.choose_machine(config)


def load_generator(source: GeneratorSource) -> Generator:
    """A generator on the device: a folder's, ``shipped/mdm``, a name on the hub, or your own as ``module:factory``.

    >>> base = sopo.load_generator("shipped/mdm")
    >>> base.kind
    'mdm'
    """
    return build.load_generator(source)


def load_reward(source: RewardSource, features: int = 263, **options: Any) -> Reward:
    """A reward: a folder's, ``physical``, your own function or ``module:function``, or a sum of such.

    features: of the motions that it will score, 251 for KIT-ML. options, of a function: ``range``, the least and the
    greatest number it gives; ``batch_size`` of a call; ``attempts`` and ``pause`` in seconds where it fails.

    >>> sopo.load_reward("0.7*shipped/reward + 0.3*physical").range
    (0.0, 1.0)
    >>> def height(joints, lengths, captions):
    ...     return [clip[:frames, 0, 1].max() for clip, frames in zip(joints, lengths)]
    >>> sopo.load_reward([(0.5, "shipped/reward"), (0.5, height)]).names
    ['shipped/reward', 'height']
    """
    return build.load_reward(source, features, **options)


def load_evaluator(source: MatcherSource) -> TMR | GuoMatcher:
    """The network that measures, of a folder: never the reward that was optimised.

    >>> sopo.load_evaluator("shipped/evaluator").kind
    'guo'
    """
    return build.load_matcher(source)


def load_data(folder: str | Path, split: str = "train") -> MotionDataset:
    """A split of a folder in the HumanML3D layout, such as `sopo data make` writes.

    >>> data = sopo.load_data("corpus", split="test")
    >>> len(data), data.skeleton.num_features
    (36, 263)
    """
    return build.load_dataset(folder, split)


def sample(
    captions: str | Sequence[str],
    generator: GeneratorSource = "shipped/mdm",
    *,
    seconds: float | None = None,
    repeats: int = 1,
    seed: int = 0,
    sampling: Mapping[str, Any] | Sampling | None = None,
) -> list[NDArray]:
    """``repeats`` motions for each caption, a caption's together: joints [T, J, 3] each, as `sopo sample` writes them.

    >>> [motion] = sopo.sample("a person waves", seconds=1, sampling={"steps": 2})
    >>> motion.shape
    (20, 22, 3)
    """
    texts = [captions] if isinstance(captions, str) else list(captions)
    model, estimator = load_generator(generator), length_estimator(generator)
    return draw_motions(texts, model, seconds, repeats, seed, _nested(Sampling, sampling), estimator)


def align(
    generator: GeneratorSource,
    reward: RewardSource | None,
    data: DataSource | None,
    out: str | Path,
    *,
    preset: str = "stable",
    pairs: str | Path | None = None,
    captions: str | Path | None = None,
    rounds: int = 1,
    lora: Mapping[str, Any] | LoRAConfig | None = None,
    validation: Mapping[str, Any] | ValidationConfig | None = None,
    keep: Keep = "last",
    **settings: Any,
) -> Generator:
    """Fine-tune a copy of a generator; it is saved in ``out`` and returned. `sopo align`, whose flags are the keywords.

    data: None with ``captions``, a file of them, for the methods that need no motions. validation: what is measured on
    the way, such as {"every": 50}; keep: the "best" weights by it, or the "last".

    >>> base = sopo.load_generator("shipped/mdm")
    >>> tiny = {"steps": 1, "batch_size": 2, "K": 2, "rollout": {"steps": 1}}
    >>> aligned = sopo.align(base, "shipped/reward", "corpus", "runs/aligned", method="sopo", **tiny)
    >>> aligned.kind
    'mdm'
    """
    kind = load_generator(generator).kind
    row = presets.LOOP_STABLE | presets.aligning(preset, kind, settings.get("method", "sopo"))
    if isinstance(rollout := settings.get("rollout"), Mapping):
        settings["rollout"] = dataclasses.replace(row["rollout"], **rollout)
    row |= settings
    preference, loop = _configs(row, PreferenceConfig, LoopConfig)
    mined, texts = (None if path is None else Path(path) for path in (pairs, captions))
    low_rank, unseen = _nested(LoRAConfig, lora), _nested(ValidationConfig, validation)
    where = (data, generator, reward, Path(out))
    return aligning.align(*where, preference, loop, mined, low_rank, rounds, texts, unseen, keep)


def evaluate(
    generators: GeneratorSource | Mapping[str, GeneratorSource],
    data: DataSource,
    evaluator: MatcherSource,
    *,
    split: str = "test",
    sampling: Mapping[str, Any] | Sampling | None = None,
    best_of: int = 1,
    reward: RewardSource | None = None,
    **settings: Any,
) -> Table:
    """The protocol's table, row -> column -> mean and 95% interval: `sopo eval`, whose flags are the keywords.

    generators: one, or several by the names of their rows. best_of: above 1, a further row for each, the best by
    ``reward`` of so many motions.

    >>> table = sopo.evaluate({"base": "shipped/mdm"}, "corpus", "shipped/evaluator", runs=1, sampling={"steps": 1})
    >>> list(table), table["real"]["FID"].mean < 0.01
    (['real', 'base'], True)
    """
    named = generators if isinstance(generators, Mapping) else {"generator": generators}
    (protocol,) = _configs(settings, ProtocolConfig)
    how = (evaluator, _nested(Sampling, sampling), protocol)
    return measure_systems(named, {}, data, split, *how, best_of=best_of, reward=reward)


def _configs(settings: Mapping[str, Any], *kinds: type) -> list[Any]:
    """Config dataclasses of keywords; UserError names what none of them knows."""
    known = {field.name for kind in kinds for field in dataclasses.fields(kind)}
    if unknown := sorted(set(settings) - known):
        raise UserError(f"no setting is called {unknown[0]!r}; there are {', '.join(sorted(known))}")
    fields = [[field.name for field in dataclasses.fields(kind)] for kind in kinds]
    return [
        kind(**{name: settings[name] for name in names if name in settings})
        for kind, names in zip(kinds, fields, strict=True)
    ]


def _nested(kind: type[ConfigT], values: Mapping[str, Any] | ConfigT | None) -> ConfigT:
    """A config of some of its entries; its defaults where none are given."""
    if not isinstance(values, Mapping):
        return kind() if values is None else values
    (config,) = _configs(values, kind)
    return config
