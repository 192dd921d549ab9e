"""What people's answers teach a preference reward, by what is asked: simulated people who judge by the corpus's rules.

Two studies: two samples of one model, and two motions that differ in one detail of the caption. What a reward foresees
is measured on other pairs that one judge answers without a mistake, in all and by the detail.
Run: ``python benchmarks/crowd.py runs/crowd``. A killed call goes on; studies and answers are kept, in OUT/STUDY.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from sopo.corpus import grammar
from sopo.corpus.checker import CaptionIndex, judge, observe
from sopo.corpus.compose import compose
from sopo.corpus.program import sample_program
from sopo.corpus.settings import CorpusConfig
from sopo.data.layout import METADATA
from sopo.matching.tmr import TMR
from sopo.motion.encode import features_of_placed, place, uniform_skeleton
from sopo.motion.skeleton import HUMANML3D
from sopo.people.make import make
from sopo.people.settings import CrowdConfig, StudyConfig
from sopo.people.simulate import answers, taste_of
from sopo.people.store import Pair
from sopo.people.study import Study
from sopo.preference.labels import Label, read_labels, write_labels
from sopo.recipes.build import load_matcher
from sopo.recipes.corpus import made_corpus
from sopo.recipes.preference_fit import Answers, fit
from sopo.recipes.preference_reward import read_answers
from sopo.recipes.record import write_json
from sopo.recipes.settings import ChoicesConfig
from sopo.reports.foresight import foreseen
from sopo.training.progress import progress

GENERATOR, REWARD = "shipped/mdm", "shipped/reward"
CORPUS = CorpusConfig(train=3000, val=64, test=640, seed=0, wrong_share=0.0)
SAMPLES = StudyConfig(pairs=3400)
SAMPLES_TEST = StudyConfig(pairs=1000, split="test", shared=0.0, repeats=0.0, attention=0.0)
DETAILS, DETAILS_TEST, DETAILS_SEED = 1200, 800, 5  # pairs
CROWD = CrowdConfig(people=6, lazy=1)
JUDGE = CrowdConfig(people=1, lazy=0, wrong=0.0)
KINDS = ("all", "count", "speed", "side", "direction", "order")


def samples(out: Path, data: Path, config: StudyConfig) -> None:
    """Pairs of samples of one model, as `sopo label make` draws them."""
    with progress(f"drawing {out.name}") as report:
        make(out, [GENERATOR], data, None, None, config, report)


def details(asked: Path, measured: Path) -> None:
    """Pairs of composed motions for a caption: one does what it says, the other all but one detail of it."""
    if measured.is_dir() and Study(measured):
        return
    rng, found = np.random.default_rng(DETAILS_SEED), []
    with progress("composing details") as report:
        while len(found) < DETAILS + DETAILS_TEST:
            program = sample_program(rng)
            said = grammar.faithful(program, rng)
            if (slip := grammar.wrong(said, rng)) is None:
                continue
            both = compose(program, rng), compose(slip, rng)
            if both[0] is not None and both[1] is not None:
                motions = [
                    features_of_placed(place(uniform_skeleton(x, HUMANML3D), HUMANML3D), HUMANML3D) for x in both
                ]
                found.append((grammar.caption(said, rng).text, said, motions))
                report(len(found), DETAILS + DETAILS_TEST)
    for folder, rows in ((asked, found[:DETAILS]), (measured, found[DETAILS:])):
        study = Study.make(folder, HUMANML3D, {"seed": 0, "complete": False, "repeat": 0.05, "attention": 0.0})
        pairs = []
        for number, (text, _, motions) in enumerate(rows):
            a, b = (study.save(f"{number + 1:06d}{side}", motion) for side, motion in zip("ab", motions, strict=True))
            pairs.append(Pair(text, a, b, "right", "slip", wanted=3 if folder == asked and number % 10 == 0 else 1))
        told = [
            {"id": str(n), "captions": [{"text": text, "says": said.to_json()}]}
            for n, (text, said, _) in enumerate(rows)
        ]
        (folder / METADATA).write_text("".join(json.dumps(entry) + "\n" for entry in told))
        study.store.add_pairs(pairs, 1)
        study.store.set({"complete": True} | ({} if folder == asked else {"repeat": 0.0}))


def asked(folder: Path, data: Path, crowds: dict[str, CrowdConfig]) -> dict[str, list[Label]]:
    """The answers of each crowd, kept in the study's folder."""
    if missing := [name for name in crowds if not (folder / f"{name}.jsonl").is_file()]:
        taste = taste_of(folder, "rules", data)
        for name in missing:
            with progress(f"{folder.name}, {name}") as report:
                write_labels(folder / f"{name}.jsonl", answers(folder, taste, crowds[name], report))
    return {name: read_labels(folder / f"{name}.jsonl") for name in crowds}


