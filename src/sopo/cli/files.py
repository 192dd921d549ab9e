"""What the verbs that write motions share: the flag for the kinds of files, and what is said of them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from sopo.cli.parser import Parser
from sopo.recipes.settings import FORMATS

SHOWN = 20  # failures


def add_formats(parser: Parser, default: Sequence[str]) -> None:
    """``--formats``: one or more of ``FORMATS``."""
    kinds = ", ".join(f"{name} ({what})" for name, what in FORMATS.items())
    parser.add_argument("--formats", nargs="+", type=str, default=list(default), help=f"kinds of files: {kinds}")


def show_files(written: Sequence[Path], failed: Sequence[str]) -> None:
    """Print what was written, then what was not; exit with code 2 if anything was not."""
    for path in written:
        print(path)
    for line in failed[:SHOWN]:
        print(f"sopo: {line}", file=sys.stderr)
    if len(failed) > SHOWN:
        print(f"sopo: and {len(failed) - SHOWN} more", file=sys.stderr)
    if failed:
        sys.exit(2)
