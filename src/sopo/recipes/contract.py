"""Whether a generator keeps the contract of ``sopo.generators.generator``: a few motions, each promise looked at."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sopo.batch import Batch, as_captions, length_mask
from sopo.device import device
from sopo.diffusion.settings import Sampling
from sopo.errors import UserError, failure, place_of
from sopo.generators.generator import Generator
from sopo.preference.ratio import log_ratio
from sopo.randomness import Draws
from sopo.recipes.build import GeneratorSource, load_generator
from sopo.recipes.fingerprints import model_hash
from sopo.recipes.own import place

LENGTHS = (40, 24, 32)  # frames
TEXTS = ("a person walks", "someone jumps up twice", "a man waves")
K = 2
FAINT = 1e-4  # of the largest number: what two orders of one computation may differ by in 32 bits
ROUNDING = 1e-5  # likewise, of one order: with and without a gradient torch may take other kernels


@dataclass(frozen=True)
class Finding:
    """promise: of the contract. lacks: what is wrong with it; empty where it holds."""

    promise: str
    lacks: str = ""


class Subject:
    """A generator and three motions of noise: what the promises are looked at with."""

    def __init__(self, model: Generator) -> None:
        self.model, length = model, torch.tensor(LENGTHS)
        motion = Draws(0, 3).normal(max(LENGTHS), model.config.features) * length_mask(length, max(LENGTHS))[..., None]
        self.batch = Batch(motion, length, as_captions(TEXTS), ("a", "b", "c")).to(device())
        self.length = self.batch.length
        self.sampling = Sampling(steps=2)

    def draws(self, seed: int = 0) -> Draws:
        return Draws(seed, len(self.batch), device=device())

    def x(self) -> Tensor:
        return self.model.encode(self.batch)

    def sample(self, seed: int = 0) -> Tensor:
        condition = self.model.embed(self.batch.captions)
        return self.model.sample(condition, self.length, max(LENGTHS), self.draws(seed), self.sampling, K)

    def nll(self, x: Tensor, draw: Any, model: Generator | None = None) -> Tensor:
        model = model or self.model
        return model.nll(x, self.length, model.embed(self.batch.captions), draw)


def check_contract(
    model: Generator, source: GeneratorSource | None = None, promises: Promises | None = None
) -> Iterator[Finding]:
    """Each promise and what it lacks. source: what ``model`` was loaded from, to be loaded again."""
    promises = dict(PROMISES if promises is None else promises)
    if source is not None and not isinstance(source, Generator) and place(source):
        promises["loading again gives the same weights"] = lambda _: (
            "" if model_hash(load_generator(source)) == model_hash(model) else "they differ: seed them, or load them"
        )
    subject = Subject(model)
    for promise, look in promises.items():
        model.eval().zero_grad(set_to_none=True)
        try:
            lacks = look(subject)
        except UserError as error:
            lacks = str(error)
        except Exception as error:  # whatever the code of the user raises is what it lacks
            lacks = failure(error)
        yield Finding(promise, lacks)


def require_contract(model: Generator, drawing: bool = False) -> None:
    """UserError that names the first promise that ``model``, none of ours, breaks; drawing: of those that sampling asks
    for."""
    if type(model).__module__.partition(".")[0] == "sopo":
        return
    for finding in check_contract(model, promises=DRAWING if drawing else PROMISES):
        if finding.lacks:
            who = model.name or place_of(type(model))
            raise UserError(
                f"{who} breaks the contract of generators: {finding.promise}: {finding.lacks}"
                " (all of it: sopo check-generator)"
            )


def _encodes(s: Subject) -> str:
    x = s.x()
    if x.shape[:1] != (3,):
        return f"encode gives shape {list(x.shape)} for 3 motions"
    return _finite(x, "encode") or ("encode gives a gradient" if x.requires_grad else "")


def _decodes(s: Subject) -> str:
    out = s.model.decode(s.x(), s.length)
    features = s.model.config.features
    if out.ndim != 3 or len(out) != 3 or out.shape[1] < max(LENGTHS) or out.shape[2] != features:
        return f"decode gives shape {list(out.shape)}, expected [3, {max(LENGTHS)} or more, {features}]"
    beyond = out.masked_select(~length_mask(s.length, out.shape[1])[..., None])
    return _finite(out, "decode") or ("decode is not zero after the length" if beyond.any() else "")


def _samples(s: Subject) -> str:
    x = s.sample()
    if x.shape[:1] != (3 * K,) or x.shape[1:] != s.x().shape[1:]:
        return f"sample gives shape {list(x.shape)} for 3 captions, K = {K}; encode gives {list(s.x().shape)} for 3"
    return _finite(s.model.decode(x, s.length.repeat_interleave(K)), "a decoded sample")


def _same_draws_same_sample(s: Subject) -> str:
    first = s.sample()
    if not torch.equal(first, s.sample()):
        return "two calls differ: draw from the draws that are passed, and from nothing else"
    return "" if not torch.equal(first, s.sample(seed=1)) else "other draws give the same motions"


def _nll(s: Subject) -> str:
    x = s.x()
    value = s.nll(x, s.model.draw(x, s.draws()))
    return _finite(value, "nll") if value.shape == (3,) else f"nll gives shape {list(value.shape)}, expected [3]"


def _same_draw_same_number(s: Subject) -> str:
    x = s.x()
    draw = s.model.draw(x, s.draws())
    if not torch.equal(s.nll(x, draw), s.nll(x, draw)):
        return "two calls differ: what is random belongs into draw()"
    again = s.model.draw(x, s.draws())
    return "" if torch.equal(s.nll(x, draw), s.nll(x, again)) else "draw() gives other numbers for the same draws"


def _zero_at_the_reference(s: Subject) -> str:
    reference = copy.deepcopy(s.model, {id(s.model.text): s.model.text}).requires_grad_(False).eval()
    x = s.x()
    condition, draw = s.model.embed(s.batch.captions), s.model.draw(x, s.draws())
    h, of_reference = log_ratio(s.model, reference, x, s.length, condition, draw)
    largest = h.abs().max().item()
    return f"h is {largest:.3g} between equal models" if largest > ROUNDING * of_reference.abs().max().item() else ""


def _draws_by_row(s: Subject) -> str:
    x, rows = s.x(), torch.tensor([2, 0], device=device())
    draw = s.model.draw(x, s.draws())
    condition = s.model.embed([s.batch.captions[row] for row in rows.tolist()])
    part = s.model.nll(x[rows], s.length[rows], condition, draw.rows(rows))
    s.nll(x, s.model.draw(x, s.draws(1)).paired_with(draw))
    return _differ(part, s.nll(x, draw)[rows], "draw.rows gives a row other numbers")


def _blind_to_padding(s: Subject) -> str:
    x = s.x()
    draw = s.model.draw(x, s.draws())
    places = torch.tensor([s.model.places(frames) for frames in LENGTHS], device=device())
    if not x.is_floating_point() or x.ndim < 2 or int(places.max()) > x.shape[1]:
        return ""  # tokens have no other numbers there
    beyond = ~length_mask(places, x.shape[1]).view(*x.shape[:2], *(1,) * (x.ndim - 2))
    return _differ(s.nll(torch.where(beyond, 7.0, x), draw), s.nll(x, draw), "what lies behind a motion counts")


def _gradient(s: Subject) -> str:
    x = s.x()
    s.nll(x, s.model.draw(x, s.draws())).sum().backward()
    return _reached(s.model, "nll")


def _training_gradient(s: Subject) -> str:
    loss = s.model.train().training_loss(s.batch, s.draws())
    if loss.ndim:
        return f"training_loss gives shape {list(loss.shape)}, expected a scalar"
    loss.backward()
    return _finite(loss, "training_loss") or _reached(s.model, "training_loss")


def _saves(s: Subject) -> str:
    with tempfile.TemporaryDirectory() as folder:
        loaded = type(s.model).from_pretrained(s.model.save_pretrained(Path(folder) / "model")).to(device())
    if model_hash(loaded) != model_hash(s.model):
        return "other weights come back: keep all of them in parameters and buffers"
    x = s.x()
    draw = s.model.draw(x, s.draws())
    return _differ(s.nll(x, draw, loaded), s.nll(x, draw), "what comes back is another model: its config must say all")


Promises = dict[str, Callable[[Subject], str]]
DRAWING: Promises = {
    "encode: motions -> x": _encodes,
    "decode: x -> raw features, zero after the length": _decodes,
    "sample: K motions a caption, as encode gives them": _samples,
    "sample: same draws, same motions": _same_draws_same_sample,
}
PROMISES: Promises = DRAWING | {
    "nll: a finite number a motion": _nll,
    "nll: same draw, same number": _same_draw_same_number,
    "h = 0 at the reference": _zero_at_the_reference,
    "draw: can be split by rows, and paired": _draws_by_row,
    "nll: padding has no influence": _blind_to_padding,
    "nll: a gradient reaches the parameters": _gradient,
    "training_loss: a finite scalar with a gradient": _training_gradient,
    "save_pretrained and from_pretrained": _saves,
}


def _finite(values: Tensor, what: str) -> str:
    return "" if values.isfinite().all() else f"{what} is not finite"


def _differ(one: Tensor, other: Tensor, what: str) -> str:
    gap = (one - other).abs().max().item()
    return f"{what} ({gap:.3g})" if gap > FAINT * max(1.0, other.abs().max().item()) else ""


def _reached(model: Generator, what: str) -> str:
    slopes = [p.grad for p in model.parameters() if p.requires_grad]
    if not slopes:
        return "no parameter asks for a gradient"
    reached = [slope for slope in slopes if slope is not None and slope.any()]
    if not reached:
        return f"no gradient flows from {what} into any of {len(slopes)} parameters"
    return "" if all(slope.isfinite().all() for slope in reached) else f"a gradient of {what} is not finite"
