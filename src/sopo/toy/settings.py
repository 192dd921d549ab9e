"""The budget of the toy."""

from __future__ import annotations

from dataclasses import dataclass, field

from sopo.diffusion.settings import Sampling
from sopo.errors import UserError
from sopo.nn.settings import Features, Layers, Steps, Width
from sopo.preference.methods import method_by_name
from sopo.preference.settings import PreferenceConfig
from sopo.settings import Positive, Rate, Settings


@dataclass(frozen=True)
class PointConfig(Settings):
    """Sizes of the network; ``features`` is the dimension of the plane."""

    features: Features = 2
    width: Width = 96
    layers: Layers = 3
    diffusion_steps: Steps = 40


@dataclass(frozen=True)
class ToyConfig(Settings):
    """The budget, and the letters of the paper; the defaults take about a minute on one thread.

    Rate and scale were chosen by hand among five pairs, for a picture in which every method has moved, and are
    the same for all. The picture depends on them: at rate 1e-4 and scale 50 an earlier network left 46% of SoPo's
    samples and 50% of online DPO's in no region, and SoPo gained little (1 seed).
    """

    seeds: Positive = 4
    methods: tuple[str, ...] = ("dpo", "online-dpo", "sopo")
    pretrain_steps: Positive = 2000
    steps: Positive = 150  # of every method
    every: Positive = 15  # steps between two measurements
    points: Positive = 1200  # of a measurement
    batch_size: Positive = 128
    learning_rate: Rate = 3e-4
    pairs: Positive = 256  # labelled once; winners of dpo and sopo, losers of dpo
    preference: PreferenceConfig = field(  # of every method alike
        default_factory=lambda: PreferenceConfig(K=4, tau=0.0, scale=20.0, rollout=Sampling("ddpm", 10, 1.0))
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.pairs < self.batch_size:
            raise UserError(f"pairs is {self.pairs}: must be at least a batch ({self.batch_size})")
        if not isinstance(self.preference.tau, float | int):
            raise UserError(f"tau is {self.preference.tau!r}: the plane has rewards in -1..1, give one of them")
        for name in self.methods:
            method = method_by_name(name)
            if method.loser is None:
                raise UserError(f"method {name} pushes nothing down: choose one that compares")
