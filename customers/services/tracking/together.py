"""Calls that come at the same moment, written together: each then costs a share of a transaction.

Statements, commits and plans cost nearly the same for one call and for four.
"""

import threading
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

Given = TypeVar("Given")
Done = TypeVar("Done")


class _Turn(Generic[Given, Done]):
    """One call that waits; when it is woken it was written, has failed, or writes for others."""

    def __init__(self, given: Given) -> None:
        self.given = given
        self.woken = threading.Event()
        self.leads = False
        self.done: list[Done] = []  # one, or none where it has to be written alone


class Together(Generic[Given, Done]):
    """Runs ``write`` for one call, or for all that came while it ran for the calls before.

    Nobody waits as long as nobody writes.  ``write`` returns what became of each, in order, and
    leaves nothing behind where it raises: then each call is written alone, by its own thread.
    """

    def __init__(self, write: Callable[[Sequence[Given]], Sequence[Done]], *, most: int) -> None:
        self._write, self._most = write, most
        self._lock = threading.Lock()
        self._waiting: list[_Turn[Given, Done]] = []
        self._is_writing = False

    def do(self, given: Given) -> Done:
        turn: _Turn[Given, Done] = _Turn(given)
        with self._lock:
            self._waiting.append(turn)
            if not self._is_writing:
                self._is_writing = turn.leads = True
        if not turn.leads:
            turn.woken.wait()
        if turn.leads:
            self._lead(turn)
        return turn.done[0] if turn.done else self._write([given])[0]

    def _lead(self, turn: _Turn[Given, Done]) -> None:
        with self._lock:  # the leader is the first of those who wait
            turns, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
        try:
            done = self._write([one.given for one in turns])
            for one, what in zip(turns, done, strict=True):
                one.done.append(what)
        except Exception:
            if len(turns) == 1:
                raise
        finally:
            with self._lock:
                if self._waiting:
                    self._waiting[0].leads = True
                    turns.append(self._waiting[0])
                else:
                    self._is_writing = False
            for one in turns:
                if one is not turn:
                    one.woken.set()
