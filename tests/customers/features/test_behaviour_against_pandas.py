"""What features say of events, reviews and goods is what a count customer by customer says."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from customers.features import table
from customers.features.facts import Facts, facts
from tests.customers.features.given import at, invented, invented_behaviour, with_behaviour

MOMENTS = [at("2023-02-05"), at("2024-02-17 07:30"), at("2025-03-01")]
DAY = pd.Timedelta(days=1)
VISITS = ["page_viewed", "product_viewed", "added_to_cart", "checkout_started", "searched"]
CARTS = ["added_to_cart", "checkout_started"]
COUNTED = {  # feature without its window: the events it counts
    "page_views": "page_viewed", "product_views": "product_viewed", "cart_adds": "added_to_cart",
    "checkouts": "checkout_started", "searches": "searched", "emails_sent": "email_sent",
    "sms_sent": "sms_sent", "emails_opened": "email_opened", "emails_clicked": "email_clicked",
    "sms_clicked": "sms_clicked", "unsubscribes": "unsubscribed",
}  # fmt: skip
SHARES = {
    "email_open_share": ("email_opened", "email_sent", 0.2),
    "email_click_share": ("email_clicked", "email_sent", 0.02),
    "sms_click_share": ("sms_clicked", "sms_sent", 0.05),
}
SINCE = {
    "days_since_last_visit": VISITS,
    "days_since_last_email": ["email_sent"],
    "days_since_last_open": ["email_opened"],
    "days_since_last_click": ["email_clicked", "sms_clicked"],
}
Frames = tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, pd.DataFrame, pd.DataFrame]


def seen(frame: pd.DataFrame, moment: pd.Timestamp) -> pd.DataFrame:
    return frame[(frame["happened_at"] < moment) & (frame["recorded_at"] < moment)]


def of_events(did: pd.DataFrame, bought: pd.Series, moment: pd.Timestamp) -> dict[str, float]:
    """One customer's; ``bought`` are the moments of her purchases."""
    age = (moment - did["happened_at"]) / DAY
    did = did[age <= 365].assign(age=age)

    def count(names: str | list[str], days: float, least: float = 0) -> int:
        names = [names] if isinstance(names, str) else names
        return int((did["name"].isin(names) & did["age"].between(least, days)).sum())

    row: dict[str, float] = {}
    for name in (feature.name for feature in table.catalogue()):
        stem, _, window = name.rpartition("_")
        if stem in COUNTED:
            row[name] = count(COUNTED[stem], int(window[:-1]))
        elif stem in SHARES:
            answer, sent, usual = SHARES[stem]
            days = int(window[:-1])
            answers = min(count(answer, days), count(sent, days))
            row[name] = (answers + 10 * usual) / (count(sent, days) + 10)
        elif stem == "visit_days":
            lately = did[did["name"].isin(VISITS) & (did["age"] <= int(window[:-1]))]
            row[name] = lately["happened_at"].dt.normalize().nunique()
    for name, names in SINCE.items():
        row[name] = did.loc[did["name"].isin(names), "age"].min()
    before = count("product_viewed", 120) - count("product_viewed", 30)
    row["views_trend"] = (count("product_viewed", 30) + 1) / (before / 3 + 1)
    orders = (bought >= moment - 90 * DAY).sum()
    row["views_per_order_90d"] = count("product_viewed", 90) / orders if orders else np.nan
    carts = did[did["name"].isin(CARTS)]
    latest = carts["happened_at"].max()
    is_left = len(carts) and not (bought >= latest).any()
    row["days_since_cart_left"] = (moment - latest) / DAY if is_left else np.nan
    left = {
        when.normalize()
        for when in carts.loc[carts["age"] <= 30, "happened_at"]
        if not ((bought >= when) & (bought <= when + DAY)).any()
    }
    row["carts_left_30d"] = len(left)
    return row


def of_reviews(wrote: pd.DataFrame, moment: pd.Timestamp) -> dict[str, float]:
    stars = wrote.sort_values("happened_at")["rating"].dropna()
    return {
        "reviews_total": len(wrote),
        "mean_rating": stars.mean(),
        "last_rating": stars.iloc[-1] if len(stars) else np.nan,
        "low_rating_share": (stars <= 2).mean(),
        "days_since_last_review": (moment - wrote["happened_at"].max()) / DAY,
    }


