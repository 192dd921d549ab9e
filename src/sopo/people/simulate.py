"""``sopo label simulate``: answers of people who judge by rules or by a reward, to try a study before anybody is asked.

They are asked by a store of their own, as people are: sides shuffled, pairs shared, repeats and tests among them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from torch.nn.utils.rnn import pad_sequence

from sopo.batch import as_captions
from sopo.corpus.checker import CaptionIndex, judge, observe
from sopo.data.layout import METADATA, read_array
from sopo.errors import UserError
from sopo.evaluation.sources import as_features
from sopo.people.settings import CrowdConfig
from sopo.people.store import SAID, Pair, Question, Store
from sopo.people.study import Study
from sopo.preference.labels import Label, write_labels
from sopo.randomness import numpy_rng
from sopo.recipes.build import load_reward
from sopo.training.progress import Report

RULES = "rules"  # the taste that is no reward
ANSWERS = SAID[:4]  # without skipping
STORE = ".simulated.db"  # beside the motions that its labels name
AT_ONCE = 128


@dataclass(frozen=True)
class Opinion:
    """What one thinks of a motion: the better has more ``worth``; if both have as much, both are good, or bad."""

    worth: float
    good: bool


Taste = Callable[[str, str], Opinion]  # caption, place of a motion -> what one thinks of it


def simulate(folder: Path, taste: str, data: Path | None, out: Path, config: CrowdConfig, report: Report) -> str:
    """Write the answers of simulated people to ``out``; a line that says how many. The study's own are left alone."""
    labels = answers(folder, taste_of(folder, taste, data), config, report)
    write_labels(out, labels)
    said = Counter(label.preferred for label in labels)
    counts = ", ".join(f"{count} {answer.replace('_', ' ')}" for answer, count in said.most_common())
    return f"{len(labels)} answers of {config.people} simulated people, {config.lazy} of them lazy ({counts}): {out}"


def taste_of(folder: Path, taste: str, data: Path | None) -> Taste:
    """What is thought of the motions of a study, each judged once however often it is asked about.

    taste: "rules", by which ``data``, a corpus, says what its captions ask for; or a reward, as `sopo align` takes it.
    """
    study = Study(folder)
    return _by_rules(study, data) if taste == RULES else _by_reward(study, study.store.all_pairs(), taste)


def answers(folder: Path, opinion: Taste, config: CrowdConfig, report: Report) -> list[Label]:
    """The answers of simulated people to a study's pairs."""
    study = Study(folder)
    pairs = study.store.all_pairs()
    (folder / STORE).unlink(missing_ok=True)
    store = Store(folder / STORE, new=True)
    try:
        store.set({name: study.store.setting(name) for name in ("seed", "repeat", "attention")})
        store.add_pairs(pairs, 1)
        _answer_all(store, pairs, opinion, config, report)
        return store.labels()
    finally:
        store.close()
        for left in folder.glob(f"{STORE}*"):
            left.unlink()


def _answer_all(store: Store, pairs: Sequence[Pair], opinion: Taste, config: CrowdConfig, report: Report) -> None:
    """Everyone in turn, until there are as many answers as asked for, or nothing more to ask."""
    right = {pair.motion_a if pair.expected == "a" else pair.motion_b for pair in pairs if pair.expected}
    names = [f"{'lazy' if n < config.lazy else 'person'} {n + 1}" for n in range(config.people)]
    most = config.answers or sum(pair.wanted for pair in pairs)
    asked, done = {name: store.begin(name) for name in names}, 0
    while asked and done < most:
        for name in list(asked):
            question = store.ask(name)
            if question is None:
                del asked[name]
            elif done < most:
                said = "left" if name.startswith("lazy") else _said(question, right, opinion, name, config)
                store.answer(name, question.id, said, 0.0)
                done += 1
                report(done, max(done, most))


def _said(question: Question, right: set[str], opinion: Taste, name: str, config: CrowdConfig) -> str:
    """What a person thinks, or with the chance ``wrong`` something else."""
    rng = numpy_rng(config.seed, name, question.number)
    left, other = question.motions
    if left in right or other in right:  # a test
        best = "left" if left in right else "right"
    else:
        a, b = (opinion(question.caption, place) for place in (left, other))
        if abs(a.worth - b.worth) > config.tie:
            best = "left" if a.worth > b.worth else "right"
        else:
            best = "both_good" if a.good and b.good else "both_bad"
    others = [said for said in ANSWERS if said != best]
    return others[rng.integers(len(others))] if rng.random() < config.wrong else best


def _by_rules(study: Study, data: Path | None) -> Taste:
    """The share of what a caption states that is done; good is what does all of it, in its order."""
    if data is None:
        raise UserError("--taste rules: give --data, the corpus whose captions were asked")
    said = CaptionIndex.read(data / METADATA).programs()

    @cache
    def opinion(caption: str, place: str) -> Opinion:
        if caption not in said:
            raise UserError(f"{data}: has no caption {caption!r}; rules can judge only a corpus's own")
        verdict = judge(observe(study.joints(place), study.skeleton), said[caption])
        return Opinion(verdict.passed + sum(verdict.parts.values()) / max(len(verdict.parts), 1), verdict.passed)

    return opinion


def _by_reward(study: Study, pairs: Sequence[Pair], name: str) -> Taste:
    """A reward in units of its spread over the study's motions; good is what is above the median."""
    reward, folder = load_reward(name, study.skeleton.num_features), study.folder
    asked = list(dict.fromkeys((pair.caption, place) for pair in pairs for place in (pair.motion_a, pair.motion_b)))
    scores = []
    for first in range(0, len(asked), AT_ONCE):
        part = asked[first : first + AT_ONCE]
        clips = [as_features(read_array(folder / place), place, study.skeleton) for _, place in part]
        length = torch.tensor([len(clip) for clip in clips])
        captions = as_captions([caption for caption, _ in part])
        scores.append(reward.score(pad_sequence(clips, batch_first=True), length, captions).double())
    score = torch.cat(scores)
    worth = ((score - score.median()) / score.std().clamp_min(1e-12)).tolist()
    thought = {one: Opinion(value, value > 0) for one, value in zip(asked, worth, strict=True)}
    return lambda caption, place: thought[caption, place]
