"""Several generators on one caption and the same noise: motions, what rewards and rules say of them, and files."""

from __future__ import annotations

import math
import re
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray

from sopo.batch import Batch, as_captions
from sopo.corpus.checker import CaptionIndex, judge, observe
from sopo.corpus.grammar import caption as worded
from sopo.corpus.program import Program, sample_program
from sopo.data.layout import METADATA
from sopo.diffusion.settings import Sampling
from sopo.errors import UserError
from sopo.motion.decode import decode_joints
from sopo.randomness import numpy_rng
from sopo.recipes.build import load_generator, load_reward
from sopo.recipes.outputs import WRITERS
from sopo.recipes.sample import LIMITS_S, length_estimator, motion_lengths
from sopo.recipes.sources import generator_source
from sopo.settings import shown
from sopo.viewer.page import quantise

LONGEST = 300  # characters of a caption
SUGGESTED = 200  # captions whose rules are known
FILES = ("bvh", "glb", "npy")


@dataclass(frozen=True)
class Drawn:
    """The motions of one request by the names of their generators: raw features [T, D], joints [T, J, 3].

    scores: name -> reward -> value; where rules know the caption also whether it holds, in all and in its parts.
    seconds: that it took.
    """

    caption: str
    seed: int
    features: dict[str, NDArray]
    joints: dict[str, NDArray]
    scores: dict[str, dict[str, float | bool]]
    seconds: float


class Drawer:
    """Generators by name, rewards and rules, in memory. Raises UserError if they are of different bodies."""

    def __init__(
        self, generators: Mapping[str, str], rewards: Sequence[str], data: Path | None, sampling: Sampling
    ) -> None:
        models = {name: load_generator(source).eval() for name, source in generators.items()}
        if len({model.config.features for model in models.values()}) != 1:
            raise UserError("--generator: give one or more, all of one skeleton")
        self.first = next(iter(models.values()))
        self.skeleton = self.first.skeleton
        self.estimator = length_estimator(next(iter(generators.values())))
        self.models, self.sampling = models, sampling
        self.rewards = {name: load_reward(name, self.skeleton.num_features) for name in rewards}
        self.suggestions = _suggestions()
        self.known = {_plain(text): said for text, said in self.suggestions.items()}
        if data:
            self.known |= {_plain(text): said for text, said in CaptionIndex.read(data / METADATA).programs().items()}

    @property
    def names(self) -> list[str]:
        return list(self.models)

    @torch.inference_mode()
    def draw(self, caption: str, seconds: float | None, seed: int) -> Drawn:
        """One motion of each generator. seconds: None for the length estimator's, or 3.2. Raises UserError."""
        start = time.monotonic()
        caption = _checked(caption, seconds)
        captions = as_captions([caption])
        length = motion_lengths(self.first.embed(captions), self.estimator, seconds, seed, self.skeleton.fps)
        frames = int(length[0])
        batch = Batch(torch.zeros(1, frames, self.skeleton.num_features), length, captions, (caption,))
        drawn = {name: generator_source(model, self.sampling, seed)(batch, 0) for name, model in self.models.items()}
        if strange := [name for name, motion in drawn.items() if not motion.isfinite().all()]:
            raise UserError(f"{strange[0]}: drew what is not finite; has the generator diverged?")
        joints = {name: decode_joints(motion[0], self.skeleton).cpu().numpy() for name, motion in drawn.items()}
        scores: dict[str, dict[str, float | bool]] = {name: {} for name in drawn}
        for reward, scorer in self.rewards.items():
            for name, motion in drawn.items():
                scores[name][reward] = float(scorer.score(motion, length, captions)[0])
        if said := self.known.get(_plain(caption)):
            for name, positions in joints.items():
                verdict = judge(observe(positions, self.skeleton), said)
                scores[name] |= {"all rules": verdict.passed, **verdict.parts}
        features = {name: motion[0].cpu().numpy() for name, motion in drawn.items()}
        return Drawn(caption, seed, features, joints, scores, time.monotonic() - start)

    def told(self, drawn: Drawn) -> dict[str, Any]:
        """``drawn`` as pages take it."""
        return {
            "caption": drawn.caption,
            "seed": drawn.seed,
            "motions": {name: quantise(motion, self.skeleton) for name, motion in drawn.joints.items()},
            "scores": {
                name: {what: _finite(value) for what, value in row.items()} for name, row in drawn.scores.items()
            },
            "seconds": round(drawn.seconds, 2),
        }

    def file(self, drawn: Drawn, name: str, kind: str) -> bytes:
        """One motion as a file of ``FILES``."""
        suffix, write = WRITERS[kind]
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"motion{suffix}"
            write(path, drawn.joints[name], drawn.caption, self.skeleton)
            return path.read_bytes()


def file_name(drawn: Drawn, name: str) -> str:
    """What a file of a motion is called, without suffix: letters, digits and dashes alone."""
    words = re.findall(r"[a-z0-9]+", f"{drawn.caption} {drawn.seed} {name}".lower())
    return "-".join(words)[:100] or "motion"


def _checked(caption: str, seconds: float | None) -> str:
    caption = " ".join(caption.split())
    if not caption or len(caption) > LONGEST or not caption.isprintable():
        raise UserError(f"the caption is {shown(caption)}: describe a motion in 1 to {LONGEST} characters")
    if seconds is not None and not LIMITS_S[0] <= seconds <= LIMITS_S[1]:
        raise UserError(f"seconds is {shown(seconds)}: motions last from {LIMITS_S[0]} to {LIMITS_S[1]} seconds")
    return caption


def _suggestions() -> dict[str, Program]:
    """Captions of the procedural corpus with what they say, so that rules can judge what is drawn for them."""
    rng = numpy_rng(0, "suggestions")
    programs = [sample_program(rng) for _ in range(SUGGESTED)]
    return {worded(said, rng).text: said for said in programs}


def _plain(text: str) -> str:
    return " ".join(text.lower().rstrip(". ").split())


def _finite(value: float | bool) -> float | bool | None:
    return value if isinstance(value, bool) or math.isfinite(value) else None
