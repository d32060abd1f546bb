"""Shops with a history long enough to learn from, written at once."""

from datetime import datetime, timedelta
from decimal import Decimal

import numpy as np

from customers.models import Customer, Order
from tests.makers import NOW


def make_shop(customers: int = 700, *, days: int = 500, seed: int = 1, until: datetime = NOW):
    """Customers of two kinds who buy at random and leave; returns their number of orders.

    Two in five buy about every 20 days and spend about 80; the others every 90 days, spend about
    25, half of it discounted, and leave sooner.
    """
    rng = np.random.default_rng(seed)
    loyal = rng.random(customers) < 0.4
    rate = rng.gamma(3, np.where(loyal, 1 / 60, 1 / 270))
    leaves = np.where(loyal, 0.04, 0.25)
    since = rng.uniform(0, days, customers)
    who, when = [], []
    for customer in range(customers):
        day = since[customer]
        while day < days:
            who.append(customer)
            when.append(day)
            if rng.random() < leaves[customer]:
                break
            day += rng.exponential(1 / rate[customer])
    start = until - timedelta(days=days)
    known = Customer.objects.bulk_create(
        Customer(
            source="shop",
            email=f"c{seed}-{place}@example.com",
            happened_at=start + timedelta(days=float(day)),
            recorded_at=until,
            changed_at=until,
        )
        for place, day in enumerate(since)
    )
    spend = rng.gamma(6, np.where(loyal, 80, 25)[who] / 6)
    off = np.where(loyal[who], 0.0, spend)
    moments = [start + timedelta(days=day) for day in when]
    Order.objects.bulk_create(
        Order(
            source="shop",
            external_id=f"s{seed}-{place}",
            customer=known[customer],
            total=Decimal(f"{spend[place]:.2f}"),
            discount=Decimal(f"{off[place]:.2f}"),
            currency="EUR",
            happened_at=moments[place],
            recorded_at=moments[place],
        )
        for place, customer in enumerate(who)
    )
    return len(who)
