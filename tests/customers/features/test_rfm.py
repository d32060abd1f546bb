import pandas as pd
import pytest

from customers.features.rfm import GROUPS, quintiles, rfm, rfm_groups
from tests.customers.features.given import ADA, AS_OF, BOB, ORDERS, at


def test_rfm_counts_as_the_literature_counts():
    found = rfm(ORDERS, AS_OF)

    assert found.index.tolist() == [ADA, BOB]
    assert found.loc[ADA].tolist() == [2, 100, 122, 60.0]
    assert found.loc[BOB, ["frequency", "recency", "age"]].tolist() == [0, 0, 29]
    assert pd.isna(found.loc[BOB, "monetary"])


def test_rfm_needs_only_who_when_and_how_much():
    sales = ORDERS[ORDERS["kind"] == "sale"]

    found = rfm(sales[["customer_id", "placed_at", "amount"]], AS_OF)

    pd.testing.assert_frame_equal(found, rfm(sales, AS_OF))


def test_the_day_changes_at_midnight_utc():
    orders = pd.DataFrame(
        {
            "customer_id": [1, 1, 2, 2],
            "placed_at": [at("2024-01-01 23:59:59.999999"), at("2024-01-02 00:00"),
                          at("2024-01-01 00:00"), at("2024-01-01 23:59:59.999999")],
            "amount": 10.0,
        }
    )  # fmt: skip

    assert rfm(orders, AS_OF)["frequency"].tolist() == [1, 0]


def scored(recency: list, frequency: list, money: list) -> pd.DataFrame:
    return quintiles(
        pd.DataFrame(
            {
                "days_since_last_order": recency,
                "orders_total": frequency,
                "revenue_total": money,
            }
        )
    )


def test_quintiles_are_fifths_and_five_is_best():
    found = scored([1, 2, 3, 4, 5], [5, 4, 3, 2, 1], [10, 20, 30, 40, 50])

    assert found["recency_score"].tolist() == [5, 4, 3, 2, 1]
    assert found["frequency_score"].tolist() == [5, 4, 3, 2, 1]
    assert found["money_score"].tolist() == [1, 2, 3, 4, 5]


def test_equal_customers_share_a_score():
    found = scored([7] * 4, [1, 1, 1, 9], [0] * 4)

    assert found["recency_score"].nunique() == found["money_score"].nunique() == 1
    assert found["frequency_score"].tolist() == [2, 2, 2, 5]


def test_nobody_and_one_customer_can_be_scored():
    assert len(scored([], [], [])) == 0
    assert scored([1], [1], [1]).iloc[0].tolist() == [3, 3, 3]


@pytest.mark.parametrize(
    ("recency", "frequency", "money", "group"),
    [
        (5, 5, 5, "Champions"),
        (4, 4, 3, "Loyal"),
        (3, 4, 4, "Loyal"),
        (5, 1, 1, "Recent"),
        (3, 2, 2, "Needs attention"),
        (2, 3, 3, "At risk"),
        (1, 1, 2, "Inactive"),
    ],
)
def test_groups_have_the_fields_six_names(recency, frequency, money, group):
    scores = pd.DataFrame(
        {"recency_score": [recency], "frequency_score": [frequency], "money_score": [money]}
    )

    assert rfm_groups(scores).tolist() == [group] and group in GROUPS
