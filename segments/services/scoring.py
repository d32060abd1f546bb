"""Write what the serving model of each kind says about customers.  Only this module writes Score
and ScoreChange (erasure apart); `score_statements` has the SQL.

Everybody is scored into a table aside, for minutes if need be; then what differs takes its place
in one transaction: pages and rules see the old scores or the new ones.
"""

import csv
import io
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from typing import Any

import pandas as pd
from django.db import connection, transaction

from customers.services import frames, touches
from rapport.errors import Conflict
from rapport.runs import Progress
from segments.models import Cluster, ModelRun
from segments.recipes.registry import RECIPES, table_of
from segments.services import artefacts, membership, promotion, summaries
from segments.services import score_statements as sql
from segments.services.computing import compute
from segments.services.spread import Spread

log = logging.getLogger(__name__)

BLOCK_CUSTOMERS = 50_000  # scored and sent at once: about 60 MB of text
LOCK = 41_733_002  # advisory: one writer of scores at a time
SEPARATOR, QUOTE = "\t", "\x01"  # neither occurs in what we write
SERVING = (ModelRun.State.LIVE, ModelRun.State.FALLBACK)
COLUMNS = ["name", "customer_id", "value", "low", "high", "band", "reasons"]

Block = pd.DataFrame  # as made by segments.recipes.judged.block


def score(run: ModelRun, *, now: datetime) -> int:
    """Score all customers with what is known now; return the number of scores they have.

    Only a live run scores, or where there is none the newest rule of thumb.  Whoever is not
    scored any more loses the score.  Safe twice, and beside the scoring of touched customers:
    what the same run said of a later moment stands.
    """
    _check_serves(run)
    facts = frames.facts(known_at=now, with_events=True)
    people = frames.groups_frame(known_at=now) if RECIPES[run.kind].table else None
    table = table_of(run.kind, facts, now, people=people)
    return write(run, artefacts.load(run), table, now=now)


def rescore(run_id: int, *, now: datetime) -> int:
    """Score with a run that was just promoted or rolled back to, and refresh the segments.

    0 where another run serves by now: that one's own task does it.
    """
    run = ModelRun.objects.get(pk=run_id)
    if run.state not in SERVING:
        return 0
    written = score(run, now=now)
    membership.refresh_all(cause="model", now=now)
    return written


def write_serving(
    kind: str, table: pd.DataFrame, *, now: datetime, progress: Progress | None = None
) -> int:
    """As `score`, with what serves of a kind; 0 where nothing does, or it cannot be read."""
    run = promotion.serving(kind)
    if run is None or not promotion.can_score(run):
        return 0
    try:
        return write(run, artefacts.load(run), table, now=now, progress=progress)
    except artefacts.ArtefactRefused as refusal:
        log.error("%s scores nobody: %s", run, refusal)
        return 0


def write(
    run: ModelRun,
    estimator: Any,
    table: pd.DataFrame,
    *,
    now: datetime,
    progress: Progress | None = None,
) -> int:
    """As `score`, with the estimator and the feature table as of ``now`` at hand."""
    _check_serves(run)
    recipe = RECIPES[run.kind]
    if recipe.blocks is None:
        return 0
    spread, rows = Spread(), _cluster_rows(run)
    with _staged() as cursor:
        for start in range(0, len(table), BLOCK_CUSTOMERS):
            part = table.iloc[start : start + BLOCK_CUSTOMERS]
            made = compute(partial(_blocks, run, estimator, part), progress=progress)
            for block in made:
                spread.add(block)
                cursor.copy_expert(sql.COPY, _text(_by_cluster(run, block, rows)))
        with transaction.atomic():
            return _swap(run, spread, now=now)


