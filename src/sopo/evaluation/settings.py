"""How the protocol evaluates."""

from __future__ import annotations

from dataclasses import dataclass

from sopo.errors import UserError

DRAW_BLOCK = 1024  # clips drawn at a time: bounds memory; a constant, so that batch_size changes no draw


@dataclass(frozen=True)
class ProtocolConfig:
    """How to evaluate; the defaults are the published ones."""

    runs: int = 20
    pool: int = 32  # texts and motions of an R-Precision pool
    samples: int = 0  # motions of each system in a run, 0: as many as the split (MDM: 1024)
    diversity_pairs: int = 300
    multimodality: bool = False
    mm_texts: int = 100
    mm_repeats: int = 30  # motions for each of these texts
    mm_pairs: int = 10
    batch_size: int = 256  # motions at a time; changes speed and memory only
    seed: int = 0

    def __post_init__(self) -> None:
        least = {"pool": 2, "samples": 0, "mm_repeats": 2, "seed": 0}
        for name in (name for name in self.__annotations__ if name != "multimodality"):
            if getattr(self, name) < least.get(name, 1):
                raise UserError(f"{name} is {getattr(self, name)}: must be at least {least.get(name, 1)}")
        if 0 < self.samples < self.pool:
            raise UserError(f"samples is {self.samples}: does not fill one pool of {self.pool}")
        if self.mm_pairs > self.mm_repeats:
            raise UserError(f"mm_pairs is {self.mm_pairs}: more than mm_repeats, {self.mm_repeats}")
        if self.mm_texts > DRAW_BLOCK:
            raise UserError(f"mm_texts is {self.mm_texts}: must be at most {DRAW_BLOCK}")