def together(groups: dict[str, list[Label]], matcher: TMR) -> dict[str, Answers]:
    """Each group's answers as numbers; a motion is embedded once for all of them."""
    named = [dataclasses.replace(x, annotator=f"{name}/{x.annotator}") for name, part in groups.items() for x in part]
    every = read_answers(named, Path("answers"), matcher)
    found = {}
    for name in groups:
        own = torch.tensor([place for place, who in enumerate(every.names) if who.startswith(f"{name}/")])
        number = torch.full((len(every.names),), -1)
        number[own] = torch.arange(len(own))
        rows, (who, right) = torch.isin(every.annotator, own), every.tests
        tested = torch.isin(who, own)
        found[name] = dataclasses.replace(
            every,
            **{part: getattr(every, part)[rows] for part in ("a", "b", "answer")},
            annotator=number[every.annotator[rows]],
            caption=every.caption[rows].unique(return_inverse=True)[1],
            tests=(number[who[tested]], right[tested]),
            names=tuple(every.names[place] for place in own),
        )
    return found


def differences(labels: Sequence[Label], folder: Path, data: Path) -> np.ndarray:
    """For each pair the one detail that decides it; empty for ties and where there are several."""
    said, study = CaptionIndex.read(data / METADATA).programs(), Study(folder)
    found = []
    for label in labels:
        places = [f"motions/{motion.name}" for motion in (label.motion_a, label.motion_b)]
        a, b = (judge(observe(study.joints(x), study.skeleton), said[label.caption]).parts for x in places)
        words = {part.split()[-1] for part in a if a[part] != b[part]}
        details = words - {"order"} or words  # what is done wrongly is not done in its order either
        found.append(details.pop() if len(details) == 1 and label.preferred in ("a", "b") else "")
    return np.array(found)


def accuracies(out: Path, data: Path, crowds: dict[str, CrowdConfig]) -> list[dict[str, Any]]:
    """What the reward foresees after each crowd's answers to each study, on either study's clean pairs, by detail."""
    matcher = load_matcher(REWARD)
    assert isinstance(matcher, TMR)
    index = {"details": out / "details", "samples": data}
    tests, kinds = {}, {}
    for name, source in (("samples", data), ("details", out / "details-test")):
        labels = asked(out / f"{name}-test", source, {"judge": JUDGE})["judge"]
        tests[name] = together({"judge": labels}, matcher)["judge"]
        kinds[name] = differences(labels, out / f"{name}-test", source)
    found: list[dict[str, Any]] = []
    for name, source in index.items():
        most = sum(pair.wanted for pair in Study(out / name).store.all_pairs())
        fitting = {cell: crowd for cell, crowd in crowds.items() if crowd.answers <= 1.1 * most}
        learnt = together(asked(out / name, source, fitting), matcher)
        for cell, crowd in fitting.items():
            for weigh in (True, False) if crowd.answers == max(x.answers for x in fitting.values()) else (True,):
                train = learnt[cell]
                fitted = fit(matcher, train, torch.arange(len(train.answer)), ChoicesConfig(weigh_annotators=weigh))
                row = {"asked": name, "answers": crowd.answers, "wrong": crowd.wrong, "weighed": weigh}
                row |= {
                    "prior": fitted.prior,
                    "guessed": dict(zip(train.names, fitted.model.guessed().tolist(), strict=True)),
                }
                found += [
                    {**row, "measured": test, "kind": kind, **by_kind(fitted.reward, given, kinds[test], kind)}
                    for test, given in tests.items()
                    for kind in KINDS
                ]
            print(
                *(told(x) for x in found[-2 * len(tests) * len(KINDS) :] if x["kind"] in ("all", "count")),
                sep="\n",
                flush=True,
            )
        write_json(out / "crowd.json", found)
    return found


