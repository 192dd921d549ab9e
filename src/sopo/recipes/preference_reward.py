"""Train a Bradley-Terry reward on a file of people's A/B choices."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from sopo.batch import Caption, as_captions
from sopo.data.layout import read_array
from sopo.errors import UserError
from sopo.evaluation.sources import as_features
from sopo.matching.tmr import TMR
from sopo.motion.skeleton import skeleton_for_features
from sopo.preference.labels import read_labels
from sopo.recipes.build import load_matcher
from sopo.recipes.record import save_model, write_json
from sopo.recipes.resume import write_run
from sopo.recipes.settings import ChoicesConfig
from sopo.rewards.bradley_terry import BradleyTerry, choice_loss
from sopo.rewards.settings import BradleyTerryConfig

LEARNT_FROM = ("choice", "repeat", "open")  # kinds of labels; the others test who answers


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
    """The answers in a file of labels (``read_labels``) that prefer one motion; UserError names the line."""
    labels = [label for label in read_labels(path) if label.preferred in ("a", "b") and label.kind in LEARNT_FROM]
    if not labels:
        raise UserError(f"{path}: holds no choice")
    sides = [(x.motion_a, x.motion_b) if x.preferred == "a" else (x.motion_b, x.motion_a) for x in labels]
    preferred, other = zip(*sides, strict=True)
    return Choices(as_captions([label.caption for label in labels]), preferred, other)


def read_motions(paths: tuple[Path, ...], features: int) -> tuple[Tensor, Tensor]:
    """.npy files of raw features [T, D] or joints [T, J, 3] -> features [N, T, D] and lengths [N]."""
    skeleton = skeleton_for_features(features)
    motions = [as_features(read_array(path), str(path), skeleton) for path in paths]
    return pad_sequence(motions, batch_first=True), torch.tensor([len(motion) for motion in motions])
