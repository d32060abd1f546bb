"""The home page's registry: each app registers its blocks, for `rapport` knows no app.

To add a block, write a function in your app and register it in `apps.py`::

    # segments/web/home.py
    def models(request: HttpRequest, *, now: datetime) -> Block | None:
        return Block(
            title="2 of 3 models beat their baseline",          # the finding, as a sentence
            numbers=(Number("Churn, log loss", "0.41", note="baseline 0.52, n = 4,210"),),
            columns=("Model", "State", "As of"),
            rows=[(Link("churn_90d", "/models/3/"), "live", words.day(run.as_of))],
            more=Link("All models", reverse("models")),
            decisions=(Decision("3 clusters are waiting for a name", Link("Name them", url)),),
        )

    # segments/apps.py, in ready()
    dashboard.register(home.models, key="models", order=40, permission="segments.view_modelrun")

* The function runs only for people with the permission; it returns None to show nothing.
* Nothing there yet? Return a Block with ``empty=Empty(text, Link(button, address))``.
* ``decisions`` of all blocks are shown together above the blocks ("Needs a decision").
* The page has 15 queries: shell and jobs take 6, customers 4; keep a block to one or two.
* What takes long on a big base goes through `remember`, which keeps only slow answers.
* Orders in use: 10 key numbers, 20 sales, 30 segments, 40 models, 50 campaigns, 90 imports.
* What a table cannot say goes into ``template`` (a fragment; ``facts`` is its context).
"""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from time import monotonic
from typing import Any, Protocol

from django.core.cache import cache
from django.http import HttpRequest
from redis.exceptions import RedisError

from rapport.web.charts import Chart

log = logging.getLogger(__name__)

SLOW_SECONDS = 0.2  # an answer that took longer is kept …
KEEP_SECONDS = 120  # … at least this long, and says as of when it is …
KEEP_TIMES = 60  # … and so many times as long as it took, so that it costs little over the day


@dataclass(frozen=True)
class Link:
    """Words and where they lead; also a cell of a table."""

    text: str
    url: str


@dataclass(frozen=True)
class Number:
    """One number with everything a reader needs to trust it."""

    label: str
    value: str  # written out, with its unit; see `rapport.web.words`
    change: str = ""  # "up 12% on the 30 days before"
    note: str = ""  # n, and as of when
    tone: str = ""  # "good", "bad" or neither: only where more is surely better or worse
    url: str = ""


@dataclass(frozen=True)
class Empty:
    """What to say where nothing is yet, and the button that changes it."""

    text: str
    action: Link | None = None


@dataclass(frozen=True)
class Decision:
    """Something that waits for a person."""

    text: str
    action: Link


@dataclass(frozen=True)
class Block:
    """One answer on the home page."""

    title: str  # the finding, as a sentence
    numbers: tuple[Number, ...] = ()
    charts: tuple[Chart, ...] = ()
    columns: tuple[str, ...] = ()
    rows: list[tuple[Any, ...]] = field(default_factory=list)  # cells: text or Link
    template: str = ""
    context: dict[str, Any] = field(default_factory=dict)
    note: str = ""  # as of when, from how many
    more: Link | None = None
    empty: Empty | None = None
    decisions: tuple[Decision, ...] = ()
    is_wide: bool = False  # takes the whole row

    @property
    def labelled_rows(self) -> list[list[tuple[str, Any]]]:
        """Rows whose cells know their column, for the cards of a narrow screen."""
        return [list(zip(self.columns, row, strict=True)) for row in self.rows]


class Source(Protocol):
    def __call__(self, request: HttpRequest, *, now: datetime) -> Block | None: ...


@dataclass(frozen=True)
class _Registered:
    key: str
    order: int
    permission: str
    source: Source


_sources: dict[str, _Registered] = {}


def register(source: Source, *, key: str, order: int, permission: str) -> None:
    """Add one block; registering the same key again replaces it (app reloads)."""
    _sources[key] = _Registered(key, order, permission, source)


def blocks(request: HttpRequest, *, now: datetime) -> Iterator[Block]:
    """The blocks that this person may see, in order."""
    for entry in sorted(_sources.values(), key=lambda entry: (entry.order, entry.key)):
        if request.user.has_perm(entry.permission):  # type: ignore[union-attr]
            block = entry.source(request, now=now)
            if block is not None:
                yield block


def remember(key: str, compute: Callable[[], Any], *, is_patient: bool = False) -> Any:
    """``compute()``, or its answer of some minutes ago where computing took long.

    Quick answers are never kept, so a small shop always sees the present; ``is_patient`` keeps
    them ten times sooner, for what hardly changes. With the cache away the answer is computed.
    """
    key = f"home:{key}"
    try:
        kept = cache.get(key)
    except (RedisError, OSError):
        kept = None
    if kept is not None:
        return kept
    began = monotonic()
    answer = compute()
    took = monotonic() - began
    if took > SLOW_SECONDS / (10 if is_patient else 1):
        try:
            cache.set(key, answer, max(KEEP_SECONDS, KEEP_TIMES * took))
        except (RedisError, OSError) as error:
            log.warning("The answer to %s was not kept: %s", key, error)
    return answer
