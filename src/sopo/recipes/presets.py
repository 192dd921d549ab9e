"""A row per published setting, and our own: flags of ``sopo align`` under a name."""

from __future__ import annotations

import dataclasses
from typing import Any

from sopo.corpus.settings import CorpusConfig
from sopo.diffusion.settings import Sampling
from sopo.errors import UserError
from sopo.generators.settings import (
    FlowDiTConfig,
    MDMConfig,
    MLDConfig,
    MoMaskConfig,
    MotionVAEConfig,
    RVQVAEConfig,
    TokenTransformerConfig,
)
from sopo.matching.settings import GuoConfig, TMRConfig
from sopo.preference.methods import METHODS

# Preference settings. ``paper``: the published numbers (Sec. 5), T omega_t = 1 on the mean squared error.
# ``stable``: what gained most in short runs on the embedded corpus (docs/objectives.md).
PRESETS: dict[str, dict[str, Any]] = {
    "paper": {"tau": 0.45, "C": 2.0, "beta": 1.0, "K": 4, "scale": 1.0, "rollout": Sampling("ddpm", 0, 1.0)},
    "stable": {
        "tau": "q0.5",
        "C": 2.0,
        "beta": 1.0,
        "K": 2,
        "scale": 30.0,
        "pair_noise": "shared",
        "draws": 2,
        "rollout": Sampling("ddim", 5, 1.0),
    },
}

# Of ``stable``, where a family differs: captions are read at the noisiest steps; MoMask's nll is no mean squared error
# but nats a token. The small MLD is cheap to sample, so its losers are drawn from the policy as it is: those of a
# short-cut teach it to find the short-cut unlikely (docs/objectives.md).
STABLE_OF: dict[str, dict[str, Any]] = {
    "mdm": {"noisiest": 0.3},
    "mld": {"K": 4, "noisiest": 0.3, "rollout": Sampling("ddpm", 50, 1.0)},
    "momask": {"K": 4, "scale": 10.0, "noisiest": 0.2},
    "flow": {"noisiest": 0.3},
}
# Where a preferred motion is a real one: the denoiser's error on it at all levels, and of its third differences, holds
# down the jitter that h, at the noisiest levels alone, does not see (docs/objectives.md).
ANCHOR_OF: dict[str, dict[str, Any]] = {
    "mdm": {"anchor": 3.0, "anchor_jerk": 2.0},
    "flow": {"anchor": 3.0, "anchor_jerk": 1.0},
}
# ... and where a method does: only ancestral steps are drawn, and a group of two has no middle.
STABLE_OF_METHOD: dict[str, dict[str, Any]] = {"policy-gradient": {"K": 4, "rollout": Sampling("ddpm", 10, 1.0)}}

LOOP_STABLE: dict[str, Any] = {
    "learning_rate": 2e-4,
    "warmup": 20,
    "decay": "cosine",
    "ema": 0.99,
    "batch_size": 64,
    "steps": 150,
}
LOOP_STABLE_OF: dict[str, dict[str, Any]] = {"mld": {"learning_rate": 3e-4}}

# What the shipped generators first learn from: captions as people write them, one in five with a mistake.
RAW_CORPUS = CorpusConfig(train=6000)
# What they are then tuned and aligned on: the same clips without the mistakes. A real motion is preferred to a sample,
# so its caption had better be true of it (docs/objectives.md).
ALIGNMENT_CORPUS = dataclasses.replace(RAW_CORPUS, wrong_share=0.0)

# Generators. ``small``: the embedded corpus's, trained by `make checkpoints`.
MDM_PRESETS: dict[str, MDMConfig] = {
    "published": MDMConfig(),
    "small": MDMConfig(
        width=128,
        feedforward=256,
        layers=4,
        dropout=0.0,
        architecture="decoder",
        text_encoder="hashed-128",
        text_layers=2,
        frames_per_token=4,
        token_window=3,
    ),
}

VAE_PRESETS: dict[str, MotionVAEConfig] = {
    "published": MotionVAEConfig(),
    "small": MotionVAEConfig(
        width=128,
        feedforward=384,
        layers=3,
        dropout=0.0,
        latent_tokens=8,
        latent_width=32,
        frames_per_token=4,
        max_positions=128,
    ),
}
MLD_PRESETS: dict[str, MLDConfig] = {
    "published": MLDConfig(),
    "small": MLDConfig(
        width=64,
        feedforward=128,
        layers=3,
        dropout=0.0,
        text_encoder="hashed-128",
        text_layers=1,
        text_tokens=4,
        step_width=64,
        schedule="cosine",
        prediction="sample",
        diffusion_steps=50,
        default_steps=10,
        max_positions=32,
    ),
}

