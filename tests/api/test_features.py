"""Programs read what features mean and how they are spread."""

import pytest

from customers.features import table
from tests.makers import make_cast

pytestmark = pytest.mark.django_db


def test_every_feature_is_listed_as_it_is_declared(program):
    found = program("scores:read").get("/api/v1/features/").json()["results"]

    assert [row["name"] for row in found] == [feature.name for feature in table.catalogue()]
    (row,) = (row for row in found if row["name"] == "orders_90d")
    assert row == {
        "name": "orders_90d",
        "topic": "Lately",
        "kind": "count",
        "unit": "orders",
        "meaning": "Purchases in the last 90 days.",
        "window_days": 90,
        "ground": "orders",
        "dtype": "int32",
    }


def test_one_feature_comes_with_its_spread(program):
    cast = make_cast()

    found = program("scores:read").get("/api/v1/features/orders_total/").json()

    assert found["meaning"] == "Purchases ever."
    assert found["spread"]["customers"] == len(cast) and found["spread"]["missing"] == 0
    assert sum(each["customers"] for each in found["spread"]["bins"]) == len(cast)
    assert set(found["spread"]["quantiles"]) == {"0.05", "0.25", "0.5", "0.75", "0.95"}


def test_a_key_without_the_scope_and_an_unknown_name_are_refused(program):
    assert program("orders:read").get("/api/v1/features/").status_code == 403
    assert program("orders:read").get("/api/v1/features/orders_total/").status_code == 403
    assert program("scores:read").get("/api/v1/features/charm/").status_code == 404
