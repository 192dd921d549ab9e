"""How noisy MoMask's preference signal is under each way to choose the share of masked tokens.

For real motions (winners) and the reference's own samples (losers): the margin h_w - h_l over many masks of the same
pair, and the gradient of the DPO loss over many masks of the same batch. What a mask adds is noise: the larger the
ratio of what stays to what varies, the fewer steps are wasted.
Run: ``python benchmarks/mask_ratio.py --reference DIR --policy DIR --data DIR``, the policy aligned or fine-tuned
from the reference.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from sopo.batch import Batch
from sopo.diffusion.settings import Sampling
from sopo.generators.momask import MoMask, TokenDraw
from sopo.preference.losses import pair_loss
from sopo.preference.ratio import log_ratio
from sopo.randomness import Draws, numpy_rng
from sopo.recipes.build import load_dataset, load_generator

RULES = ("cosine", 0.15, 0.3, 0.5, 0.7, 0.9, 1.0)


def draw_by(rule: str | float, policy: MoMask, x: Tensor, draws: Draws) -> TokenDraw:
    """``cosine`` is the policy's own rule; a number masks that share of each motion's tokens, at least one."""
    drawn = policy.draw(x, draws)
    if rule == "cosine":
        return drawn
    valid = x[..., 0] >= 0
    count = (valid.sum(1) * float(rule)).round().clamp(min=1)
    order = draws.uniform(x.shape[1]).masked_fill(~valid, 2.0)
    return replace(drawn, mask=order.argsort(1).argsort(1) < count[:, None])


def margins(
    rule: str | float, policy: MoMask, reference: MoMask, batch: Batch, x_l: Tensor, draws: Draws
) -> tuple[Tensor, Tensor]:
    """h_w and h_l under one draw of masks, [B] each."""
    text, x_w = policy.embed(batch.captions), policy.encode(batch)
    draw = draw_by(rule, policy, x_w, draws)
    h_w, _ = log_ratio(policy, reference, x_w, batch.length, text, draw)
    h_l, _ = log_ratio(policy, reference, x_l, batch.length, text, draw)
    return h_w, h_l


def study(
    rule: str | float, policy: MoMask, reference: MoMask, batch: Batch, x_l: Tensor, flags: argparse.Namespace
) -> tuple[Tensor, ...]:
    parameters = [parameter for parameter in policy.parameters() if parameter.requires_grad]
    found, gradients = [], []
    for repeat in range(flags.repeats):
        h_w, h_l = margins(rule, policy, reference, batch, x_l, Draws(repeat, len(batch)))
        everyone = torch.ones(len(batch), dtype=torch.bool)
        loss = pair_loss(flags.scale * h_w, flags.scale * h_l, 1.0, 1.0, everyone).mean()
        grads = torch.autograd.grad(loss, parameters, allow_unused=True)
        gradients.append(torch.cat([grad.flatten() for grad in grads if grad is not None]))
        found.append((h_w - h_l).detach())
    margin, gradient = torch.stack(found), torch.stack(gradients)
    within = margin.var(0).mean()  # of one pair, between its masks
    between = (margin.mean(0).var() - within / flags.repeats).clamp(min=0)  # of pairs, each over all masks
    noise = gradient.var(0).sum()
    signal = (gradient.mean(0).square().sum() - noise / flags.repeats).clamp(min=0)  # unbiased
    agree = (margin.sign() == margin.mean(0).sign()).float().mean()
    return margin.mean(), within.sqrt(), between.sqrt(), agree, (signal / noise)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reference", type=Path, required=True)
    parser.add_argument("--policy", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--split", default="train")
    parser.add_argument("--pairs", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=24)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=0)
    flags = parser.parse_args()
    policy, reference = (load_generator(folder).eval() for folder in (flags.policy, flags.reference))
    if not isinstance(policy, MoMask) or not isinstance(reference, MoMask):
        parser.error("--policy and --reference must be MoMask models")
    dataset = load_dataset(flags.data, flags.split, policy)
    rng = numpy_rng(flags.seed, "mask-ratio")
    batch = dataset.batch(rng.choice(len(dataset), flags.pairs, replace=False), rng)
    text, frames = policy.embed(batch.captions), batch.motion.shape[1]
    x_l = reference.sample(text, batch.length, frames, Draws(flags.seed, len(batch)), Sampling("ddim", 5, 1.0), 1)
    print(f"{flags.pairs} pairs, {flags.repeats} masks each, scale {flags.scale:g}")
    print("masked | margin | sd between masks | sd between pairs | sign agrees | gradient: signal / noise")
    for rule in RULES:
        margin, within, between, agree, ratio = study(rule, policy, reference, batch, x_l, flags)
        print(f"{rule} | {margin:.3f} | {within:.3f} | {between:.3f} | {agree:.2f} | {ratio:.3f}", flush=True)


if __name__ == "__main__":
    main()
