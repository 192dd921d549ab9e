"""A model that is none of sopo's: a recurrent network that says each next frame, with a likelihood of its own.

sopo check-generator own_generator:make
python own_generator.py CORPUS          trains it a little, aligns it, and prints base against aligned
"""

import sys
from dataclasses import dataclass

import torch
from torch import nn

import sopo
from sopo.batch import length_mask
from sopo.generators.generator import NoiseDraw
from sopo.motion.normalize import Normalizer
from sopo.settings import Settings
from sopo.text import text_encoder


@dataclass(frozen=True)
class NextFrameConfig(Settings):
    features: int = 263
    width: int = 64


class NextFrame(sopo.Generator):
    """x is the normalised features [N, T, D]; a frame is Gaussian, of deviation 0.5, around what the network says."""

    Config, kind = NextFrameConfig, "next-frame"

    def __init__(self, config):
        super().__init__()
        self.config, self.text = config, text_encoder("hashed-64")
        self.normalizer = Normalizer(torch.zeros(config.features), torch.ones(config.features))
        self.network = nn.GRU(config.features + self.text.width, config.width, batch_first=True)
        self.say = nn.Linear(config.width, config.features)

    def mean(self, before, condition, state=None):
        text = condition.pooled[:, None].expand(-1, before.shape[1], -1)
        hidden, state = self.network(torch.cat([before, text], -1), state)
        return self.say(hidden), state

    def encode(self, batch):
        return batch.motion

    def decode(self, x, length):
        return self.normalizer.denormalize(x) * length_mask(length, x.shape[1])[..., None]

    @torch.no_grad()
    def sample(self, condition, length, frames, draws, sampling, K):
        noise, condition = 0.5 * draws.normal(K, frames, self.config.features).flatten(0, 1), condition.repeat(K)
        said, state = [torch.zeros_like(noise[:, :1])], None
        for frame in range(frames):
            mean, state = self.mean(said[-1], condition, state)
            said.append(mean + noise[:, frame : frame + 1])
        return torch.cat(said[1:], 1)

    def draw(self, x, draws, noisiest=1.0):  # the likelihood is exact: nothing is drawn for it
        return NoiseDraw(torch.zeros(len(x), dtype=torch.long), x.new_zeros(len(x)))

    def nll(self, x, length, condition, draw):
        mean, _ = self.mean(torch.cat([torch.zeros_like(x[:, :1]), x[:, :-1]], 1), condition)
        error = (x - mean).square().mean(-1) * length_mask(length, x.shape[1])
        return error.sum(1) / length

    def training_loss(self, batch, draws):
        return self.nll(batch.motion, batch.length, self.embed(batch.captions), None).mean()


def make():
    torch.manual_seed(0)
    return NextFrame(NextFrameConfig())


if __name__ == "__main__":
    data, base = sopo.load_data(sys.argv[1]), make()
    base.normalizer = data.normalizer
    base = sopo.align(base, None, data, "runs/next-frame/base", method="sft", steps=200, learning_rate=3e-3)
    aligned = sopo.align(base, "shipped/reward", data, "runs/next-frame/aligned", steps=20)
    for name, row in sopo.evaluate({"base": base, "aligned": aligned}, sys.argv[1], "shipped/evaluator").items():
        print(name, row["R@1"], row["FID"])
