"""``sopo data``: make the procedural corpus, check a folder, import BVH."""

from __future__ import annotations

import sys
from pathlib import Path

from jsonargparse import Namespace

from sopo.cli.parser import Parser, Verb, add_config, add_path, config_from
from sopo.corpus.settings import CorpusConfig
from sopo.data.importers.settings import ImportConfig


def _prepare_make(parser: Parser) -> None:
    add_path(parser, "--out", "folder to write; must not exist")
    add_config(parser, CorpusConfig)


def _make(flags: Namespace) -> None:
    from sopo.corpus.write import make_corpus
    from sopo.training.progress import progress

    with progress("making the corpus") as report:
        make_corpus(flags.out, config_from(flags, CorpusConfig), report)
    print(f"corpus: {flags.out}")


def _prepare_check(parser: Parser) -> None:
    parser.add_argument("folder", type=Path, help="folder in the HumanML3D layout")


def _check(flags: Namespace) -> None:
    from sopo.data.check import check_folder

    report = check_folder(flags.folder)
    for line in report.lines():
        print(line)
    if not report.ok:
        sys.exit(2)


def _prepare_import(parser: Parser) -> None:
    add_path(parser, "--source", "folder of BVH files with captions")
    add_path(parser, "--out", "folder to write; must not exist")
    add_config(parser, ImportConfig)


def _import(flags: Namespace) -> None:
    from sopo.data.importers.bvh_folder import import_bvh
    from sopo.training.progress import progress

    with progress("importing") as report:
        summary = import_bvh(flags.source, flags.out, config_from(flags, ImportConfig), report)
    print(summary)


MAKE = Verb(_prepare_make, _make)
CHECK = Verb(_prepare_check, _check)
IMPORT = Verb(_prepare_import, _import)
