"""Captions say what their program says, and the errors of annotators change it."""

import re

import numpy as np
import pytest

from sopo.corpus.grammar import caption, coarse, faithful, wrong
from sopo.corpus.program import Action, Program, Segment, mirrored
from sopo.data.sides import mirror_text
from sopo.randomness import numpy_rng


def words(text: str) -> set[str]:
    return set(re.findall(r"[a-z]+", text.replace("-", "")))


def test_sides_counts_and_tempi_are_in_the_words(performances):
    counts = {1: {"once", "one", "single", "a"}, 2: {"twice", "two"}, 3: {"three"}}
    for index, (program, _) in enumerate(performances):
        said = words(caption(program, numpy_rng("words", index)).text)
        for action in program.actions:
            if action.side is not None:
                assert action.side in said
            if action.count is not None:
                assert said & counts[action.count]
            if action.verb in ("sidestep", "turn", "walk") and action.direction in ("left", "right"):
                assert action.direction in said


def test_what_is_left_open_stays_unsaid():
    texts = [caption(Program((Segment(Action("kick")),)), numpy_rng("open", i)).text for i in range(50)]
    assert not {"left", "right", "both", "twice", "once", "forward"} & set().union(*map(words, texts))


def test_wordings_vary():
    program = Program((Segment(Action("walk", direction="forward", speed="slowly"), Action("wave", "left", count=2)),))
    assert len({caption(program, numpy_rng("vary", i)).text for i in range(100)}) > 80


def test_tokens_come_with_the_caption(performances):
    for index, (program, _) in enumerate(performances):
        made = caption(program, numpy_rng("tokens", index))
        assert made.tokens and all(re.fullmatch(r"[a-z]+/[A-Z]+", token) for token in made.tokens)


def test_a_mirrored_program_has_the_mirrored_caption(performances):
    for index, (program, _) in enumerate(performances):
        ours = caption(mirrored(program), numpy_rng("mirror", index)).text
        theirs = mirror_text(caption(program, numpy_rng("mirror", index)).text)
        assert ours.replace("counter-clock", "counterclock") == theirs.replace("counter-clock", "counterclock")


@pytest.mark.parametrize("err", [coarse, wrong])
def test_errors_change_the_meaning(err, performances):
    for index, (program, _) in enumerate(performances):
        rng = numpy_rng("err", index)
        full = faithful(program, rng)
        assert (said := err(full, rng)) is None or said != full


def test_a_coarse_caption_states_less(performances):
    for index, (program, _) in enumerate(performances):
        rng = numpy_rng("coarse", index)
        if said := coarse(program, rng):
            stated = [sum(1 + len(action.stated) for action in p.actions) for p in (said, program)]
            assert stated[0] < stated[1]


def test_a_wrong_caption_is_refuted_by_the_rules(performances):
    from sopo.corpus.checker import check

    refuted = []
    for index, (program, joints) in enumerate(performances):
        rng = numpy_rng("wrong", index)
        if said := wrong(faithful(program, rng), rng):
            refuted.append(not check(joints, said))
    assert np.mean(refuted) > 0.97
