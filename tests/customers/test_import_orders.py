"""Rows of lines become orders: positions, totals, guests, and orders whose rows lie apart."""

from decimal import Decimal

import pytest

from customers.models import Customer, Identity, Order, OrderLine, Product
from customers.services.importing import chunks
from tests.customers.importing import csv_file, json_file, load, order_rows, rejects, triple
from tests.makers import NOW, make_customer, make_order

pytestmark = pytest.mark.django_db


def lines(order_id: str) -> list[tuple]:
    found = OrderLine.objects.filter(order__external_id=order_id).order_by("position")
    return list(found.values_list("position", "product__external_id", "quantity", "unit_price"))


def test_rows_of_one_order_id_become_one_order(tmp_path):
    ada = make_customer("ada")
    text = order_rows(
        "o1,2026-05-01T10:00:00Z,ada,EUR,mug,2,9.50",
        "o1,2026-05-01T09:59:00+02:00,ada,EUR,cup,1,0.001",
        "o2,2026-05-02,,eur,mug,-1,9.5",
    )

    report = load("orders", csv_file(tmp_path, text))

    assert triple(report) == (3, 0, 0)
    first, second = Order.objects.order_by("external_id")
    assert (first.customer, first.total, first.currency) == (ada, Decimal("19.001"), "EUR")
    assert first.happened_at.isoformat() == "2026-05-01T07:59:00+00:00"
    assert (first.kind, first.status, first.recorded_at) == ("sale", "paid", NOW)
    assert (second.customer, second.total, second.currency) == (None, Decimal("-9.5"), "EUR")
    assert lines("o1") == [(1, "mug", 2, Decimal("9.5")), (2, "cup", 1, Decimal("0.001"))]
    assert report.figures["orders_new"] == 2


def test_the_same_file_again_changes_nothing(tmp_path):
    path = csv_file(tmp_path, order_rows("o1,2026-05-01,ada,EUR,mug,2,9.50"))
    load("orders", path)
    before = list(Order.objects.values()), list(OrderLine.objects.values())

    report = load("orders", path, now=NOW.replace(hour=23))

    assert triple(report) == (0, 0, 1)
    assert (list(Order.objects.values()), list(OrderLine.objects.values())) == before


def test_customers_and_products_that_nobody_told_of_are_created(tmp_path):
    rows = ["o1,2026-05-03,new,EUR,mug,1,5", "o2,2026-05-01,new,EUR,mug,1,5"]
    load("orders", csv_file(tmp_path, order_rows(*rows)))

    customer = Customer.objects.get()
    assert (customer.source, customer.email, customer.recorded_at) == ("shop", None, NOW)
    assert customer.happened_at.date().isoformat() == "2026-05-01"
    identity = Identity.objects.get()
    assert (identity.customer, identity.kind, identity.value) == (customer, "external", "new")
    assert Product.objects.get().external_id == "mug"
    assert Order.objects.filter(customer=customer).count() == 2


def test_the_name_of_a_new_product_is_its_last_title_that_was_sold(tmp_path):
    header = "order_id,happened_at,currency,product_id,quantity,unit_price,title\n"
    rows = ["o1,2026-05-01,EUR,mug,1,5,Old mug", "o2,2026-05-02,EUR,mug,1,5,Mug",
            "o3,2026-05-03,EUR,mug,-4,0,damaged", "o4,2026-05-04,EUR,mug,1,5,"]  # fmt: skip

    load("orders", csv_file(tmp_path, header + "\n".join(rows)))

    assert Product.objects.get().name == "Mug"
    titles = OrderLine.objects.order_by("order__external_id").values_list("title", flat=True)
    assert list(titles) == ["Old mug", "Mug", "damaged", ""]


@pytest.mark.parametrize("chunk_rows", [1, 2, 3, 100])
def test_orders_whose_rows_lie_apart_are_whole_whatever_the_chunk(
    tmp_path, monkeypatch, chunk_rows
):
    monkeypatch.setattr(chunks, "CHUNK_ROWS", chunk_rows)
    rows = [f"o{n % 4},2026-05-01,ada,EUR,p{n},1,{n}" for n in range(12)]
    rows += ["o9,2026-05-01,ada,EUR,p0,1,1", "o9,2026-05-01,ada,EUR,p1,1,1"]
    path = csv_file(tmp_path, order_rows(*rows))

    report = load("orders", path)

    assert triple(report) == (14, 0, 0)
    assert [line[1] for line in lines("o1")] == ["p1", "p5", "p9"]
    assert [line[0] for line in lines("o1")] == [1, 2, 3]
    assert Order.objects.get(external_id="o3").total == 3 + 7 + 11
    assert triple(load("orders", path)) == (0, 0, 14)


def test_a_rejected_line_leaves_its_position_free_until_it_is_right(tmp_path):
    rows = [f"o1,2026-05-01,ada,EUR,p{n},1,{n}" for n in (1, 2, 3)]
    bad = [*rows[:1], rows[1].replace(",1,2", ",one,2"), *rows[2:]]

    report = load("orders", csv_file(tmp_path, order_rows(*bad)))

    assert rejects(report) == [
        (3, "quantity", "one", "is not a whole number between -2147483648 and 2147483647")
    ]
    assert [line[:2] for line in lines("o1")] == [(1, "p1"), (3, "p3")]
    assert Order.objects.get().total == 4

    report = load("orders", csv_file(tmp_path, order_rows(*rows)))

    assert report.inserted == 1
    assert [line[:2] for line in lines("o1")] == [(1, "p1"), (2, "p2"), (3, "p3")]
    assert Order.objects.get().total == 6


