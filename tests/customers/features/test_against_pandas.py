"""The sorted arrays say what five lines of pandas say."""

import numpy as np
import pandas as pd
import pytest

from customers.features import table
from customers.features.facts import facts
from customers.features.labels import labels
from tests.customers.features.given import at, invented

MOMENTS = [at("2023-01-05"), at("2023-08-17 07:30"), at("2025-03-01")]


def directions(places: pd.Series, of: int) -> np.ndarray:
    return np.exp(2j * np.pi * places.to_numpy() / of)


def habit(places: pd.Series, of: int) -> float:
    """The mean cosine between two different purchases; its root where it is above 0."""
    if len(places) < 2:
        return np.nan
    between = np.cos(2 * np.pi * np.subtract.outer(places.to_numpy(), places.to_numpy()) / of)
    mean = between[~np.eye(len(places), dtype=bool)].mean()
    return np.sqrt(np.clip(mean, 0, 1))


def brute(orders: pd.DataFrame, lines: pd.DataFrame, moment: pd.Timestamp) -> pd.DataFrame:
    """One customer at a time, in plain words."""
    seen = orders[(orders["placed_at"] < moment) & (orders["recorded_at"] < moment)]
    told = lines[(lines["recorded_at"] < moment) & (lines["quantity"] > 0)]
    rows = {}
    for customer_id, hers in seen.groupby("customer_id"):
        sales, back = hers[hers["kind"] == "sale"], hers[hers["kind"] == "refund"]
        whole = hers.loc[hers["kind"] == "refunded", "amount"].sum()
        if sales.empty:
            continue
        day = sales["placed_at"].dt.normalize()
        days = sales.groupby(day)["amount"].sum().sort_index()
        in_baskets = told[told["order_id"].isin(sales["order_id"])]
        first, last = days.index[0], days.index[-1]
        row = {
            "frequency": len(days) - 1,
            "recency": (last - first).days,
            "age": (moment.normalize() - first).days,
            "monetary": days.iloc[1:].mean(),
            "days_since_last_order": (moment - sales["placed_at"].max()) / pd.Timedelta(days=1),
            "orders_total": len(sales),
            "revenue_total": sales["amount"].sum() + back["amount"].sum(),
            "mean_order_value": sales["amount"].mean(),
            "tenure_days": (moment - sales["placed_at"].min()) / pd.Timedelta(days=1),
            "mean_gap_days": days.index.to_series().diff().dt.days.mean(),
            "distinct_products": in_baskets["product_id"].nunique(),
            "basket_size": in_baskets["quantity"].sum() / len(sales),
            "discount_share": sales["discount"].sum() / (sales["amount"] + sales["discount"]).sum(),
            "refund_share": min(
                1, (whole - back["amount"].sum()) / (whole + sales["amount"].sum())
            ),
        }
        gaps = days.index.to_series().diff().dt.days.dropna()
        m = sales["amount"].mean()
        lately = [
            sales[(sales["placed_at"] >= moment - pd.Timedelta(days=first))
                  & (sales["placed_at"] < moment - pd.Timedelta(days=last))]
            for first, last in ((30, 0), (120, 30))
        ]  # fmt: skip
        month, hour = sales["placed_at"].dt.month - 1, sales["placed_at"].dt.hour
        weekday = sales["placed_at"].dt.day_of_week
        around = [(moment.month - 1 + step) % 12 for step in (-1, 0, 1)]
        sum_of_hours = directions(hour + 0.5, 24).sum()
        row |= {
            "orders_trend": (len(lately[0]) + 1) / (len(lately[1]) / 3 + 1),
            "revenue_trend": (lately[0]["amount"].sum() + m) / (lately[1]["amount"].sum() / 3 + m),
            "gap_sd_days": gaps.std(),
            "last_gap_days": gaps.iloc[-1] if len(gaps) else np.nan,
            "gap_trend": gaps.iloc[-1] / gaps.iloc[:-1].mean() if len(gaps) > 1 else np.nan,
            "season_share": month.isin(around).mean(),
            "month_habit": habit(month, 12),
            "weekday_habit": habit(weekday, 7),
            "hour_habit": habit(hour, 24),
            "usual_hour": (
                np.angle(sum_of_hours) / (2 * np.pi) * 24 % 24
                if abs(sum_of_hours) > 1e-6
                else np.nan
            ),
            "weekend_share": (weekday >= 5).mean(),
            "discounted_orders_share": (sales["discount"] > 0).mean(),
        }
        for window in (90, 365):
            since = moment - pd.Timedelta(days=window)
            paid = sales[sales["placed_at"] >= since]
            full = (paid["amount"] + paid["discount"]).sum()
            taken = paid["discount"].sum()
            row[f"discount_share_{window}d"] = taken / full if full else np.nan
            returned = hers[(hers["kind"] == "refunded") & (hers["placed_at"] >= since)]
            gross = paid["amount"].sum() + returned["amount"].sum()
            documents = back.loc[back["placed_at"] >= since, "amount"].sum()
            given_back = returned["amount"].sum() - documents
            row[f"refund_share_{window}d"] = min(1, given_back / gross) if gross else np.nan
        for window in (30, 90, 365):
            since = moment - pd.Timedelta(days=window)
            lately, returned = sales[sales["placed_at"] >= since], back[back["placed_at"] >= since]
            row[f"orders_{window}d"] = len(lately)
            row[f"revenue_{window}d"] = lately["amount"].sum() + returned["amount"].sum()
        rows[customer_id] = row
    return pd.DataFrame.from_dict(rows, orient="index")


