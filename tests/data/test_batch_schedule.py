import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sopo.data.schedule import WINDOW, BatchSchedule
from sopo.errors import UserError


@st.composite
def schedules(draw: st.DrawFn) -> tuple[np.ndarray, int, int, bool]:
    lengths = np.array(draw(st.lists(st.integers(40, 199), min_size=1, max_size=120)))
    return lengths, draw(st.integers(1, len(lengths))), draw(st.integers(0, 9)), draw(st.booleans())


@given(schedules(), st.lists(st.integers(0, 400), max_size=6))
def test_a_batch_depends_on_seed_and_step_alone(case, detours: list[int]) -> None:
    lengths, batch_size, seed, bucket = case
    plain, wandering = (BatchSchedule(lengths, batch_size, seed, bucket) for _ in range(2))
    for step in detours:
        wandering(step)
    for step in (0, 3, 50):
        np.testing.assert_array_equal(plain(step), wandering(step))


@given(schedules())
def test_an_epoch_visits_each_clip_at_most_once_and_drops_less_than_a_batch(case) -> None:
    lengths, batch_size, seed, bucket = case
    schedule = BatchSchedule(lengths, batch_size, seed, bucket)
    for epoch in range(3):
        first = epoch * schedule.steps_per_epoch
        visited = np.concatenate([schedule(first + step) for step in range(schedule.steps_per_epoch)])
        assert len(set(visited.tolist())) == len(visited) > len(lengths) - batch_size
        assert visited.min() >= 0 and visited.max() < len(lengths)


def test_epochs_and_seeds_differ() -> None:
    lengths = np.arange(64)
    schedule = BatchSchedule(lengths, 8, 0)
    assert schedule.epoch(0).tolist() != schedule.epoch(1).tolist()
    assert schedule.epoch(0).tolist() != BatchSchedule(lengths, 8, 1).epoch(0).tolist()


def test_bucketing_saves_most_of_the_padding_and_mixes_lengths() -> None:
    lengths = np.random.default_rng(0).integers(40, 200, size=4096)

    def waste(bucket: bool) -> float:
        batches = lengths[BatchSchedule(lengths, 32, 0, bucket).epoch(0)]
        return 1 - batches.sum() / (batches.max(axis=1) * batches.shape[1]).sum()

    assert waste(False) > 0.35 and waste(True) < 0.1
    means = lengths[BatchSchedule(lengths, 32, 0).epoch(0)].mean(axis=1)
    assert abs(np.corrcoef(means[:-1], means[1:])[0, 1]) < 0.3  # batch order says nothing about length


@pytest.mark.parametrize("batch_size", [0, 4])
def test_impossible_batch_sizes_are_refused(batch_size: int) -> None:
    with pytest.raises(UserError, match=r"choose 1\.\.3"):
        BatchSchedule(np.array([50, 60, 70]), batch_size, 0)


@given(schedules(), st.integers(1, 50))
def test_groups_come_one_after_another_and_lose_no_row(case, group: int) -> None:
    lengths, batch_size, seed, bucket = case
    epoch = BatchSchedule(lengths, batch_size, seed, bucket, group).epoch(0)
    assert len(np.unique(epoch)) == epoch.size == len(lengths) // batch_size * batch_size
    for start in range(0, len(epoch), WINDOW):
        window = epoch[start : start + WINDOW]
        assert len(np.unique(window // group)) <= -(-window.size // group) + 2  # the last group may be short
