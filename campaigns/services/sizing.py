"""How small a change these people could show, before anything is sent to them.  Writes nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from campaigns import querysets
from campaigns.experiments import power
from campaigns.experiments.analysis import Sample
from campaigns.models import Campaign
from campaigns.querysets import EARNED_SQL, ORDERED_SQL

ARM_LEAST = 30  # customers; below it the normal approximation misleads
SMALL_EFFECT = 0.10  # of the present mean: what a campaign may hope for
Metric = Campaign.Metric


@dataclass(frozen=True)
class Sizing:
    """What an experiment of this size could show, judged by the same people's last days."""

    n: int  # in both arms
    holdout: int
    days: int
    mean: float  # of the metric, per customer, in as many days before now
    smallest: float | None  # difference per customer; None where too few are left alone
    needed: int | None  # customers, to see `SMALL_EFFECT`

    @property
    def relative(self) -> float | None:
        return self.smallest / self.mean if self.smallest is not None and self.mean else None


def sizing(
    *,
    included: Sequence[int],
    excluded: Sequence[int],
    holdout_share: float,
    sampled_share: float,
    days: int,
    metric: str,
    now: datetime,
) -> Sizing:
    """Look at what the members of these segments did in the last ``days`` days."""
    found = querysets.rows(_sums(included, excluded, now - timedelta(days=days), now))[0]
    total, squares = _of(metric, found)
    members = found["n"]
    n = int(members * sampled_share)
    holdout = round(n * holdout_share)
    mean = total / members if members else 0.0
    if min(holdout, n - holdout) < ARM_LEAST:
        return Sizing(n, holdout, days, mean, None, None)
    arms = [
        Sample(size, total * size / members, squares * size / members)
        for size in (n - holdout, holdout)
    ]
    return Sizing(
        n,
        holdout,
        days,
        mean,
        power.smallest_difference(*arms),
        power.customers_needed(SMALL_EFFECT * mean, *arms),
    )


def _of(metric: str, found: dict[str, float]) -> tuple[float, float]:
    """Sum and sum of squares; margin is taken for revenue, which varies as much."""
    if metric == Metric.CONVERSION:
        return found["buyers"], found["buyers"]
    if metric == Metric.ORDERS:
        return found["orders"], found["orders_squares"]
    return found["revenue"], found["revenue_squares"]


def _sums(
    included: Sequence[int], excluded: Sequence[int], since: datetime, now: datetime
) -> querysets.Query:
    text = f"""
        WITH people AS MATERIALIZED (
            SELECT customer_id FROM segments_membership WHERE segment_id = ANY(%s)
            EXCEPT
            SELECT customer_id FROM segments_membership WHERE segment_id = ANY(%s)
        ), bought AS (
            SELECT o.customer_id, count(*) FILTER (WHERE {ORDERED_SQL})::float8 AS orders,
                coalesce(sum(o.total::float8) FILTER (WHERE {EARNED_SQL}), 0) AS revenue
            FROM customers_order o
            WHERE o.happened_at >= %s AND o.happened_at < %s AND o.customer_id IS NOT NULL
            GROUP BY o.customer_id
        )
        SELECT count(*) AS n, count(b.orders) FILTER (WHERE b.orders > 0)::float8 AS buyers,
            coalesce(sum(b.orders), 0)::float8 AS orders,
            coalesce(sum(b.orders ^ 2), 0)::float8 AS orders_squares,
            coalesce(sum(b.revenue), 0)::float8 AS revenue,
            coalesce(sum(b.revenue ^ 2), 0)::float8 AS revenue_squares
        FROM people p LEFT JOIN bought b USING (customer_id)"""
    return text, [list(included), list(excluded), since, now]