def of_goods(rows: pd.DataFrame, moment: pd.Timestamp) -> dict[str, float]:
    """From the lines of one customer's purchases, with the words of their goods."""
    row: dict[str, float] = {}
    for word, words in (("category", "categories"), ("brand", "brands")):
        known = rows[rows[word].fillna("") != ""]
        units = known.groupby(word)["quantity"].sum()
        share = units / units.sum()
        row[f"distinct_{words}"] = len(units)
        row[f"{word}_share"] = share.max()
        row[f"{word}_entropy"] = -(share * np.log2(share)).sum() if len(units) else np.nan
        row[f"days_since_new_{word}"] = (
            moment - known.groupby(word)["placed_at"].min().max()
        ) / DAY
    return row


def brute(frames: Frames, moment: pd.Timestamp) -> pd.DataFrame:
    orders, lines, did, wrote, goods = frames
    sales = seen(orders.rename(columns={"placed_at": "happened_at"}), moment)
    sales = sales[sales["kind"] == "sale"]
    told = lines[(lines["recorded_at"] < moment) & (lines["quantity"] > 0)]
    told = told.merge(goods, on="product_id", how="left")
    told = told.merge(
        sales[["order_id", "customer_id", "happened_at"]].rename(
            columns={"happened_at": "placed_at"}
        ),
        on="order_id",
    )
    did, wrote = seen(did, moment), seen(wrote, moment)
    active = did.loc[did["happened_at"] >= moment - 365 * DAY, "customer_id"]
    rows = {}
    for customer_id in sorted({*sales["customer_id"], *active}):
        hers = [frame[frame["customer_id"] == customer_id] for frame in (sales, did, wrote, told)]
        rows[customer_id] = {
            **of_events(hers[1], hers[0]["happened_at"], moment),
            **of_reviews(hers[2], moment),
            **of_goods(hers[3], moment),
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def known(frames: Frames) -> Facts:
    return with_behaviour(facts(*frames[:2]), *frames[2:])


@pytest.mark.parametrize("seed, moment", list(enumerate(MOMENTS)))
def test_the_table_equals_a_count_customer_by_customer(moment, seed):
    frames = (*invented(600, seed=seed), *invented_behaviour(2_500, seed=seed))

    found = table.features(known(frames), moment, who="seen")
    expected = brute(frames, moment)

    assert found.index.tolist() == expected.index.tolist() and len(found) >= 40
    compared = {feature.name for feature in table.catalogue() if feature.ground != "orders"}
    assert set(expected.columns) == compared
    for name in expected:
        # float32 columns carry seven digits
        assert np.allclose(found[name], expected[name], rtol=1e-6, atol=1e-6, equal_nan=True), name


@pytest.mark.parametrize("before", [0, 5_000_000])  # customers: more than microseconds allow
def test_a_cart_is_followed_by_a_purchase_of_the_same_customer_only(before):
    noon = at("2024-01-31 12:00")
    orders, _ = invented(6, customers=1, seed=3)
    moments = [noon - days * DAY for days in (10, 8.5, 4, 3, 2.5, 1)]
    orders = orders.assign(
        kind="sale", placed_at=moments, recorded_at=moments, customer_id=[1, 2, 1, 1, 2, 2]
    )
    carts = [(1, 8.6), (1, 4), (1, 5.1), (2, 3.5), (2, 3.51), (2, 0.2), (2, 29.5)]
    did = pd.DataFrame(
        {
            "customer_id": [who for who, _ in carts],
            "name": "added_to_cart",
            "happened_at": [noon - days * DAY for _, days in carts],
        }
    )
    did["recorded_at"] = did["happened_at"]

    known = facts(orders).with_events(did)
    known = replace(
        known,
        customer_ids=np.arange(before + 2),
        purchases=replace(known.purchases, customer=known.purchases.customer * (before + 1)),
        events=replace(known.events, customer=known.events.customer * (before + 1)),
    )

    found = table.features(known, noon, names=["carts_left_30d"])

    assert found["carts_left_30d"].tolist() == [2, 3]
