"""``sopo data humanml3d`` and ``sopo data kit``: the official data sets, built from what their authors publish."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from jsonargparse import Namespace

from sopo.cli.parser import Parser, Verb, add_config, add_path, config_from
from sopo.data.official.settings import BuildConfig, KitConfig

if TYPE_CHECKING:
    from sopo.data.official.amass import Motions
    from sopo.data.official.plan import Plan


def _prepare(parser: Parser) -> None:
    add_path(parser, "--amass", "folder of AMASS's archives (.tar.bz2, as downloaded) or their folders; SMPL+H G")
    add_path(parser, "--body_model", "folder with SMPL-H's male and female model (smplh/male/model.npz ...)")
    add_path(parser, "--out", "folder to write; OUT.unfinished until it is complete")


def _prepare_humanml3d(parser: Parser) -> None:
    _prepare(parser)
    add_path(parser, "--humanml3d", "checkout of HumanML3D's repository: index, captions, splits, HumanAct12")
    add_config(parser, BuildConfig)


def _humanml3d(flags: Namespace) -> None:
    from sopo.data.official.amass import Motions
    from sopo.data.official.humanml3d import plan_humanml3d

    sources = [Motions(flags.humanml3d / "pose_data", ".npy"), Motions(flags.amass)]
    _build(flags, config_from(flags, BuildConfig), plan_humanml3d(flags.humanml3d), sources)


def _prepare_kit(parser: Parser) -> None:
    _prepare(parser)
    add_path(parser, "--annotations", "folder of KIT-ML's captions by AMASS's motions: annotations.json and splits/")
    add_config(parser, KitConfig)


def _kit(flags: Namespace) -> None:
    from sopo.data.official.amass import Motions
    from sopo.data.official.kit import plan_kit
    from sopo.motion.skeleton import skeleton_by_name

    config = config_from(flags, KitConfig)
    plan = plan_kit(flags.annotations, skeleton_by_name(config.skeleton))
    _build(flags, config, plan, [Motions(flags.amass)])


def _build(flags: Namespace, config: BuildConfig, plan: Plan, sources: Sequence[Motions]) -> None:
    from sopo.data.official.build import build
    from sopo.training.progress import progress

    with progress(f"building {plan.name}") as report:
        built = build(plan, sources, flags.body_model, flags.out, config, report)
    for line in built.lines:
        print(line)
    if not built.as_published:
        sys.exit(2)


HUMANML3D = Verb(_prepare_humanml3d, _humanml3d)
KIT = Verb(_prepare_kit, _kit)
