"""How the protocol evaluates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from sopo.errors import UserError
from sopo.settings import Natural, Positive, Range, Seed, Settings

DRAW_BLOCK = 1024  # clips drawn at a time: bounds memory; a constant, so that batch_size changes no draw


@dataclass(frozen=True)
class ProtocolConfig(Settings):
    """How to evaluate; the defaults are the published ones."""

    runs: Positive = 20
    pool: Annotated[int, Range(2)] = 32  # texts and motions of an R-Precision pool
    samples: Natural = 0  # motions of each system in a run, 0: as many as the split (MDM: 1024)
    diversity_pairs: Positive = 300
    multimodality: bool = False
    mm_texts: Annotated[int, Range(1, DRAW_BLOCK)] = 100
    mm_repeats: Annotated[int, Range(2)] = 30  # motions for each of these texts
    mm_pairs: Positive = 10
    batch_size: Positive = 256  # motions at a time; changes speed and memory only
    seed: Seed = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if 0 < self.samples < self.pool:
            raise UserError(f"samples is {self.samples}: does not fill one pool of {self.pool}")
        if self.mm_pairs > self.mm_repeats:
            raise UserError(f"mm_pairs is {self.mm_pairs}: more than mm_repeats, {self.mm_repeats}")
