"""``sopo label``: pairs of motions to choose between, the page that asks, and what people said."""

from __future__ import annotations

from pathlib import Path

from jsonargparse import Namespace

from sopo.cli.extras import needs
from sopo.cli.parser import GENERATOR, REWARD, Parser, Verb, add_config, add_path, config_from
from sopo.people.settings import CrowdConfig, ServeConfig, StudyConfig

STUDY = "folder of `sopo label make`"


def _prepare_make(parser: Parser) -> None:
    parser.add_argument("--generator", nargs="+", type=str, required=True, help=f"one, or two to compare: {GENERATOR}")
    parser.add_argument(
        "--data", type=Path, default=None, help="folder in the HumanML3D layout: captions, real motions"
    )
    parser.add_argument(
        "--captions", type=Path, default=None, help="text file with a caption a line, instead of the data's"
    )
    parser.add_argument(
        "--reward", type=str, default=None, help=f"what is to be least sure, with --choose unsure: {REWARD}"
    )
    add_path(parser, "--out", "folder for the study", default="runs/study")
    add_config(parser, StudyConfig)


def _make(flags: Namespace) -> None:
    from sopo.people.make import make
    from sopo.training.progress import progress

    with progress("drawing pairs") as report:
        config = config_from(flags, StudyConfig)
        study = make(flags.out, flags.generator, flags.data, flags.captions, flags.reward, config, report)
    print(f"{study.store.pairs()} pairs, tests included: {flags.out}")
    print(f"ask with: sopo label serve {flags.out}")


def _prepare_serve(parser: Parser) -> None:
    parser.add_argument("study", type=Path, help=STUDY)
    parser.add_argument("--open", action="store_true", help="open the page in a browser")
    add_config(parser, ServeConfig)


def _serve(flags: Namespace) -> None:
    with needs("people"):
        from sopo.people.asking import application
        from sopo.people.serve import serve
    from sopo.people.study import Study

    study = Study(flags.study)
    serve(application(study), study.store.token(), config_from(flags, ServeConfig), flags.open)


def _prepare_export(parser: Parser) -> None:
    parser.add_argument("study", type=Path, help=STUDY)
    parser.add_argument("--out", type=Path, default=None, help=".jsonl or .parquet (default: STUDY/labels.jsonl)")


def _export(flags: Namespace) -> None:
    from sopo.people.study import export

    print(export(flags.study, flags.out or flags.study / "labels.jsonl"))


def _prepare_report(parser: Parser) -> None:
    parser.add_argument("study", type=Path, help=STUDY)
    parser.add_argument("--out", type=Path, default=None, help="page to write (default: STUDY/report.html)")


def _report(flags: Namespace) -> None:
    with needs("people"):
        from sopo.people.report import report

    for line in report(flags.study, flags.out or flags.study / "report.html"):
        print(line)


def _prepare_import(parser: Parser) -> None:
    parser.add_argument("file", type=Path, help=".jsonl, .csv or .parquet of caption, winner, loser (docs/people.md)")
    add_path(parser, "--out", "folder for the study; must not exist")


def _import(flags: Namespace) -> None:
    from sopo.people.import_pairs import import_pairs
    from sopo.training.progress import progress

    with progress("importing") as report:
        print(import_pairs(flags.file, flags.out, report))


def _prepare_simulate(parser: Parser) -> None:
    parser.add_argument("study", type=Path, help=STUDY)
    parser.add_argument("--taste", type=str, default="rules", help=f"'rules' of a corpus, or a reward: {REWARD}")
    parser.add_argument("--data", type=Path, default=None, help="the corpus whose captions were asked, for rules")
    parser.add_argument("--out", type=Path, default=None, help=".jsonl or .parquet (default: STUDY/simulated.jsonl)")
    add_config(parser, CrowdConfig)


def _simulate(flags: Namespace) -> None:
    from sopo.people.simulate import simulate
    from sopo.training.progress import progress

    out, config = flags.out or flags.study / "simulated.jsonl", config_from(flags, CrowdConfig)
    with progress("answering") as report:
        told = simulate(flags.study, flags.taste, flags.data, out, config, report)
    print(told)


MAKE = Verb(_prepare_make, _make, networks=True)
SERVE = Verb(_prepare_serve, _serve)
EXPORT = Verb(_prepare_export, _export)
REPORT = Verb(_prepare_report, _report)
IMPORT = Verb(_prepare_import, _import)
SIMULATE = Verb(_prepare_simulate, _simulate)
