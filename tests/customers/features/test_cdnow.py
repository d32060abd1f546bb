"""The CDNOW sample, counted as Fader, Hardie & Lee (2005) count it."""

import pandas as pd
import pytest

from customers.features.rfm import rfm
from tests.customers.features.given import at

END_OF_CALIBRATION = at("1997-10-01")  # 39 weeks after the first day


@pytest.fixture
def purchases(shared_data) -> pd.DataFrame:
    frame = pd.read_csv(
        shared_data / "cdnow" / "CDNOW_sample.txt",
        sep=r"\s+",
        header=None,
        names=["master", "customer_id", "day", "discs", "amount"],
        dtype={"day": str},
    )
    assert (len(frame), frame["customer_id"].nunique()) == (6_919, 2_357)
    frame["placed_at"] = pd.to_datetime(frame["day"], format="%Y%m%d", utc=True)
    return frame


def test_cdnow_has_the_published_repeat_buyers(purchases):
    found = rfm(purchases, END_OF_CALIBRATION)

    assert len(found) == 2_357
    assert (found["frequency"] > 0).sum() == 946
    assert found["age"].between(27 * 7 - 1, 39 * 7).all()  # first purchases within 12 weeks


def test_cdnow_days_collapse_into_single_purchases(purchases):
    seen = purchases[purchases["placed_at"] < END_OF_CALIBRATION]
    days = seen.drop_duplicates(["customer_id", "day"])

    found = rfm(purchases, END_OF_CALIBRATION)

    assert len(days) < len(seen)
    assert found["frequency"].sum() == len(days) - 2_357
