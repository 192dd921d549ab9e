"""Which captions to look at: those alignment changed most, and some drawn at random."""

from __future__ import annotations

from sopo.data.dataset import MotionDataset
from sopo.device import device
from sopo.evaluation.protocol import Witness
from sopo.motion.decode import decode_joints
from sopo.randomness import numpy_rng
from sopo.recipes.sources import Drawing
from sopo.reports.page import Example
from sopo.rewards.reward import Reward


def before_and_after(
    before: Drawing,
    after: Drawing,
    dataset: MotionDataset,
    reward: Reward,
    rule: Witness | None,
    seed: int,
    each: int = 6,
) -> list[Example]:
    """``each`` captions where the reward changed most, and ``each`` at random; the same noise before and after."""
    rng = numpy_rng(seed, "examples")
    pool = rng.permutation(len(dataset))[:256]
    batch = dataset.batch(pool, rng)
    real = dataset.normalizer.denormalize(batch.motion) * batch.mask[..., None]
    motions = {"real": real.to(device()), "before": before(batch, 0), "after": after(batch, 0)}
    length = batch.length.to(device())
    rewards = {name: reward.score(motion, length, batch.captions).cpu() for name, motion in motions.items()}
    rules = {name: rule(motion, length, batch) for name, motion in motions.items()} if rule else {}
    change = (rewards["after"] - rewards["before"]).abs()
    largest = change.argsort(descending=True)[:each].tolist()
    chosen = {i: "largest change" for i in largest}
    chosen |= {i: "random" for i in range(len(batch)) if i not in largest and i < 2 * each}
    joints = {name: decode_joints(motion, dataset.skeleton).cpu() for name, motion in motions.items()}
    examples = []
    for i, group in list(chosen.items())[: 2 * each]:
        frames = int(batch.length[i])
        scores: dict[str, dict[str, float | bool]] = {
            name: {"reward": float(rewards[name][i])} | ({"rule": bool(rules[name][i])} if rules else {})
            for name in motions
        }
        shown = {name: motion[i, :frames].numpy() for name, motion in joints.items()}
        examples.append(Example(batch.captions[i].text, group, shown, scores))
    return examples
