"""The budget of the toy."""

from __future__ import annotations

from dataclasses import dataclass, field

from sopo.diffusion.settings import Sampling
from sopo.errors import UserError
from sopo.preference.methods import method_by_name
from sopo.preference.settings import PreferenceConfig


@dataclass(frozen=True)
class PointConfig:
    """Sizes of the network; ``features`` is the dimension of the plane."""

    features: int = 2
    width: int = 96
    layers: int = 3
    diffusion_steps: int = 40


@dataclass(frozen=True)
class ToyConfig:
    """The budget, and the letters of the paper; the defaults take about a minute on one thread.

    Rate and scale were chosen by hand among five pairs, for a picture in which every method has moved, and are
    the same for all. The picture depends on them: at rate 1e-4 and scale 50 an earlier network left 46% of SoPo's
    samples and 50% of online DPO's in no region, and SoPo gained little (1 seed).
    """

    seeds: int = 4
    methods: tuple[str, ...] = ("dpo", "online-dpo", "sopo")
    pretrain_steps: int = 2000
    steps: int = 150  # of every method
    every: int = 15  # steps between two measurements
    points: int = 1200  # of a measurement
    batch_size: int = 128
    learning_rate: float = 3e-4
    pairs: int = 256  # labelled once; winners of dpo and sopo, losers of dpo
    preference: PreferenceConfig = field(  # of every method alike
        default_factory=lambda: PreferenceConfig(K=4, tau=0.0, scale=20.0, rollout=Sampling("ddpm", 10, 1.0))
    )

    def __post_init__(self) -> None:
        for name in ("seeds", "pretrain_steps", "steps", "every", "points", "batch_size", "pairs"):
            if getattr(self, name) < 1:
                raise UserError(f"{name} is {getattr(self, name)}: must be at least 1")
        if not 0 < self.learning_rate < 1:
            raise UserError(f"learning_rate is {self.learning_rate}: must lie between 0 and 1")
        if self.pairs < self.batch_size:
            raise UserError(f"pairs is {self.pairs}: must be at least a batch ({self.batch_size})")
        if not isinstance(self.preference.tau, float | int):
            raise UserError(f"tau is {self.preference.tau!r}: the plane has rewards in -1..1, give one of them")
        for name in self.methods:
            method = method_by_name(name)
            if method.loser is None:
                raise UserError(f"method {name} pushes nothing down: choose one that compares")