def equal(found: pd.Series, expected: pd.Series) -> bool:
    """float32 columns carry seven digits; of habits near 0 the root halves them."""
    atol = 1e-4 if found.name.endswith("_habit") else 1e-6
    return np.allclose(found, expected, rtol=1e-6, atol=atol, equal_nan=True)


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("seed", [1, 2])
def test_the_table_equals_a_count_customer_by_customer(moment, seed):
    orders, lines = invented(600, seed=seed)

    found = table.features(facts(orders, lines), moment)
    expected = brute(orders, lines, moment)

    assert found.index.tolist() == expected.index.tolist()
    for name in found:
        assert equal(found[name], expected[name]), name


def test_labels_count_the_horizon_from_the_moment_on():
    orders, lines = invented(600)
    moment = at("2023-08-17 07:30")
    end = moment + pd.Timedelta(days=90)

    found = labels(facts(orders, lines), moment, horizon_days=90)

    ahead = orders[(orders["placed_at"] >= moment) & (orders["placed_at"] < end)]
    sales = ahead[ahead["kind"] == "sale"].groupby("customer_id")["amount"]
    back = ahead[ahead["kind"] == "refund"].groupby("customer_id")["amount"].sum()
    rows = found.index
    assert rows.equals(table.features(facts(orders, lines), moment).index)
    counts = sales.size().reindex(rows, fill_value=0)
    revenue = sales.sum().reindex(rows, fill_value=0) + back.reindex(rows, fill_value=0)
    assert found["orders"].tolist() == counts.tolist()
    assert found["revenue"].tolist() == pytest.approx(revenue.tolist())
    assert found["has_ordered"].tolist() == (counts > 0).tolist()


def test_moments_too_far_apart_to_be_packed_beside_their_customer_are_sorted_too():
    orders, lines = invented(4_000, customers=4_000)  # 12 + 46 + 12 bits do not fit into 63
    orders["recorded_at"] = orders["placed_at"]
    moment = at("2024-06-01")

    found = table.features(facts(orders, lines), moment)

    sales = orders[(orders["kind"] == "sale") & (orders["placed_at"] < moment)]
    lately = sales[sales["placed_at"] >= moment - pd.Timedelta(days=90)]
    by_customer = sales.groupby("customer_id")["placed_at"]
    counts = lately.groupby("customer_id").size().reindex(found.index, fill_value=0)
    since_last = (moment - by_customer.max()) / pd.Timedelta(days=1)
    tenure = (moment - by_customer.min()) / pd.Timedelta(days=1)
    assert found["orders_90d"].tolist() == counts.tolist()
    assert np.allclose(found["days_since_last_order"], since_last, rtol=1e-6)
    assert np.allclose(found["tenure_days"], tenure, rtol=1e-6)
