"""What a file was made from, as hashes: to tell whether two runs saw the same model and the same data."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Iterable
from pathlib import Path

from torch import nn

from sopo.data.layout import MEAN, STD
from sopo.errors import UserError
from sopo.folders import WEIGHTS_FILE, local_folder
from sopo.generators.generator import Generator
from sopo.recipes.build import GeneratorSource, MatcherSource, RewardSource, load_generator, reward_terms
from sopo.recipes.own import REWARDS, installed, place
from sopo.rewards.reward import Reward


def model_hash(model: GeneratorSource | MatcherSource) -> str:
    """sha256 of the weights in a model's folder, or of a model that has none."""
    if not isinstance(model, nn.Module):
        named = place(model)
        if named is None:
            return _sha256([local_folder(model) / WEIGHTS_FILE])
        if named.folder:
            return _sha256([named.folder / WEIGHTS_FILE])
        model = load_generator(model)
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def label(source: GeneratorSource | RewardSource | None) -> str | None:
    """What a record calls a model or a reward: the user's word for it, or of an object what tells it from others."""
    if isinstance(source, Generator):
        return f"{source.kind} {model_hash(source)[:16]}"
    if isinstance(source, Reward):
        return source.describe()
    if source is None or isinstance(source, str | Path):
        return None if source is None else str(source)
    if isinstance(source, list):
        return " + ".join(f"{weight:g}*{label(part)}" for weight, part in source)
    return getattr(source, "__name__", type(source).__name__)


def reward_hash(reward: RewardSource) -> str:
    """The terms of a reward as ``load_reward`` takes it, with the hash of each one's weights; ``physical`` has none."""
    if not isinstance(reward, str | Path):
        return str(label(reward))
    terms = [(weight, term_hash(name)) for weight, name in reward_terms(str(reward))]
    return " + ".join(f"{weight:g}*{digest}" for weight, digest in terms)


def term_hash(name: str) -> str:
    """Of a term's weights; of ``module:function`` the file that it lies in; ``physical`` and entry points have none."""
    if named := place(name):
        return files_hash(inspect.getsourcefile(named.find_module()) or name)
    return name if name == "physical" or installed(REWARDS, name) else model_hash(name)


def check_judge(evaluator: MatcherSource, *rewards: RewardSource) -> None:
    """UserError if a reward is, or has as a term, what measures: what was optimised never measures itself."""
    judge = model_hash(evaluator)
    for reward in rewards:
        terms = reward_terms(str(reward)) if isinstance(reward, str | Path) else []
        if any(term_hash(name) == judge for _, name in terms):
            raise UserError(f"{reward}: is the evaluator too; what was optimised must not measure itself")


def data_hash(root: str | Path, split: str) -> str:
    """sha256 of the list of a split's clips and of the statistics they are normalised by."""
    return _sha256([Path(root) / name for name in (f"{split}.txt", MEAN, STD)])


def files_hash(path: str | Path) -> str:
    """sha256 of a file, or of all files of a folder in the order of their names."""
    path = Path(path)
    return _sha256(sorted(part for part in path.rglob("*") if part.is_file()) if path.is_dir() else [path])


def _sha256(paths: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        if not path.is_file():
            raise UserError(f"{path}: no such file")
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()
