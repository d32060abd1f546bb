"""The truth about each customer: type, rate, whether they left, and what a message would change."""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from customers.simulation.buying import Histories
from customers.simulation.people import People
from customers.simulation.plan import BEHAVIOURS, Plan, external_ids, of_behaviours
from customers.simulation.seasons import DAY_SECONDS, SEASONS, Clock

GONE_RESPONSE = 0.5  # an effect on somebody who left is this much of what it would have been
EFFECT_LIMITS = (-0.15, 0.4)


@dataclass(frozen=True)
class Truth:
    """What the simulation knows and the shop must find out; one entry a customer in each array.

    ``effect`` is the extra probability of an order within 7 days of a message. Moments are seconds
    of 1970; ``left`` is NaN for who has not left.
    """

    number: np.ndarray
    behaviour: np.ndarray  # index into BEHAVIOURS
    rate: np.ndarray  # purchases a busy day, as drawn
    rate_now: np.ndarray  # after slowing; 0 for who never bought
    leaving: np.ndarray  # probability to leave after a purchase
    is_alive: np.ndarray  # has bought and not left
    arrived: np.ndarray
    left: np.ndarray
    orders: np.ndarray
    effect: np.ndarray
    favourite: np.ndarray  # index into catalogue.CATEGORIES
    country: np.ndarray  # index into people.COUNTRIES
    params: dict[str, Any]

    @property
    def size(self) -> int:
        return self.number.size

    @property
    def plan(self) -> Plan:
        return Plan.of(self.params)

    @property
    def external_id(self) -> list[str]:
        return external_ids(self.number)

    @property
    def type_name(self) -> np.ndarray:
        """The name of each customer's behaviour."""
        return np.array([each.name for each in BEHAVIOURS])[self.behaviour]

    def arrays(self) -> dict[str, np.ndarray]:
        """Everything but ``params``, to be stored; readable without this package.

        ``external_id`` is ASCII bytes; the name of a behaviour is in ``params["behaviours"]``.
        """
        found = {each.name: getattr(self, each.name) for each in fields(self)[:-1]}
        return {"external_id": np.array(self.external_id, dtype="S"), **found}

    @classmethod
    def of(cls, arrays: Any, params: dict[str, Any]) -> "Truth":
        """The truth that `arrays` and ``params`` described."""
        return cls(**{each.name: arrays[each.name] for each in fields(cls)[:-1]}, params=params)


def truth(plan: Plan, crowd: People, past: Histories, rng: np.random.Generator) -> Truth:
    """Draw the effects of one chunk and collect its truth in little space."""
    mean = of_behaviours("effect_mean", crowd.behaviour)
    sd = of_behaviours("effect_sd", crowd.behaviour)
    effect = np.clip(rng.normal(mean, sd), *EFFECT_LIMITS)
    effect *= np.where(np.isnan(past.left), 1.0, GONE_RESPONSE)
    return Truth(
        number=crowd.number.astype(np.int32),
        behaviour=crowd.behaviour.astype(np.int8),
        rate=crowd.rate.astype(np.float32),
        rate_now=past.rate_now.astype(np.float32),
        leaving=crowd.leaving.astype(np.float32),
        is_alive=past.is_alive,
        arrived=crowd.arrived,
        left=past.left,
        orders=past.orders.astype(np.int32),
        effect=effect.astype(np.float32),
        favourite=crowd.favourite.astype(np.int8),
        country=crowd.country.astype(np.int8),
        params=plan.params(),
    )


def joined(parts: list[Truth]) -> Truth:
    """The truth of several chunks, in this order."""
    names = [each.name for each in fields(Truth)[:-1]]
    arrays = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
    return Truth(**arrays, params=parts[0].params)


def order_probability(truth: Truth, *, start_second: int, window_days: float) -> np.ndarray:
    """Probability that each customer orders at least once in a window, if left alone.

    Exact for windows that begin at the plan's ``until``: waiting times are memoryless in busy time.
    Nobody can leave before the next purchase, so somebody alive at ``until`` still is.

    Parameters
    ----------
    start_second : int
        Seconds since 1970; at or after the plan's ``until``.
    window_days : float
        Calendar days; the window must end before the clock's horizon.

    Returns
    -------
    ndarray of shape (n_customers,), in [0, 1]
    """
    plan = truth.plan
    clock = Clock(plan.start_second, plan.end_second)
    ends = np.array([start_second, start_second + window_days * DAY_SECONDS])
    if start_second < plan.end_second or ends[1] > clock.end_second:
        raise ValueError("the window must lie between the plan's until and the clock's horizon")
    busy = {season: np.diff(clock.busy_days(season, ends))[0] for season in SEASONS}
    days = np.array([busy[each.season] for each in BEHAVIOURS])[truth.behaviour]
    rate = np.where(truth.is_alive, truth.rate_now, 0.0)
    return 1.0 - np.exp(-rate * days)
