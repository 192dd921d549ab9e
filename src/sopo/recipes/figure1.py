"""Figure 1 of the paper: motions of one caption before and after alignment, one after for each seed."""

from __future__ import annotations

from pathlib import Path

from sopo.data.dataset import MotionDataset
from sopo.device import device
from sopo.errors import UserError
from sopo.motion.decode import decode_joints
from sopo.randomness import numpy_rng
from sopo.recipes.bench import stable_row
from sopo.recipes.bench_grid import Grid, Models, check_independent, labelled, slug
from sopo.recipes.build import load_generator, load_reward
from sopo.recipes.corpus import made_corpus
from sopo.recipes.evaluate import rule_witness
from sopo.recipes.jobs import run_jobs
from sopo.recipes.settings import FigureConfig
from sopo.recipes.sources import Drawing, generator_source
from sopo.recipes.tune import Choices
from sopo.viewer.strip import draw_strips

METHOD = "sopo"


def figure1(
    out: Path, models: Models, config: FigureConfig, data: Path | None = None, tuned: Path | None = None
) -> list[Path]:
    """Write ``out/figure1/GENERATOR-N.png``, one for each of ``config.captions`` captions of the test split.

    Captions are drawn at random by the first seed, not chosen; all motions of one start from the same noise. The cells
    are those of ``sopo bench table1`` in the same ``out``, tuned or not: what is trained there is not trained again.
    """
    check_independent(models)
    choices = None if tuned is None else Choices(tuned)
    data = data or made_corpus(out / "data", config.corpus)
    written: list[Path] = []
    for label, (kind, folder) in labelled(models.generators).items():
        setting = stable_row(kind, models.reward, METHOD)
        if choices is not None:
            rows = {row.name: row for row in choices.settings(folder, models, config.steps)}
            if METHOD not in rows:
                raise UserError(f"{tuned}: {METHOD} was not tuned there; it has {', '.join(rows)}")
            setting = rows[METHOD]
        earlier = tuned and tuned.parent / slug(label)
        grid = Grid(label, folder, out / slug(label), data, [setting], models, config, earlier=earlier)
        run_jobs([job for job in grid.jobs() if job.kind == "training"])
        trained = {f"after, seed {seed}": grid.cell(setting.name, seed) for seed in config.seeds}
        sources: dict[str, Drawing] = {
            name: generator_source(load_generator(model), config.sampling, config.seeds[0])
            for name, model in {"before": folder, **trained}.items()
        }
        written += _drawn(out / "figure1" / slug(label), sources, grid.dataset, models, config)
    return written


def _drawn(
    path: Path, sources: dict[str, Drawing], dataset: MotionDataset, models: Models, config: FigureConfig
) -> list[Path]:
    reward, rule = load_reward(models.reward, dataset.skeleton.num_features), rule_witness(dataset)
    rng = numpy_rng(config.seeds[0], "figure 1")
    batch = dataset.batch(rng.permutation(len(dataset))[: config.captions], rng)
    motions = {"recorded": dataset.normalizer.denormalize(batch.motion) * batch.mask[..., None]}
    motions |= {name: source(batch, 0) for name, source in sources.items()}
    length = batch.length.to(device())
    told = {}
    for name, motion in motions.items():
        scores = reward.score(motion.to(device()), length, batch.captions).tolist()
        verdicts = [None] * len(batch) if rule is None else list(rule(motion, length, batch))
        told[name] = [(score, verdict) for score, verdict in zip(scores, verdicts, strict=True)]
    joints = {name: decode_joints(motion, dataset.skeleton).cpu().numpy() for name, motion in motions.items()}
    written = []
    for row in range(len(batch)):
        frames = int(batch.length[row])
        strips = {_title(name, *told[name][row]): joints[name][row, :frames] for name in motions}
        written.append(
            draw_strips(path.with_name(f"{path.name}-{row}.png"), batch.captions[row].text, strips, dataset.skeleton)
        )
    return written


def _title(name: str, reward: float, rule: float | None) -> str:
    verdict = "" if rule is None else ", does what it says" if rule else ", does not do what it says"
    return f"{name}: reward {reward:.2f}{verdict}"
