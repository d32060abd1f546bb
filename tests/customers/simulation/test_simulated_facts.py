"""The facts made without a database say what the shop's files say."""

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from customers.features.table import features
from customers.simulation import facts as simulated
from customers.simulation.shop import Shop
from tests.customers.simulation.conftest import UNTIL, parsed, plan_of, texts_of


@pytest.fixture(scope="module")
def small() -> Shop:
    return Shop(plan_of(900, chunk_customers=400))


def rows_of(shop: Shop) -> pd.DataFrame:
    """Order lines of known customers as an importer reads them, with what each brought."""
    rows = []
    for index in range(shop.plan.chunks):
        rows += parsed("orders", texts_of(shop, shop.chunk(index))["orders"])
    frame = pd.DataFrame(rows)
    frame = frame[(frame["customer_id"] != "") & (frame["status"] != "cancelled")]
    frame["customer"] = frame["customer_id"].str[1:].astype(int)
    numbers = frame[["quantity", "unit_price", "line_discount", "order_discount"]].astype(float)
    frame["paid"] = numbers["quantity"] * numbers["unit_price"] - numbers["line_discount"]
    frame["off"] = numbers["order_discount"]
    return frame


def test_every_customer_has_the_orders_and_the_money_that_the_files_tell(small):
    table = features(simulated.facts(small), UNTIL)

    frame = rows_of(small)
    sales = frame[(frame["kind"] == "sale") & (frame["status"] == "paid")]
    off = sales.drop_duplicates("order_id").groupby("customer")["off"].sum()
    paid = sales.groupby("customer")["paid"].sum() - off
    back = frame[frame["kind"] == "refund"].groupby("customer")["paid"].sum()
    orders = sales.groupby("customer")["order_id"].nunique()
    assert table["orders_total"].to_dict() == orders.to_dict()
    expected = paid.add(back, fill_value=0).loc[table.index]
    assert table["revenue_total"].to_numpy() == pytest.approx(expected.to_numpy(), abs=0.001)


def test_nothing_of_a_later_day_is_in_the_facts_of_an_earlier_one(small):
    day = UNTIL - timedelta(days=200)

    past, whole = simulated.facts(small, until=day), simulated.facts(small)

    assert past.purchases.placed.max() < day.timestamp() * 1e6 < whole.purchases.placed.max()
    pd.testing.assert_frame_equal(features(past, day), features(whole, day))


def test_truth_and_people_are_of_the_same_customers_in_the_order_of_their_numbers(small):
    truth, people = simulated.truth(small), simulated.people(small, as_of=UNTIL)

    assert truth.number.tolist() == people.index.tolist() == list(range(1, 901))
    assert set(people["age_band"].cat.categories) >= {"", "18–24", "65+"}
    assert 0.4 < np.mean(people["age_band"] == "") < 0.5  # as many as told no birth date


def test_what_was_looked_at_and_written_is_that_of_the_files(small):
    facts = simulated.facts(small)

    events, reviews = 0, []
    for index in range(small.plan.chunks):
        texts = texts_of(small, small.chunk(index))
        events += sum(row["name"] != "Order Completed" for row in parsed("events", texts["events"]))
        reviews += [float(row["rating"]) for row in parsed("reviews", texts["reviews"])]
    assert facts.events.name.size == events > 100
    assert facts.reviews.rating.size == len(reviews)
    assert facts.reviews.rating.mean() == pytest.approx(np.mean(reviews), abs=1e-4)
    assert facts.held == {"orders", "goods", "events", "reviews"}
    assert facts.goods.product_id.size == small.goods.goods
