"""``sopo data``: make the procedural corpus, check and view a folder, import BVH, export clips."""

from __future__ import annotations

import sys
from pathlib import Path

from jsonargparse import Namespace

from sopo.cli.files import add_formats, show_files
from sopo.cli.parser import Parser, Verb, add_config, add_path, config_from
from sopo.corpus.settings import CorpusConfig
from sopo.data.importers.settings import ImportConfig
from sopo.recipes.settings import ExportConfig
from sopo.viewer.settings import ViewConfig


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
    from sopo.training.progress import progress

    with progress("checking") as report:
        checked = check_folder(flags.folder, report=report)
    for line in checked.lines():
        print(line)
    if not checked.ok:
        sys.exit(2)


def _prepare_view(parser: Parser) -> None:
    parser.add_argument("folder", type=Path, help="data set, or folder of motions as sopo sample writes it")
    add_path(parser, "--out", "page to write", default="runs/view.html")
    parser.add_argument("--open", action="store_true", help="open the page in a browser")
    add_config(parser, ViewConfig)


def _view(flags: Namespace) -> None:
    import webbrowser

    from sopo.recipes.view import view
    from sopo.training.progress import progress

    with progress("looking at clips") as report:
        page, line = view(flags.folder, flags.out, config_from(flags, ViewConfig), report)
    print(line)
    print(page)
    if flags.open and not webbrowser.open(page.resolve().as_uri()):
        print("no browser to open it with: open the file yourself")


def _prepare_import(parser: Parser) -> None:
    add_path(parser, "--source", "folder of motion files with captions")
    add_path(parser, "--out", "folder to write; must not exist")
    add_config(parser, ImportConfig)


def _import(flags: Namespace) -> None:
    from sopo.data.importers.folder import import_folder
    from sopo.training.progress import progress

    with progress("importing") as report:
        summary = import_folder(flags.source, flags.out, config_from(flags, ImportConfig), report)
    print(summary)
    for line in summary.lines():
        print(line)


def _prepare_export(parser: Parser) -> None:
    parser.add_argument("folder", type=Path, help="folder in the HumanML3D layout")
    add_path(parser, "--out", "folder for the files")
    add_formats(parser, ExportConfig.formats)
    parser.add_argument("--split", type=str, default=None, help="train, val or test (default: all clips)")
    parser.add_argument("--ids", nargs="+", type=str, default=[], help="these clips alone")
    parser.add_argument("--most", type=int, default=0, help="so many clips, drawn by the seed; 0: all")
    parser.add_argument("--seed", type=int, default=0, help="of the draw")


def _export(flags: Namespace) -> None:
    from sopo.recipes.export import export
    from sopo.training.progress import progress

    config = ExportConfig(tuple(flags.formats), flags.split, tuple(flags.ids), flags.most, flags.seed)
    with progress("exporting") as report:
        outputs = export(flags.folder, flags.out, config, report)
    print(f"{len(outputs.written)} files: {flags.out}")
    show_files((), outputs.failed)


MAKE = Verb(_prepare_make, _make)
CHECK = Verb(_prepare_check, _check)
VIEW = Verb(_prepare_view, _view)
IMPORT = Verb(_prepare_import, _import)
EXPORT = Verb(_prepare_export, _export)
