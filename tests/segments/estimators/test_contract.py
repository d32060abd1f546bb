"""What every estimator promises, whatever it learns."""

import subprocess
import sys
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pytest

from segments.estimators.blended import BlendedProbability
from segments.estimators.boosting import BoostedProbability
from segments.estimators.calibrated import CalibratedProbability
from segments.estimators.churn import LogisticChurn, RecencyBandRate
from segments.estimators.clusters import LogKMeans
from segments.estimators.clusters_density import LogDBSCAN, LogHDBSCAN
from segments.estimators.clusters_mixture import LogGaussianMixture
from segments.estimators.clusters_ward import LogWard
from segments.estimators.clv import CustomerValue, ShrunkenValue
from segments.estimators.columns import UnusableTable
from segments.estimators.gamma_gamma import GammaGamma
from segments.estimators.network import NetworkProbability
from segments.estimators.poisson import BoostedValue
from segments.estimators.purchases import BetaGeometricNBD, ModifiedBetaGeometricNBD
from segments.estimators.response import ShrunkenHours, ShrunkenRate
from segments.estimators.seasonal import SeasonalProbability
from segments.estimators.uplift import TLearner, XLearner

FEATURES = ["recency_days", "orders", "spent"]


class DrawnT(TLearner):
    """Every other customer is treated, by id."""

    def fit(self, X, y):
        return super().fit(X, y, treated=X.index % 2 == 0)


class DrawnX(XLearner):
    def fit(self, X, y):
        return super().fit(X, y, treated=X.index % 2 == 0)


@dataclass(frozen=True)
class Case:
    """How one estimator is built and asked, and which of its columns may be missing."""

    build: Any
    ask: Any
    columns: tuple[str, ...]
    may_miss: str | None


def horizon(estimator, X):
    return estimator.expected_purchases(X, horizon_days=90)


def predicted(estimator, X):
    return estimator.predict(X)


CLUSTERS = {
    "Ward": lambda: LogWard(columns=FEATURES, n_clusters=3),
    "Gaussian mixture": lambda: LogGaussianMixture(columns=FEATURES, n_clusters=3),
    "DBSCAN": lambda: LogDBSCAN(columns=FEATURES),
    "HDBSCAN": lambda: LogHDBSCAN(columns=FEATURES, min_cluster_size=10, min_samples=3),
    "k-means, Yeo-Johnson": lambda: LogKMeans(columns=FEATURES, scale="yeo-johnson"),
}
CASES = {
    "BG/NBD": Case(BetaGeometricNBD, horizon, ("frequency", "recency", "age"), None),
    "MBG/NBD": Case(ModifiedBetaGeometricNBD, horizon, ("frequency", "recency", "age"), None),
    "Gamma-Gamma": Case(
        GammaGamma,
        lambda estimator, X: estimator.expected_spend(X),
        ("purchases", "mean_spend"),
        "mean_spend",
    ),
    "customer value": Case(
        CustomerValue,
        lambda estimator, X: estimator.predict(X, horizon_days=365),
        ("frequency", "recency", "age", "purchases", "mean_spend"),
        "mean_spend",
    ),
    "shrunken value": Case(
        ShrunkenValue,
        lambda estimator, X: estimator.predict(X, horizon_days=365),
        ("frequency", "age", "purchases", "mean_spend"),
        "mean_spend",
    ),
    "boosted value": Case(
        lambda: BoostedValue(columns=FEATURES, trees=20, random_state=4),
        lambda estimator, X: estimator.predict(X, horizon_days=365),
        ("frequency", "age", "purchases", "mean_spend", *FEATURES),
        "spent",
    ),
    "logistic churn": Case(
        lambda: LogisticChurn(columns=FEATURES),
        lambda estimator, X: estimator.predict_proba(X),
        tuple(FEATURES),
        "spent",
    ),
    "boosting": Case(
        lambda: BoostedProbability(columns=FEATURES, trees=20, least_leaf=10),
        lambda estimator, X: estimator.predict_proba(X),
        tuple(FEATURES),
        "spent",
    ),
    "network": Case(
        lambda: NetworkProbability(columns=FEATURES, hidden=4, random_state=4),
        lambda estimator, X: estimator.predict_proba(X),
        tuple(FEATURES),
        "spent",
    ),
    "blend": Case(
        lambda: BlendedProbability(models=[LogisticChurn(columns=FEATURES)] * 2),
        lambda estimator, X: estimator.predict_proba(X),
        tuple(FEATURES),
        "spent",
    ),
    "seasonal": Case(
        lambda: SeasonalProbability(model=LogisticChurn(columns=FEATURES)),
        lambda estimator, X: estimator.predict_proba(X),
        tuple(FEATURES),
        "spent",
    ),
    "calibrated": Case(
        lambda: CalibratedProbability(model=LogisticChurn(columns=FEATURES), way="isotonic"),
        lambda estimator, X: estimator.predict_proba(X),
        tuple(FEATURES),
        "spent",
    ),
    "response": Case(
        lambda: ShrunkenRate(sent="age", answered="frequency"),
        lambda estimator, X: estimator.predict_proba(X),
        ("age", "frequency"),
        None,
    ),
    "hours": Case(
        lambda: ShrunkenHours(columns=["orders", "frequency", "purchases"] * 8),
        predicted,
        ("orders", "frequency", "purchases"),
        None,
    ),
    "recency bands": Case(
        RecencyBandRate,
        lambda estimator, X: estimator.predict_proba(X),
        ("recency_days",),
        "recency_days",
    ),
    "k-means": Case(
        lambda: LogKMeans(columns=FEATURES, n_clusters=3, random_state=4),
        lambda estimator, X: estimator.predict(X),
        tuple(FEATURES),
        "spent",
    ),
    "T-learner": Case(lambda: DrawnT(columns=FEATURES), predicted, tuple(FEATURES), "spent"),
    "X-learner": Case(lambda: DrawnX(columns=FEATURES), predicted, tuple(FEATURES), "spent"),
    **{name: Case(build, predicted, tuple(FEATURES), "spent") for name, build in CLUSTERS.items()},
}
every = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


