"""Measure whether what reports say of campaigns is true, on a simulated shop whose effect is known.

* Coverage: campaigns with a known effect; how often the 95 % intervals hold it, plain and adjusted.
* A/A: campaigns without any effect, looked at 20 times; how often each stopping rule finds one, in
  a broadcast (orders add up within the window) and in what goes on (people enter one by one).
* Naive peeking at the same looks, to see what the rules are for.

``python bench/proof.py`` takes 500 campaigns and 1,000 A/A tests in about a minute; ``--full``
5,000 and 20,000.  In memory: no database, no files.  The last line is JSON.
"""

import argparse
import json
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "platform")]

from campaigns.experiments import adjusting, assignment, checks, sequential, several  # noqa: E402  # noqa: E402
from campaigns.experiments.adjusting import Pair  # noqa: E402
from campaigns.experiments.analysis import Difference, Sample, difference  # noqa: E402
from campaigns.experiments.stopping import Taken, always_valid_look  # noqa: E402
from customers.simulation import baskets  # noqa: E402
from customers.simulation import facts as simulated  # noqa: E402
from customers.simulation.catalogue import catalogue  # noqa: E402
from customers.simulation.plan import Plan  # noqa: E402
from customers.simulation.reactions import effects_of  # noqa: E402
from customers.simulation.shop import Shop  # noqa: E402

SENT_AT = datetime(2026, 3, 1, tzinfo=UTC)
WINDOW_DAYS, EARLIER_DAYS, DAY_SECONDS = 7, 180, 86_400
SHOPS, CUSTOMERS = 10, 20_000
AUDIENCE = (4_000, 12_000)  # of one campaign
HOLDOUT_SHARES = (0.1, 0.2, 0.3)
CAMPAIGNS = {"small": 500, "full": 5_000}
TESTS = {"small": 1_000, "full": 20_000}
TEST_CUSTOMERS, LOOKS, TEST_HOLDOUT = 4_000, 20, 0.3
VALUE_DRAWS = 25  # baskets for each customer, for the mean of what one is worth
COST_SHARES = (0.35, 0.75)  # of its price, what a product costs the shop
METRICS = ("conversion", "revenue", "margin")
ONCE = 1.959964  # |Z| of a single look
COVERED = (0.93, 0.97)
REJECTED_MOST = 0.055


@dataclass(frozen=True)
class Town:
    """A shop's customers: what each does in the window, and what a message adds."""

    base: np.ndarray  # probability to order if left alone
    added: np.ndarray  # by the message
    rate: np.ndarray  # orders expected in the window if left alone, for those who may order again
    early_orders: np.ndarray
    early_revenue: np.ndarray
    worth: np.ndarray  # mean revenue and margin of an order, shape (2, n)
    shop: Shop
    truth: object
    costs: np.ndarray  # of each product


def town(seed: int, *, draws: int = 0) -> Town:
    """A shop; with ``draws`` baskets each, what one order of each customer is worth."""
    plan = Plan(customers=CUSTOMERS, seed=seed, until=SENT_AT)
    shop = Shop(plan)
    truth = simulated.truth(shop)
    base, added = effects_of(truth, sent_at=SENT_AT, window_days=WINDOW_DAYS)
    size = truth.number.size
    orders, revenue = earlier(shop, truth.number[0], size)
    rng = np.random.default_rng([seed, 1])
    costs = rng.uniform(*COST_SHARES, size=catalogue(plan).price.size)
    made = Town(
        base,
        added,
        -np.log1p(-np.minimum(base, 0.999)),
        orders,
        revenue,
        np.zeros((2, size)),
        shop,
        truth,
        costs,
    )
    for _ in range(draws):
        made.worth[:] += bought(made, np.arange(size), rng) / draws
    return made


