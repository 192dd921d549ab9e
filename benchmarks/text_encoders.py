"""What each text encoder lets a model read: sides, counts and the order of actions, from captions it never saw.

On captions of the procedural corpus, a linear layer on the encoder's pooled vector and a transformer layer on its
tokens (as every generator here reads text) are trained alike, then asked for the first side and the first count of
a held-out caption and for the verb of its second action. Lists accuracy, and seconds to encode 1,000 captions.
Run: ``python benchmarks/text_encoders.py``; ``--minilm FOLDER`` adds all-MiniLM-L6-v2 from its unpacked package.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sopo.recipes.corpus import made_corpus
from sopo.recipes.presets import ALIGNMENT_CORPUS
from sopo.text import text_encoder
from sopo.text.encoder import TextEmbedding, TextEncoder, masked_mean
from sopo.text.pretrained import MODELS, Model, PretrainedEncoder

DETAILS = ("side", "count", "order")
ABSENT = -100  # what cross-entropy leaves out
WIDTH, STEPS, BATCH, PLACES = 128, 1500, 64, 64


def asked(program: list[list[dict[str, Any]]]) -> tuple[Any, Any, Any]:
    """The first side, the first count and the second verb of a caption's program; None where it has none."""
    actions = list(chain(*program))
    side, count = (next((a[key] for a in actions if a.get(key) is not None), None) for key in ("side", "count"))
    return side, count, actions[1]["verb"] if len(actions) > 1 else None


class Reader(nn.Module):
    """TextEmbedding of B -> logits for each detail; from the pooled vector alone, or from the tokens."""

    def __init__(self, width: int, classes: list[int], tokens: bool) -> None:
        super().__init__()
        self.tokens = tokens
        self.width = WIDTH if tokens else width
        if tokens:
            self.enter = nn.Linear(width, WIDTH)
            self.places = nn.Parameter(0.02 * torch.randn(PLACES, WIDTH))
            self.layer = nn.TransformerEncoderLayer(WIDTH, 4, 256, dropout=0.0, batch_first=True, norm_first=True)
        self.heads = nn.ModuleList(nn.Linear(self.width, count) for count in classes)

    def forward(self, text: TextEmbedding) -> list[Tensor]:
        x = text.pooled
        if self.tokens:
            x = self.enter(text.tokens) + self.places[: text.tokens.shape[1]]
            x = masked_mean(self.layer(x, src_key_padding_mask=~text.mask) * text.mask[..., None], text.mask)
        return [head(x) for head in self.heads]


def accuracy(encoder: TextEncoder, sides: dict[str, list[tuple[str, tuple[Any, ...]]]], tokens: bool) -> list[float]:
    torch.manual_seed(0)
    names = [sorted({row[1][i] for row in sides["train"]} - {None}, key=str) for i in range(len(DETAILS))]

    def targets(rows: list[tuple[str, tuple[Any, ...]]]) -> Tensor:
        index = [[names[i].index(v) if v in names[i] else ABSENT for i, v in enumerate(said)] for _, said in rows]
        return torch.tensor(index)

    text, truth = encoder.encode([row[0] for row in sides["train"]]), targets(sides["train"])
    reader = Reader(encoder.width, [len(n) for n in names], tokens)
    optimiser = torch.optim.AdamW(reader.parameters(), lr=1e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, STEPS)
    for _ in range(STEPS):
        rows = torch.randint(len(text), (BATCH,))
        logits = reader(text.rows(rows))
        losses = [F.cross_entropy(out, truth[rows, i], ignore_index=ABSENT) for i, out in enumerate(logits)]
        optimiser.zero_grad()
        torch.stack(losses).sum().backward()
        optimiser.step()
        schedule.step()
    unseen, truth = encoder.encode([row[0] for row in sides["test"]]), targets(sides["test"])
    with torch.inference_mode():
        found = torch.stack([out.argmax(-1) for out in reader(unseen)], dim=1)
    return [((found == truth)[:, i][truth[:, i] != ABSENT]).float().mean().item() for i in range(len(DETAILS))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minilm", type=Path, help="folder that holds config.json, tokenizer.json, model.safetensors")
    parser.add_argument("--seed", type=int, default=0)
    flags = parser.parse_args()
    encoders = {name: text_encoder(name) for name in ("hashed-128", "hashed-256")}
    if flags.minilm:
        MODELS["minilm"] = Model(flags.minilm.name, "bert", 384, 256)
        encoders["minilm"] = PretrainedEncoder("minilm", flags.minilm.parent)
    with tempfile.TemporaryDirectory() as folder:
        size = replace(ALIGNMENT_CORPUS, train=1500, val=0, test=320, coarse_share=0.0, seed=flags.seed)
        lines = (made_corpus(Path(folder) / "data", size) / "corpus.jsonl").read_text().splitlines()
    sides: dict[str, list[tuple[str, tuple[Any, ...]]]] = {"train": [], "test": []}
    for line in map(json.loads, lines):
        sides[line["split"]] += [(caption["text"], asked(caption["says"])) for caption in line["captions"]]
    print(f"{len(sides['train'])} captions to learn from, {len(sides['test'])} held out")
    print("encoder | read from | " + " | ".join(DETAILS) + " | s / 1,000 captions")
    for name, encoder in encoders.items():
        start = time.perf_counter()
        encoder.encode([row[0] for row in sides["test"]])
        seconds = 1000 * (time.perf_counter() - start) / len(sides["test"])
        for tokens in (False, True):
            shares = " | ".join(f"{share:.3f}" for share in accuracy(encoder, sides, tokens))
            print(f"{name} | {'tokens' if tokens else 'pooled'} | {shares} | {seconds:.2f}", flush=True)


if __name__ == "__main__":
    main()