@pytest.fixture
def customers() -> pd.DataFrame:
    """Buyers with a rate, a spend and an end of their own, in no order of their ids."""
    rng = np.random.default_rng(11)
    n = 400
    age = rng.integers(60, 400, n).astype(float)
    frequency = rng.poisson(age * rng.gamma(0.8, 0.01, n))
    recency = np.where(frequency > 0, np.ceil(age * rng.beta(2, 1, n)), 0.0)
    spend = rng.gamma(6, 4 / rng.gamma(4, 1 / 15, n))
    return pd.DataFrame(
        {
            "frequency": frequency,
            "recency": recency,
            "age": age,
            "purchases": frequency + 1,
            "mean_spend": spend,
            "recency_days": age - recency,
            "orders": frequency + 1.0,
            "spent": spend * (frequency + 1),
        },
        index=pd.Index(rng.permutation(np.arange(1_000, 1_000 + n)), name="customer_id"),
    )


@pytest.fixture
def churned(customers) -> pd.Series:
    noise = np.random.default_rng(2).normal(0, 30, len(customers))
    return (customers["recency_days"] + noise > 90).astype(float)


@every
def test_the_answer_has_the_index_of_the_question(case, customers, churned):
    answer = case.ask(case.build().fit(customers, churned), customers)

    pd.testing.assert_index_equal(answer.index, customers.index)
    assert np.isfinite(np.asarray(answer, dtype=float)).all()


@every
def test_rows_may_come_in_any_order(case, customers, churned):
    turned = customers.sample(frac=1, random_state=3)
    answer = case.ask(case.build().fit(customers, churned), customers)
    again = case.ask(case.build().fit(turned, churned.loc[turned.index]), turned)

    np.testing.assert_allclose(again.loc[answer.index], answer, rtol=1e-6)


