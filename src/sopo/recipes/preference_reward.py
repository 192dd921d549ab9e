"""Train a Bradley-Terry reward on a file of people's A/B choices."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from sopo.batch import Caption, as_captions
from sopo.data.layout import read_array
from sopo.errors import UserError
from sopo.evaluation.sources import as_features
from sopo.json_files import read_json_lines, read_utf8
from sopo.matching.tmr import TMR
from sopo.motion.skeleton import skeleton_for_features
from sopo.recipes.build import load_matcher
from sopo.recipes.record import save_model, write_json
from sopo.recipes.resume import write_run
from sopo.recipes.settings import ChoicesConfig
from sopo.rewards.bradley_terry import BradleyTerry, choice_loss
from sopo.rewards.settings import BradleyTerryConfig

COLUMNS = ("caption", "motion_a", "motion_b", "preferred")


@dataclass(frozen=True)
class Choices:
    """N labelled pairs, the preferred motion first: file names, and the captions they were shown for."""

    captions: tuple[Caption, ...]
    preferred: tuple[Path, ...]
    other: tuple[Path, ...]


def train_preference_reward(labels: Path, reward: Path, out: Path, config: ChoicesConfig) -> dict[str, float]:
    """Fit a head on the TMR in ``reward``; saved in ``out``, its record in ``out/run``. Returns the accuracies."""
    matcher = load_matcher(reward)
    if not isinstance(matcher, TMR):
        raise UserError(f"{reward}: holds a {matcher.kind!r}; a preference reward stands on a TMR")
    choices = read_choices(labels)
    torch.manual_seed(config.seed)
    model = BradleyTerry(BradleyTerryConfig(matcher.config, config.hidden))
    model.matcher.load_state_dict(matcher.state_dict())
    preferred, other = (
        model.describe_pair(*read_motions(paths, matcher.config.features), choices.captions)
        for paths in (choices.preferred, choices.other)
    )
    accuracy = fit_head(model, preferred, other, config)
    write_run(out / "run", {"labels": str(labels), "reward": str(reward), "choices": len(choices.captions)}, config)
    write_json(out / "run" / "accuracy.json", accuracy)
    save_model(model, out)
    return accuracy


def fit_head(model: BradleyTerry, preferred: Tensor, other: Tensor, config: ChoicesConfig) -> dict[str, float]:
    """Train ``model.head`` on ``describe_pair`` of both sides [N, F]; the shares of choices it, and TMR, foresee."""
    order = torch.randperm(len(preferred), generator=torch.Generator().manual_seed(config.seed))
    held = round(config.held_out * len(order))
    if held == len(order):
        raise UserError(f"{len(order)} choices: too few to hold out {config.held_out:g} of them")
    test, train = order[:held], order[held:]
    optimizer = torch.optim.AdamW(
        model.head.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay, fused=True
    )
    for _ in range(config.steps):
        loss = choice_loss(model.strength(preferred[train]), model.strength(other[train])).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        both = torch.cat([preferred[train], other[train]])
        model.centre.add_(model.strength(both).mean())
        right = model.strength(preferred) > model.strength(other)
        right_by_cosine = preferred[:, -1] > other[:, -1]
    accuracy = {"train": right[train].float().mean().item()}
    if held:
        accuracy |= {
            "held_out": right[test].float().mean().item(),
            "held_out_by_tmr_alone": right_by_cosine[test].float().mean().item(),
        }
    return accuracy


def read_choices(path: Path) -> Choices:
    """A .csv or .jsonl of caption, motion_a, motion_b, preferred (a or b); motions lie beside it, or by full path.

    Raises UserError that names the line.
    """
    if not path.is_file() or path.suffix not in (".csv", ".jsonl"):
        raise UserError(f"{path}: no such file, or another kind; expected a .csv or .jsonl of {', '.join(COLUMNS)}")
    captions, preferred, other = [], [], []
    for where, row in _rows(path):
        if missing := [name for name in COLUMNS if not isinstance(row.get(name), str) or not row[name].strip()]:
            raise UserError(f"{where}: no {missing[0]}; every line has {', '.join(COLUMNS)}")
        if row["preferred"] not in ("a", "b"):
            raise UserError(f"{where}: preferred is {row['preferred']!r}: write a or b")
        a, b = (path.parent / row[name] for name in ("motion_a", "motion_b"))
        captions.append(row["caption"])
        preferred.append(a if row["preferred"] == "a" else b)
        other.append(b if row["preferred"] == "a" else a)
    if not captions:
        raise UserError(f"{path}: holds no choice")
    return Choices(as_captions(captions), tuple(preferred), tuple(other))


def read_motions(paths: tuple[Path, ...], features: int) -> tuple[Tensor, Tensor]:
    """.npy files of raw features [T, D] or joints [T, J, 3] -> features [N, T, D] and lengths [N]."""
    skeleton = skeleton_for_features(features)
    motions = [as_features(read_array(path), str(path), skeleton) for path in paths]
    return pad_sequence(motions, batch_first=True), torch.tensor([len(motion) for motion in motions])


def _rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Where each line stands, FILE:NUMBER, and its values."""
    if path.suffix == ".csv":
        reader = csv.DictReader(read_utf8(path).splitlines())
        yield from ((f"{path}:{reader.line_num}", row) for row in reader)
        return
    for where, row in read_json_lines(path):
        if not isinstance(row, dict):
            raise UserError(f"{where}: expected an object of {', '.join(COLUMNS)}")
        yield where, row
