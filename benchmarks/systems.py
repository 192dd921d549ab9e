"""Cost of the published systems as this package runs them, against the same networks run the plain way.

MDM, MLD and MoMask draw K motions a caption, TMR and the evaluator of Guo et al. score motions; all at their published
sizes, with random weights and a random text model of CLIP ViT-B/32's size. Plain: padded to the data set's longest
motion, the text read again at every step, the K samples one after another; scores of one motion at a time.
Run: ``python benchmarks/systems.py``; ``--captions 8 --steps 10`` and so on for more than a quick look.
"""

from __future__ import annotations

import argparse
import dataclasses
import time
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from sopo.batch import Caption, as_captions
from sopo.diffusion.settings import Sampling
from sopo.generators.generator import Generator
from sopo.generators.mdm import MDM
from sopo.generators.mld import MLD
from sopo.generators.momask import MoMask
from sopo.generators.settings import MDMConfig, MLDConfig, MoMaskConfig
from sopo.matching.guo import PUBLISHED as GUO
from sopo.matching.guo import GuoMatcher
from sopo.matching.matcher import Matcher
from sopo.matching.tmr import PUBLISHED, TMR
from sopo.randomness import Draws
from sopo.text.encoder import TextEmbedding, TextEncoder

LONGEST = 196  # frames of the data set's longest motion


class RandomText(TextEncoder):
    """As costly as CLIP ViT-B/32's text model: 12 layers of 512 over 77 tokens; its vectors mean nothing."""

    name = "random"

    def __init__(self, width: int) -> None:
        layer = nn.TransformerEncoderLayer(512, 8, 2048, 0.0, "gelu", batch_first=True)
        self.network, self.width = nn.TransformerEncoder(layer, 12, enable_nested_tensor=False).eval(), width

    @torch.no_grad()
    def encode(self, texts: Sequence[str]) -> TextEmbedding:
        tokens = self.network(torch.randn(len(texts), 77, 512))
        tokens = tokens.repeat(1, 1, -(-self.width // 512))[..., : self.width]
        return TextEmbedding(tokens, torch.ones(tokens.shape[:2], dtype=torch.bool), tokens[:, -1])


def ours(model: Generator, captions: Sequence[Caption], length: Tensor, sampling: Sampling, K: int) -> None:
    """All at once: padded to the longest motion asked for, the text read once."""
    x = model.sample(model.embed(captions), length, int(length.max()), Draws(0, len(captions)), sampling, K)
    model.decode(x, length.repeat_interleave(K))


def plain(model: Generator, captions: Sequence[Caption], length: Tensor, sampling: Sampling, K: int) -> None:
    """The same motions, drawn as the module's first lines say."""
    part, step = (model.masked, "logits") if isinstance(model, MoMask) else (model, "denoise")
    network = getattr(part, step)

    def reading(*arguments: Tensor) -> Tensor:
        model.embed(captions)
        return network(*arguments)

    setattr(part, step, reading)
    try:
        for sample in range(K):
            x = model.sample(model.embed(captions), length, LONGEST, Draws(sample, len(captions)), sampling, 1)
            model.decode(x, length)
    finally:
        setattr(part, step, network)


def score(model: Matcher, motions: Tensor, length: Tensor, captions: Sequence[Caption]) -> None:
    """All at once; a caption that comes again is read once."""
    model.similarity(model.embed_texts(captions), model.embed_motions(motions, length))


def score_plainly(model: Matcher, motions: Tensor, length: Tensor, captions: Sequence[Caption]) -> None:
    """One pair at a time, padded."""
    for row, caption in enumerate(captions):
        valid = length[row : row + 1]
        embedded = model.encode_motions(model.prepare(motions[row : row + 1], valid, LONGEST), valid)
        model.similarity(model.embed_texts([caption]), embedded)


def best_time(work: Callable[[], None], repeats: int) -> float:
    """Seconds of the fastest run."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def main() -> None:
    parser = argparse.ArgumentParser(description="the published systems: batched against the plain way")
    for name, default in (("captions", 4), ("k", 2), ("steps", 3), ("repeats", 2)):
        parser.add_argument(f"--{name}", type=int, default=default)
    given = parser.parse_args()
    torch.manual_seed(0)
    captions = as_captions([f"a person walks forward and waves {i} times" for i in range(given.captions)])
    length = torch.randint(10, 25, (given.captions,)) * 4
    print(f"{given.captions} captions x {given.k} samples of 40 to 96 frames, {given.steps} guided steps, CPU seconds")
    pairs: dict[str, tuple[Callable[[], None], Callable[[], None]]] = {}
    sampling = Sampling("ddim", given.steps, 2.5)
    models = (MDM(MDMConfig(pooled_text=True)), MLD(MLDConfig()), MoMask(MoMaskConfig()))
    for model in models:
        model.eval().text = RandomText(model.text.width)
        pairs[f"{model.kind}: sampling"] = (
            lambda model=model: ours(model, captions, length, sampling, given.k),
            lambda model=model: plain(model, captions, length, sampling, given.k),
        )
    tmr = TMR(PUBLISHED["tmr-humanml3d"]).eval()
    tmr.embedder = RandomText(tmr.embedder.width)
    guo = GuoMatcher(dataclasses.replace(GUO["guo-humanml3d"], words="hashed-300")).eval()
    motions = torch.randn(given.captions * given.k, LONGEST, 263)
    lengths = length.repeat_interleave(given.k)
    wanted = [caption for caption in captions for _ in range(given.k)]
    for matcher in (tmr, guo):
        pairs[f"{matcher.kind}: scoring"] = (
            lambda matcher=matcher: score(matcher, motions, lengths, wanted),
            lambda matcher=matcher: score_plainly(matcher, motions, lengths, wanted),
        )
    with torch.no_grad():
        for name, (fast, slow) in pairs.items():
            a, b = best_time(fast, given.repeats), best_time(slow, given.repeats)
            print(f"{name}: {a:.3f}, plain {b:.3f}: {b / a:.1f} times faster", flush=True)


if __name__ == "__main__":
    main()
