"""A plane with preferred and unpreferred regions: what the model is pre-trained on, and what is labelled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sopo.batch import Batch, Caption
from sopo.randomness import Draws
from sopo.rewards.reward import Reward

SPREAD = 0.14  # deviation of the points of a region around its centre
RADIUS = 3 * SPREAD  # a point this near a centre is inside the region: 98.9% of the region's own points
CAPTION = Caption("a point")


@dataclass(frozen=True)
class Region:
    """A round region. share: of the pre-training data. reward: at its centre. labelled: has preference labels."""

    name: str
    centre: tuple[float, float]
    share: float
    reward: float
    labelled: bool

    @property
    def good(self) -> bool:
        return self.reward > 0


# Figure 2 has three: preferred, unpreferred with labels (its blue), unpreferred without (its red). The rare two
# are what Sec. 3.2 says online DPO misses, for it only learns from what the policy draws often.
REGIONS = (
    Region("good", (0.75, 0.75), 0.40, 0.6, labelled=True),
    Region("rare good", (1.1, -0.55), 0.04, 1.0, labelled=True),
    Region("labelled bad", (-0.75, 0.75), 0.26, -1.0, labelled=True),
    Region("unlabelled bad", (-0.75, -0.75), 0.26, -1.0, labelled=False),
    Region("rare bad", (0.2, -1.15), 0.04, -1.0, labelled=False),
)
CENTRES = torch.tensor([region.centre for region in REGIONS])


def draw_points(draws: Draws, shares: Sequence[float]) -> Tensor:
    """Points [B, 1, 2] of the regions, each region's ``share`` of them."""
    edges = torch.tensor(shares).cumsum(0) / sum(shares)
    chosen = torch.bucketize(draws.uniform(), edges[:-1], right=True)
    return (CENTRES[chosen] + SPREAD * draws.normal(2))[:, None]


def training_points(draws: Draws) -> Tensor:
    """What the reference is pre-trained on, [B, 1, 2]: all regions."""
    return draw_points(draws, [region.share for region in REGIONS])


def labelled_pairs(draws: Draws) -> tuple[Tensor, Tensor]:
    """The fixed preference data (winners, losers), [B, 1, 2] each: labelled regions only, equally often."""
    winners = draw_points(draws, [float(region.labelled and region.good) for region in REGIONS])
    losers = draw_points(draws, [float(region.labelled and not region.good) for region in REGIONS])
    return winners, losers


def masses(points: Tensor) -> dict[str, float]:
    """Share of points [N, 2] in each region, and in none ("elsewhere")."""
    inside = torch.cdist(points, CENTRES) < RADIUS
    shares = inside.float().mean(0).tolist()
    return {region.name: share for region, share in zip(REGIONS, shares, strict=True)} | {"elsewhere": 1 - sum(shares)}


def as_batch(points: Tensor, rows: Tensor | None = None) -> Batch:
    """Points [B, 1, 2] as captioned motions of one frame; ``rows`` [B] names each in its data set."""
    count = len(points)
    keys = tuple(map(str, range(count) if rows is None else rows.tolist()))
    return Batch(points, torch.ones(count, dtype=torch.int64), (CAPTION,) * count, keys)


class RegionReward(Reward):
    """-1 everywhere but on bumps around the good centres, which reach the regions' rewards."""

    range = (-1.0, 1.0)

    def score(self, motions: Tensor, length: Tensor, captions: Sequence[Caption]) -> Tensor:
        bumps = torch.exp(-0.5 * (torch.cdist(motions[:, 0], CENTRES) / RADIUS).square())
        heights = torch.tensor([max(region.reward, -1.0) + 1 for region in REGIONS])
        return (bumps * heights).amax(1) - 1

    def embed_motions(self, motions: Tensor, length: Tensor) -> Tensor:
        """The point itself: points near in angle are near in preference."""
        return motions[:, 0]

    def describe(self) -> str:
        return "height of the good regions' bumps over -1"
