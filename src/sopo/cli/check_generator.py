"""``sopo check-generator module:factory``: whether your own generator keeps the contract, promise by promise."""

from __future__ import annotations

from jsonargparse import Namespace

from sopo.cli.parser import GENERATOR, Parser, Verb
from sopo.errors import UserError


def _prepare(parser: Parser) -> None:
    parser.add_argument("generator", type=str, help=GENERATOR)


def _run(flags: Namespace) -> None:
    from sopo.recipes.build import load_generator
    from sopo.recipes.contract import check_contract

    findings = list(check_contract(load_generator(flags.generator), flags.generator))
    for finding in findings:
        print(f"{finding.promise:<52}{f'NO: {finding.lacks}' if finding.lacks else 'holds'}")
    if broken := sum(bool(finding.lacks) for finding in findings):
        raise UserError(f"{flags.generator}: {broken} of {len(findings)} promises do not hold")


CHECK_GENERATOR = Verb(_prepare, _run, networks=True)
