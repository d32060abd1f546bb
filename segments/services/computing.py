"""Compute for minutes, with a sign of life meanwhile and an end when asked to stop."""

import ctypes
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TypeVar

from threadpoolctl import threadpool_limits

from rapport.runs import Progress

THREADS = 1  # on busy cores a second one spins: k-means took 40 times as long
LOOK_EVERY_SECONDS = 1.0

Answer = TypeVar("Answer")


class Stopped(BaseException):
    """Raised inside work that nobody waits for any more; no `except Exception` holds it up."""


def compute(work: Callable[[], Answer], *, progress: Progress | None = None) -> Answer:
    """What ``work`` returns; `rapport.runs.Cancelled` soon after somebody asked to stop.

    Only for pure work, which writes nothing: it is left between any two of its steps, as soon as
    the library call ends that it is in.  It runs in a thread of its own; the caller's goes on
    telling that it is alive.
    """
    if progress is None:
        return _limited(work)
    with ThreadPoolExecutor(max_workers=1) as pool:
        future = pool.submit(_limited, work)
        (thread,) = pool._threads
        try:
            while not wait([future], timeout=LOOK_EVERY_SECONDS).done:
                progress.advance(0)
        except BaseException:
            _stop(future, thread.ident)
            raise
        return future.result()


def _limited(work: Callable[[], Answer]) -> Answer:
    with threadpool_limits(THREADS):  # here, for OpenMP counts by thread
        return work()


def _stop(future: Future, ident: int | None) -> None:
    """Raise `Stopped` in the thread until it ends; again, for a library may swallow the first."""
    while not future.done():
        given = ctypes.c_ulong(ident or 0), ctypes.py_object(Stopped)
        ctypes.pythonapi.PyThreadState_SetAsyncExc(*given)
        wait([future], timeout=LOOK_EVERY_SECONDS)
