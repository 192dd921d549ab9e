"""sopo: preference alignment for text-to-motion models.

``__all__`` is what may be relied on (docs/api.md); it is imported when it is first asked for, and torch with it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sopo.api import align, choose_machine, evaluate, load_data, load_evaluator, load_generator, load_reward, sample
    from sopo.batch import Batch
    from sopo.errors import UserError
    from sopo.generators.generator import Generator
    from sopo.rewards.reward import Reward

__version__ = "0.1.0"

_PLACES = {
    "Batch": "sopo.batch",
    "Generator": "sopo.generators.generator",
    "Reward": "sopo.rewards.reward",
    "UserError": "sopo.errors",
}

__all__ = [
    "Batch",
    "Generator",
    "Reward",
    "UserError",
    "align",
    "choose_machine",
    "evaluate",
    "load_data",
    "load_evaluator",
    "load_generator",
    "load_reward",
    "sample",
]


if not TYPE_CHECKING:  # which would take any name to be here

    def __getattr__(name: str) -> Any:
        if name not in __all__:
            raise AttributeError(f"module 'sopo' has no attribute {name!r}")
        return getattr(import_module(_PLACES.get(name, "sopo.api")), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