FLOW_PRESETS: dict[str, FlowDiTConfig] = {
    "large": FlowDiTConfig(),
    "small": FlowDiTConfig(
        width=128, feedforward=384, layers=4, heads=4, dropout=0.0, text_encoder="hashed-128", text_layers=1
    ),
}

RVQ_PRESETS: dict[str, RVQVAEConfig] = {
    "published": RVQVAEConfig(),
    "small": RVQVAEConfig(width=96, code_dim=64, codes=256, quantizers=4, depth=2, dropout=0.0),
}
_TOKENS: dict[str, Any] = {"width": 96, "feedforward": 192, "heads": 4, "dropout": 0.0, "text_layers": 1}
MOMASK_PRESETS: dict[str, MoMaskConfig] = {
    "published": MoMaskConfig(),
    "small": MoMaskConfig(
        masked=TokenTransformerConfig(**_TOKENS, layers=3),
        residual=TokenTransformerConfig(**_TOKENS, layers=2, drop_condition=0.2),
        text_encoder="hashed-128",
    ),
}

# Reward and evaluator are different networks with different seeds: what is optimised never measures itself.
TMR_SMALL = TMRConfig()
GUO_SMALL = GuoConfig()
LOOP_GENERATOR: dict[str, Any] = {
    "steps": 20000,
    "batch_size": 64,
    "learning_rate": 1e-3,
    "warmup": 200,
    "decay": "cosine",
    "ema": 0.999,
    "checkpoint_every": 500,
    "seed": 1,
}
LOOP_VAE: dict[str, Any] = LOOP_GENERATOR | {"steps": 7000, "batch_size": 32, "seed": 4}
LOOP_MLD: dict[str, Any] = LOOP_GENERATOR | {"steps": 8000, "seed": 5}
LOOP_FLOW: dict[str, Any] = LOOP_GENERATOR | {"steps": 9000, "seed": 8}
LOOP_RVQ: dict[str, Any] = LOOP_GENERATOR | {"steps": 2000, "warmup": 100, "ema": 0.0, "seed": 6}
LOOP_MOMASK: dict[str, Any] = LOOP_GENERATOR | {"steps": 10000, "seed": 7}
# The second stage of the shipped generators, to their plateau: plain fine-tuning on captions without mistakes.
_TUNING: dict[str, Any] = LOOP_GENERATOR | {"warmup": 50, "checkpoint_every": 1000}
LOOP_TUNINGS: dict[str, dict[str, Any]] = {
    "mdm": _TUNING | {"steps": 8000},
    "mld": _TUNING | {"steps": 3000},
    "momask": _TUNING | {"steps": 1500, "learning_rate": 5e-4, "ema": 0.99, "checkpoint_every": 500},
}
LOOP_REWARD: dict[str, Any] = {
    "steps": 5000,
    "batch_size": 64,
    "learning_rate": 1e-3,
    "warmup": 100,
    "decay": "cosine",
    "ema": 0.99,
    "seed": 2,
}
LOOP_EVALUATOR: dict[str, Any] = LOOP_REWARD | {"batch_size": 128, "ema": 0.0, "seed": 3}


def stable(kind: str, method: str = "sopo") -> dict[str, Any]:
    """The ``stable`` preference settings for generators of a kind, and a method."""
    row = METHODS.get(method)  # one that is unknown is refused where it is used
    anchor = ANCHOR_OF.get(kind, {}) if row and row.winner == "data" and row.loser else {}
    return PRESETS["stable"] | STABLE_OF.get(kind, {}) | anchor | STABLE_OF_METHOD.get(method, {})


def loop_stable(kind: str) -> dict[str, Any]:
    """How ``stable`` optimises generators of a kind."""
    return LOOP_STABLE | LOOP_STABLE_OF.get(kind, {})


def aligning(name: str, kind: str, method: str = "sopo") -> dict[str, Any]:
    """The preset ``name`` of `sopo align` for generators of a kind, and a method: where it differs from LOOP_STABLE."""
    return stable(kind, method) | LOOP_STABLE_OF.get(kind, {}) if name == "stable" else preset(PRESETS, name)


def preset(rows: dict[str, Any], name: str) -> Any:
    """The row of that name; UserError lists the names."""
    if name not in rows:
        raise UserError(f"preset {name!r} is unknown: choose one of {', '.join(rows)}")
    return rows[name]
