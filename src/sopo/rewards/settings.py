"""Sizes of the learned rewards."""

from __future__ import annotations

from dataclasses import dataclass, field

from sopo.matching.settings import TMRConfig
from sopo.nn.settings import Width
from sopo.settings import Settings


@dataclass(frozen=True)
class BradleyTerryConfig(Settings):
    """The frozen matcher inside, and the width of the head's hidden layer."""

    tmr: TMRConfig = field(default_factory=TMRConfig)
    hidden: Width = 64

    @property
    def features(self) -> int:
        return self.tmr.features
