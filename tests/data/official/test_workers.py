"""Processes side by side."""

import os
import select
import signal
import time
from collections.abc import Iterator

import pytest

from sopo.data.official.workers import outcomes
from sopo.errors import UserError


def count(task: int) -> Iterator[int]:
    yield from range(task)


@pytest.mark.parametrize("processes", [1, 2, 5])
def test_everything_is_told_in_the_order_of_each_task(processes: int) -> None:
    told: dict[int, list[int | None]] = {}
    for task, outcome in outcomes(count, [3, 0, 2, 7], processes):
        told.setdefault(task, []).append(outcome)
    assert told == {task: [*range(task), None] for task in (3, 0, 2, 7)}


def fail(task: int) -> Iterator[int]:
    yield task
    if task == 2:
        raise UserError("two is wrong")


@pytest.mark.parametrize("processes", [1, 2])
def test_errors_come_home(processes: int) -> None:
    with pytest.raises(UserError, match="two is wrong"):
        list(outcomes(fail, [1, 2, 3], processes))


@pytest.mark.usefixtures("silence")
def test_workers_end_in_silence() -> None:
    assert len(list(outcomes(count, [1, 2, 3], 2))) == 9


def die(task: int) -> Iterator[int]:
    yield task
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_killed_worker_is_a_line_and_no_hang() -> None:
    with pytest.raises(UserError, match="a worker process was killed"):
        list(outcomes(die, [1, 2], 2))


def sleep_long(task: int) -> Iterator[int]:
    yield os.getpid()
    time.sleep(600)


def test_giving_up_ends_the_workers() -> None:
    told = outcomes(sleep_long, [1, 2], 2)
    pids = [next(told)[1], next(told)[1]]
    told.close()
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def work_on(task: int) -> Iterator[int]:
    while True:
        yield task
        time.sleep(0.01)


def test_workers_end_with_the_one_who_asked() -> None:
    ours, theirs = os.pipe()
    if not (asking := os.fork()):
        told = outcomes(work_on, [1, 2, 3], 3)
        while {next(told)[0] for _ in range(9)} != {1, 2, 3}:
            pass
        os.kill(os.getpid(), signal.SIGKILL)
    os.close(theirs)
    os.waitpid(asking, 0)
    ended, _, _ = select.select([ours], [], [], 20.0)  # once nobody is left who holds the other end
    assert ended and not os.read(ours, 1)
    os.close(ours)
