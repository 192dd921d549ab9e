"""What a machine has: the device that networks run on, text models and their embeddings."""

from __future__ import annotations

from sopo.device import choose_device
from sopo.recipes.settings import MachineConfig
from sopo.text import choose_text_places


def choose_machine(config: MachineConfig) -> None:
    """Have all that follows in this process run as ``config`` says; UserError if that is not there."""
    choose_device(config.device)
    choose_text_places(config.text_models, config.text_cache)