@torch.no_grad()
def by_kind(reward: Any, given: Answers, kinds: np.ndarray, kind: str) -> dict[str, Any]:
    """What it foresees of the decided pairs of a kind, beside the TMR."""
    first, second = given.strengths(reward, torch.arange(len(given.answer)))
    cosine, answer = given.described[..., -1], given.answer.numpy()
    rows = (answer < 2) & ((kinds == kind) | (kind == "all"))
    rival = (cosine[given.a] - cosine[given.b]).numpy()
    return foreseen(answer[rows] == 0, (first - second).sigmoid().numpy()[rows], rival[rows])


def told(x: dict[str, Any]) -> str:
    """A line of the table."""
    how = f"{x['asked']} | {x['answers']} | {x['wrong']:.0%} | {'yes' if x['weighed'] else 'no'}"
    more = f"{x['share']:.3f} | {x['by_tmr_alone']['share']:.3f} | {x['more_than_tmr']:+.3f} ± {x['ci']:.3f}"
    return f"| {how} | {x['measured']}, {x['kind']} | {x['choices']} | {more} |"


def write_picture(path: Path, found: list[dict[str, Any]]) -> None:
    """How much more than by the TMR is foreseen, by the number of answers; a panel for each study and kind measured."""
    figure = Figure(figsize=(9, 7), layout="constrained")
    numbers = sorted({x["answers"] for x in found})
    FigureCanvasAgg(figure)
    panels = [(test, kind) for test in ("samples", "details") for kind in ("all", "count")]
    for axes, (test, kind) in zip(figure.subplots(2, 2, sharex=True).flat, panels, strict=True):
        rows = [x for x in found if x["weighed"] and (x["measured"], x["kind"]) == (test, kind)]
        for color, name in enumerate(("samples", "details")):
            for line, wrong in zip(("-", "--", ":"), sorted({x["wrong"] for x in rows}), strict=False):
                points = [x for x in rows if x["asked"] == name and x["wrong"] == wrong]
                count, more, ci = ([x[part] for x in points] for part in ("answers", "more_than_tmr", "ci"))
                label = f"{name}, {wrong:.0%} wrong"
                aside = [number * (0.97 + 0.06 * color) for number in count]  # so that intervals stay apart
                axes.errorbar(aside, more, yerr=ci, fmt=f"o{line}", color=f"C{color}", capsize=2, label=label)
        axes.axhline(0, color="grey", linewidth=0.8)
        title = f"{kind} pairs of {test}; TMR: {rows[0]['by_tmr_alone']['share']:.3f}"
        axes.set(xscale="log", title=title, xlabel="answers", ylabel="foreseen more than by TMR")
        axes.set_xticks(numbers, [str(number) for number in numbers])
        axes.minorticks_off()
    lines, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(lines, labels, title="asked about", loc="outside lower center", ncols=2, fontsize="small")
    figure.savefig(path, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--answers", type=int, nargs="+", default=[250, 500, 1000, 2000, 4000])
    parser.add_argument("--wrong", type=float, nargs="+", default=[0.1, 0.2, 0.3])
    flags = parser.parse_args()
    out, data = flags.out, made_corpus(flags.out / "data", CORPUS)
    samples(out / "samples", data, SAMPLES)
    samples(out / "samples-test", data, SAMPLES_TEST)
    details(out / "details", out / "details-test")
    crowds = {
        f"{count}-{round(100 * wrong)}": dataclasses.replace(CROWD, answers=count, wrong=wrong)
        for wrong in flags.wrong
        for count in flags.answers
    }
    found = accuracies(out, data, crowds)
    head = "| asked | answers | wrong | weighed | measured | pairs | foreseen | by TMR | more |\n|" + " --- |" * 9
    (out / "crowd.md").write_text("\n".join([head, *map(told, found)]) + "\n")
    write_picture(out / "crowd.png", found)
    print(out / "crowd.md", out / "crowd.png")


if __name__ == "__main__":
    main()
