"""Facts of the cast, counted by hand in the tests."""

import numpy as np
import pandas as pd

from customers.features.facts import EVENT_NAMES, Facts, facts

ADA, BOB, EVE, MALLORY = 1, 2, 3, 4


def at(text: str) -> pd.Timestamp:
    return pd.Timestamp(text, tz="UTC")


def orders(*rows: tuple) -> pd.DataFrame:
    """Rows of (customer, order, placed, amount, discount, kind), recorded as they happened."""
    names = ["customer_id", "order_id", "placed_at", "amount", "discount", "kind"]
    frame = pd.DataFrame(list(rows), columns=names)
    frame["placed_at"] = pd.to_datetime(frame["placed_at"], utc=True)
    return frame.assign(recorded_at=frame["placed_at"])


def lines(*rows: tuple) -> pd.DataFrame:
    """Rows of (order, product, quantity, recorded)."""
    frame = pd.DataFrame(list(rows), columns=["order_id", "product_id", "quantity", "recorded_at"])
    frame["recorded_at"] = pd.to_datetime(frame["recorded_at"], utc=True)
    return frame


AS_OF = at("2024-01-31 12:00")
ORDERS = orders(
    (ADA, 10, at("2023-10-01 09:00"), 50.0, 0.0, "sale"),
    (ADA, 11, at("2024-01-04 10:00"), 10.0, 2.0, "sale"),
    (ADA, 12, at("2024-01-04 18:00"), 20.0, 0.0, "sale"),  # same day: one purchase of 30
    (ADA, 13, at("2024-01-09 12:00"), 90.0, 10.0, "sale"),
    (ADA, 14, at("2024-01-12 12:00"), -30.0, 0.0, "refund"),
    (BOB, 20, at("2024-01-02 12:00"), 15.0, 0.0, "sale"),  # bought once
    (BOB, 21, at("2024-01-03 12:00"), 5.0, 0.0, "refunded"),  # a sale that was given back
    (EVE, 30, at("2024-01-31 12:00"), 99.0, 0.0, "sale"),  # at the very moment: not yet
    (MALLORY, 40, at("2024-01-20 12:00"), -40.0, 0.0, "refund"),  # refunds only
)
LINES = lines(
    (10, 100, 2, at("2023-10-01 09:00")),
    (11, 100, 1, at("2024-01-04 10:00")),
    (11, 101, 3, at("2024-01-04 10:00")),
    (13, 102, 1, at("2024-01-09 12:00")),
    (20, 100, 4, at("2024-01-02 12:00")),
    (21, 101, 9, at("2024-01-03 12:00")),  # of a sale that was given back
    (30, 103, 1, at("2024-01-31 12:00")),
    (99, 103, 1, at("2024-01-01 12:00")),  # of nobody we know
)


# Lines 10 to 13 are Ada's purchases: 7 units of Kitchen and Garden, 4 of them of known brands.
GOODS = pd.DataFrame(
    {
        "product_id": [103, 100, 101, 102],
        "category": ["", "Kitchen", "Kitchen", "Garden"],
        "brand": ["", "Clay", "", "Iron"],
        "price": [1.0, 10.0, np.nan, 90.0],
    }
)


def events(*rows: tuple) -> pd.DataFrame:
    """Rows of (customer, name, moment), recorded as they happened."""
    frame = pd.DataFrame(list(rows), columns=["customer_id", "name", "happened_at"])
    frame["happened_at"] = pd.to_datetime(frame["happened_at"], utc=True)
    return frame.assign(recorded_at=frame["happened_at"])


def reviews(*rows: tuple) -> pd.DataFrame:
    """Rows of (customer, rating, moment), recorded as they happened."""
    frame = events(*rows).rename(columns={"name": "rating"})
    return frame.astype({"rating": "float64"})


