"""The whole thing on a laptop: align the shipped generator with SoPo, measure it, show it."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path
from typing import Any

from sopo.data.dataset import MotionDataset
from sopo.device import state
from sopo.evaluation.protocol import Table
from sopo.evaluation.settings import ProtocolConfig
from sopo.folders import CHECKPOINTS, shipped
from sopo.preference.settings import PreferenceConfig
from sopo.recipes.align import align
from sopo.recipes.build import load_dataset, load_generator, load_matcher, load_reward
from sopo.recipes.corpus import made_corpus
from sopo.recipes.evaluate import measure, rule_witness
from sopo.recipes.examples import before_and_after
from sopo.recipes.measured import add_measured
from sopo.recipes.presets import ALIGNMENT_CORPUS, loop_stable, stable
from sopo.recipes.record import environment, write_json
from sopo.recipes.settings import QuickstartConfig
from sopo.recipes.sources import Drawing, generator_source
from sopo.reports.page import COLUMNS, Estimate, Report, write_page
from sopo.reports.tables import as_json, print_table
from sopo.rewards.reward import Reward
from sopo.training.log import read_log
from sopo.training.settings import LoopConfig

CURVES = ("loss", "reward/all", "reward/unpreferred", "vu", "margin", "implicit_accuracy", "error_w", "S")


def quickstart(out: Path, config: QuickstartConfig, checkpoints: Path = CHECKPOINTS) -> Table:
    """Write ``out/results.json`` and ``out/report.html``; a second call goes on where the first stopped."""
    start = time.monotonic()
    generator, reward, evaluator = (shipped(name, checkpoints) for name in (config.generator, "reward", "evaluator"))
    size = dataclasses.replace(
        ALIGNMENT_CORPUS, train=config.train_clips, val=0, test=config.test_clips, seed=config.seed
    )
    data = made_corpus(out / "data", size)
    preference = PreferenceConfig(**stable(config.generator))
    loop = LoopConfig(**(loop_stable(config.generator) | {"steps": config.steps, "seed": config.seed}))
    aligned = align(data, generator, reward, out / "aligned", preference, loop)
    base = load_generator(generator)
    test = load_dataset(data, "test", base)
    protocol = ProtocolConfig(runs=config.runs, seed=config.seed)
    sources: dict[str, Drawing] = {
        "base": generator_source(base, config.sampling, config.seed),
        "aligned": generator_source(aligned, config.sampling, config.seed),
    }
    table = measure(sources, test, load_matcher(evaluator), protocol)
    add_measured(out / "aligned", "aligned", table, data, evaluator, config.sampling, protocol)
    seconds = time.monotonic() - start
    settings = {
        "quickstart": dataclasses.asdict(config),
        "preference": dataclasses.asdict(preference),
        "loop": dataclasses.asdict(loop),
    }
    facts = {"seed": config.seed, "seconds": round(seconds, 1)}
    write_json(out / "results.json", {**as_json(table), "config": settings, **facts, "environment": environment()})
    scorer = load_reward(reward, base.config.features)
    if state().is_main_process:
        _write_report(out, table, test, sources, scorer, settings, facts)
    print_table(table, base="base")
    return table


def _write_report(
    out: Path,
    table: Table,
    test: MotionDataset,
    sources: dict[str, Drawing],
    reward: Reward,
    settings: dict[str, Any],
    facts: dict[str, Any],
) -> None:
    lines = read_log(out / "aligned" / "run" / "log.jsonl")
    curves = {name: [(line["step"], line[name]) for line in lines if name in line] for name in CURVES}
    examples = before_and_after(
        sources["base"], sources["aligned"], test, reward, rule_witness(test), int(facts["seed"])
    )
    before, after = table["base"]["R@1"].mean, table["aligned"]["R@1"].mean
    headline = f"SoPo moved R@1 from {before:.3f} to {after:.3f} ({after / before - 1:+.1%}) in {len(lines)} steps."
    detail = "Means and 95% confidence intervals over repeated runs of the protocol on captions training never showed."
    names = [column.name for column in COLUMNS]
    shown = {
        row: {name: Estimate(mean=values[name].mean, ci=values[name].ci) for name in names if name in values}
        for row, values in table.items()
    }
    report = Report("sopo quickstart", [headline, detail], shown, curves, examples, settings, facts | environment())
    write_page(out / "report.html", report)
