"""Sizes of the learned rewards."""

from __future__ import annotations

from dataclasses import dataclass, field

from sopo.matching.settings import TMRConfig


@dataclass(frozen=True)
class BradleyTerryConfig:
    """The frozen matcher inside, and the width of the head's hidden layer."""

    tmr: TMRConfig = field(default_factory=TMRConfig)
    hidden: int = 64

    @property
    def features(self) -> int:
        return self.tmr.features
