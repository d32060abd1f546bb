"""Write what the serving model of each kind says about every customer.  Only this module writes
Score (erasure apart).
"""

import csv
import io
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import pandas as pd
from django.db import connection, transaction

from customers.features.facts import Facts
from customers.features.table import features
from customers.services import frames
from rapport.errors import Conflict
from segments.estimators.churn import LogisticChurn
from segments.models import Cluster, ModelRun
from segments.recipes import churn, reasons, values
from segments.services import artefacts, membership

BLOCK_CUSTOMERS = 50_000  # scored and sent at once: about 60 MB of text
LOCK = 41_733_002  # advisory: one writer of scores at a time
SEPARATOR, QUOTE = "\t", "\x01"  # neither occurs in what we write
SERVING = (ModelRun.State.LIVE, ModelRun.State.FALLBACK)
NAMES = {
    ModelRun.Kind.CLUSTERS.value: ("cluster",),
    ModelRun.Kind.CHURN.value: ("churn_90d",),
    ModelRun.Kind.CLV.value: ("clv_365d", "orders_365d"),
}

STAGE = """
CREATE TEMPORARY TABLE scored (
    name varchar(40), customer_id bigint, value float8, band varchar(20), reasons jsonb
) ON COMMIT DROP
"""
COPY = "COPY scored FROM STDIN WITH (FORMAT csv, DELIMITER E'\\t', QUOTE E'\\x01')"
UPSERT = """
INSERT INTO segments_score (name, customer_id, run_id, value, band, reasons, as_of)
SELECT s.name, s.customer_id, %(run)s, s.value, coalesce(s.band, ''), s.reasons, %(as_of)s
FROM scored s JOIN customers_customer c ON c.id = s.customer_id AND c.erased_at IS NULL
ORDER BY s.customer_id, s.name
ON CONFLICT (customer_id, name) DO UPDATE SET
    run_id = excluded.run_id, value = excluded.value, band = excluded.band,
    reasons = excluded.reasons, as_of = excluded.as_of
"""
FORGET = """
DELETE FROM segments_score t WHERE t.name = ANY(%(names)s) AND NOT EXISTS (
    SELECT FROM scored s WHERE s.customer_id = t.customer_id AND s.name = t.name)
"""

Block = pd.DataFrame  # name, customer_id, value, band, reasons


def score(run: ModelRun, *, now: datetime) -> int:
    """Score all customers with what is known now; return the number of scores written.

    Only a live run scores, or where there is none the newest rule of thumb.  Whoever is not
    scored any more loses the score.  All in one transaction: pages and rules see the old scores
    or the new ones, never half of each.  Safe twice.
    """
    return write(run, artefacts.load(run), frames.facts(known_at=now), now=now)


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


def write(run: ModelRun, estimator: Any, facts: Facts, *, now: datetime) -> int:
    """As `score`, with the estimator and the facts at hand."""
    if run.state not in SERVING:
        raise Conflict(f"{run} is {run.state}: only a live run or a rule of thumb scores customers")
    table = features(facts, now)
    blocks = SCORERS[run.kind](run, estimator)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
        cursor.execute("DROP TABLE IF EXISTS scored")  # a second kind in one outer transaction
        cursor.execute(STAGE)
        for start in range(0, len(table), BLOCK_CUSTOMERS):
            for block in blocks(table.iloc[start : start + BLOCK_CUSTOMERS]):
                cursor.copy_expert(COPY, _text(block))
        cursor.execute("ANALYZE scored")
        cursor.execute(UPSERT, {"run": run.pk, "as_of": now})
        written = cursor.rowcount
        cursor.execute(FORGET, {"names": list(NAMES[run.kind])})
    return written


def _text(block: Block) -> io.StringIO:
    text = io.StringIO()
    columns = ["name", "customer_id", "value", "band", "reasons"]
    block[columns].to_csv(
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


def _churn(run: ModelRun, estimator: Any) -> Callable[[pd.DataFrame], Iterator[Block]]:
    def blocks(table: pd.DataFrame) -> Iterator[Block]:
        found = churn.scores(estimator, table)
        at_risk = churn.prepared(table.loc[found.index])
        is_model = isinstance(estimator, LogisticChurn)
        why = reasons.of_churn(estimator, at_risk) if is_model else reasons.of_recency(at_risk)
        yield _block("churn_90d", found["value"], band=found["band"], reasons=why)

    return blocks


def _values(run: ModelRun, estimator: Any) -> Callable[[pd.DataFrame], Iterator[Block]]:
    def blocks(table: pd.DataFrame) -> Iterator[Block]:
        found = values.predicted(estimator, table)
        why = reasons.of_value(found, table)
        yield _block("clv_365d", found["value"], reasons=why)
        yield _block("orders_365d", found["orders"], reasons=why)

    return blocks


def _clusters(run: ModelRun, estimator: Any) -> Callable[[pd.DataFrame], Iterator[Block]]:
    rows = Cluster.objects.filter(run=run).values_list("key", "pk")
    bands = {key: str(pk) for key, pk in rows}

    def blocks(table: pd.DataFrame) -> Iterator[Block]:
        found = estimator.predict(table)
        yield _block("cluster", found.astype(float), band=found.map(bands))

    return blocks


SCORERS: dict[str, Callable[[ModelRun, Any], Callable[[pd.DataFrame], Iterator[Block]]]] = {
    ModelRun.Kind.CHURN.value: _churn,
    ModelRun.Kind.CLV.value: _values,
    ModelRun.Kind.CLUSTERS.value: _clusters,
}


def _block(
    name: str, value: pd.Series, *, band: Any = "", reasons: pd.Series | str = "[]"
) -> Block:
    return pd.DataFrame(
        {
            "name": name,
            "customer_id": value.index,
            "value": value.to_numpy(),
            "band": band,
            "reasons": reasons,
        },
        index=value.index,
    )
