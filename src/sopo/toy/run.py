"""Pre-train on the plane, align with each method by the real objective, and measure what became of every region."""

from __future__ import annotations

import copy
import dataclasses
from dataclasses import dataclass

import numpy as np
import torch
from scipy import stats
from torch import Tensor

from sopo.batch import Batch
from sopo.diffusion.settings import Sampling
from sopo.preference.candidates import draw_candidates
from sopo.preference.objective import PreferenceObjective
from sopo.randomness import Draws, derive_seed
from sopo.reports.results import Stat, Table
from sopo.toy.points import PointDiffusion
from sopo.toy.settings import PointConfig, ToyConfig
from sopo.toy.world import CAPTION, RegionReward, as_batch, labelled_pairs, masses, training_points
from sopo.training.progress import Report

REFERENCE = "reference"
MEASURE = Sampling("ddpm", 0, 1.0)


@dataclass(frozen=True)
class Snapshot:
    """A model after ``step`` steps of alignment: samples [N, 2], and the losers of that step [M, 2]."""

    step: int
    points: Tensor
    pushed: Tensor


# Method -> what it went through, from the reference on.
Course = dict[str, list[Snapshot]]


def play(config: ToyConfig, report: Report) -> list[Course]:
    """The course of every method, for each seed; one seed's methods start from one reference."""
    torch.set_num_threads(1)  # the matrices are too small to share
    courses: list[Course] = []
    total = config.seeds * (1 + len(config.methods))
    for seed in range(config.seeds):
        report(len(courses) * (1 + len(config.methods)), total, f"seed {seed}: pre-training")
        reference = pretrain(config, seed)
        course: Course = {}
        for place, method in enumerate(config.methods, start=1):
            report(len(courses) * (1 + len(config.methods)) + place, total, f"seed {seed}: {method}")
            course[method] = align(reference, method, config, seed)
        courses.append(course)
    report(total, total)
    return courses


def pretrain(config: ToyConfig, seed: int) -> PointDiffusion:
    """A model of all regions, preferred or not."""
    torch.manual_seed(seed)
    model = PointDiffusion(PointConfig())
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    decay = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, config.pretrain_steps)
    for step in range(config.pretrain_steps):
        draws = Draws(derive_seed(seed, "pretrain", step), 256)
        _descend(model.training_loss(as_batch(training_points(draws)), draws), model, optimizer)
        decay.step()
    return model.eval()


def align(reference: PointDiffusion, method: str, config: ToyConfig, seed: int) -> list[Snapshot]:
    """Train a copy of ``reference`` with ``PreferenceObjective``, a snapshot every so many steps."""
    winners, losers = labelled_pairs(Draws(derive_seed(seed, "pairs"), config.pairs))

    def pairs(batch: Batch) -> Tensor:
        rows = [int(key) for key in batch.keys]
        return torch.stack([winners[rows], losers[rows]], dim=1)

    settings = dataclasses.replace(config.preference, method=method)
    policy = copy.deepcopy(reference)
    objective = PreferenceObjective(policy, RegionReward(), settings, float(settings.tau), pairs)
    optimizer = torch.optim.Adam(policy.parameters(), lr=config.learning_rate)
    snapshots = []
    for step in range(config.steps + 1):

        def draws(step: int = step) -> Draws:
            return Draws(derive_seed(seed, "align", step), config.batch_size)

        rows = np.random.default_rng(derive_seed(seed, "rows", step)).choice(len(winners), config.batch_size, False)
        batch = as_batch(winners[rows], torch.from_numpy(rows))
        if step % config.every == 0 or step == config.steps:
            points = _sample(policy, config.points, derive_seed(seed, "measure"))
            snapshots.append(Snapshot(step, points, _losers(objective, batch, draws())))
        if step < config.steps:
            _descend(objective(batch, draws())[0], policy, optimizer)
    return snapshots


def regions_over_time(courses: list[Course], method: str) -> tuple[list[int], dict[str, np.ndarray]]:
    """Steps of the snapshots [S], and region -> the share of the samples inside it [seeds, S]."""
    rows = [[masses(snapshot.points) for snapshot in course[method]] for course in courses]
    steps = [snapshot.step for snapshot in courses[0][method]]
    return steps, {name: np.array([[mass[name] for mass in row] for row in rows]) for name in rows[0][0]}


def interval(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean over seeds (first axis) and half-width of Student's 95% interval; NaN of a single seed."""
    count = len(values)
    if count == 1:
        return values[0], np.full_like(values[0], np.nan)
    return values.mean(0), stats.t.ppf(0.975, count - 1) * values.std(0, ddof=1) / count**0.5


def as_table(courses: list[Course]) -> Table:
    """Where the samples of the reference and, after its last step, of every method lie."""
    table: Table = {}
    for method in courses[0]:
        _, regions = regions_over_time(courses, method)
        for row, place in ((REFERENCE, 0), (method, -1)):
            cells = {name: interval(values[:, place]) for name, values in regions.items()}
            table[row] = {name: Stat(float(mean), float(reach)) for name, (mean, reach) in cells.items()}
    return table


def _descend(loss: Tensor, model: PointDiffusion, optimizer: torch.optim.Optimizer) -> None:
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()


def _sample(model: PointDiffusion, count: int, seed: int) -> Tensor:
    nothing, length = model.embed((CAPTION,) * count), torch.ones(count, dtype=torch.int64)
    return model.sample(nothing, length, 1, Draws(seed, count), MEASURE, 1)[:, 0]


def _losers(objective: PreferenceObjective, batch: Batch, draws: Draws) -> Tensor:
    """What a step pushes down, [M, 2]; draws: the step's own, so that its candidates are drawn again."""
    if objective.method.loser != "policy":
        assert objective.pairs is not None
        return objective.pairs(batch)[:, -1, 0]
    assert objective.reward is not None
    config = objective.config
    candidates = draw_candidates(objective.policy, objective.reward, batch, config.K, config.rollout, draws)
    worst = candidates.worst()[:, 0]
    return worst[candidates.reward.amin(1) < objective.tau] if objective.method.threshold else worst
