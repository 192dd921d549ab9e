"""Processes that work side by side and tell what they did while they are at it."""

from __future__ import annotations

import multiprocessing
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from typing import Any, TypeVar

import torch

from sopo.errors import UserError

Task = TypeVar("Task")
Outcome = TypeVar("Outcome")
_NEXT = "next"  # sent by a worker that has finished its task


def outcomes(
    work: Callable[[Task], Iterable[Outcome]], tasks: Sequence[Task], processes: int
) -> Iterator[tuple[Task, Outcome | None]]:
    """(task, outcome) for everything that ``work(task)`` yields, as it comes, and (task, None) when it is through.

    Tasks start in their order. An error in a worker is raised here; so is UserError if a worker is killed.
    """
    if min(processes, len(tasks)) < 2:
        for task in tasks:
            yield from ((task, outcome) for outcome in work(task))
            yield task, None
        return
    # Forked where that exists: a spawned process would first import torch, for seconds.
    context = multiprocessing.get_context("fork" if "fork" in multiprocessing.get_all_start_methods() else None)
    waiting = deque(tasks)
    busy: dict[Any, Task] = {}
    workers = []
    try:
        for _ in range(min(processes, len(tasks))):
            ours, theirs = context.Pipe()
            workers.append(context.Process(target=_serve, args=(work, theirs, ours), daemon=True))
            workers[-1].start()
            theirs.close()  # so that this end closes with the worker
            busy[ours] = waiting.popleft()
            ours.send(busy[ours])
        while busy:
            for pipe in wait(list(busy)):
                yield from _receive(pipe, busy, waiting)  # type: ignore[arg-type]
    finally:
        for worker in workers:
            worker.terminate()
        for worker in workers:
            worker.join()


def _receive(pipe: Connection, busy: dict[Any, Task], waiting: deque[Task]) -> Iterator[tuple[Task, Any]]:
    try:
        said = pipe.recv()
    except (EOFError, ConnectionError):
        raise UserError(
            "a worker process was killed, most likely for want of memory; "
            "the same command with fewer --processes goes on from here"
        ) from None
    if isinstance(said, Exception):
        raise said
    if said != _NEXT:
        yield busy[pipe], said
        return
    yield busy.pop(pipe), None
    if waiting:
        busy[pipe] = waiting.popleft()
        pipe.send(busy[pipe])


def _serve(work: Callable[[Any], Iterable[Any]], pipe: Connection, other_end: Connection) -> None:
    """Work on what comes through the pipe, until it closes: the other side is done, or was killed."""
    other_end.close()  # or the pipe would never close: a fork has both ends
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the other side is told, and ends this one
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # in silence: the command's own would tell that it was told to stop
    torch.set_num_threads(1)  # the pool of threads does not survive the fork
    while True:
        try:
            for outcome in work(pipe.recv()):
                pipe.send(outcome)
            pipe.send(_NEXT)
        except (EOFError, BrokenPipeError, ConnectionResetError):
            return
        except Exception as error:
            pipe.send(error)
            return
