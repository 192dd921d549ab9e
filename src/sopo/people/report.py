"""``sopo label report``: how many answers, how well people agree and attend, and who wins, with intervals."""

from __future__ import annotations

import warnings
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

import krippendorff
import numpy as np
from scipy.stats import binomtest, bootstrap

from sopo.people.answers import PAGE
from sopo.people.study import answers
from sopo.preference.labels import ANSWERS, Label
from sopo.recipes.record import write_json
from sopo.viewer.page import write_html

WORTH = {"a": 1.0, "b": 0.0, "both_good": 0.5, "both_bad": 0.5}  # to a; a skip says nothing
RESAMPLES = 10_000
LEVEL = 0.95


@dataclass(frozen=True)
class Person:
    """One annotator. tests, repeats: (right or alike, of how many). agree: with others on shared pairs, likewise.

    median_s: seconds an answer. left: share of the decided answers that chose the left side; None if there are none.
    """

    name: str
    answers: int
    skips: int
    median_s: float
    left: float | None
    tests: tuple[int, int]
    repeats: tuple[int, int]
    agree: tuple[int, int]


@dataclass(frozen=True)
class Duel:
    """Source ``first`` against ``second``. rate: its win rate over pairs, ties half; low, high: the 95% interval.

    won, lost, both_good, both_bad: answers. decided: the share it won of those that decide, with Wilson's interval.
    """

    first: str
    second: str
    pairs: int
    won: int
    lost: int
    both_good: int
    both_bad: int
    rate: float
    low: float | None
    high: float | None
    decided: tuple[float, float, float] | None


def report(path: Path, out: Path) -> list[str]:
    """Write the page ``out`` and its numbers beside it as .json; the lines to print. path: a study, or labels."""
    labels = answers(path)
    people = persons(labels)
    alpha, shared = agreement(labels)
    won = duels(labels)
    counts = Counter(label.preferred for label in labels)
    kinds = Counter(label.kind for label in labels)
    told = {
        "title": path.resolve().stem,
        "answers": {name: counts[name] for name in ANSWERS},
        "kinds": dict(kinds),
        "pairs": len({label.pair for label in labels}),
        "alpha": alpha,
        "shared": shared,
        "people": [asdict(person) for person in people],
        "duels": [asdict(duel) for duel in won],
    }
    told["summary"] = lines = _lines(labels, people, alpha, shared, won)
    write_html(out, f"answers: {told['title']}", told, [PAGE / "report.css"], [PAGE / "report.js"])
    write_json(out.with_suffix(".json"), {name: value for name, value in told.items() if name != "summary"})
    return [*lines, *map(_person_line, people), str(out)]


def persons(labels: Sequence[Label]) -> list[Person]:
    """Everyone who answered, by name."""
    plain = [label for label in labels if label.kind == "choice" and label.preferred != "skip"]
    said = {(label.annotator, label.pair): label.preferred for label in plain}
    others: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
    for label in plain:
        others[label.pair].append((label.annotator, _side(label.preferred)))
    found = []
    for name in sorted({label.annotator for label in labels}):
        own = [label for label in labels if label.annotator == name]
        tests = [label.preferred == label.expected for label in own if label.kind == "attention"]
        again = [label for label in own if label.kind == "repeat" and (name, label.pair) in said]
        repeats = [_side(label.preferred) == _side(said[name, label.pair]) for label in again]
        mine = {label.pair: _side(label.preferred) for label in plain if label.annotator == name}
        agree = [side == mine[pair] for pair in mine for other, side in others[pair] if other != name]
        decided = [label.left == label.preferred for label in own if label.left and label.preferred in ("a", "b")]
        found.append(
            Person(
                name,
                len(own),
                sum(label.preferred == "skip" for label in own),
                round(median(label.seconds for label in own), 2),
                round(float(np.mean(decided)), 3) if decided else None,
                *((sum(hits), len(hits)) for hits in (tests, repeats, agree)),
            )
        )
    return found


