from datetime import date, timedelta

import pandas as pd
import pytest
from django.db import transaction

from customers.features import table
from customers.models import Order, OrderLine, Product
from customers.services import frames, wire
from tests.customers.features.given import at
from tests.makers import NOW, ago, make_cast, make_customer, make_order, make_product
from tests.segments.shops import make_shop

pytestmark = pytest.mark.django_db


def test_the_cast_arrives_with_hand_counted_features():
    cast = make_cast()

    found = table.features(frames.facts(known_at=NOW), NOW)

    assert sorted(found.index) == sorted(person.pk for person in cast.values())
    ada, bob = found.loc[cast["ada"].pk], found.loc[cast["bob"].pk]
    assert ada["orders_total"] == 5 and ada["revenue_total"] == 300
    assert ada["days_since_last_order"] == 5 and ada["orders_30d"] == 2
    assert ada["frequency"] == 4 and ada["monetary"] == 60 and ada["recency"] == 145
    assert bob["orders_total"] == 1 and bob["orders_30d"] == 1 and pd.isna(bob["mean_gap_days"])


def test_money_and_moments_arrive_exactly():
    ada = make_customer()
    moment = ago(3).replace(microsecond=123_457)
    order = make_order(ada, "1234.5678", happened_at=moment, discount="0.0001")

    row = frames.orders_frame(known_at=NOW).iloc[0]

    assert row["customer_id"] == ada.pk and row["order_id"] == order.pk
    assert row["placed_at"] == row["recorded_at"] == moment
    assert row["amount"] == 1234.5678 and row["discount"] == 0.0001
    assert row["kind"] == "sale"


def test_only_what_customers_bought_and_gave_back_is_loaded():
    ada = make_customer()
    sale, refund = make_order(ada, 60), make_order(ada, -20, kind="refund")
    given_back = make_order(ada, 30, status="refunded")
    make_order(ada, 99, status="cancelled")
    make_order(ada, -99, kind="adjustment")
    make_order(None, 99)

    found = frames.orders_frame(known_at=NOW).set_index("order_id")["kind"]

    assert found.to_dict() == {sale.pk: "sale", refund.pk: "refund", given_back.pk: "refunded"}
    row = table.features(frames.facts(known_at=NOW), NOW).loc[ada.pk]
    assert row["orders_total"] == 1 and row["revenue_total"] == 40
    assert row["refund_share"] == pytest.approx(50 / 90)


def test_only_lines_of_goods_count_as_products():
    ada = make_customer()
    order = make_order(ada, 60, product=make_product("mug"))
    for position, kind in enumerate(Product.Kind.values, 2):
        product = make_product(f"a {kind}", kind=kind)
        OrderLine.objects.create(
            order=order, position=position, product=product, quantity=5, unit_price=1,
            happened_at=order.happened_at, recorded_at=order.recorded_at,
        )  # fmt: skip
    OrderLine.objects.filter(order=order, position=1).update(quantity=-1)

    found = frames.order_lines_frame(known_at=NOW)

    assert found["quantity"].tolist() == [5]
    row = table.features(frames.facts(known_at=NOW), NOW).loc[ada.pk]
    assert row["distinct_products"] == 1 and row["basket_size"] == 5


def test_touched_customers_have_the_numbers_of_the_whole_table():
    cast = make_cast()
    some = [cast["ada"].pk, cast["eve"].pk]

    found = table.features(frames.facts(known_at=NOW, customer_ids=some), NOW)

    everybody = table.features(frames.facts(known_at=NOW), NOW)
    pd.testing.assert_frame_equal(found, everybody.loc[some], check_exact=True)


@pytest.mark.django_db(transaction=True)
def test_two_connections_load_what_one_loads():
    make_cast()
    found = table.features(frames.facts(known_at=NOW), NOW)

    with transaction.atomic():
        on_one = table.features(frames.facts(known_at=NOW), NOW)

    assert found["distinct_products"].tolist() == [1, 1, 1, 1]
    pd.testing.assert_frame_equal(found, on_one, check_exact=True)


@pytest.mark.django_db(transaction=True)
def test_the_parts_of_a_table_are_the_table(monkeypatch):
    make_shop(60)
    monkeypatch.setattr(wire, "PAGES_A_BLOCK", 1)
    monkeypatch.setattr(wire, "PARTS", 3)
    parts = wire.parts("customers_order", 3)

    found = table.features(frames.facts(known_at=NOW), NOW)

    assert len(parts) == 3 and parts[0].first == 0 and parts[-1].after is None
    assert [part.after for part in parts[:-1]] == [part.first for part in parts[1:]]
    with transaction.atomic():
        on_one = table.features(frames.facts(known_at=NOW), NOW)
    assert found["orders_total"].sum() == Order.objects.filter(kind="sale").count()
    pd.testing.assert_frame_equal(found, on_one, check_exact=True)


def test_many_customers_are_picked_from_one_reading_of_the_table(monkeypatch):
    cast = make_cast()
    some = [cast["ada"].pk, cast["eve"].pk]
    by_index = table.features(frames.facts(known_at=NOW, customer_ids=some), NOW)

    monkeypatch.setattr(frames, "CUSTOMERS_BY_INDEX", 1)

    by_table = table.features(frames.facts(known_at=NOW, customer_ids=some), NOW)
    pd.testing.assert_frame_equal(by_table, by_index, check_exact=True)


def test_an_empty_shop_gives_an_empty_table():
    assert len(table.features(frames.facts(known_at=NOW), NOW)) == 0
    make_order(make_customer(), 10)
    assert len(table.features(frames.facts(known_at=NOW, customer_ids=[]), NOW)) == 0


