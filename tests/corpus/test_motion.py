"""The synthesised motions are physical: rigid bones, planted feet, no floor penetration, flight that falls."""

import numpy as np
import pytest

from sopo.corpus.actions import GRAVITY
from sopo.corpus.compose import MAX_FRAMES, MIN_FRAMES
from sopo.corpus.program import Action, Program, Segment
from sopo.motion.encode import place, uniform_skeleton
from sopo.motion.skeleton import HUMANML3D

PARENTS = np.array(HUMANML3D.parents)
TOES = [10, 11]


def test_clips_are_finite_and_of_clip_length(performances):
    for _, joints in performances:
        assert joints.shape[1:] == (22, 3)
        assert MIN_FRAMES <= len(joints) <= MAX_FRAMES
        assert np.isfinite(joints).all()


def test_bones_keep_their_length(performances):
    for program, joints in performances:
        bones = np.linalg.norm(joints[:, 1:] - joints[:, PARENTS[1:]], axis=-1)
        assert np.ptp(bones, axis=0).max() < 1e-9, program.key


def test_nothing_goes_through_the_floor(performances):
    for program, joints in performances:
        assert joints[..., 1].min() > -1e-6, program.key


def test_planted_feet_do_not_slide(performances):
    shares = []
    for _, joints in performances:
        placed = place(uniform_skeleton(joints, HUMANML3D), HUMANML3D)
        toes = placed[:, TOES]
        on_floor = (toes[1:, :, 1] < 0.01) & (toes[:-1, :, 1] < 0.01)
        slide = np.linalg.norm(np.diff(toes[..., [0, 2]], axis=0), axis=-1)
        shares.append((slide[on_floor] > 0.01).mean())
    assert np.mean(shares) < 0.01  # 1 cm a frame, in 1% of the contact frames
    assert np.max(shares) < 0.1


def test_nothing_pops_at_the_joins(performances):
    for program, joints in performances:
        jolt = np.linalg.norm(np.diff(joints, n=2, axis=0), axis=-1).max()
        assert jolt < 0.45, program.key  # metres a frame squared; a quick kick or sprint has 0.3


def test_every_walking_frame_has_a_foot_on_the_floor(perform):
    walk = Program((Segment(Action("walk", direction="forward", speed="normally")),))
    joints = perform(walk)
    assert joints[:, TOES, 1].min(axis=1).max() < 0.01


def test_a_jump_flies_as_gravity_wants(perform):
    joints = perform(Program((Segment(Action("jump", direction="up", count=1)),)))
    height = joints[:, TOES, 1].min(axis=1)
    air = np.flatnonzero(height > 0.05)
    fall = np.diff(joints[air, 0, 1], n=2) * 20**2
    assert np.median(fall) == pytest.approx(-GRAVITY, rel=0.15)
    assert height.max() > 0.1
