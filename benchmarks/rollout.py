"""Cost of drawing K motions a caption: as `sopo align` does it, against the plain way.

Plain: one caption and one sample at a time, padded to the longest motion of the batch, text read again for each.
Run: ``python benchmarks/rollout.py`` (see README). Prints both times and their ratio; both do the same work.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import torch

from sopo.batch import as_captions
from sopo.diffusion.settings import Sampling
from sopo.generators.mdm import MDM
from sopo.randomness import Draws
from sopo.recipes.presets import MDM_PRESETS

CAPTIONS, K, LONGEST, REPEATS = 32, 4, 100, 3
SAMPLING = Sampling("ddim", 10, 2.5)


@torch.inference_mode()
def batched(model: MDM, captions: list[str], length: torch.Tensor) -> None:
    model.sample(model.embed(as_captions(captions)), length, int(length.max()), Draws(0, len(captions)), SAMPLING, K)


@torch.inference_mode()
def one_by_one(model: MDM, captions: list[str], length: torch.Tensor) -> None:
    for row, caption in enumerate(captions):
        for sample in range(K):
            draws = Draws(row * K + sample, 1)
            model.sample(model.embed(as_captions([caption])), length[row : row + 1], LONGEST, draws, SAMPLING, 1)


def best_time(work: Callable[[], None]) -> float:
    """Seconds of the fastest of a few runs after one warm-up."""
    times = []
    for _ in range(REPEATS + 1):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times[1:])


def main() -> None:
    torch.manual_seed(0)
    model = MDM(MDM_PRESETS["small"]).eval()
    captions = [f"a person walks forward and waves {i} times" for i in range(CAPTIONS)]
    length = torch.randint(10, 20, (CAPTIONS,)) * 4
    ours = best_time(lambda: batched(model, captions, length))
    plain = best_time(lambda: one_by_one(model, captions, length))
    print(f"{CAPTIONS} captions x {K} samples, {SAMPLING.steps} steps, guidance {SAMPLING.guidance}")
    print(f"batched {ours:.2f} s, one by one {plain:.2f} s: {plain / ours:.1f} times faster")


if __name__ == "__main__":
    main()
