"""``sopo bench``: tuning, the paper's tables of methods and ablations, its first figure, how soon there is a gain."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from jsonargparse import Namespace

from sopo.cli.parser import Parser, Verb, add_config, add_path, config_from
from sopo.recipes.settings import AblationConfig, BenchConfig, FigureConfig, FoldsConfig, GainConfig, TuneConfig

if TYPE_CHECKING:
    from sopo.recipes.bench_grid import Models


def _add_models(parser: Parser, out: str, written: str) -> None:
    add_path(parser, "--out", f"folder for the cells and {written}", default=out)
    parser.add_argument("--data", type=Path, default=None, help="motion folder; none: the procedural corpus")
    parser.add_argument("--generator", type=Path, nargs="+", default=[Path("shipped/mdm")], help="folders, one or more")
    parser.add_argument("--reward", type=str, default="shipped/reward", help="a reward's folder, or a sum of rewards")
    parser.add_argument(
        "--evaluator", type=Path, default="shipped/evaluator", help="folder of the matcher that measures"
    )


def _add_guo(parser: Parser) -> None:
    parser.add_argument("--reward_guo", type=str, default=None, help="another Guo matcher, for MoDiPO-G")


def _add_tuned(parser: Parser) -> None:
    help = "tuned.json of `sopo bench tune`: every method at its best"
    parser.add_argument("--tuned", type=Path, default=None, help=help)


def _models(flags: Namespace) -> Models:
    from sopo.recipes.bench_grid import Models

    return Models(tuple(flags.generator), flags.reward, flags.evaluator, flags.get("reward_guo"))


def _table(name: str, kind: type[BenchConfig] = BenchConfig) -> Verb:
    def prepare(parser: Parser) -> None:
        _add_models(parser, f"runs/{name}", f"{name}.md, .json and .png")
        if name == "table1":
            _add_guo(parser)
            _add_tuned(parser)
        add_config(parser, kind)

    def run(flags: Namespace) -> None:
        from sopo.recipes.bench import bench
        from sopo.reports.bench import shown
        from sopo.reports.tables import print_table

        config = config_from(flags, kind)
        table, bases = bench(name, flags.out, _models(flags), config, flags.data, flags.get("tuned"))
        print_table(shown(table), bases)
        print(f"written: {flags.out / name}.md, .json and .png")

    return Verb(prepare, run, networks=True)


def _prepare_tune(parser: Parser) -> None:
    _add_models(parser, "runs/tune", "tuned.json and tuned.md")
    _add_guo(parser)
    add_config(parser, TuneConfig)


def _run_tune(flags: Namespace) -> None:
    from sopo.recipes.tune import tune
    from sopo.reports.bench import shown
    from sopo.reports.tables import print_table

    for label, table in tune(flags.out, _models(flags), config_from(flags, TuneConfig), flags.data).items():
        print_table(shown(table), base=label)
    print(f"written: {flags.out / 'tuned.json'} and .md; next: sopo bench table1 --tuned {flags.out / 'tuned.json'}")


def _prepare_figure(parser: Parser) -> None:
    _add_models(parser, "runs/table1", "figure1/; that of a finished `sopo bench table1` saves the training")
    _add_tuned(parser)
    add_config(parser, FigureConfig)


def _run_figure(flags: Namespace) -> None:
    from sopo.recipes.figure1 import figure1

    for path in figure1(flags.out, _models(flags), config_from(flags, FigureConfig), flags.data, flags.tuned):
        print(path)


def _prepare_folds(parser: Parser) -> None:
    add_path(parser, "--data", "folder in the HumanML3D layout; all its clips take part, whatever their split")
    add_path(parser, "--out", "folder for the folds, folds.md and folds.json", default="runs/folds")
    _add_tuned(parser)
    add_config(parser, FoldsConfig)


def _run_folds(flags: Namespace) -> None:
    from sopo.recipes.folds import cross_validate

    cross_validate(flags.data, flags.out, config_from(flags, FoldsConfig), flags.tuned)
    print((flags.out / "folds.md").read_text())


TABLE1, TABLE4, TIME_TO_GAIN = _table("table1"), _table("table4", AblationConfig), _table("time-to-gain", GainConfig)
TUNE = Verb(_prepare_tune, _run_tune, networks=True)
FOLDS = Verb(_prepare_folds, _run_folds, networks=True)
FIGURE1 = Verb(_prepare_figure, _run_figure, networks=True)
