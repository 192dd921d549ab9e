"""Sizes of the learned rewards."""

from __future__ import annotations

from dataclasses import dataclass, field

from sopo.matching.settings import TMRConfig
from sopo.settings import Settings


@dataclass(frozen=True)
class BradleyTerryConfig(Settings):
    """The frozen matcher inside."""

    tmr: TMRConfig = field(default_factory=TMRConfig)

    @property
    def features(self) -> int:
        return self.tmr.features
