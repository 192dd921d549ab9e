"""Train a reward on a file of people's answers, and say how far it foresees those that it was not shown."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from sopo.batch import as_captions
from sopo.data.layout import read_array
from sopo.device import device
from sopo.errors import UserError
from sopo.evaluation.sources import as_features
from sopo.matching.tmr import TMR
from sopo.motion.skeleton import Skeleton, skeleton_for_features
from sopo.preference.label_pairs import LEARNT_FROM
from sopo.preference.labels import Label, read_labels
from sopo.recipes.build import load_matcher
from sopo.recipes.preference_fit import Answers, Fitted, fit, held_out
from sopo.recipes.record import save_model, write_json
from sopo.recipes.resume import write_run
from sopo.recipes.settings import ChoicesConfig
from sopo.reports.foresight import calibration, foreseen, write_picture
from sopo.rewards.answers import ANSWERS
from sopo.rewards.bradley_terry import BradleyTerry
from sopo.rewards.settings import BradleyTerryConfig
from sopo.training.progress import progress

CURVE = (0.125, 0.25, 0.5)  # shares of the answers that the learning curve is fitted on, beside all
AT_ONCE = 128  # motions embedded together


def train_preference_reward(labels: Path, reward: Path, out: Path, config: ChoicesConfig) -> dict[str, Any]:
    """Bend the TMR in ``reward`` to people's answers; saved in ``out``, its record and picture in ``out/run``.

    Returns what ``out/run/accuracy.json`` holds: accuracies with intervals, the learning curve, the calibration, and
    what was found out about each annotator. Raises UserError if a caption cannot be held out.
    """
    matcher = load_matcher(reward)
    if not isinstance(matcher, TMR):
        raise UserError(f"{reward}: holds a {matcher.kind!r}; a preference reward stands on a TMR")
    given = read_labels(labels)
    answers = read_answers(given, labels, matcher)
    test, train = held_out(answers, config.held_out, config.seed)
    fitted = fit(matcher, answers, train, config)
    result: dict[str, Any] = {
        "answers": Counter(label.preferred for label in given),
        "trained_on": len(train),
        "prior": fitted.prior,
        "train": foreseen(*_judged(fitted, answers, train)),
        "guessed": dict(zip(answers.names, fitted.model.guessed().tolist(), strict=True)),
    }
    if len(test):
        judged = _judged(fitted, answers, test)
        result |= {"held_out": foreseen(*judged), "calibration": calibration(*judged)}
        result["curve"] = [*_curve(matcher, answers, train, test, config), _point(len(train), result["held_out"])]
    write_run(out / "run", {"labels": str(labels), "reward": str(reward), "choices": len(given)}, config)
    write_json(out / "run" / "accuracy.json", result)
    if len(test):
        write_picture(out / "run" / "accuracy.png", result["curve"], result["calibration"])
    save_model(fitted.reward.float(), out)
    return result


def _curve(matcher: TMR, answers: Answers, train: Tensor, test: Tensor, config: ChoicesConfig) -> list[dict[str, Any]]:
    """What would be foreseen from fewer answers."""
    counts = [count for count in (round(share * len(train)) for share in CURVE) if count]
    return [
        _point(count, foreseen(*_judged(fit(matcher, answers, train[:count], config), answers, test)))
        for count in counts
    ]


def _point(count: int, found: dict[str, Any]) -> dict[str, Any]:
    return {"answers": count, **found}


def _judged(fitted: Fitted, answers: Answers, rows: Tensor) -> tuple[NDArray, NDArray, NDArray]:
    """Of the rows [M] where one motion was preferred: whether it was a; P(a) as fitted; TMR's cosine of a less b's."""
    rows = answers.chosen(rows)
    cosine = answers.described[..., -1]
    rival = cosine[answers.a[rows]] - cosine[answers.b[rows]]
    return (answers.answer[rows] == 0).numpy(), fitted.chosen_first(answers, rows).numpy(), rival.numpy()


def read_answers(labels: list[Label], path: Path, matcher: TMR) -> Answers:
    """Labels as numbers, their motions embedded. Skipped ones are left out. Raises UserError if none is left."""
    kept = [label for label in labels if label.kind in LEARNT_FROM and label.preferred in ANSWERS]
    if not kept:
        raise UserError(f"{path}: holds no choice: every answer is a test or was skipped")
    tests = [label for label in labels if label.kind == "attention" and label.expected and label.preferred in ANSWERS]
    motions: dict[tuple[str, Path], int] = {}
    rows = [
        [motions.setdefault((label.caption, motion), len(motions)) for motion in (label.motion_a, label.motion_b)]
        for label in kept
    ]
    names = {label.annotator: None for label in (*kept, *tests)}
    number = {name: place for place, name in enumerate(names)}
    captions = {caption: place for place, caption in enumerate(dict.fromkeys(label.caption for label in kept))}
    a, b = torch.tensor(rows).unbind(-1)
    return Answers(
        describe(motions, matcher),
        a,
        b,
        torch.tensor([ANSWERS.index(label.preferred) for label in kept]),
        torch.tensor([number[label.annotator] for label in kept]),
        torch.tensor([captions[label.caption] for label in kept]),
        (
            torch.tensor([number[label.annotator] for label in tests], dtype=torch.long),
            torch.tensor([label.preferred == label.expected for label in tests], dtype=torch.bool),
        ),
        tuple(names),
    )


@torch.no_grad()
def describe(motions: dict[tuple[str, Path], int], matcher: TMR) -> Tensor:
    """(caption, motion file) of U motions -> [U, F] as ``BradleyTerry.describe_pair`` gives it, in 64 bits."""
    model = BradleyTerry(BradleyTerryConfig(matcher.config)).to(device())
    model.matcher.load_state_dict(matcher.state_dict())
    skeleton = skeleton_for_features(matcher.config.features)
    pairs, parts = list(motions), []
    with progress("reading motions") as report:
        for first in range(0, len(pairs), AT_ONCE):
            part = pairs[first : first + AT_ONCE]
            clips = [read_motion(path, skeleton) for _, path in part]
            length = torch.tensor([len(clip) for clip in clips])
            captions = as_captions([caption for caption, _ in part])
            parts.append(model.describe_pair(pad_sequence(clips, batch_first=True), length, captions))
            report(first + len(part), len(pairs))
    return torch.cat(parts).cpu().double()


def read_motion(path: Path, skeleton: Skeleton) -> Tensor:
    """A .npy file of raw features [T, D] or joints [T, J, 3] -> features [T, D]; UserError names it."""
    return as_features(read_array(path), str(path), skeleton)
