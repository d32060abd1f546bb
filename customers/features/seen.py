"""What was known about each customer at one moment: the ground all features stand on."""

from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np

from customers.features.facts import MONEY_SCALE, Facts

DAY = 86_400_000_000  # microseconds


class Runs(NamedTuple):
    """What each customer bought of one category or brand; sorted by customer."""

    customer: np.ndarray  # position in Facts.customer_ids
    units: np.ndarray  # above 0
    first: np.ndarray  # when it was bought first, microseconds since 1970


class Seen:
    """The facts that had happened and were known before ``as_of``.

    Only customers with at least one such purchase are in it; every per-customer array has their
    order, that of ``customer_ids``.

    Raises
    ------
    ValueError
        If ``as_of`` carries no time zone.
    """

    def __init__(self, facts: Facts, as_of: datetime) -> None:
        if as_of.tzinfo is None:
            raise ValueError("as_of needs a time zone")
        self.as_of = microseconds(as_of)
        self._facts = facts
        self._windows: dict[int, np.ndarray] = {}
        self._runs: dict[str, Runs] = {}
        bought = facts.purchases
        known = bought.known(self.as_of)
        # Slicing by True copies nothing; the latest snapshot sees everything.
        self._rows = slice(None) if known.all() else known
        counts = np.bincount(bought.customer[self._rows], minlength=facts.customer_ids.size)
        self._here = counts > 0
        self.places = np.flatnonzero(self._here)  # in Facts.customer_ids
        self.customer_ids = facts.customer_ids[self._here]
        self.orders = counts[self._here]
        self._ends = np.cumsum(self.orders)
        self._starts = self._ends - self.orders
        self.placed = bought.placed[self._rows]
        self.first, self.last = self.placed[self._starts], self.placed[self._ends - 1]

    @property
    def everybody(self) -> int:
        """How many customers there are in the facts, whatever is known of them."""
        return self._here.size

    @property
    def size(self) -> int:
        return self.customer_ids.size

    def per_customer(self, customer: np.ndarray, values: np.ndarray | None = None) -> np.ndarray:
        """Sums of ``values``, or numbers of rows, by position in ``Facts.customer_ids``."""
        return np.bincount(customer, values, minlength=self._here.size)[self._here]

    # --- purchases --------------------------------------------------------------------------

    @cached_property
    def gross(self) -> np.ndarray:
        """What each customer paid for purchases, in currency, refunds not taken off."""
        return self._within(self._amounts, None) / MONEY_SCALE

    @cached_property
    def discount(self) -> np.ndarray:
        """What was taken off the prices of those purchases, in currency."""
        return self._within(self._discounts, None) / MONEY_SCALE

    @cached_property
    def customer(self) -> np.ndarray:
        """Whose each purchase is: the position in ``Facts.customer_ids``."""
        return self._facts.purchases.customer[self._rows]

    def discount_since(self, window_days: int) -> np.ndarray:
        return self._within(self._discounts, window_days) / MONEY_SCALE

    @cached_property
    def discounted_orders(self) -> np.ndarray:
        """Purchases of which something was taken off."""
        with_discount = self._facts.purchases.discount[self._rows] > 0
        return self.summed(with_discount.astype(np.int64))

    def summed(self, values: np.ndarray) -> np.ndarray:
        """Each customer's sum of whole numbers, of which there is one a purchase."""
        return np.add.reduceat(values, self._starts) if self.size else np.zeros(0, np.int64)

    def orders_since(self, window_days: int) -> np.ndarray:
        """Purchases in the last ``window_days`` days."""
        return self._ends - self._window_starts(window_days)

    def gross_since(self, window_days: int) -> np.ndarray:
        return self._within(self._amounts, window_days) / MONEY_SCALE

    @cached_property
    def purchase_days(self) -> np.ndarray:
        """Distinct UTC days with a purchase, 1 or more."""
        fresh = np.empty(self.day.size, dtype=np.int64)
        fresh[1:] = self.day[1:] != self.day[:-1]
        fresh[self._starts] = 1
        return self.summed(fresh)

    @cached_property
    def day(self) -> np.ndarray:
        """The UTC day of each purchase, since 1970."""
        return self.placed // DAY

    @cached_property
    def gaps(self) -> np.ndarray:
        """Days from each purchase back to the one before it; 0 for the first."""
        gap = np.zeros(self.day.size, dtype=np.int64)
        gap[1:] = np.diff(self.day)
        gap[self._starts] = 0
        return gap

    @cached_property
    def first_day_gross(self) -> np.ndarray:
        """What was paid on the day of the first purchase."""
        first_day_over = (self.first // DAY + 1) * DAY
        later = self._count_from(first_day_over)
        ends = self._ends - later
        return (self._amounts[ends] - self._amounts[self._starts]) / MONEY_SCALE

    @cached_property
    def _amounts(self) -> np.ndarray:
        return _prefix(self._facts.purchases.amount[self._rows])

    @cached_property
    def _discounts(self) -> np.ndarray:
        return _prefix(self._facts.purchases.discount[self._rows])

    def _within(self, prefix: np.ndarray, window_days: int | None) -> np.ndarray:
        starts = self._starts if window_days is None else self._window_starts(window_days)
        return prefix[self._ends] - prefix[starts]

    def _window_starts(self, window_days: int) -> np.ndarray:
        if window_days not in self._windows:
            since = np.full(self.size, self.as_of - window_days * DAY)
            self._windows[window_days] = self._ends - self._count_from(since)
        return self._windows[window_days]

    def _count_from(self, since: np.ndarray) -> np.ndarray:
        """Each customer's purchases at or after a moment of their own."""
        if not self.size:
            return np.zeros(0, dtype=np.int64)
        late = self.placed >= np.repeat(since, self.orders)
        return np.add.reduceat(late.astype(np.int64), self._starts)

    # --- refunds and lines ------------------------------------------------------------------

    @cached_property
    def paid_back(self) -> np.ndarray:
        """What was given back, above 0, in currency; sales refunded as a whole included."""
        return self._refunds("paid_back", None)

    @cached_property
    def refunded_gross(self) -> np.ndarray:
        """What the sales had brought that were later refunded as a whole."""
        return self._refunds("gross", None)

    def paid_back_since(self, window_days: int) -> np.ndarray:
        return self._refunds("paid_back", window_days)

    def refunded_gross_since(self, window_days: int) -> np.ndarray:
        return self._refunds("gross", window_days)

    def documents_since(self, window_days: int | None) -> np.ndarray:
        """Refund documents: what they take off the revenue of paid sales."""
        return self._refunds("paid_back", window_days) - self._refunds("gross", window_days)

    @cached_property
    def units(self) -> np.ndarray:
        """Units bought, over all purchases."""
        lines = self._facts.lines
        return self.per_customer(lines.customer, lines.quantity * lines.known(self.as_of))

    @cached_property
    def distinct_products(self) -> np.ndarray:
        lines = self._facts.lines
        known = lines.known(self.as_of)
        customer, product = lines.customer[known], lines.product[known]
        fresh = np.ones(customer.size, dtype=bool)
        fresh[1:] = (customer[1:] != customer[:-1]) | (product[1:] != product[:-1])
        return self.per_customer(customer[fresh])

    def runs(self, word: Literal["category", "brand"]) -> Runs:
        """Units of each category (or brand) of each customer; goods without one are left out."""
        if word not in self._runs:
            lines, facts = self._facts.lines, self._facts
            rows, code = facts.lines_by_category if word == "category" else facts.lines_by_brand
            known = lines.known(self.as_of)
            if not known.all():
                chosen = known[rows]
                rows, code = rows[chosen], code[chosen]
            customer = lines.customer[rows]
            fresh = np.ones(rows.size, dtype=bool)
            fresh[1:] = (customer[1:] != customer[:-1]) | (code[1:] != code[:-1])
            starts = np.flatnonzero(fresh)
            if not rows.size:
                return Runs(customer, np.zeros(0, np.int64), np.zeros(0, np.int64))
            self._runs[word] = Runs(
                customer[starts],
                np.add.reduceat(lines.quantity[rows].astype(np.int64), starts),
                np.minimum.reduceat(lines.placed[rows], starts),
            )
        return self._runs[word]

    def _refunds(self, column: str, window_days: int | None) -> np.ndarray:
        refunds = self._facts.refunds
        known = refunds.known(self.as_of)
        if window_days is not None:
            known &= refunds.placed >= self.as_of - window_days * DAY
        # Whole numbers below 2**53 stay exact in the float sums of bincount.
        values = np.where(known, getattr(refunds, column), 0)
        return self.per_customer(refunds.customer, values) / MONEY_SCALE


def microseconds(moment: datetime) -> int:
    """Microseconds since 1970 in UTC, exactly."""
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def divide(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """Quotient; NaN where there is nothing to divide by."""
    out = np.full(above.shape, np.nan)
    return np.divide(above, below, out=out, where=below != 0)


def _prefix(values: np.ndarray) -> np.ndarray:
    """Running sums with a leading 0: the sum of rows a to b is prefix[b] − prefix[a]."""
    sums = np.zeros(values.size + 1, dtype=np.int64)
    np.cumsum(values, out=sums[1:])
    return sums
