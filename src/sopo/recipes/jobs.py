"""A long piece of work as a list of jobs: what it will take, said before it starts, and how much is left."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sopo.device import state
from sopo.training.progress import clock, console


@dataclass(frozen=True)
class Job:
    """One job. kind: a word that jobs alike share. seconds: what it is expected to take; 0 if it is done already."""

    kind: str
    title: str
    seconds: float
    run: Callable[[], object]


def run_jobs(jobs: Sequence[Job]) -> None:
    """Run them in order. The time left is the expected one, corrected by how the jobs behind us went."""
    expected = sum(job.seconds for job in jobs)
    kinds = dict.fromkeys(job.kind for job in jobs)
    shares = [f"{kind} {clock(sum(job.seconds for job in jobs if job.kind == kind))}" for kind in kinds]
    _say(f"{len(jobs)} jobs, estimated time {clock(expected)}: {', '.join(shares)}")
    passed = taken = 0.0
    for number, job in enumerate(jobs, start=1):
        left = (expected - passed) * (taken / passed if passed else 1.0)
        _say(f"job {number}/{len(jobs)}: {job.title}; about {clock(left)} left")
        start = time.monotonic()
        job.run()
        state().wait_for_everyone()  # what one process has written, all may read
        if job.seconds:
            passed, taken = passed + job.seconds, taken + time.monotonic() - start
    _say(f"done: {len(jobs)} jobs in {clock(taken)}")


def _say(line: str) -> None:
    console.print(line, highlight=False, markup=False)
