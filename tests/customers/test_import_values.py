"""Times and numbers that look right and are not."""

import pytest

from customers.models import Order
from tests.customers.importing import csv_file, load, order_rows, rejects

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    "moment",
    [
        "2026-02-30T10:00:00Z",
        "2026-13-01",
        "2026-01-01T25:00:00Z",
        "2026-01-01T10:61:00Z",
        "2026-01-01T10:00:00+99:00",
        "2026-01-01T10:00-20",
        "tomorrow",
        "infinity",
        " 2026-01-01",
        "01/02/2026",
        "20260101",
        "0000-01-01",
        "2026-06-04",
        "1899-12-31",
    ],
)
def test_a_time_that_is_none_is_named(tmp_path, moment):
    good = "o2,2024-02-29T23:59:59.123456+05:30,,EUR,a,1,1"

    report = load("orders", csv_file(tmp_path, order_rows(f"o1,{moment},,EUR,a,1,1", good)))

    assert [(row, column) for row, column, _, _ in rejects(report)] == [(2, "happened_at")]
    assert Order.objects.get().happened_at.isoformat() == "2024-02-29T18:29:59.123456+00:00"


@pytest.mark.parametrize(
    ("quantity", "price", "column"),
    [
        ("1.5", "1", "quantity"),
        ("1e3", "1", "quantity"),
        ("0x1F", "1", "quantity"),
        ("1_000", "1", "quantity"),
        (" 1", "1", "quantity"),
        ("-", "1", "quantity"),
        ("5-3", "1", "quantity"),
        ("9999999999", "1", "quantity"),
        ("1", "NaN", "unit_price"),
        ("1", "Infinity", "unit_price"),
        ("1", "1,5", "unit_price"),
        ("1", "1.23456", "unit_price"),
        ("1", "12345678901", "unit_price"),
        ("1", ".", "unit_price"),
        ("1", "1-", "unit_price"),
        ("1", "1.2.3", "unit_price"),
    ],
)
def test_a_number_that_is_none_is_named(tmp_path, quantity, price, column):
    good = ["o2,2026-05-01,,EUR,a,-2147483648,0", "o2,2026-05-01,,EUR,a,007,.5000000"]
    bad = f'o1,2026-05-01,,EUR,a,"{quantity}","{price}"'

    report = load("orders", csv_file(tmp_path, order_rows(bad, *good)))

    assert [(row, name) for row, name, _, _ in rejects(report)] == [(2, column)]
    assert report.inserted == 2