@every
def test_the_same_seed_gives_the_same_answer(case, customers, churned):
    first = case.ask(case.build().fit(customers, churned), customers)
    second = case.ask(case.build().fit(customers, churned), customers)

    np.testing.assert_array_equal(first, second)


@every
def test_a_second_fit_forgets_the_first(case, customers, churned):
    half = customers.iloc[::2]
    twice = case.build().fit(customers, churned).fit(half, churned.loc[half.index])
    once = case.build().fit(half, churned.loc[half.index])

    np.testing.assert_array_equal(case.ask(twice, customers), case.ask(once, customers))
    assert vars(twice).keys() == vars(once).keys()


@every
def test_arguments_stay_as_they_were(case, customers, churned):
    table, labels = customers.copy(), churned.copy()
    case.ask(case.build().fit(customers, churned), customers)

    pd.testing.assert_frame_equal(customers, table)
    pd.testing.assert_series_equal(churned, labels)


@every
def test_one_customer_is_answered_as_among_all(case, customers, churned):
    fitted = case.build().fit(customers, churned)
    alone = case.ask(fitted, customers.iloc[[7]])

    np.testing.assert_allclose(alone, case.ask(fitted, customers).iloc[[7]], rtol=1e-9)
    assert len(case.ask(fitted, customers.head(0))) == 0


@every
def test_one_customer_to_learn_from_is_refused_or_enough(case, customers, churned):
    try:
        fitted = case.build().fit(customers.iloc[[0]], churned.iloc[[0]])
    except UnusableTable as refusal:
        assert str(refusal)
    else:
        assert np.isfinite(np.asarray(case.ask(fitted, customers), dtype=float)).all()


@every
@pytest.mark.parametrize("column", range(5))
def test_a_constant_column_is_no_trouble(case, column, customers, churned):
    name = case.columns[column % len(case.columns)]
    value = {"recency": 0.0, "age": 500.0}.get(name, 3.0)
    table = customers.assign(**{name: value})
    answer = case.ask(case.build().fit(table, churned), table)

    assert np.isfinite(np.asarray(answer, dtype=float)).all()


@every
def test_a_missing_value_is_filled_or_refused_in_words(case, customers, churned):
    fitted = case.build().fit(customers, churned)
    if case.may_miss:
        table = customers.astype({case.may_miss: float})
        table.iloc[:3, table.columns.get_loc(case.may_miss)] = np.nan
        assert np.isfinite(np.asarray(case.ask(case.build().fit(table, churned), table))).all()
    for name in case.columns:
        holed = customers.astype({name: float})
        holed.iloc[0, holed.columns.get_loc(name)] = np.nan
        try:
            answer = case.ask(fitted, holed)
        except UnusableTable as refusal:
            assert name in str(refusal)
        else:
            assert np.isfinite(np.asarray(answer, dtype=float)).all()


@every
def test_a_column_that_is_missing_everywhere_asks_nothing_or_is_refused(case, customers, churned):
    if not case.may_miss:
        return
    table = customers.astype({case.may_miss: float}).assign(**{case.may_miss: np.nan})
    try:
        answer = case.ask(case.build().fit(table, churned), table)
    except UnusableTable as refusal:
        assert "needed" in str(refusal) or case.may_miss in str(refusal)
    else:
        assert np.isfinite(np.asarray(answer, dtype=float)).all()


@every
def test_unknown_columns_change_nothing_and_missing_ones_are_all_named(case, customers, churned):
    fitted = case.build().fit(customers, churned)
    more = customers.assign(shoe_size=42.0)[["shoe_size", *customers.columns[::-1]]]
    np.testing.assert_array_equal(case.ask(fitted, more), case.ask(fitted, customers))

    with pytest.raises(UnusableTable) as refusal:
        case.ask(fitted, customers[["purchases" if "purchases" not in case.columns else "orders"]])
    assert case.columns[0] in str(refusal.value)


def test_the_estimators_run_without_django():
    code = (
        "import sys; import segments.estimators.churn, segments.estimators.clusters, "
        "segments.estimators.clv; "
        "print([m for m in sys.modules if m.split('.')[0] in ('django', 'celery')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"
