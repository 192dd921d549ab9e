"""``sopo push FOLDER ORG/NAME``: a model or a file of pairs to the Hugging Face hub."""

from __future__ import annotations

from pathlib import Path

from jsonargparse import Namespace

from sopo.cli.parser import Parser, Verb


def _prepare(parser: Parser) -> None:
    parser.add_argument("source", type=Path, help="folder of a model, or a file of `sopo pairs mine`")
    parser.add_argument("name", type=str, help="ORG/NAME on the hub; it is made where it is not there")
    parser.add_argument("--dry_run", type=bool, default=False, help="send nothing, and say what would go; no network")
    parser.add_argument(
        "--license", type=str, default=None, help="identifier such as mit or cc-by-nc-4.0, for the card"
    )
    parser.add_argument("--revision", type=str, default=None, help="branch to send it to (default: main)")
    parser.add_argument("--private", type=bool, default=False, help="make a repository that is not there private")


def _run(flags: Namespace) -> None:
    from sopo.recipes.push import push

    parcel = push(flags.source, flags.name, flags.license, flags.revision, flags.private, flags.dry_run)
    for name, content in parcel.files.items():
        size = len(content.encode()) if isinstance(content, str) else content.stat().st_size
        print(f"{name}  {size:,} bytes")
    if parcel.left:
        print(f"stays here: {', '.join(parcel.left)}")
    where = f"{flags.name}{f'@{flags.revision}' if flags.revision else ''}, a {parcel.what} of the hub"
    print(f"nothing was sent; without --dry_run this goes to {where}" if flags.dry_run else f"sent to {where}")


PUSH = Verb(_prepare, _run)
