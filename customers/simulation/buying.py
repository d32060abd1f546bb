"""When customers buy, and when they leave for good: MBG/NBD in busy time."""

from dataclasses import dataclass

import numpy as np

from customers.simulation.people import People, in_season
from customers.simulation.plan import Plan, of_behaviours
from customers.simulation.seasons import SEASONS, Clock


@dataclass(frozen=True)
class Histories:
    """Purchases of one chunk, sorted by customer and time, and how each customer stands at the end.

    ``customer, ordinal, moment`` have one entry a purchase (``ordinal`` from 1); the others one a
    customer. ``left`` is the moment of the last purchase of those who left, NaN for who has not.
    ``rate_now`` is the purchase rate a busy day after all slowing; 0 for who never bought.
    """

    customer: np.ndarray
    ordinal: np.ndarray
    moment: np.ndarray
    left: np.ndarray
    rate_now: np.ndarray

    @property
    def is_alive(self) -> np.ndarray:
        return np.isnan(self.left) & (self.rate_now > 0)

    @property
    def orders(self) -> np.ndarray:
        """Purchases of each customer."""
        return np.bincount(self.customer, minlength=self.left.size)


def histories(plan: Plan, crowd: People, clock: Clock, rng: np.random.Generator) -> Histories:
    """Draw every purchase of a chunk.

    Notes
    -----
    Works in rounds over the still active customers: round k makes everybody's k-th purchase. So
    the number of Python steps is the largest number of purchases one customer makes, not the
    number of orders.

    References
    ----------
    .. [1] Batislam, Denizel & Filiztekin (2007). Empirical validation and comparison of models for
       customer base analysis. Int. J. of Research in Marketing 24(3), 201-209. (MBG/NBD: a
       customer may leave after the first purchase as after any other.)
    """
    busy = _busy(clock, crowd, crowd.arrived)
    end = _busy(clock, crowd, np.full(crowd.size, plan.end_second))
    slowing = of_behaviours("slowing", crowd.behaviour)
    rate = np.where(crowd.buys, crowd.rate, 0.0)
    left_busy = np.full(crowd.size, np.nan)
    who: list[np.ndarray] = []
    when: list[np.ndarray] = []
    active = np.flatnonzero(crowd.buys)
    while active.size:
        who.append(active)
        when.append(busy[active])
        if len(who) > 1:
            rate[active] *= slowing[active]
        leaves = rng.random(active.size) < crowd.leaving[active]
        left_busy[active[leaves]] = busy[active[leaves]]
        active = active[~leaves]
        busy[active] += rng.exponential(1.0, active.size) / rate[active]
        active = active[busy[active] < end[active]]
    return _sorted(plan, crowd, clock, who, when, left_busy, rate)


def _sorted(plan, crowd, clock, who, when, left_busy, rate) -> Histories:
    nothing = np.zeros(0, np.int64)
    customer = np.concatenate(who or [nothing])
    rounds = [np.full(each.size, index + 1) for index, each in enumerate(who)]
    ordinal = np.concatenate(rounds or [nothing])
    order = np.lexsort((ordinal, customer))
    customer, ordinal = customer[order], ordinal[order]
    busy = np.concatenate(when or [nothing.astype(float)])[order]
    moment = np.empty(customer.size, np.int64)
    left = np.full(crowd.size, np.nan)
    for season in SEASONS:
        here = in_season(season, crowd.behaviour)
        moment[here[customer]] = clock.moments(season, busy[here[customer]])
        gone = here & ~np.isnan(left_busy)
        left[gone] = clock.moments(season, left_busy[gone])
    moment = np.minimum(moment, plan.end_second - 1)  # the interpolation may round up to the end
    return Histories(customer=customer, ordinal=ordinal, moment=moment, left=left, rate_now=rate)


def _busy(clock: Clock, crowd: People, seconds: np.ndarray) -> np.ndarray:
    busy = np.empty(crowd.size)
    for season in SEASONS:
        here = in_season(season, crowd.behaviour)
        busy[here] = clock.busy_days(season, seconds[here])
    return busy
