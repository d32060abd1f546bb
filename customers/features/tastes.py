"""Which categories and brands a customer buys: how many, how evenly, and when the last new one.

Goods are sorted as they are described today; those without a category (or brand) are left out.
"""

from functools import partial
from typing import Literal

import numpy as np

from customers.features.feature import Feature
from customers.features.seen import DAY, Runs, Seen, divide

Word = Literal["category", "brand"]


def _distinct(seen: Seen, *, word: Word) -> np.ndarray:
    runs = seen.runs(word)
    return seen.per_customer(runs.customer)


def _favourite_share(seen: Seen, *, word: Word) -> np.ndarray:
    runs = seen.runs(word)
    return divide(_most(seen, runs, runs.units), _units(seen, runs))


def _entropy(seen: Seen, *, word: Word) -> np.ndarray:
    runs = seen.runs(word)
    units = _units(seen, runs)
    each = runs.units * np.log2(runs.units)
    found = np.log2(np.maximum(units, 1)) - divide(seen.per_customer(runs.customer, each), units)
    return np.maximum(found, 0)  # of one category alone it is 0, up to rounding


def _days_since_new(seen: Seen, *, word: Word) -> np.ndarray:
    runs = seen.runs(word)
    newest = _most(seen, runs, runs.first)
    return np.where(_units(seen, runs) > 0, (seen.as_of - newest) / DAY, np.nan)


def _units(seen: Seen, runs: Runs) -> np.ndarray:
    return seen.per_customer(runs.customer, runs.units).astype(float)


def _most(seen: Seen, runs: Runs, values: np.ndarray) -> np.ndarray:
    """The largest value of each customer; 0 where there is none."""
    found = np.zeros(seen.everybody, dtype=values.dtype)
    starts = np.flatnonzero(np.diff(runs.customer, prepend=-1))
    if starts.size:
        found[runs.customer[starts]] = np.maximum.reduceat(values, starts)
    return found[seen.places]


def _features(word: Word, words: str) -> tuple[Feature, ...]:
    none = f"missing where no {word} is known of what was bought"
    return (
        Feature(f"distinct_{words}", "count", words, f"Different {words} bought ever.",
                partial(_distinct, word=word), dtype="int32", ground="goods"),
        Feature(f"{word}_share", "share", "share of 1",
                f"Part of the units that are of the {word} bought most; {none}.",
                partial(_favourite_share, word=word), ground="goods"),
        Feature(f"{word}_entropy", "ratio", "bits",
                f"How evenly units are spread over {words}, 0 is a single one; {none}.",
                partial(_entropy, word=word), ground="goods"),
        Feature(f"days_since_new_{word}", "days", "days",
                f"Days since a {word} was bought for the first time; {none}.",
                partial(_days_since_new, word=word), ground="goods"),
    )  # fmt: skip


FEATURES = _features("category", "categories") + _features("brand", "brands")