def write_some(
    run: ModelRun, estimator: Any, table: pd.DataFrame, ids: Sequence[int], *, now: datetime
) -> list[int]:
    """Score these customers, of whom ``table`` has the features; return whose scores moved.

    Who is not in the table, or erased, has no score afterwards.  Inside the caller's transaction,
    which has to `hold` first.  A score as of a later moment stands.
    """
    recipe = RECIPES[run.kind]
    blocks = _blocks(run, estimator, table) if len(table) else []
    rows = pd.concat(blocks or [pd.DataFrame(columns=COLUMNS)], ignore_index=True)
    rows = _by_cluster(run, rows, _cluster_rows(run))
    given: dict[str, Any] = {name: rows[name].tolist() for name in COLUMNS}
    for name in ("low", "high"):
        given[name] = [None if number != number else number for number in given[name]]
    given |= {"run": run.pk, "as_of": now, "names": list(recipe.names), "ids": list(ids)}
    with connection.cursor() as cursor:
        cursor.execute(sql.WRITE_SOME, given)
        moved: list[int] = cursor.fetchone()[0]
    return moved


def hold(*, may_wait: bool) -> bool:
    """Be the only writer of scores until the transaction ends; without waiting, or say no."""
    with connection.cursor() as cursor:
        if may_wait:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
            return True
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [LOCK])
        return bool(cursor.fetchone()[0])


def _check_serves(run: ModelRun) -> None:
    if run.state not in SERVING:
        raise Conflict(f"{run} is {run.state}: only a live run or a rule of thumb scores customers")


def _blocks(run: ModelRun, estimator: Any, table: pd.DataFrame) -> list[Block]:
    """What the recipe says, as it is written."""
    blocks = RECIPES[run.kind].blocks
    return [] if blocks is None else list(blocks(estimator, table))


@contextmanager
def _staged() -> Iterator[Any]:
    """An empty table of this connection, which goes when the block ends."""
    with connection.cursor() as cursor:
        cursor.execute(sql.DROP)
        cursor.execute(sql.STAGE)
        try:
            yield cursor
        finally:
            if not connection.needs_rollback and connection.is_usable():
                cursor.execute(sql.DROP)


def _swap(run: ModelRun, spread: Spread, *, now: datetime) -> int:
    """Let what was staged take the place of what was there, where it differs."""
    hold(may_wait=True)
    state = ModelRun.objects.select_for_update(no_key=True).values_list("state").get(pk=run.pk)[0]
    if state not in SERVING:
        return 0  # another run took over meanwhile, whose own task scores
    names = list(RECIPES[run.kind].names)
    given: dict[str, Any] = {"run": run.pk, "as_of": now, "names": names}
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE scored")
        cursor.execute(sql.LEAVE_OUT)
        cursor.execute(sql.IS_FIRST, given)
        is_first = cursor.fetchone()[0]
        if is_first:
            cursor.execute(sql.INSERT.format(unless="", **sql.EVERYBODY), given)
        else:
            cursor.execute(sql.TOUCHED_BY_OTHERS, given)
            touches.record([pk for (pk,) in cursor.fetchall()], now)
            for statement in (sql.CHANGES, sql.UPDATE, sql.FORGET):
                cursor.execute(statement.format(**sql.EVERYBODY), given)
            cursor.execute(sql.INSERT.format(unless=sql.UNLESS_THERE, **sql.EVERYBODY), given)
        cursor.execute("SELECT count(*) FROM scored")
        written: int = cursor.fetchone()[0]
    summaries.write(run, spread, names, now=now)
    return written


def _cluster_rows(run: ModelRun) -> dict[int, str]:
    if run.kind != ModelRun.Kind.CLUSTERS:
        return {}
    keys = Cluster.objects.filter(run=run).values_list("key", "pk")
    return {key: str(pk) for key, pk in keys}


def _by_cluster(run: ModelRun, block: Block, rows: dict[int, str]) -> Block:
    """The band of a cluster's score is the row of the run's cluster with that key."""
    if run.kind != ModelRun.Kind.CLUSTERS:
        return block
    return block.assign(band=block["value"].astype(int).map(rows).fillna(""))


def _text(block: Block) -> io.StringIO:
    text = io.StringIO()
    block[COLUMNS].to_csv(
        text,
        sep=SEPARATOR,
        quotechar=QUOTE,
        quoting=csv.QUOTE_MINIMAL,
        header=False,
        index=False,
        lineterminator="\n",
    )
    text.seek(0)
    return text