def test_a_line_that_is_rejected_now_keeps_what_was_right_before(tmp_path):
    rows = [f"o1,2026-05-01,ada,EUR,p{n},1,{n}" for n in (1, 2)]
    load("orders", csv_file(tmp_path, order_rows(*rows)))

    rows[1] = rows[1].replace(",1,2", ",1,dear")
    report = load("orders", csv_file(tmp_path, order_rows(*rows)))

    assert triple(report) == (0, 0, 1)
    assert (len(lines("o1")), Order.objects.get().total) == (2, 3)


def test_an_order_that_lost_a_line_at_its_source_loses_it_here(tmp_path):
    rows = [f"o1,2026-05-01,ada,EUR,p{n},1,{n}" for n in (1, 2, 3)]
    load("orders", csv_file(tmp_path, order_rows(*rows)))

    report = load("orders", csv_file(tmp_path, order_rows(*rows[:2])))

    assert triple(report) == (0, 2, 0)
    assert report.figures["lines_removed"] == 1
    assert (len(lines("o1")), Order.objects.get().total) == (2, 3)


def test_positions_of_the_file_count_and_the_total_is_of_all_lines(tmp_path):
    header = "order_id,happened_at,currency,product_id,quantity,unit_price,position\n"
    load("orders", csv_file(tmp_path, header + "o1,2026-05-01,EUR,a,1,1,1\n"
                                               "o1,2026-05-01,EUR,b,1,2,7\n"))  # fmt: skip
    text = header + "o1,2026-05-01,EUR,c,1,5,3\no1,2026-05-01,EUR,c,1,6,3\n"

    report = load("orders", csv_file(tmp_path, text + "o1,2026-05-01,EUR,c,1,6,\n"))

    assert [line[:2] for line in lines("o1")] == [(1, "a"), (3, "c"), (7, "b")]
    assert Order.objects.get().total == 1 + 6 + 2
    assert rejects(report) == [
        (2, "position", "3", "comes again in row 3, which counts"),
        (4, "position", "", "is empty, and other rows of the order have one"),
    ]


def test_discounts_and_details_of_the_order_are_kept(tmp_path):
    header = "order_id,happened_at,currency,product_id,quantity,unit_price,line_discount,"
    header += "order_discount,coupon_code,country,kind,status,channel\n"
    row = "o1,2026-05-01,EUR,mug,2,10,1.5,3,MAY,fr,sale,cancelled,web\n"

    load("orders", csv_file(tmp_path, header + row))

    order = Order.objects.get()
    assert (order.total, order.discount, order.coupon_code) == (Decimal("15.5"), 3, "MAY")
    assert (order.country, order.status, order.properties) == (
        "FR",
        "cancelled",
        {"channel": "web"},
    )
    assert OrderLine.objects.get().discount == Decimal("1.5")


def test_an_empty_cell_of_an_order_changes_nothing_and_a_new_value_does(tmp_path):
    header = "order_id,happened_at,currency,product_id,quantity,unit_price,status,coupon_code\n"
    load("orders", csv_file(tmp_path, header + "o1,2026-05-01,EUR,mug,1,5,paid,MAY\n"))

    report = load("orders", csv_file(tmp_path, header + "o1,2026-05-01,EUR,mug,1,5,refunded,\n"))

    assert triple(report) == (0, 1, 0)
    assert report.figures["orders_changed"] == 1
    order = Order.objects.get()
    assert (order.status, order.coupon_code, order.recorded_at) == ("refunded", "MAY", NOW)


def test_orders_of_two_sources_share_no_number(tmp_path):
    make_order(make_customer("ada"), 20, external_id="o1")

    report = load(
        "orders", csv_file(tmp_path, order_rows("o1,2026-05-01,,EUR,mug,1,1")), source="b"
    )

    assert report.inserted == 1
    assert Order.objects.filter(external_id="o1").count() == 2
    assert Product.objects.filter(external_id="mug").count() == 2


def test_an_order_beyond_what_money_holds_is_left_out_by_name(tmp_path):
    rows = ["o1,2026-05-01,,EUR,a,2,6000000000", "o2,2026-05-01,,EUR,a,1,1"]

    report = load("orders", csv_file(tmp_path, order_rows(*rows)))

    assert (report.inserted, report.rejected) == (1, 1)
    assert "more than 10 digits" in rejects(report)[0][3]


def test_nested_lines_of_json_are_rows_of_the_order(tmp_path):
    order = {"order_id": "o1", "happened_at": "2026-05-01T10:00:00Z", "currency": "EUR",
             "customer_id": "ada", "note": "gift", "lines": [
                 {"product_id": "mug", "quantity": 2, "unit_price": 9.5},
                 {"product_id": "cup", "quantity": 1, "unit_price": 1}]}  # fmt: skip

    report = load("orders", json_file(tmp_path, order))

    assert report.read == 2
    assert Order.objects.get().total == 20
    assert Order.objects.get().properties == {"note": "gift"}
    assert len(lines("o1")) == 2
