"""What `sopo bench tune` tries: eight settings a row, learning rates times what else says how hard a method pushes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

RATES = (1.0, 0.3, 0.1, 0.03)  # times the learning rate of ``stable``
MORE_RATES = (1.0, 0.3, 0.1, 0.03, 3.0, 2.0, 0.6, 0.2)  # where there is nothing else to vary
# What keeps a comparison from teaching the wrong thing (sopo.preference.veto).
GUARDS: dict[str, Any] = {"min_gap": 0.02, "veto": ("skating", "jitter", "floor")}


@dataclass(frozen=True)
class Tuning:
    """A row of the tuned table. vary: a setting of PreferenceConfig, and its values; a scale is times ``stable``'s.

    fixed: what all its settings share. guo: its pairs are mined with the other Guo matcher.
    """

    method: str
    vary: str = ""
    values: tuple[Any, ...] = (None,)
    rates: tuple[float, ...] = RATES
    fixed: Mapping[str, Any] = field(default_factory=dict)
    guo: bool = False


# A pair loss has its scale, which is beta by another name; the gradients of reward and policy have what holds them to
# the reference; choosing the best of K has K.
TUNINGS: dict[str, Tuning] = {
    "sft": Tuning("sft", rates=MORE_RATES),
    "modipo-T": Tuning("modipo", "scale", (1.0, 10.0)),
    "modipo-G": Tuning("modipo", "scale", (1.0, 10.0), guo=True),
    "dpo": Tuning("dpo", "scale", (1.0, 10.0)),
    "online-dpo": Tuning("online-dpo", "scale", (1.0, 10.0)),
    "best-of-n": Tuning("best-of-n", "K", (4, 8)),
    "reward-gradient": Tuning("reward-gradient", "penalty", (0.0, 10.0)),
    "draft-k": Tuning("reward-gradient", "penalty", (0.0, 10.0), fixed={"last_steps": 1}),
    "policy-gradient": Tuning("policy-gradient", "penalty", (0.0, 1.0)),
    "sopo": Tuning("sopo", "scale", (1.0, 10.0)),
    "guarded dpo": Tuning("dpo", "anchor", (1.0, 10.0), fixed=GUARDS),
    "guarded modipo-T": Tuning("modipo", "anchor", (1.0, 10.0), fixed=GUARDS),
    "guarded online-dpo": Tuning("online-dpo", "anchor", (1.0, 10.0), fixed=GUARDS),
}