def agreement(labels: Sequence[Label]) -> tuple[float | None, int]:
    """Krippendorff's alpha (nominal: a, b, tie) on the pairs that several people answered, and how many those are.

    None where there are none, or all say the same, so that chance agrees as well.
    """
    said: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for label in labels:
        if label.kind == "choice" and label.preferred != "skip":
            said[label.pair][label.annotator] = _side(label.preferred)
    shared = [by for by in said.values() if len(by) > 1]
    names = sorted({name for by in shared for name in by})
    values = [["abt".index(by[name]) if name in by else np.nan for by in shared] for name in names]
    if len({side for by in shared for side in by.values()}) < 2:
        return None, len(shared)
    return round(float(krippendorff.alpha(values, level_of_measurement="nominal")), 3), len(shared)


def duels(labels: Sequence[Label]) -> list[Duel]:
    """Every two sources that met, from plain answers that were given without sight of the sources."""
    met: defaultdict[tuple[str, str], list[Label]] = defaultdict(list)
    for label in labels:
        sources = label.source_a, label.source_b
        if label.kind == "choice" and label.preferred != "skip" and len({*sources, ""}) == 3:
            met[min(sources), max(sources)].append(label)
    return [_duel(first, second, said) for (first, second), said in sorted(met.items())]


def _duel(first: str, second: str, said: Sequence[Label]) -> Duel:
    worth: defaultdict[str, list[float]] = defaultdict(list)
    for label in said:
        value = WORTH[label.preferred]
        worth[label.pair].append(value if label.source_a == first else 1 - value)
    scores = np.array([np.mean(values) for values in worth.values()])  # of each pair: its answers hang together
    ones = [value for values in worth.values() for value in values]
    won, lost = ones.count(1.0), ones.count(0.0)
    ties = Counter(label.preferred for label in said)
    low = high = decided = None
    if len(scores) > 1:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # all pairs alike: an interval of no width
            found = bootstrap(
                (scores,), np.mean, n_resamples=RESAMPLES, batch=100, confidence_level=LEVEL, method="percentile",
                rng=np.random.default_rng(0),
            )  # fmt: skip
        low, high = (round(float(end), 4) for end in found.confidence_interval)
    if won + lost:
        test = binomtest(won, won + lost)
        wilson = test.proportion_ci(LEVEL, method="wilson")
        decided = round(test.statistic, 4), round(wilson.low, 4), round(wilson.high, 4)
    rate = round(float(scores.mean()), 4)
    return Duel(first, second, len(scores), won, lost, ties["both_good"], ties["both_bad"], rate, low, high, decided)


def _side(preferred: str) -> str:
    return preferred if preferred in ("a", "b") else "t"


def _lines(
    labels: Sequence[Label], people: Sequence[Person], alpha: float | None, shared: int, won: Sequence[Duel]
) -> list[str]:
    """What matters most comes first: who wins, then the counts."""
    lines = []
    for duel in won:
        interval = "" if duel.low is None else f" (95% interval {duel.low:.1%} to {duel.high:.1%})"
        ties = duel.both_good + duel.both_bad
        met = f"{duel.pairs} pairs: {duel.won} won, {duel.lost} lost, {ties} ties"
        lines.append(f"{duel.first} against {duel.second}: win rate {duel.rate:.1%}{interval}, {met}.")
    counts = Counter(label.preferred for label in labels)
    said = ", ".join(f"{counts[name]} {name.replace('_', ' ')}" for name in ANSWERS if counts[name])
    lines.append(f"{len(labels)} answers of {len(people)} people: {said}.")
    agreed = "none to speak of" if alpha is None else f"Krippendorff's alpha {alpha:.2f}"
    return [*lines, f"Agreement on {shared} shared pairs: {agreed}."]


def _person_line(one: Person) -> str:
    tests, repeats, agree = (f"{hits}/{of}" for hits, of in (one.tests, one.repeats, one.agree))
    said = f"{one.answers} answers, {one.median_s:.1f} s each, tests {tests}, repeats {repeats}"
    return f"{one.name}: {said}, agrees with others {agree}"
