"""The segments every installation starts with."""

from dataclasses import dataclass
from typing import Any

from segments.rules import rfm

NEW_DAYS = 30
LAPSED_DAYS = 180
HIGH_VALUE_SHARE = 0.1
CART_DAYS = 7
CART_MINUTES = 60


@dataclass(frozen=True)
class ReadyMade:
    """A segment to be created on a new installation."""

    key: str
    name: str
    description: str
    rule: dict[str, Any]


def _rule(where: dict[str, Any]) -> dict[str, Any]:
    return {"version": 1, "where": where}


def _orders(measure: str, op: str, value: Any) -> dict[str, Any]:
    return {"type": "orders", "measure": measure, "op": op, "value": value}


SEGMENTS: tuple[ReadyMade, ...] = (
    *(
        ReadyMade(
            key=f"rfm-{group.key.replace('_', '-')}",
            name=group.name,
            description=f"RFM group: {group.meaning}.",
            rule=_rule({"type": "rfm", "groups": [group.key]}),
        )
        for group in rfm.GROUPS
    ),
    ReadyMade(
        "new-customers",
        "New customers",
        f"Their first order was within the last {NEW_DAYS} days.",
        _rule(_orders("first", "less_than_days_ago", NEW_DAYS)),
    ),
    ReadyMade(
        "one-time-buyers",
        "One-time buyers",
        f"They ordered exactly once, more than {NEW_DAYS} days ago.",
        _rule(
            {
                "type": "and",
                "of": [
                    _orders("count", "=", 1),
                    _orders("last", "more_than_days_ago", NEW_DAYS),
                ],
            }
        ),
    ),
    ReadyMade(
        "lapsed",
        "Lapsed",
        f"They have ordered before, but not for {LAPSED_DAYS} days.",
        _rule(_orders("last", "more_than_days_ago", LAPSED_DAYS)),
    ),
    ReadyMade(
        "at-risk-of-leaving",
        "At risk of leaving",
        "The churn model puts them into its high band. Empty until a model is live.",
        _rule({"type": "score", "name": "churn_90d", "op": "band", "value": ["high"]}),
    ),
    ReadyMade(
        "high-value",
        "High value",
        "The tenth of the customers of whom most revenue is expected in a year. "
        "Empty until a model is live.",
        _rule({"type": "score", "name": "clv_365d", "op": "top_share", "value": HIGH_VALUE_SHARE}),
    ),
    ReadyMade(
        "cart-left-behind",
        "Cart left behind",
        f"They filled a cart or began to check out in the last {CART_DAYS} days, at least "
        f"{CART_MINUTES} minutes ago, and have not ordered since.",
        _rule(
            {
                "type": "sequence",
                "names": ["Product Added", "Checkout Started"],
                "window_days": CART_DAYS,
                "at_least_minutes_ago": CART_MINUTES,
                "unless": ["Order Completed"],
                "unless_order": True,
            }
        ),
    ),
)
