"""What sets a cluster apart, in plain words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from segments.estimators.columns import LogScaler, numbers

CLEAR = 0.4  # standard deviations from the average customer, on the log scale
WORDS_MOST = 3


@dataclass(frozen=True)
class Trait:
    """How a high and a low value of one feature are told; a subject is told once.

    What says little by itself only tells apart what would else be alike.
    """

    feature: str
    subject: str
    high: str
    low: str
    says_little: bool = False


TRAITS = (
    Trait("orders_total", "how often", "buys often", "few orders"),
    Trait("mean_gap_days", "how often", "long gaps between orders", "orders in quick succession"),
    Trait("days_since_last_order", "how lately", "not seen for long", "ordered lately"),
    Trait("mean_order_value", "how much", "large baskets", "small baskets"),
    Trait("revenue_total", "how much", "spent much", "spent little"),
    Trait("basket_size", "how much", "many pieces at once", "one piece at a time", True),
    Trait("discount_share", "which price", "mostly on sale", "at full price"),
    Trait("discounted_orders_share", "which price", "mostly on sale", "at full price"),
    Trait("gap_trend", "which way", "slowing down", "buying more often", True),
    Trait("month_habit", "when", "at one time of the year", "all year round", True),
    Trait("refund_share", "what comes back", "returns much", "returns nothing", True),
    Trait("distinct_products", "how varied", "varied choice", "narrow choice", True),
    Trait("tenure_days", "how long", "with us for long", "new"),
)
PROFILE = tuple(trait.feature for trait in TRAITS) + ("orders_90d", "revenue_90d")
ONCE = "bought once"
ONLY_ON_SALE = "only on sale"
ONLY_SHARE = 0.9  # of the orders of a cluster, for it to be called so
AVERAGE = "average in everything"

Profile = dict[str, dict[str, float | None]]


def profiles(table: pd.DataFrame, labels: pd.Series) -> dict[int, Profile]:
    """What each cluster is like, beside all customers.

    Returns
    -------
    dict from cluster key to feature to ``mean``, ``base_mean`` and ``z``
        Means in the feature's own unit; None where it is missing for all. ``z`` is the distance
        of the cluster's mean from that of all, in standard deviations on the log scale.
    """
    columns = list(PROFILE)
    scaled = pd.DataFrame(
        LogScaler(columns=columns).fit(table).transform(table), index=table.index, columns=columns
    )
    plain = pd.DataFrame(numbers(table, columns), index=table.index, columns=columns)
    groups, base = plain.groupby(labels).mean(), plain.mean()
    distance = scaled.groupby(labels).mean()  # of all customers it is 0
    return {
        int(key): {
            name: {
                "mean": _known(groups[name].to_numpy()[place]),
                "base_mean": _known(base[name]),
                "z": round(float(distance[name].to_numpy()[place]), 3),
            }
            for name in columns
        }
        for place, key in enumerate(groups.index)
    }


def names(found: Mapping[int, Profile]) -> dict[int, str]:
    """A name for each cluster from what sets it apart, no two alike.

    Where two would be alike, both say more; what is still alike is numbered.

    Examples
    --------
    >>> def of(orders, sale): return {"orders_total": {"mean": 5, "base_mean": 5, "z": orders},
    ...                               "discount_share": {"mean": 0, "base_mean": 0, "z": sale}}
    >>> names({3: of(1.2, 0.0), 5: of(1.1, 0.9)})
    {3: 'Buys often', 5: 'Buys often, mostly on sale'}
    """
    told = {key: _words(profile) for key, profile in found.items()}
    length = dict.fromkeys(told, WORDS_MOST)
    for _ in range(len(TRAITS)):
        said = {key: frozenset(told[key][: length[key]]) for key in told}
        alike = {key for key in said if list(said.values()).count(said[key]) > 1}
        longer = {key for key in alike if length[key] < len(told[key])}
        if not longer:
            break
        for key in longer:
            length[key] += 1
    return _numbered({key: told[key][: length[key]] for key in told})


def told(feature: str, is_high: bool) -> str:
    """What a high or a low value of one feature is called."""
    for trait in TRAITS:
        if trait.feature == feature:
            return trait.high if is_high else trait.low
    return f"{'more' if is_high else 'less'} {feature.replace('_', ' ')}"


def _words(profile: Profile) -> list[str]:
    """The clearest traits first, one a subject."""
    by_size: list[tuple[float, Trait]] = []
    for trait in TRAITS:
        z = profile.get(trait.feature, {}).get("z") or 0.0
        if abs(z) >= CLEAR:
            by_size.append((z, trait))
    by_size.sort(key=lambda pair: (pair[1].says_little, -abs(pair[0])))
    words, subjects = [], set()
    for z, trait in by_size:
        if trait.subject in subjects:
            continue
        subjects.add(trait.subject)
        words.append(_said(trait, z, profile))
    return words


def _said(trait: Trait, z: float, profile: Profile) -> str:
    orders = profile.get("orders_total", {}).get("mean")
    if trait.subject == "how often" and orders is not None and orders < 1.1:
        return ONCE
    on_sale = profile.get("discounted_orders_share", {}).get("mean") or 0.0
    if trait.subject == "which price" and z > 0 and on_sale >= ONLY_SHARE:
        return ONLY_ON_SALE
    return trait.high if z > 0 else trait.low


def _sentence(words: Sequence[str]) -> str:
    said = ", ".join(words) or AVERAGE
    return said[:1].upper() + said[1:]


def _numbered(words: Mapping[int, Sequence[str]]) -> dict[int, str]:
    """Sentences; the second of those that say the same, in whatever order, is numbered 2."""
    seen: dict[frozenset[str], int] = {}
    named = {}
    for key, said in words.items():
        times = seen[frozenset(said)] = seen.get(frozenset(said), 0) + 1
        named[key] = _sentence(said) + (f" ({times})" if times > 1 else "")
    return named


def _known(value: Any) -> float | None:
    return None if pd.isna(value) else round(float(value), 4)
