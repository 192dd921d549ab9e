"""Whether an MDM's seams are its last layer's: that layer alone is fitted anew, to read a token's frames from three.

The layer is linear, so its best weights for the training motions, at random noise levels and the model's own tokens,
are the solution of one system of equations: nothing is trained. Measure what it writes with ``sopo eval`` and seams.py.
Run: ``python benchmarks/refit_head.py --generator shipped/mdm --data DIR --out DIR``.
"""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from sopo.batch import length_mask
from sopo.generators.generator import Generator
from sopo.generators.mdm import MDM
from sopo.randomness import Draws, numpy_rng
from sopo.recipes.build import load_dataset, load_generator
from sopo.training.progress import progress

BATCH = 64
RIDGE = 1e-5  # of the mean square of what is read


def widened(model: MDM, window: int) -> MDM:
    """The same model reading ``window`` tokens, of which the new ones weigh nothing yet."""
    state = model.state_dict()
    around = torch.zeros_like(state["predict.weight"]).repeat(1, window // 2)
    state["predict.weight"] = torch.cat([around, state["predict.weight"], around], dim=1)
    wide = MDM(dataclasses.replace(model.config, token_window=window))
    wide.load_state_dict(state)
    return wide.eval()


class LeastSquares:
    """Sums of x x', x y' and y y' over rows x [N, P], y [N, Q]; a 1 is appended to x."""

    def __init__(self, inputs: int, outputs: int) -> None:
        self.xx = torch.zeros(inputs + 1, inputs + 1, dtype=torch.float64)
        self.xy = torch.zeros(inputs + 1, outputs, dtype=torch.float64)
        self.yy, self.count = 0.0, 0

    def add(self, x: Tensor, y: Tensor) -> None:
        x, y = torch.cat([x, x.new_ones(len(x), 1)], dim=1).double(), y.double()
        self.xx += x.T @ x
        self.xy += x.T @ y
        self.yy, self.count = self.yy + float(y.square().sum()), self.count + y.numel()

    def solution(self) -> Tensor:
        """Weights [P + 1, Q]."""
        ridge = RIDGE * self.xx.diagonal().mean() * torch.eye(len(self.xx), dtype=torch.float64)
        return torch.linalg.solve(self.xx + ridge, self.xy)

    def error(self, weights: Tensor) -> float:
        """The mean square error of these weights."""
        squares = self.yy - 2 * (weights * self.xy).sum() + (weights * (self.xx @ weights)).sum()
        return float(squares) / self.count


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--generator", required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--window", type=int, default=3)
    parser.add_argument("--batches", type=int, default=400)
    flags = parser.parse_args()
    narrow: Generator = load_generator(flags.generator)
    if not isinstance(narrow, MDM) or narrow.config.token_window != 1:
        parser.error("--generator must be an MDM whose frames are read from one token")
    model, per_token = widened(narrow, flags.window), narrow.config.frames_per_token
    read: list[Tensor] = []
    model.predict.register_forward_pre_hook(lambda _, given: read.append(given[0]))
    found = LeastSquares(model.predict.in_features, model.predict.out_features)
    dataset, rng = load_dataset(flags.data, "train", model), numpy_rng("refit")
    with progress("fitting the last layer") as report:
        for number in range(flags.batches):
            batch = dataset.batch(sorted(rng.choice(len(dataset), BATCH, replace=False)), rng)
            read.clear()
            model.training_loss(batch, Draws(number, BATCH))
            frames = F.pad(batch.motion, (0, 0, 0, -batch.motion.shape[1] % per_token))
            frames = frames.reshape(BATCH, -1, per_token * frames.shape[2])
            whole = length_mask(batch.length // per_token, frames.shape[1])
            found.add(read[0][whole], frames[whole])
            report(number + 1, flags.batches)
    before = torch.cat([model.predict.weight.T, model.predict.bias[None]]).double()
    after = found.solution()
    model.predict.weight.copy_(after[:-1].T)
    model.predict.bias.copy_(after[-1])
    model.save_pretrained(flags.out)
    print(f"mean square error: {found.error(before):.4f} -> {found.error(after):.4f}; written: {flags.out}")


if __name__ == "__main__":
    main()
