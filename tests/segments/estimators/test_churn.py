"""The churn model finds planted effects, and its answer can be taken apart."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from segments.estimators.churn import LogisticChurn, RecencyBandRate
from segments.estimators.columns import UnusableTable
from segments.estimators.logistic import START

COLUMNS = ["recency_days", "orders"]


def labelled(n=20_000, *, seed=0) -> tuple[pd.DataFrame, np.ndarray]:
    """Churn whose log-odds are 0.3 + 1.5·z(log recency) − 0.8·z(log orders)."""
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(
        {"recency_days": rng.lognormal(3.5, 1, n), "orders": rng.geometric(0.3, n).astype(float)}
    )
    logs = np.log1p(table)
    z = ((logs - logs.mean()) / logs.std(ddof=0)).to_numpy()
    return table, (rng.random(n) < expit(0.3 + 1.5 * z[:, 0] - 0.8 * z[:, 1])).astype(float)


def test_it_recovers_the_effects_the_labels_were_made_with():
    table, churned = labelled()
    model = LogisticChurn(columns=COLUMNS).fit(table, churned)

    # standard errors of a logistic regression at 20,000 rows are near .02
    assert model.coefficients_ == pytest.approx([1.5, -0.8], abs=0.08)
    assert model.intercept_ == pytest.approx(0.3, abs=0.08)


def test_probabilities_come_true():
    table, churned = labelled()
    later, truth = labelled(seed=1)
    p = LogisticChurn(columns=COLUMNS).fit(table, churned).predict_proba(later)

    tenth = pd.qcut(p, 10, labels=False)
    groups = pd.DataFrame({"p": p, "y": truth}).groupby(tenth).mean()
    np.testing.assert_allclose(groups["p"], groups["y"], atol=0.05)


def test_contributions_add_up_to_the_log_odds():
    table, churned = labelled(500)
    model = LogisticChurn(columns=COLUMNS).fit(table, churned)
    parts = model.contributions(table)

    np.testing.assert_allclose(parts.sum(axis=1), model.log_odds(table), rtol=1e-9)
    np.testing.assert_allclose(expit(parts.sum(axis=1)), model.predict_proba(table), rtol=1e-9)
    assert parts[START].nunique() == 1


def test_labels_that_are_all_alike_are_refused():
    table, _ = labelled(50)
    with pytest.raises(UnusableTable, match="alike"):
        LogisticChurn(columns=COLUMNS).fit(table, np.ones(50))


def test_a_rule_of_thumb_starts_assumed_and_moves_to_what_is_seen():
    few = pd.DataFrame({"recency_days": [10.0] * 5})
    many = pd.DataFrame({"recency_days": [10.0] * 5_000})
    rule = RecencyBandRate()

    assert rule.fit(few, np.zeros(5)).predict_proba(few).iloc[0] == pytest.approx(0.4 * 50 / 55)
    assert rule.fit(many, np.zeros(5_000)).predict_proba(few).iloc[0] < 0.01


def test_a_rule_of_thumb_puts_edges_in_the_lower_band():
    days = pd.DataFrame({"recency_days": [0.0, 30.0, 30.1, 365.0, 366.0, np.nan]})
    rates = RecencyBandRate().fit(days.head(0), []).predict_proba(days)

    assert rates.tolist() == [0.4, 0.4, 0.55, 0.85, 0.95, 0.95]
