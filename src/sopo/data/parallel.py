"""A map over many small jobs in several processes."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import torch

Job = TypeVar("Job")
Result = TypeVar("Result")
MOST = 8  # processes, where nothing else is asked for


def in_order(
    function: Callable[[Job], Result], jobs: Sequence[Job], workers: int | None = None, chunk: int = 1, worth: int = 100
) -> Iterator[Result]:
    """``function`` of each job, in their order.

    workers: processes, by default one a core. chunk: jobs that one is handed at a time. worth: jobs below which it is
    all done here.
    """
    workers = workers or min(os.cpu_count() or 1, MOST)
    if workers == 1 or len(jobs) < worth:
        yield from map(function, jobs)
        return
    # Forked where that exists: a spawned process would import torch first, for seconds, and need a main guard.
    method = "fork" if "fork" in multiprocessing.get_all_start_methods() else None
    with multiprocessing.get_context(method).Pool(workers, _begin) as pool:
        yield from pool.imap(function, jobs, chunksize=chunk)


def _begin() -> None:
    """One thread, as the parent's pool of threads does not survive the fork; ended by a signal, and silently."""
    torch.set_num_threads(1)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # the command's own would tell that it was told to stop
