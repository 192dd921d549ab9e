"""Who is asked what: nobody twice, nothing lost, and what was taken back is asked again."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from small_study import MakeStudy

import sopo.people.store as module
from sopo.errors import UserError
from sopo.people.store import GAP, SAID, Store


def answer_all(store: Store, names: list[str], said: str = "left") -> None:
    """In turns, until nobody is asked anything."""
    left = list(names)
    while left:
        for name in tuple(left):
            question = store.ask(name)
            if question is None:
                left.remove(name)
            else:
                store.answer(name, question.id, said, 1.0)


def test_every_pair_is_answered_by_as_many_as_wanted_and_by_nobody_twice(make_study: MakeStudy) -> None:
    store = make_study(30, shared=6).store
    names = [store.begin(name) for name in ("Ann", "Ben", "Cy")]
    answer_all(store, names)
    labels = store.labels()
    by_pair = Counter(label.pair for label in labels)
    assert sorted(by_pair.values()) == [1] * 24 + [2] * 6
    assert len({(label.annotator, label.pair) for label in labels}) == len(labels) == 36
    assert min(Counter(label.annotator for label in labels).values()) >= 10
    assert all(store.progress(name).left == 0 for name in names)
    assert store.progress("Ann").all_answered == store.progress("Ann").all_wanted == 36


def test_sides_are_shuffled_and_resolved(make_study: MakeStudy) -> None:
    study = make_study(30)
    name = study.store.begin("Ann")
    answer_all(study.store, [name], "right")
    sides = Counter((label.left, label.preferred) for label in study.store.labels())
    assert sides.keys() == {("a", "b"), ("b", "a")} and min(sides.values()) > 5


def test_what_is_shown_left_is_what_left_means(make_study: MakeStudy) -> None:
    study = make_study(12)
    name = study.store.begin("Ann")
    for _ in range(12):
        question = study.store.ask(name)
        assert question
        study.store.answer(name, question.id, "left", 0.0)
        label = study.store.labels()[-1]
        chosen = label.motion_a if label.preferred == "a" else label.motion_b
        assert chosen == study.folder / question.motions[0]


def test_tests_and_repeats_come_at_their_share(make_study: MakeStudy) -> None:
    store = make_study(200, tests=40, attention=0.1, repeat=0.1).store
    answer_all(store, [store.begin("Ann")])
    labels = store.labels()
    kinds = Counter(label.kind for label in labels)
    assert kinds["choice"] == 200 and abs(kinds["attention"] - 24) <= 2 and 16 <= kinds["repeat"] <= 25
    first = {label.pair: label.order for label in labels if label.kind == "choice"}
    assert all(label.order - first[label.pair] > GAP for label in labels if label.kind == "repeat")
    assert {label.expected for label in labels if label.kind == "attention"} == {"a"}
    assert [label.order for label in labels] == list(range(1, len(labels) + 1))


def test_an_answer_sent_twice_counts_once(make_study: MakeStudy) -> None:
    store = make_study().store
    name = store.begin("Ann")
    question = store.ask(name)
    assert question and store.ask(name) == question  # a reload asks the same
    store.answer(name, question.id, "both_bad", 3.0)
    store.answer(name, question.id, "left", 1.0)
    assert [label.preferred for label in store.labels()] == ["both_bad"]
    assert store.progress(name).all_answered == 1


def test_undo_asks_again_and_again(make_study: MakeStudy) -> None:
    store = make_study(3).store
    name = store.begin("Ann")
    asked = []
    for said in SAID[:3]:
        asked.append(store.ask(name))
        assert asked[-1]
        store.answer(name, asked[-1].id, said, 1.0)
    assert store.ask(name) is None
    assert store.undo(name) and store.undo(name)
    assert store.progress(name).all_answered == 1 and len(store.labels()) == 1
    assert store.ask(name) == asked[1]
    answer_all(store, [name], "skip")
    assert [label.preferred for label in store.labels()][1:] == ["skip", "skip"]
    assert store.undo(name) and store.undo(name) and store.undo(name) and not store.undo(name)


def test_a_skipped_pair_goes_to_another(make_study: MakeStudy) -> None:
    store = make_study(1).store
    ann, ben = store.begin("Ann"), store.begin("Ben")
    answer_all(store, [ann], "skip")
    assert store.ask(ann) is None and store.ask(ben)


def test_a_question_left_lying_goes_to_another(make_study: MakeStudy, monkeypatch: pytest.MonkeyPatch) -> None:
    store = make_study(1).store
    ann, ben = store.begin("Ann"), store.begin("Ben")
    question = store.ask(ann)
    assert question and store.ask(ben) is None
    monkeypatch.setattr(module, "LEASE_S", -1.0)
    assert store.ask(ben)
    store.answer(ann, question.id, "left", 1.0)  # late, and still counted
    assert len(store.labels()) == 1


def test_names_are_one_person_each(make_study: MakeStudy) -> None:
    store = make_study().store
    assert store.begin("  Ann   Lee ") == store.begin("ann lee") == "Ann Lee"
    for wrong in ("", "   ", "x" * 61, "a\x00b"):
        with pytest.raises(UserError, match="the name is"):
            store.begin(wrong)


def test_answers_of_others_and_other_words_are_refused(make_study: MakeStudy) -> None:
    store = make_study().store
    ann, ben = store.begin("Ann"), store.begin("Ben")
    question = store.ask(ann)
    assert question
    with pytest.raises(UserError, match="not asked of Ben"):
        store.answer(ben, question.id, "left", 1.0)
    with pytest.raises(UserError, match="must be one of left"):
        store.answer(ann, question.id, "a", 1.0)
    store.answer(ann, question.id, "left", 1e9)
    assert store.labels()[0].seconds < 60  # no longer than it was in sight


def test_what_is_no_store_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no study there"):
        Store(tmp_path / "study.db")
    (tmp_path / "study.db").write_text("no database" * 100)
    with pytest.raises(UserError, match="not a store"):
        Store(tmp_path / "study.db")


def test_a_motion_outside_the_study_is_not_read(make_study: MakeStudy, tmp_path: Path) -> None:
    study = make_study(1)
    for place in ("../motions.npy", "motions/../../x.npy", str(tmp_path / "x.npy"), "motions/.npy", "study.db"):
        with pytest.raises(UserError, match="no motion of the study"):
            study.joints(place)
