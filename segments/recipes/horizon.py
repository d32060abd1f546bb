"""How long a customer of this shop must be silent before it means something."""

from datetime import datetime
from typing import Any

import numpy as np

from customers.features.facts import Facts
from customers.features.seen import DAY, microseconds
from segments.recipes.history import Span

QUANTILE = 0.85
USUAL_DAYS = (30, 45, 60, 90, 120, 180)  # what is learnt is rounded to one of them
LEAST_GAPS = 100
WINDOWS = 3  # a past, a label window to learn from, and one to be judged on


def learnt(facts: Facts, as_of: datetime, span: Span, *, label_days: int) -> dict[str, Any]:
    """The card's ``horizon``: the silence that few gaps between orders outlast.

    Parameters
    ----------
    facts : Facts
    as_of : datetime
        Only orders known before it.
    span : Span
        The horizon must fit into it three times.
    label_days : int
        What the score's label looks ahead; the words say where the shop would ask for another.

    Returns
    -------
    dict
        ``days`` : one of ``USUAL_DAYS``, or ``label_days`` where there are too few gaps to learn
        from; ``gap_days`` : the quantile before rounding, or None; ``quantile``; ``label_days``;
        ``words``.
    """
    found = gaps(facts, as_of)
    base = {"quantile": QUANTILE, "label_days": label_days}
    if found.size < LEAST_GAPS:
        words = (
            f"{label_days} days, as usual: {LEAST_GAPS - found.size} more gaps between two orders "
            "are needed to learn this shop's own."
        )
        return {**base, "days": label_days, "gap_days": None, "words": words}
    gap = float(np.quantile(found, QUANTILE))
    fitting = [days for days in USUAL_DAYS if days * WINDOWS <= span.days] or [USUAL_DAYS[0]]
    days = min(fitting, key=lambda one: abs(np.log(one / max(gap, 1.0))))
    words = (
        f"{QUANTILE:.0%} of the gaps between two orders are at most {gap:.0f} days, "
        f"which makes {days} days this shop's own horizon"
    )
    same = "; the score looks as far." if days == label_days else (
        f"; the score looks {label_days} days ahead all the same, as its name says."
    )  # fmt: skip
    return {**base, "days": days, "gap_days": round(gap, 1), "words": words + same}


def gaps(facts: Facts, as_of: datetime) -> np.ndarray:
    """Days between each customer's successive purchase days, all customers together."""
    bought = facts.purchases
    known = bought.known(microseconds(as_of))
    customer, day = bought.customer[known], bought.placed[known] // DAY
    between = np.diff(day)
    return between[(np.diff(customer) == 0) & (between > 0)]