def test_facts_after_the_known_moment_do_not_arrive():
    ada = make_customer()
    make_order(ada, 10, happened_at=NOW)
    told_late = make_order(ada, 20, days_ago=3)
    Order.objects.filter(pk=told_late.pk).update(recorded_at=NOW)

    for frame in (frames.orders_frame, frames.order_lines_frame):
        assert len(frame(known_at=NOW, trust_import=False)) == (frame is frames.order_lines_frame)
    OrderLine.objects.filter(order=told_late).update(recorded_at=NOW)
    assert len(frames.order_lines_frame(known_at=NOW, trust_import=False)) == 0


def recorded(order: Order, moment) -> None:
    Order.objects.filter(pk=order.pk).update(recorded_at=moment)
    OrderLine.objects.filter(order=order).update(recorded_at=moment)


def test_history_imported_at_connection_counts_as_known_since_it_happened():
    ada = make_customer()
    for days in (300, 200, 100):
        recorded(make_order(ada, 10, days_ago=days, source="old shop"), ago(50))
    recorded(make_order(ada, 10, days_ago=150, source="old shop"), ago(20))  # a second file
    recorded(make_order(ada, 10, days_ago=250, source="web"), ago(10))  # a second source

    trusted, strict = frames.facts(known_at=NOW), frames.facts(known_at=NOW, trust_import=False)

    assert table.features(trusted, ago(90))["orders_total"].tolist() == [5]
    assert table.features(trusted, ago(90))["distinct_products"].tolist() == [1]
    assert table.features(strict, ago(90))["orders_total"].tolist() == []
    assert table.features(strict, ago(19))["orders_total"].tolist() == [4]
    assert table.features(strict, ago(9))["orders_total"].tolist() == [5]
    past = table.features(frames.facts(known_at=ago(90)), ago(90))
    pd.testing.assert_frame_equal(past, table.features(trusted, ago(90)), check_exact=True)


@pytest.mark.parametrize("other_source", [False, True])
def test_orders_after_connection_are_held_to_both_clocks(other_source):
    ada = make_customer()
    recorded(make_order(ada, 10, days_ago=300), ago(50))
    recorded(make_order(ada, 10, days_ago=40), ago(20))  # told twenty days late
    if other_source:  # connected later: its own history does not vouch for this shop
        recorded(make_order(ada, 10, days_ago=45, source="web"), ago(10))

    found = frames.facts(known_at=NOW)

    assert table.features(found, ago(30))["orders_total"].tolist() == [1 + other_source]
    assert table.features(found, ago(19))["orders_total"].tolist() == [2 + other_source]


def test_a_later_correction_of_the_first_order_does_not_move_the_connection():
    ada = make_customer()
    first = make_order(ada, 10, days_ago=300)
    recorded(make_order(ada, 10, days_ago=200), ago(50))
    recorded(make_order(ada, 10, days_ago=40), ago(20))
    recorded(first, ago(1))

    found = frames.orders_frame(known_at=NOW).sort_values("placed_at")

    assert found["is_backfill"].tolist() == [True, True, False]


def test_the_whole_table_arrives_however_many_pages_it_has(monkeypatch):
    monkeypatch.setattr(wire, "PAGES_A_BLOCK", 1)
    monkeypatch.setattr(wire, "FIRST_ROOM", 3)
    ada = make_customer()
    template = make_order(ada, 10)
    for number in range(400):
        template.pk, template.external_id = None, f"copy {number}"
        template.happened_at = ago(1) - timedelta(minutes=number)
        template.properties = {"padding": "x" * 200}
        template.save(force_insert=True)

    found = frames.orders_frame(known_at=NOW)

    assert len(found) == found["order_id"].nunique() == 401
    assert (found["placed_at"] > ago(2)).all() and (found["customer_id"] == ada.pk).all()
    assert table.features(frames.facts(known_at=NOW), NOW)["orders_total"].tolist() == [401]


@pytest.mark.parametrize("text_bytes", [1, 2**20])  # parsed row by row, and all at once
def test_customers_arrive_with_the_groups_that_models_are_judged_by(monkeypatch, text_bytes):
    monkeypatch.setattr(wire, "TEXT_BYTES", text_bytes)
    ada = make_customer(
        "ada", country="FR", language='"de,x"\n', birth_date=NOW.date() - timedelta(days=25 * 366),
        time_zone="Europe/Paris", traits={"gender": " Female "},
    )  # fmt: skip
    bob = make_customer("bob", birth_date=None, traits={"sex": "m"}, country="", language="")
    child = make_customer("child", birth_date=NOW.date() - timedelta(days=3_000))
    make_customer("zoe", happened_at=NOW)  # not known yet
    make_customer("gone", erased_at=NOW)

    found = frames.groups_frame(NOW)

    assert found.index.tolist() == [ada.pk, bob.pk, child.pk]
    assert found.index.name == "customer_id"
    assert found.loc[ada.pk].tolist() == ["FR", '"de,x"\n', "25–34", "female", "Europe/Paris"]
    assert found.loc[bob.pk].tolist() == ["", "", "", "male", ""]
    assert found["age_band"].tolist() == ["25–34", "", "under 18"]
    assert all(dtype == "category" for dtype in found.dtypes)
    assert frames.groups_frame(NOW, [bob.pk]).index.tolist() == [bob.pk]
    assert frames.groups_frame(NOW, []).empty


def test_someone_is_as_old_as_the_last_birthday():
    moment = at("2026-06-15 09:00")
    born = {"eve of 25": date(2001, 6, 16), "25 today": date(2001, 6, 15), "65": date(1961, 6, 15)}
    for name, day in born.items():
        make_customer(name, birth_date=day, happened_at=ago(4_000), recorded_at=ago(4_000))

    found = frames.groups_frame(moment)

    assert found["age_band"].tolist() == ["18–24", "25–34", "65+"]