EVENTS = events(
    (ADA, "product_viewed", at("2023-09-01 12:00")),  # before the 120 days of trends
    (ADA, "product_viewed", at("2023-11-01 12:00")),  # 91 days ago
    (ADA, "product_viewed", at("2024-01-09 11:50")),
    (ADA, "added_to_cart", at("2024-01-09 11:55")),  # bought at 12:00
    (ADA, "searched", at("2024-01-10 12:00")),
    (ADA, "product_viewed", at("2024-01-24 12:00")),  # exactly 7 days
    (ADA, "added_to_cart", at("2024-01-29 12:00")),  # left behind, as is the checkout
    (ADA, "checkout_started", at("2024-01-29 12:05")),
    (ADA, "product_viewed", at("2024-01-30 12:00")),
    (ADA, "page_viewed", at("2024-01-30 12:01")),
    (ADA, "email_sent", at("2023-01-01 12:00")),  # more than a year ago
    (ADA, "email_sent", at("2023-05-01 12:00")),
    (ADA, "email_sent", at("2023-12-01 12:00")),
    (ADA, "email_opened", at("2023-12-01 14:00")),
    (ADA, "email_opened", at("2023-12-02 14:00")),  # once more, which is no second message
    (ADA, "email_opened", at("2023-12-03 14:00")),
    (ADA, "email_sent", at("2024-01-10 12:00")),
    (ADA, "email_opened", at("2024-01-10 13:00")),
    (ADA, "email_clicked", at("2024-01-10 14:00")),
    (ADA, "email_sent", at("2024-01-28 12:00")),
    (BOB, "sms_sent", at("2024-01-25 12:00")),
    (BOB, "sms_clicked", at("2024-01-25 18:00")),
    (BOB, "unsubscribed", at("2024-01-26 12:00")),
    (EVE, "product_viewed", at("2024-01-30 12:00")),  # looks, and has not bought yet
)
REVIEWS = reviews(
    (ADA, 5, at("2024-01-05 12:00")),
    (ADA, 2, at("2024-01-11 12:00")),
    (ADA, None, at("2024-01-21 12:00")),  # words only
)
FACTS = facts(ORDERS, LINES).with_goods(GOODS).with_events(EVENTS).with_reviews(REVIEWS)


def invented(n: int, *, customers: int = 40, seed: int = 1) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Random orders and lines over two years, some recorded weeks after they happened."""
    rng = np.random.default_rng(seed)
    placed = at("2023-01-01") + pd.to_timedelta(rng.integers(0, 730 * 86_400_000_000, n), unit="us")
    late = np.where(rng.random(n) < 0.2, rng.integers(0, 30 * 86_400_000_000, n), 0)
    amount = rng.integers(0, 20_000, n) / 100
    kind = rng.choice(["sale", "refund", "refunded"], n, p=[0.85, 0.1, 0.05])
    found = pd.DataFrame(
        {
            "customer_id": rng.integers(1, customers + 1, n) * 1_000_003,
            "order_id": rng.permutation(n) + 1,
            "placed_at": placed,
            "recorded_at": placed + pd.to_timedelta(late, unit="us"),
            "amount": np.where(kind == "refund", -amount, amount),
            "discount": rng.integers(0, 2, n) * rng.integers(0, 500, n) / 100,
            "kind": kind,
        }
    )
    m = 2 * n
    of = found.iloc[rng.integers(0, n, m)]
    slow = np.where(rng.random(m) < 0.2, rng.integers(0, 30 * 86_400_000_000, m), 0)
    positions = pd.DataFrame(
        {
            "order_id": of["order_id"].to_numpy(),
            "product_id": rng.integers(1, 30, m),
            "quantity": rng.integers(-1, 5, m),
            "recorded_at": pd.DatetimeIndex(of["recorded_at"]) + pd.to_timedelta(slow, unit="us"),
        }
    )
    return found, positions


def invented_behaviour(
    n: int, *, customers: int = 45, seed: int = 1
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Random events, reviews and goods beside `invented`; some customers never bought."""
    rng = np.random.default_rng(seed + 1_000)

    def moments(n: int) -> pd.DataFrame:
        happened = pd.to_timedelta(rng.integers(0, 730 * 86_400_000_000, n), unit="us")
        late = np.where(rng.random(n) < 0.2, rng.integers(0, 30 * 86_400_000_000, n), 0)
        return pd.DataFrame(
            {
                "customer_id": rng.integers(1, customers + 1, n) * 1_000_003,
                "happened_at": at("2023-01-01") + happened,
                "recorded_at": at("2023-01-01") + happened + pd.to_timedelta(late, unit="us"),
            }
        )

    did = moments(n).assign(name=rng.choice(EVENT_NAMES, n))
    wrote = moments(n // 10).assign(rating=rng.integers(1, 6, n // 10).astype(float))
    wrote.loc[rng.random(len(wrote)) < 0.2, "rating"] = np.nan
    goods = pd.DataFrame(
        {
            "product_id": np.arange(1, 26),  # some that were bought are not known as goods
            "category": rng.choice(["", "Kitchen", "Garden", "Toys"], 25),
            "brand": rng.choice(["", "Clay", "Iron", "Oak", "Tin"], 25),
            "price": rng.random(25),
        }
    )
    return did, wrote, goods


def with_behaviour(known: Facts, did: pd.DataFrame, wrote: pd.DataFrame, goods: pd.DataFrame):
    return known.with_goods(goods).with_events(did).with_reviews(wrote)
