"""The rules decide meaning from joints alone."""

import numpy as np
import pytest

from sopo.corpus.checker import CaptionIndex, check, judge, observe
from sopo.corpus.program import UPPER, VERBS, Action, Program, Segment, mirrored, sample_action
from sopo.errors import UserError
from sopo.motion.retarget import on_skeleton, resample
from sopo.motion.skeleton import HUMANML3D, KIT
from sopo.randomness import numpy_rng

MAIN_VERBS = [verb for verb, attributes in VERBS.items() if attributes.weight]


def one(verb: str, **attributes) -> Program:
    return Program((Segment(Action(verb, **attributes)),))


def one_of(verb: str, seed: int) -> Program:
    action = sample_action(verb, numpy_rng("one", verb, seed))
    if (verb, action.speed, action.count) == ("squat", "slowly", 3):  # longer than a clip
        action = Action(verb, speed="slowly", count=2)
    return Program((Segment(action),))


@pytest.mark.parametrize("verb", MAIN_VERBS)
def test_a_verb_passes_its_own_rules_and_no_other_verbs(verb, perform):
    for seed in range(6):
        program = one_of(verb, seed)
        seen = observe(perform(program, seed))
        assert judge(seen, program).passed, program.key
        others = [other for other in MAIN_VERBS if other != verb and judge(seen, one(other)).passed]
        assert not others, f"{program.key} also passes as {others}"


@pytest.mark.parametrize("verb", MAIN_VERBS)
def test_a_mirrored_motion_fails_what_has_a_side(verb, perform):
    for seed in range(4):
        program = one_of(verb, seed)
        joints = perform(program, seed)
        flipped = joints[:, list(HUMANML3D.mirror)] * (-1, 1, 1)
        assert check(flipped, mirrored(program))
        assert check(flipped, program) == (mirrored(program) == program), program.key


@pytest.mark.parametrize("verb", [verb for verb in MAIN_VERBS if VERBS[verb].count])
def test_a_count_is_exact(verb, perform):
    for count in VERBS[verb].count:
        speed = "quickly" if VERBS[verb].speed and (verb != "wave" or count > 1) else None
        side = VERBS[verb].side[0] if VERBS[verb].side else None
        direction = VERBS[verb].direction[0] if VERBS[verb].direction else None
        joints = perform(one(verb, side=side, direction=direction, speed=speed, count=count))
        passed = [said for said in VERBS[verb].count if check(joints, one(verb, count=said))]
        assert passed == [count]


@pytest.mark.parametrize("verb", [verb for verb in MAIN_VERBS if VERBS[verb].speed])
def test_a_tempo_is_told_from_the_others(verb, perform):
    for speed in VERBS[verb].speed:
        values = VERBS[verb]
        action = Action(
            verb,
            values.side[0] if values.side else None,
            values.direction[0] if values.direction else None,
            speed,
            2 if values.count else None,
        )
        joints = perform(Program((Segment(action),)))
        assert [said for said in values.speed if check(joints, one(verb, speed=said))] == [speed]


def test_order_matters(perform):
    kick, bow = Segment(Action("kick", "left", "forward", count=1)), Segment(Action("bow", speed="normally", count=1))
    joints = perform(Program((kick, bow)))
    assert check(joints, Program((kick, bow)))
    verdict = judge(observe(joints), Program((bow, kick)))
    assert not verdict.passed
    assert [part for part, holds in verdict.parts.items() if not holds] == ["order"]


@pytest.mark.parametrize("verb", UPPER)
def test_an_overlay_must_happen_meanwhile(verb, perform):
    walk = Action("walk", direction="forward", speed="normally")
    arms = Action(verb, "left", "up" if verb == "raise" else None, None, 1)
    together = Program((Segment(walk, arms),))
    assert check(perform(together), together)
    apart = Program((Segment(walk), Segment(arms)))
    assert not check(perform(apart), together)


def test_only_what_is_stated_counts(perform):
    joints = perform(one("kick", side="left", direction="forward", count=2))
    assert check(joints, one("kick"))
    assert check(joints, one("kick", side="left"))
    assert not check(joints, one("kick", side="right"))


def test_the_breakdown_names_the_part_that_fails(perform):
    found = observe(perform(one("kick", side="left", direction="forward", count=2)))
    parts = judge(found, one("kick", side="right", direction="forward", count=2)).parts
    assert parts == {"kick": True, "kick side": False, "kick direction": True, "kick count": True}


def test_noise_of_two_centimetres_does_not_matter(performances):
    rng = np.random.default_rng(0)
    passed = [check(joints + rng.normal(scale=0.02, size=joints.shape), said) for said, joints in performances]
    assert np.mean(passed) >= 0.95


def test_neither_body_nor_rate_nor_noise_hides_a_meaning(performances):
    rng = np.random.default_rng(0)
    passed = []
    for said, joints in performances:
        kit = on_skeleton(resample(joints, HUMANML3D.fps, KIT.fps), KIT)
        noise = rng.normal(scale=0.02 / KIT.metres_per_unit, size=kit.shape)
        assert check(kit, said, KIT), said.key
        passed.append(check(kit + noise, said, KIT))
    assert np.mean(passed) >= 0.9


def test_heading_and_place_do_not_matter(performances):
    cos, sin = np.cos(2.1), np.sin(2.1)
    turned = np.array([[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]])
    for program, joints in performances[:30]:
        assert check(joints, program) == check(joints @ turned.T + (3.0, 0.4, -2.0), program), program.key


def test_a_still_clip_does_nothing(perform):
    still = np.repeat(perform(one("bow", speed="normally", count=1))[:1], 60, axis=0)
    assert not any(check(still, one(verb)) for verb in MAIN_VERBS)


@pytest.mark.parametrize("joints", [np.full((60, 22, 3), np.nan), np.zeros((60, 22, 3)), np.zeros((3, 22, 3))])
def test_a_broken_clip_does_nothing(joints):
    assert not any(check(joints, one(verb)) for verb in MAIN_VERBS)


def test_an_unknown_caption_is_a_user_error(tmp_path):
    index = CaptionIndex([{"id": "a", "captions": [{"text": "someone bows", "says": one("bow").to_json()}]}])
    assert index.said("a", "someone bows") == one("bow")
    with pytest.raises(UserError, match="has no caption"):
        index.said("a", "someone waves")
    with pytest.raises(UserError, match="no such file"):
        CaptionIndex.read(tmp_path / "corpus.jsonl")
