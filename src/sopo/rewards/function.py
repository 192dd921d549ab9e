"""Any function as a reward: slow, remote or without a gradient; asked in batches, and once for a motion and caption."""

from __future__ import annotations

import hashlib
import inspect
import math
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sopo.batch import Caption, length_mask
from sopo.errors import UserError, failure
from sopo.motion.decode import decode_joints
from sopo.motion.skeleton import skeleton_for_features
from sopo.rewards.reward import Reward

# (joints [N, T, J, 3] or features [N, T, D], length [N] frames, N captions) -> N numbers, higher is better. Motions are
# zero behind their length. The name of the first parameter, ``joints`` or ``features``, says which it gets.
Function = Callable[[NDArray, NDArray, list[str]], Any]

REMEMBERED = 200_000  # motions with their rewards; the oldest are forgotten
MISTAKES = (TypeError, AttributeError, NameError, ImportError)  # of the code: asking again helps nothing


class FunctionReward(Reward):
    """What ``function`` says of a motion and its caption."""

    def __init__(
        self,
        function: Function,
        name: str = "",
        *,
        range: tuple[float, float] | None = None,
        batch_size: int = 64,
        attempts: int = 3,
        pause: float = 1.0,
    ) -> None:
        """range: the least and greatest number it gives; None: what it gives is seen when a run calibrates.

        batch_size: motions a call. attempts: calls until one succeeds. pause: seconds before the second, doubled each
        time. Raises UserError if ``function`` is none, or does not say what it takes.
        """
        self.function, self.name = function, name or getattr(function, "__name__", type(function).__name__)
        self.sees = _first_parameter(function, self.name)
        self.declared = range is not None
        self.range = (-math.inf, math.inf) if range is None else range
        if batch_size < 1 or attempts < 1 or pause < 0 or not self.range[0] < self.range[1]:
            raise UserError(f"{self.name}: needs batch_size and attempts of 1 or more, pause of 0 or more, and a range")
        self.batch_size, self.attempts, self.pause = batch_size, attempts, pause
        self._known: dict[bytes, float] = {}
        self._counts: Counter[str] = Counter()

    @torch.no_grad()
    def score(self, motions: Tensor, length: Tensor, captions: Sequence[Caption]) -> Tensor:
        valid = length_mask(length, motions.shape[1])[..., None]
        features = torch.where(valid, motions, 0.0).float().cpu()
        texts = [caption.text for caption in captions]
        keys = [_key(row[:frames], text) for row, frames, text in zip(features, length.tolist(), texts, strict=True)]
        new = {key: row for row, key in enumerate(keys) if key not in self._known}
        self._counts["cache hits"] += len(keys) - len(new)
        rows = list(new.values())
        rewards = {key: self._known[key] for key in keys if key in self._known}
        for first in range(0, len(rows), self.batch_size):
            part = rows[first : first + self.batch_size]
            told = self._ask(features[part], length.cpu()[part], [texts[row] for row in part])
            rewards |= {keys[row]: value for row, value in zip(part, told, strict=True)}
        self._remember(rewards)
        return torch.tensor([rewards[key] for key in keys], dtype=motions.dtype, device=motions.device)

    def report(self) -> dict[str, float]:
        told = {f"reward/{self.name}/{what}": float(self._counts[what]) for what in ("calls", "cache hits", "retries")}
        self._counts.clear()
        return told

    def describe(self) -> str:
        scale = f"{self.range[0]:g}..{self.range[1]:g}" if self.declared else "no range declared"
        return f"{self.name}, a function of {self.sees}, {scale}"

    def _ask(self, features: Tensor, length: Tensor, texts: list[str]) -> list[float]:
        shown = features
        if self.sees == "joints":
            joints = decode_joints(features, skeleton_for_features(features.shape[-1]))
            shown = joints * length_mask(length, joints.shape[1])[..., None, None]
        for attempt in range(1, self.attempts + 1):
            self._counts["calls"] += 1
            try:
                told = self.function(shown.numpy(), length.numpy(), texts)
                break
            except UserError:
                raise
            except Exception as error:
                if attempt == self.attempts or isinstance(error, MISTAKES):
                    times = f"failed {attempt} times, at last" if attempt > 1 else "failed"
                    module = getattr(self.function, "__module__", "")
                    raise UserError(f"reward {self.name}: {times} with {failure(error, module)}") from error
                self._counts["retries"] += 1
                time.sleep(self.pause * 2 ** (attempt - 1))
        return self._checked(told, len(texts))

    def _checked(self, told: Any, count: int) -> list[float]:
        try:
            values = np.asarray(told, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise UserError(f"reward {self.name}: gave {type(told).__name__}, not a number for each motion") from error
        if values.shape != (count,):
            raise UserError(f"reward {self.name}: gave numbers of shape {list(values.shape)} for {count} motions")
        if not np.isfinite(values).all():
            raise UserError(f"reward {self.name}: gave a number that is not finite")
        low, high = self.range
        if values.min() < low or values.max() > high:
            outside = values.min() if values.min() < low else values.max()
            raise UserError(f"reward {self.name}: gave {outside:g}, outside the range {low:g}..{high:g} it declares")
        return [float(value) for value in values]

    def _remember(self, rewards: dict[bytes, float]) -> None:
        self._known |= rewards
        while len(self._known) > REMEMBERED:
            del self._known[next(iter(self._known))]


def _first_parameter(function: Function, name: str) -> str:
    try:
        first, *rest = inspect.signature(function).parameters
    except (TypeError, ValueError):
        first, rest = "", []
    if first not in ("joints", "features") or len(rest) < 2:
        raise UserError(f"reward {name}: expected a function of (joints, lengths, captions) or (features, ...)")
    return first


def _key(motion: Tensor, text: str) -> bytes:
    return hashlib.blake2b(motion.contiguous().numpy().tobytes() + b"\0" + text.encode(), digest_size=16).digest()
