"""``sopo bench table1`` and ``table4``: the paper's tables of alignment methods and of ablations."""

from __future__ import annotations

from pathlib import Path

from jsonargparse import Namespace

from sopo.cli.parser import Parser, Verb, add_config, add_path, config_from
from sopo.recipes.settings import BenchConfig


def _verb(name: str) -> Verb:
    def prepare(parser: Parser) -> None:
        add_path(parser, "--out", f"folder for the cells and {name}.md, .json and .png", default=f"runs/{name}")
        parser.add_argument("--data", type=Path, default=None, help="motion folder; none: the procedural corpus")
        parser.add_argument(
            "--generator", type=Path, nargs="+", default=[Path("shipped/mdm")], help="folders, one or more"
        )
        parser.add_argument(
            "--reward", type=str, default="shipped/reward", help="a reward's folder, or a sum of rewards"
        )
        parser.add_argument(
            "--evaluator", type=Path, default="shipped/evaluator", help="folder of the matcher that measures"
        )
        if name == "table1":
            parser.add_argument("--reward_guo", type=str, default=None, help="another Guo matcher, for MoDiPO-G")
        add_config(parser, BenchConfig)

    def run(flags: Namespace) -> None:
        from sopo.recipes.bench import bench
        from sopo.recipes.bench_grid import Models
        from sopo.reports.bench import shown
        from sopo.reports.tables import print_table

        models = Models(
            generators=tuple(flags.generator),
            reward=flags.reward,
            evaluator=flags.evaluator,
            reward_guo=flags.reward_guo if name == "table1" else None,
        )
        table, bases = bench(name, flags.out, models, config_from(flags, BenchConfig), flags.data)
        print_table(shown(table), bases)
        print(f"written: {flags.out / name}.md, .json and .png")

    return Verb(prepare, run)


TABLE1, TABLE4 = _verb("table1"), _verb("table4")
