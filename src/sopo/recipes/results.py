"""The full recipe: SoPo and the fine-tuning control over several seeds, measured in one paired evaluation."""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass, field
from pathlib import Path

from sopo.corpus.write import CorpusConfig
from sopo.diffusion.schedule import Sampling
from sopo.evaluation.protocol import ProtocolConfig, Source, Table
from sopo.preference.objective import PreferenceConfig
from sopo.recipes.align import align
from sopo.recipes.build import load_dataset, load_generator, load_matcher
from sopo.recipes.corpus import made_corpus
from sopo.recipes.evaluate import measure
from sopo.recipes.presets import LOOP_STABLE, PRESETS
from sopo.recipes.record import environment, provenance, write_json
from sopo.recipes.shipped import CHECKPOINTS, shipped
from sopo.recipes.sources import generator_source
from sopo.reports.tables import as_json, as_markdown, pooled
from sopo.training.loop import LoopConfig


@dataclass(frozen=True)
class ResultsConfig:
    """The budget of the full recipe; the defaults stay under two hours on two cores."""

    steps: int = 1500
    seeds: tuple[int, ...] = (0, 1, 2)
    methods: tuple[str, ...] = ("sft", "sopo")
    runs: int = 20
    corpus: CorpusConfig = field(default_factory=CorpusConfig)
    sampling: Sampling = field(default_factory=lambda: Sampling("ddim", 10, 2.5))


def results(out: Path, markdown: Path, config: ResultsConfig, checkpoints: Path = CHECKPOINTS) -> Table:
    """Write ``out/results.json`` and ``markdown``; finished parts of an earlier call are kept and gone on from."""
    start = time.monotonic()
    data = made_corpus(out / "data", config.corpus)
    generator, reward = shipped("generator", checkpoints), shipped("reward", checkpoints)
    base = load_generator(generator)
    sources: dict[str, Source] = {"base": generator_source(base, config.sampling, 0)}
    for method in config.methods:
        for seed in config.seeds:
            folder = out / f"{method}-{seed}"
            if not (folder / "config.json").is_file():
                preference = PreferenceConfig(**(PRESETS["stable"] | {"method": method}))
                loop = LoopConfig(**(LOOP_STABLE | {"steps": config.steps, "seed": seed}))
                align(data, generator, reward, folder, preference, loop)
            sources[folder.name] = generator_source(load_generator(folder), config.sampling, 0)
    test = load_dataset(data, "test", base)
    table = measure(sources, test, load_matcher(shipped("evaluator", checkpoints)), ProtocolConfig(runs=config.runs))
    for method in config.methods:
        table[method] = pooled([table[f"{method}-{seed}"] for seed in config.seeds])
    minutes = (time.monotonic() - start) / 60
    write_json(
        out / "results.json",
        {
            **as_json(table),
            "config": dataclasses.asdict(config),
            "minutes": minutes,
            "environment": environment(),
        },
    )
    _write_markdown(markdown, table, config, minutes)
    return table


def _write_markdown(path: Path, table: Table, config: ResultsConfig, minutes: float) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        "# Results on the embedded corpus\n\n"
        f"{provenance()}, {minutes:.0f} minutes for this call.\n"
        f"{config.steps} steps per run, seeds {list(config.seeds)}, {config.runs} paired runs of the protocol on the"
        " held-out compositions. `sft` is the control: the same steps on the same real motions, no preference.\n"
        "Rows without a number are the mean over the seeds; their interval adds the spread between seeds.\n\n"
        + as_markdown(table, base="base")
        + "\n"
    )
