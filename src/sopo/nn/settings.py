"""How much of a network trains."""

from __future__ import annotations

from dataclasses import dataclass

from sopo.errors import UserError


@dataclass(frozen=True)
class LoRAConfig:
    """How much of a model trains."""

    rank: int = 0  # of each linear layer's change; 0: all weights train

    def __post_init__(self) -> None:
        if self.rank < 0:
            raise UserError(f"lora.rank is {self.rank}: must be 1 or more, or 0 to train all weights")
