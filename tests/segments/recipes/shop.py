"""Orders of an invented shop, small enough to train on in a test."""

from datetime import UTC, datetime

import numpy as np
import pandas as pd

NOW = datetime(2026, 6, 1, tzinfo=UTC)


def orders(customers=600, *, days=500, seed=4, leaves=0.12) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    rows = []
    for customer in range(1, customers + 1):
        day, gap = rng.uniform(0, days), rng.gamma(3, 12)
        while day < days:
            rows.append((customer, day))
            if rng.random() < leaves:
                break
            day += rng.exponential(gap)
    frame = pd.DataFrame(rows, columns=["customer_id", "day"])
    placed = pd.Timestamp(NOW) - pd.to_timedelta(days - frame["day"], unit="D")
    return frame.assign(
        order_id=np.arange(len(frame)),
        placed_at=placed.dt.as_unit("us"),
        recorded_at=placed.dt.as_unit("us"),
        amount=rng.gamma(6, 8, len(frame)).round(2),
        discount=0.0,
        kind=np.where(rng.random(len(frame)) < 0.97, "sale", "refunded"),
    ).drop(columns="day")
