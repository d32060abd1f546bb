"""The files' rows agree with each other and do not tell the truth."""

import re
from collections import Counter, defaultdict
from decimal import Decimal

import pytest

from customers.simulation.plan import BEHAVIOURS
from customers.simulation.rows import HEADERS
from tests.customers.simulation.conftest import UNTIL, texts_of

MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


@pytest.mark.parametrize("kind", HEADERS)
def test_every_row_fills_exactly_the_columns(facts, kind):
    columns = set(HEADERS[kind].split(","))
    for row in facts[kind]:
        assert row.keys() == columns and None not in row.values()


@pytest.mark.parametrize("kind", HEADERS)
def test_moments_are_utc_and_lie_before_the_end(facts, kind):
    end = UNTIL.strftime("%Y-%m-%dT%H:%M:%SZ")
    for row in facts[kind]:
        assert MOMENT.fullmatch(row["happened_at"]) and row["happened_at"] < end


@pytest.mark.parametrize(
    ("kind", "key"),
    [
        ("customers", ("external_id",)),
        ("products", ("external_id",)),
        ("orders", ("order_id", "position")),
        ("events", ("message_id",)),
        ("reviews", ("external_id",)),
    ],
)
def test_ids_are_unique(facts, kind, key):
    assert (
        Counter(tuple(row[each] for each in key) for row in facts[kind]).most_common(1)[0][1] == 1
    )


def test_every_reference_leads_somewhere(facts):
    customers = {row["external_id"] for row in facts["customers"]}
    products = {row["external_id"] for row in facts["products"]}

    assert {row["customer_id"] for row in facts["orders"]} - {""} <= customers
    assert {row["product_id"] for row in facts["orders"]} <= products
    assert {row["customer_id"] for row in facts["events"]} <= customers
    assert {row["customer_id"] for row in facts["reviews"]} <= customers
    assert {row["product_id"] for row in facts["reviews"]} <= products
    guests = sum(row["customer_id"] == "" for row in facts["orders"])
    assert 0.005 < guests / len(facts["orders"]) < 0.05


def test_a_completed_order_is_an_order_of_the_same_customer_moment_and_total(facts):
    totals: dict[str, Decimal] = defaultdict(Decimal)
    orders = {}
    for row in facts["orders"]:
        orders[row["order_id"]] = row
        totals[row["order_id"]] += (
            int(row["quantity"]) * Decimal(row["unit_price"])
            - Decimal(row["line_discount"])
            - (Decimal(row["order_discount"]) if row["position"] == "1" else 0)
        )
    completed = [event for event in facts["events"] if event["name"] == "Order Completed"]

    assert len(completed) > 10_000
    for event in completed:
        about, order = event["properties"], orders[event["properties"]["order_id"]]
        assert event["customer_id"] == order["customer_id"]
        assert event["happened_at"] == order["happened_at"]
        assert Decimal(str(about["total"])) == totals[order["order_id"]]


def test_carts_go_from_view_to_order_and_some_are_left_behind(facts):
    carts: dict[str, list[str]] = defaultdict(list)
    for event in facts["events"]:
        if "cart_id" in event["properties"]:
            carts[event["properties"]["cart_id"]].append(event["name"])
    steps = ["Product Added", "Checkout Started", "Order Completed"]

    left = 0
    for names in carts.values():
        assert names == sorted(names, key=steps.index)
        left += names[-1] != "Order Completed"
    assert 0.05 < left / len(carts) < 0.4
    in_checkout = sum(names[-1] == "Checkout Started" for names in carts.values())
    assert 0 < in_checkout < left


def test_refunds_give_back_no_more_than_was_paid(facts):
    paid: dict[str, Decimal] = defaultdict(Decimal)
    for row in facts["orders"]:
        paid[row["order_id"]] += int(row["quantity"]) * Decimal(row["unit_price"])
    refunds = [row for row in facts["orders"] if row["kind"] == "refund"]

    assert len(refunds) > 1_000
    for row in refunds:
        assert int(row["quantity"]) < 0 < Decimal(row["unit_price"])
        assert -paid[row["order_id"]] <= paid[row["order_id"].removeprefix("R")]


def test_money_is_written_with_two_decimals_or_as_zero(facts):
    for row in facts["orders"]:
        for column in ("unit_price", "line_discount", "order_discount"):
            assert re.fullmatch(r"0|\d+\.\d\d", row[column])


def test_the_truth_is_in_no_row(shop, chunk):
    everything = "\n".join(texts_of(shop, chunk).values())

    for behaviour in BEHAVIOURS:
        assert behaviour.name not in everything
    assert not re.search(r"\b(behaviour|effect|is_alive|rate_now|leaving)\b", everything)