def earlier(shop: Shop, first: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Orders and revenue of each customer in the days before the draw."""
    orders, revenue = np.zeros(size), np.zeros(size)
    since = int(SENT_AT.timestamp()) - EARLIER_DAYS * DAY_SECONDS
    for index in range(shop.plan.chunks):
        chunk = shop.chunk(index)
        made = chunk.bought
        rows = (made.customer != baskets.GUEST) & (made.moment >= since)
        at = chunk.crowd.number[made.customer[rows]] - first
        orders += np.bincount(at, minlength=size)
        revenue += np.bincount(at, weights=made.total[rows] / 100, minlength=size)
    return orders, revenue


def bought(found: Town, who: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Revenue and margin of one order of each of these customers, shape (2, n)."""
    truth, start = found.truth, int(SENT_AT.timestamp())
    buyers = baskets.Buyers(
        customer=who,
        ordinal=np.full(who.size, start),
        moment=start + rng.integers(0, WINDOW_DAYS * DAY_SECONDS, who.size),
        behaviour=truth.behaviour[who],
        favourite=truth.favourite[who],
        country=truth.country[who],
    )
    made = baskets.orders(catalogue(found.shop.plan), buyers, rng, end_second=0)
    price = catalogue(found.shop.plan).price
    each = found.costs[made.product] * price[made.product] * made.quantity
    cost = np.bincount(made.order, weights=each, minlength=who.size)
    return np.stack([made.total, made.total - cost]) / 100.0


def sample(values: np.ndarray) -> Sample:
    squares = values * values
    return Sample(values.size, float(values.sum()), float(squares.sum()), float(squares @ values))


def pair(after: np.ndarray, before: np.ndarray) -> Pair:
    products = after * before
    return Pair(
        sample(after),
        sample(before),
        float(products.sum()),
        float(products @ after),
        float(products @ before),
    )


def campaign(found: Town, number: int) -> dict[str, tuple[float, Difference, Difference]]:
    """One campaign to some of the customers: the truth, and both intervals, of each metric."""
    rng = np.random.default_rng([number, 2])
    size = found.base.size
    chosen = rng.choice(size, int(rng.integers(*AUDIENCE)), replace=False)
    share = float(rng.choice(HOLDOUT_SHARES))
    salt = f"campaign-{number}"
    held = np.array([assignment.draw(salt, int(one)) for one in chosen]) < share
    base, added = found.base[chosen], found.added[chosen]
    buys = rng.random(chosen.size) < base + np.where(held, 0.0, added)
    values = np.zeros((3, chosen.size))
    values[0] = buys
    values[1:, buys] = bought(found, chosen[buys], rng)
    effects = [added.mean(), *(added * found.worth[:, chosen]).mean(axis=1)]
    before = {
        "conversion": found.early_orders[chosen],
        "revenue": found.early_revenue[chosen],
        "margin": found.early_revenue[chosen],
    }
    told = {}
    for metric, after, effect in zip(METRICS, values, effects, strict=True):
        arms = [pair(after[mask], before[metric][mask]) for mask in (~held, held)]
        plain = difference(arms[0].after, arms[1].after)
        told[metric] = float(effect), plain, difference(*adjusting.adjusted(arms))
    return told


def coverage(task: tuple[int, int, int]) -> list[dict[str, tuple[float, ...]]]:
    seed, first, last = task
    found = town(seed, draws=VALUE_DRAWS)
    rows = []
    for number in range(first, last):
        told = campaign(found, number)
        rows.append(
            {
                metric: (
                    effect,
                    plain.low,
                    plain.high,
                    adjusted.low,
                    adjusted.high,
                )
                for metric, (effect, plain, adjusted) in told.items()
            }
        )
    return rows


def looked_at(found: Town, rng: np.random.Generator, *, goes_on: bool) -> tuple[np.ndarray, ...]:
    """An A/A test: treated minus holdout and its standard error, at each look, of orders.

    In a broadcast everybody may order again and again, so weeks of one person are alike; where
    people enter one by one, each look adds a part of them with their whole window.
    """
    who = rng.choice(found.base.size, TEST_CUSTOMERS, replace=False)
    held = rng.random(who.size) < TEST_HOLDOUT
    if goes_on:
        orders = rng.poisson(found.rate[who]).astype(float)
        entered = np.arange(1, LOOKS + 1) * who.size // LOOKS
        groups = [orders[:n][~held[:n]] for n in entered], [orders[:n][held[:n]] for n in entered]
    else:
        steps = rng.poisson(found.rate[who] / LOOKS, size=(LOOKS, who.size))
        so_far = steps.cumsum(axis=0).astype(float)
        groups = list(so_far[:, ~held]), list(so_far[:, held])
    pairs = [difference(sample(a), sample(b)) for a, b in zip(*groups, strict=True)]
    buyers = [
        min(a.size, b.size) * ((a > 0).sum() + (b > 0).sum()) / (a.size + b.size)
        for a, b in zip(*groups, strict=True)
    ]
    is_taken = np.array(buyers) >= checks.BUYERS_EXPECTED_LEAST  # else no look is taken
    return (
        np.array([one.difference for one in pairs])[is_taken],
        np.array([one.normal_error for one in pairs])[is_taken],
        np.array([one.error for one in pairs])[is_taken],
        (np.arange(1, LOOKS + 1) / LOOKS)[is_taken],
    )


def peeking(task: tuple[int, int, int, bool]) -> dict[str, list[bool]]:
    """Which rules found an effect that is not there, test after test."""
    seed, first, last, goes_on = task
    found = town(seed)
    rejected: dict[str, list[bool]] = {
        name: [] for name in ("naive", "fixed", *sequential.SPENDING, "always_valid")
    }
    for number in range(first, last):
        rng = np.random.default_rng([number, 3, goes_on])
        seen, errors, plain_errors, at = looked_at(found, rng, goes_on=goes_on)
        shares = at.tolist()
        z = np.abs(seen / errors)
        rejected["naive"].append(bool((z >= ONCE).any()))
        rejected["fixed"].append(bool(z[-1] >= ONCE))
        # No rule's boundary lies below that of a single look.
        is_calm = not (z >= ONCE).any()
        sizes = at if goes_on else np.maximum.accumulate(plain_errors**2)
        information = (sizes * (1 + 1e-6 * np.arange(at.size))).tolist()
        for name, spend in sequential.SPENDING.items():
            bounds = (
                [np.inf]
                if is_calm
                else sequential.boundaries(
                    information, [spend(share, sequential.ALPHA) for share in shares]
                )
            )
            rejected[name].append(bool((z >= bounds).any()))
        rejected["always_valid"].append(not is_calm and _always(information, shares, seen, errors))
    return rejected


def _always(
    information: list[float], shares: list[float], seen: np.ndarray, errors: np.ndarray
) -> bool:
    taken: list[Taken] = []
    for place, share in enumerate(shares):
        look = always_valid_look(
            information=information[place],
            share=share,
            difference=float(seen[place]),
            error=float(errors[place]),
            taken=taken,
        )
        if look.is_crossed:
            return True
        taken.append(look)
    return False


def variants(task: tuple[int, int, int]) -> dict[str, list[bool]]:
    """Four variants that are the same: does any seem to differ, with Holm's rule and without?"""
    seed, first, last = task
    found = town(seed)
    told: dict[str, list[bool]] = {"holm": [], "without_holm": [], "sample_ratio_alarms": []}
    for number in range(first, last):
        rng = np.random.default_rng([number, 4])
        who = rng.choice(found.base.size, TEST_CUSTOMERS, replace=False)
        drawn = rng.integers(0, 4, who.size)
        orders = rng.poisson(found.rate[who]).astype(float)
        arms = [sample(orders[drawn == each]) for each in range(4)]
        p_values = [difference(arm, arms[0]).p_value for arm in arms[1:]]
        told["without_holm"].append(min(p_values) < 0.05)
        told["holm"].append(min(several.holm(p_values)) < 0.05)
        alarm = checks.sizes([arm.n for arm in arms], [1] * 4, names="ABCD") is not None
        told["sample_ratio_alarms"].append(alarm)
    return told


def split(total: int) -> list[tuple[int, int, int]]:
    edges = np.linspace(0, total, SHOPS + 1).astype(int)
    return [(seed + 1, int(edges[seed]), int(edges[seed + 1])) for seed in range(SHOPS)]


def together(parts: list[dict[str, list[bool]]]) -> dict[str, float]:
    return {name: float(np.mean(sum((part[name] for part in parts), []))) for name in parts[0]}


def measure(campaigns: int, tests: int, processes: int) -> dict[str, object]:
    began = time.perf_counter()
    with ProcessPoolExecutor(processes) as pool:
        rows = [row for part in pool.map(coverage, split(campaigns)) for row in part]
        rates = {}
        for kind, goes_on in (("broadcast", False), ("goes_on", True)):
            rates[kind] = together(
                list(pool.map(peeking, [(*part, goes_on) for part in split(tests)]))
            )
        rates["variants"] = together(list(pool.map(variants, split(tests))))
    found: dict[str, object] = {"campaigns": campaigns, "tests": tests, "looks": LOOKS}
    covered: dict[str, dict[str, float]] = {}
    for metric in METRICS:
        told = np.array([row[metric] for row in rows])
        true, low, high, low_adjusted, high_adjusted = told.T
        covered[metric] = {
            "plain": float(np.mean((low <= true) & (true <= high))),
            "adjusted": float(np.mean((low_adjusted <= true) & (true <= high_adjusted))),
            "width_ratio": float(np.mean((high_adjusted - low_adjusted) / (high - low))),
            "found": float(np.mean(low > 0)),
            "found_adjusted": float(np.mean(low_adjusted > 0)),
            "mean_true": float(true.mean()),
        }
    return {
        **found,
        "coverage": covered,
        "rejected": rates,
        "seconds": round(time.perf_counter() - began, 1),
    }


def passes(found: dict) -> dict[str, bool]:
    covered = [
        COVERED[0] <= row[way] <= COVERED[1]
        for row in found["coverage"].values()
        for way in ("plain", "adjusted")
    ]
    rates = [
        rate
        for kind in ("broadcast", "goes_on")
        for name, rate in found["rejected"][kind].items()
        if name != "naive"
    ]
    return {
        "covers": all(covered),
        "keeps_error": max(rates) <= REJECTED_MOST,
        "peeking_would_not": min(
            found["rejected"][kind]["naive"] for kind in ("broadcast", "goes_on")
        )
        > REJECTED_MOST,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--campaigns", type=int)
    parser.add_argument("--tests", type=int)
    parser.add_argument("--processes", type=int, default=2)
    given = parser.parse_args()
    size = "full" if given.full else "small"
    found = measure(given.campaigns or CAMPAIGNS[size], given.tests or TESTS[size], given.processes)
    print(f"{found['campaigns']:,} campaigns, 95 % intervals")
    print(f"{'metric':<14}{'plain':>9}{'adjusted':>10}{'width':>8}{'found':>8}{'adjusted':>10}")
    for metric, row in found["coverage"].items():
        print(
            f"{metric:<14}{row['plain']:>9.3f}{row['adjusted']:>10.3f}{row['width_ratio']:>8.3f}"
            f"{row['found']:>8.3f}{row['found_adjusted']:>10.3f}"
        )
    print(f"\n{found['tests']:,} A/A tests, {LOOKS} looks: share that found an effect")
    for kind, rates in found["rejected"].items():
        for name, rate in rates.items():
            print(f"{kind:<14}{name:<22}{rate:>8.4f}")
    found["met"] = passes(found)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
