"""What was known of customers' events and reviews at one moment: the ground of those features."""

from functools import cached_property
from typing import Literal

import numpy as np

from customers.features.facts import EVENT_NAMES, Facts, Reviews
from customers.features.seen import DAY, Seen

Who = Literal["buyers", "seen"]
LOOK_BACK_DAYS = 365  # no feature looks at an event that is older
NEVER = np.iinfo(np.int64).min


class Watched:
    """The events of the last ``LOOK_BACK_DAYS`` days, and all reviews, known before ``as_of``.

    Parameters
    ----------
    facts : Facts
    seen : Seen
        The purchases of the same facts at the same moment.
    who : {"buyers", "seen"}
        Customers with a purchase, or with a purchase or an event.

    Raises
    ------
    ValueError
        If events were loaded from a later moment on than features look back to.
    """

    def __init__(self, facts: Facts, seen: Seen, who: Who) -> None:
        self.seen, self.as_of = seen, seen.as_of
        self._facts = facts
        self._begin = self.as_of - LOOK_BACK_DAYS * DAY
        self._rows: dict[tuple[str, ...], tuple[np.ndarray, np.ndarray]] = {}
        self._is_buyer = np.zeros(facts.customer_ids.size, dtype=bool)
        self._is_buyer[seen.places] = True
        self.here = self._is_buyer
        if who == "seen":
            did = np.bincount(facts.events.customer[self._known], minlength=self.everybody)
            self.here = self._is_buyer | (did > 0)

    @property
    def everybody(self) -> int:
        """How many customers there are in the facts, whatever is known of them."""
        return self._facts.customer_ids.size

    @property
    def customer_ids(self) -> np.ndarray:
        return self._facts.customer_ids[self.here]

    def of_buyers(self, values: np.ndarray, without: float) -> np.ndarray:
        """Values of `Seen`, one for each customer here; ``without`` for who never bought."""
        if self.here is self._is_buyer:
            return values
        found = np.full(self.everybody, without, dtype=values.dtype)
        found[self.seen.places] = values
        return found[self.here]

    def per_customer(self, customer: np.ndarray, values: np.ndarray | None = None) -> np.ndarray:
        """Sums of ``values``, or numbers of rows, by position in ``Facts.customer_ids``."""
        return np.bincount(customer, values, minlength=self.everybody)[self.here]

    # --- events -----------------------------------------------------------------------------

    def count(self, *names: str, days: int, before_days: int = 0) -> np.ndarray:
        """Events of these names in ``days`` days, which end ``before_days`` days ago."""
        customer, placed = self.rows(*names)
        end = self.as_of - before_days * DAY
        return self.per_customer(customer[(placed >= end - days * DAY) & (placed < end)])

    def last(self, *names: str) -> np.ndarray:
        """The moment of the last event of these names; ``NEVER`` where there is none."""
        customer, placed = self.rows(*names)
        found = np.full(self.everybody, NEVER)
        found[customer] = placed  # sorted by moment within a customer: the last one stays
        return found[self.here]

    def days_since(self, *names: str) -> np.ndarray:
        """Days since the last event of these names; NaN where there is none."""
        last = self.last(*names)
        return np.where(last == NEVER, np.nan, (self.as_of - last) / DAY)

    def distinct_days(self, customer: np.ndarray, placed: np.ndarray) -> np.ndarray:
        """Different UTC days of these events, which are in the order of `rows`."""
        day = placed // DAY
        fresh = np.ones(day.size, dtype=bool)
        fresh[1:] = (customer[1:] != customer[:-1]) | (day[1:] != day[:-1])
        return self.per_customer(customer[fresh])

    def is_followed(self, customer: np.ndarray, placed: np.ndarray, *, within: int) -> np.ndarray:
        """Whether the customer bought at these moments or up to ``within`` microseconds later."""
        if not placed.size:
            return np.zeros(0, dtype=bool)
        least = placed.min()
        lately = self.seen.placed >= least
        buyer, bought = self.seen.customer[lately], self.seen.placed[lately]
        span = int(self.as_of - least)
        # One number says whose and when. Of millions of customers it gets too large for
        # microseconds, and is rounded down alike on both sides.
        unit = self.everybody * span // 2**62 + 1
        key = buyer.astype(np.int64) * (span // unit + 1) + (bought - least) // unit
        wanted = customer.astype(np.int64) * (span // unit + 1) + (placed - least) // unit
        following = np.searchsorted(key, wanted)
        is_there = following < key.size
        following = following[is_there]
        found = np.zeros(placed.size, dtype=bool)
        found[is_there] = (buyer[following] == customer[is_there]) & (
            bought[following] <= placed[is_there] + within
        )
        return found

    def rows(self, *names: str) -> tuple[np.ndarray, np.ndarray]:
        """Customer and moment of the known events of these names, by customer and moment."""
        if names not in self._rows:
            events, places = self._facts.events, self._facts.places_of_events
            found = [places[EVENT_NAMES.index(name)] for name in names]
            rows = found[0] if len(found) == 1 else np.sort(np.concatenate(found))
            rows = rows[self._known[rows]]
            self._rows[names] = events.customer[rows], events.placed[rows]
        return self._rows[names]

    @cached_property
    def _known(self) -> np.ndarray:
        since = self._facts.events_since
        if since is not None and since > self._begin:
            raise ValueError(
                f"events were loaded from {_day(since)} on; features at {_day(self.as_of)} look "
                f"back to {_day(self._begin)}"
            )
        events = self._facts.events
        return events.known(self.as_of) & (events.placed >= self._begin)

    # --- reviews ----------------------------------------------------------------------------

    @cached_property
    def reviews(self) -> Reviews:
        """The known ones, by customer and moment."""
        reviews = self._facts.reviews
        return _of(reviews, reviews.known(self.as_of))

    @cached_property
    def rated(self) -> Reviews:
        """Those with stars."""
        return _of(self.reviews, ~np.isnan(self.reviews.rating))


def _of(reviews: Reviews, chosen: np.ndarray) -> Reviews:
    return Reviews(**{name: values[chosen] for name, values in vars(reviews).items()})


def _day(moment: int) -> str:
    return str(np.datetime64(moment, "us").astype("datetime64[D]"))
