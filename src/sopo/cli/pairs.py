"""``sopo pairs``: preference pairs mined from a pretrained generator."""

from __future__ import annotations

from jsonargparse import Namespace

from sopo.cli.parser import GENERATOR, REWARD, Parser, Verb, add_config, add_path, config_from
from sopo.recipes.settings import MineConfig


def _prepare(parser: Parser) -> None:
    add_path(parser, "--generator", f"the pretrained generator, the one to be aligned later: {GENERATOR}")
    add_path(parser, "--data", "folder in the HumanML3D layout")
    parser.add_argument("--reward", type=str, required=True, help=REWARD)
    add_path(parser, "--out", "Parquet file for the pairs", default="runs/pairs.parquet")
    add_config(parser, MineConfig)


def _mine(flags: Namespace) -> None:
    from sopo.recipes.mine import mine

    store = mine(flags.data, flags.generator, flags.reward, flags.out, config_from(flags, MineConfig))
    print(f"{len(store)} captions, the best and worst of {store.K} samples each: {flags.out}")


MINE = Verb(_prepare, _mine, networks=True)
