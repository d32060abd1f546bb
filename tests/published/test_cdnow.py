"""The CDNOW figures, printed in papers and found alike by other libraries.

Fader, Hardie & Lee (2005), Marketing Science 24(2), table 2, and Fader & Hardie (2013), note 025:
a tenth of those who first bought in 1997's first quarter, 39 weeks to learn from, 39 to forecast.
"""

import time

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from segments.estimators.clv import CustomerValue
from segments.estimators.gamma_gamma import GammaGamma
from segments.estimators.purchases import BetaGeometricNBD, ModifiedBetaGeometricNBD

pytestmark = pytest.mark.shared_data
END = pd.Timestamp("1997-09-30")
WEEK_DAYS = 7.0


def days_of(path, columns, skip=0) -> pd.DataFrame:
    rows = pd.read_csv(path, sep=r"\s+", header=None, names=columns, skiprows=skip, dtype=str)
    rows["day"] = pd.to_datetime(rows["day"], format="%Y%m%d")
    rows["amount"] = rows["amount"].astype(float)
    return rows.groupby(["customer", "day"], as_index=False)["amount"].sum()


def histories(days: pd.DataFrame) -> pd.DataFrame:
    """Weeks, as the papers count; spend of repeat purchase days in the calibration."""
    seen = days[days["day"] <= END]
    groups = seen.groupby("customer")
    first, last = groups["day"].min(), groups["day"].max()
    repeats = seen[seen["day"] > seen["customer"].map(first)]
    table = pd.DataFrame(
        {
            "frequency": groups.size() - 1,
            "recency": (last - first).dt.days / WEEK_DAYS,
            "age": (END - first).dt.days / WEEK_DAYS,
            "repeat_spend": repeats.groupby("customer")["amount"].mean(),
            "purchases": groups.size(),
            "mean_spend": groups["amount"].mean(),
        }
    )
    later = days[days["day"] > END]
    table["later"] = later.groupby("customer").size().reindex(table.index).fillna(0)
    table["later_spend"] = later.groupby("customer")["amount"].mean()
    return table


@pytest.fixture
def sample(shared_data) -> pd.DataFrame:
    columns = ["master", "customer", "day", "cds", "amount"]
    table = histories(days_of(shared_data / "cdnow" / "CDNOW_sample.txt", columns))
    assert len(table) == 2_357
    assert (table["frequency"] > 0).sum() == 946
    assert table["later"].sum() == 1_882
    return table


@pytest.fixture
def everybody(shared_data) -> pd.DataFrame:
    columns = ["customer", "day", "cds", "amount"]
    table = histories(days_of(shared_data / "cdnow" / "CDNOW_master.txt", columns, skip=1))
    assert len(table) == 23_570
    return table


def parameters(model) -> list[float]:
    return [model.r_, model.alpha_, model.a_, model.b_]


def test_bg_nbd_finds_the_printed_parameters(sample):
    model = BetaGeometricNBD().fit(sample)
    printed = [0.243, 4.414, 0.793, 2.426]

    # half a unit of the last digit printed
    assert parameters(model) == pytest.approx(printed, abs=0.0005)
    assert model.log_likelihood_ >= -9582.43
    assert not model.problems_


def test_mbg_nbd_finds_what_other_libraries_find(sample):
    model = ModifiedBetaGeometricNBD().fit(sample)

    assert parameters(model) == pytest.approx([0.5248, 6.183, 0.8914, 1.614], rel=0.005)
    assert model.log_likelihood_ == pytest.approx(-9582.14, abs=0.01)
    assert not model.problems_


def test_gamma_gamma_finds_the_printed_parameters(sample):
    spend = pd.DataFrame({"purchases": sample["frequency"], "mean_spend": sample["repeat_spend"]})
    model = GammaGamma().fit(spend)

    assert [model.p_, model.q_, model.gamma_] == pytest.approx([6.25, 3.74, 15.44], rel=0.005)
    assert model.correlation_ == pytest.approx(0.114, abs=0.0005)
    assert not model.has_strong_correlation


def test_bg_nbd_on_the_whole_cohort(everybody):
    started = time.perf_counter()
    model = BetaGeometricNBD().fit(everybody)

    assert time.perf_counter() - started < 5
    assert parameters(model) == pytest.approx([0.2516, 4.789, 0.7234, 2.1611], rel=0.01)
    assert model.log_likelihood_ == pytest.approx(-95368.4, abs=0.1)
    expected = model.expected_purchases(everybody, horizon_days=39)
    assert np.corrcoef(expected, everybody["later"])[0, 1] >= 0.66


@pytest.mark.parametrize("model", [BetaGeometricNBD, ModifiedBetaGeometricNBD])
def test_the_next_39_weeks(sample, model):
    expected = model().fit(sample).expected_purchases(sample, horizon_days=39)
    later = sample["later"]

    assert np.corrcoef(expected, later)[0, 1] >= 0.62
    assert abs(expected - later).mean() <= 0.79
    assert abs(sample["frequency"] - later).mean() > 0.89  # the same again: our baseline
    assert 0.83 <= expected.sum() / later.sum() < 1  # both under-forecast, as the field knows
    top = expected.nlargest(len(expected) // 10).index
    assert later.loc[top].sum() / later.sum() >= 0.465


def test_who_will_buy_is_ranked_by_expected_purchases_and_not_by_being_alive(sample):
    model = BetaGeometricNBD().fit(sample)
    will = sample["later"] > 0

    assert roc_auc_score(will, model.expected_purchases(sample, horizon_days=39)) >= 0.77
    assert roc_auc_score(will, model.alive(sample)) == pytest.approx(0.316, abs=0.001)


def test_the_first_purchase_helps_to_know_the_spend(sample):
    bought = sample[sample["later_spend"] > 0]
    actual = bought["later_spend"]
    repeat = pd.DataFrame({"purchases": sample["frequency"], "mean_spend": sample["repeat_spend"]})
    without = GammaGamma().fit(repeat).expected_spend(repeat).loc[bought.index]
    ours = CustomerValue().fit(sample).predict(sample, horizon_days=39)["spend"].loc[bought.index]

    assert abs(ours - actual).mean() < 0.95 * abs(without - actual).mean()
    assert abs(ours - actual).mean() < abs(sample["mean_spend"].loc[bought.index] - actual).mean()
