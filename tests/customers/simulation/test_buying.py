"""Purchases and leaving follow the parameters they are drawn from."""

import numpy as np
import pytest

from customers.simulation.buying import histories
from customers.simulation.plan import BEHAVIOURS, GIFT, LOYAL
from customers.simulation.seasons import SEASONS, in_gift_time
from tests.customers.simulation.conftest import Z_LIMIT

BY_NAME = pytest.mark.parametrize("kind", range(len(BEHAVIOURS)), ids=lambda k: BEHAVIOURS[k].name)


def exposures(shop, chunk, kind, measure):
    """Expected purchases of each customer after the first, each gap at the rate of its ordinal.

    ``measure`` gives the busy days up to a moment; a gap runs to the next purchase or to the end,
    and there is none after leaving.
    """
    past, crowd, behaviour = chunk.past, chunk.crowd, BEHAVIOURS[kind]
    here = np.flatnonzero(crowd.behaviour[past.customer] == kind)
    customer, moment = past.customer[here], past.moment[here]
    is_last = np.append(customer[1:] != customer[:-1], True)
    following = np.append(moment[1:], 0)
    following[is_last] = np.where(
        np.isnan(past.left[customer[is_last]]), shop.plan.end_second, moment[is_last]
    )
    rate = crowd.rate[customer] * behaviour.slowing ** (past.ordinal[here] - 1.0)
    return rate * (measure(following) - measure(moment)), here


@BY_NAME
def test_the_mean_purchase_rate_of_a_type_is_recovered(chunk, shop, kind):
    behaviour = BEHAVIOURS[kind]
    rates = chunk.truth.rate[chunk.truth.behaviour == kind] * 365.25

    error = behaviour.orders_per_year / np.sqrt(behaviour.rate_shape * rates.size)
    assert abs(rates.mean() - behaviour.orders_per_year) < Z_LIMIT * error


@BY_NAME
def test_purchases_come_at_each_customers_own_rate(chunk, shop, kind):
    def busy(seconds):
        return shop.clock.busy_days(BEHAVIOURS[kind].season, seconds)

    expected, here = exposures(shop, chunk, kind, busy)

    repeats = (chunk.past.ordinal[here] > 1).sum()
    # Purchases minus their compensator is a martingale whose variance is the expected count.
    assert abs(repeats - expected.sum()) < Z_LIMIT * np.sqrt(expected.sum())
    assert repeats > 200


@BY_NAME
def test_the_share_that_leaves_after_a_purchase_is_recovered(chunk, kind):
    here = chunk.crowd.behaviour == kind
    a, b = BEHAVIOURS[kind].leaving
    leaving = chunk.crowd.leaving[here]
    sd = np.sqrt(a * b / ((a + b) ** 2 * (a + b + 1)))

    assert abs(leaving.mean() - a / (a + b)) < Z_LIMIT * sd / np.sqrt(leaving.size)

    chances = leaving * chunk.past.orders[here]
    left = (~np.isnan(chunk.past.left[here])).sum()
    # Each purchase is a trial of its customer: leavers minus chances is a martingale too.
    variance = (chances * (1 - leaving)).sum()
    assert abs(left - chances.sum()) < Z_LIMIT * np.sqrt(variance)


def test_gift_buyers_keep_to_their_weeks(chunk, shop):
    clock = shop.clock
    moments = clock.start_second + clock.grid[:-1].astype(np.int64)
    steps = np.diff(clock.busy["gift"]) * in_gift_time(moments)
    in_season = np.concatenate(([0.0], np.cumsum(steps)))

    def busy_in_season(seconds):
        return np.interp(seconds - clock.start_second, clock.grid, in_season)

    expected, here = exposures(shop, chunk, GIFT, busy_in_season)

    bought = in_gift_time(chunk.past.moment[here]) & (chunk.past.ordinal[here] > 1)
    assert abs(bought.sum() - expected.sum()) < Z_LIMIT * np.sqrt(expected.sum())

    def share(kind):
        mine = chunk.crowd.behaviour[chunk.past.customer] == kind
        return in_gift_time(chunk.past.moment[mine]).mean()

    assert share(GIFT) > 0.5 > 2 * share(LOYAL)


def test_nobody_buys_before_arriving_after_leaving_or_after_the_end(chunk, shop):
    past, crowd = chunk.past, chunk.crowd
    last = np.zeros(crowd.size)
    np.maximum.at(last, past.customer, past.moment)
    gone = ~np.isnan(past.left)

    assert (past.moment >= crowd.arrived[past.customer]).all()
    assert (past.moment < shop.plan.end_second).all()
    assert (last[gone] == past.left[gone]).all()
    assert (np.diff(past.moment)[np.diff(past.customer) == 0] >= 0).all()
    assert (past.orders[~crowd.buys] == 0).all()


def test_some_leave_some_stay_and_some_never_bought(chunk):
    share = BEHAVIOURS[2].bought_share
    one_timers = chunk.crowd.behaviour == 2
    bought = chunk.past.orders[one_timers] > 0

    error = np.sqrt(share * (1 - share) / bought.size)
    assert abs(bought.mean() - share) < Z_LIMIT * error
    assert 0.3 < chunk.past.is_alive.mean() < 0.7


def test_busy_time_and_back_is_the_same_moment(shop):
    seconds = shop.plan.start_second + np.arange(0, 700 * 86_400, 12_345)
    for season in SEASONS:
        back = shop.clock.moments(season, shop.clock.busy_days(season, seconds))
        assert (back == seconds).all()


def test_a_busy_year_has_as_many_days_as_a_year(shop):
    year = np.array([shop.plan.start_second, shop.plan.start_second + 364 * 86_400])
    for season in SEASONS:
        # 364 days hold each weekday 52 times; one day of the year is missing.
        assert np.diff(shop.clock.busy_days(season, year))[0] == pytest.approx(364, abs=2)


def test_nobody_who_never_buys_breaks_the_drawing(shop, chunk):
    from dataclasses import replace

    crowd = replace(chunk.crowd, buys=np.zeros(chunk.crowd.size, bool))

    past = histories(shop.plan, crowd, shop.clock, np.random.default_rng(1))

    assert past.customer.size == 0
    assert not past.is_alive.any()
