"""What customers did after a moment: the truth that predictions made then are judged by."""

from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from customers.features.facts import MONEY_SCALE, Facts
from customers.features.seen import Seen, microseconds


def labels(facts: Facts, as_of: datetime, *, horizon_days: int) -> pd.DataFrame:
    """Count what each customer bought in ``[as_of, as_of + horizon_days)``.

    The only place that looks past ``as_of``. It sees all facts there are, however late they were
    recorded, and has the rows of ``table.features(facts, as_of)`` in the same order.

    Parameters
    ----------
    facts : Facts
        Complete up to the end of the horizon; nothing can tell here whether they are.
    as_of : datetime
        Timezone-aware.
    horizon_days : int

    Returns
    -------
    DataFrame of shape (n_customers, 3), indexed by ``customer_id``, ascending
        ``orders`` : purchases; ``revenue`` : paid for them, refund documents of the horizon taken
        off; ``has_ordered`` : bool, False is churn at this horizon.

    Raises
    ------
    ValueError
        If ``as_of`` carries no time zone.
    """
    seen = Seen(facts, as_of)
    end = microseconds(as_of + timedelta(days=horizon_days))
    bought, refunds = facts.purchases, facts.refunds
    ahead = (bought.placed >= seen.as_of) & (bought.placed < end)
    back = (refunds.placed >= seen.as_of) & (refunds.placed < end)
    orders = seen.per_customer(bought.customer[ahead])
    paid = seen.per_customer(bought.customer[ahead], bought.amount[ahead])
    documents = (refunds.paid_back - refunds.gross)[back]
    given_back = seen.per_customer(refunds.customer[back], documents)
    return pd.DataFrame(
        {
            "orders": orders.astype(np.int32),
            "revenue": (paid - given_back) / MONEY_SCALE,
            "has_ordered": orders > 0,
        },
        index=pd.Index(seen.customer_ids, name="customer_id"),
    )
