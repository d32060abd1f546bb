"""Every competitor for a probability learns what is there, and its answers can be taken apart."""

from itertools import combinations
from math import factorial

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit
from sklearn.ensemble import HistGradientBoostingClassifier

from segments.estimators.blended import BlendedProbability
from segments.estimators.boosting import BoostedProbability
from segments.estimators.calibrated import CORRECTION, CalibratedProbability
from segments.estimators.columns import LogScaler
from segments.estimators.logistic import START, LogisticProbability
from segments.estimators.network import NetworkProbability
from segments.estimators.seasonal import SEASON, SeasonalProbability

COLUMNS = ["silence", "orders", "spent", "carts"]
GROUPS = {"time": ["silence"], "buying": ["orders", "spent"], "browsing": ["carts"]}
BUILDS = {
    "logistic": lambda: LogisticProbability(columns=COLUMNS),
    "boosting": lambda: BoostedProbability(columns=COLUMNS, trees=30),
    "network": lambda: NetworkProbability(columns=COLUMNS, random_state=1),
    "blend": lambda: BlendedProbability(
        models=[LogisticProbability(columns=COLUMNS), BoostedProbability(columns=COLUMNS, trees=10)]
    ),
    "seasonal": lambda: SeasonalProbability(model=LogisticProbability(columns=COLUMNS)),
    "Platt": lambda: CalibratedProbability(model=LogisticProbability(columns=COLUMNS)),
    "isotonic": lambda: CalibratedProbability(
        model=BoostedProbability(columns=COLUMNS, trees=10), way="isotonic"
    ),
}
every = pytest.mark.parametrize("build", BUILDS.values(), ids=BUILDS)


def people(n=3_000, *, seed=1) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Features, the true log-odds (with a bend and a pair that works together), and labels."""
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(
        np.exp(rng.normal(0, 1.2, (n, len(COLUMNS)))),
        columns=COLUMNS,
        index=pd.Index(rng.permutation(n) + 10, name="customer_id"),
    )
    silence, orders, _, carts = np.log(X.to_numpy()).T
    truth = 1.2 * silence - 0.8 * orders + 0.9 * np.abs(carts) * np.sign(orders) - 0.3
    labels = (rng.random(n) < expit(truth)).astype(float)
    X.iloc[rng.integers(0, n, n // 20), 2] = np.nan
    return X, truth, labels


@every
def test_contributions_add_up_to_the_log_odds(build):
    X, _, y = people()
    model = build().fit(X, y)
    parts = model.contributions(X, GROUPS)

    assert set(parts.columns) - {CORRECTION, SEASON} == {*GROUPS, START}
    np.testing.assert_allclose(parts.sum(axis=1), model.log_odds(X), atol=1e-9)
    np.testing.assert_allclose(expit(model.log_odds(X)), model.predict_proba(X), atol=1e-12)


@pytest.mark.parametrize("name", ["logistic", "boosting", "network", "blend"])
def test_contributions_are_the_shapley_values_of_all_coalitions(name):
    X, _, y = people()
    model = BUILDS[name]().fit(X, y)
    some = X.head(6)
    mean = LogScaler(columns=COLUMNS).fit(X).mean_
    average = np.sign(mean) * np.expm1(np.abs(mean))
    worth = {}
    for size in range(len(GROUPS) + 1):
        for team in combinations(GROUPS, size):
            table = pd.DataFrame([average] * len(some), columns=COLUMNS, index=some.index)
            for group in team:
                table[GROUPS[group]] = some[GROUPS[group]]
            worth[team] = model.log_odds(table).to_numpy()

    parts = model.contributions(some, GROUPS)
    n = len(GROUPS)
    for group in GROUPS:
        expected = sum(
            factorial(len(team) - 1) * factorial(n - len(team)) / factorial(n)
            * (value - worth[tuple(other for other in team if other != group)])
            for team, value in worth.items() if group in team
        )  # fmt: skip
        np.testing.assert_allclose(parts[group], expected, atol=1e-9)
    np.testing.assert_allclose(parts[START], worth[()], atol=1e-9)


def test_the_tables_of_boosting_answer_as_the_library_does():
    X, _, y = people()
    X, y = X.sort_index(), y[np.argsort(X.index)]
    ours = BoostedProbability(columns=COLUMNS, trees=40, random_state=5).fit(X, y)
    theirs = HistGradientBoostingClassifier(
        max_iter=40, learning_rate=0.06, max_leaf_nodes=8, min_samples_leaf=40,
        l2_regularization=1.0, early_stopping=False, random_state=5,
    ).fit(X.to_numpy(), y)  # fmt: skip

    asked = X.assign(carts=X["carts"].where(np.arange(len(X)) % 3 > 0))  # missing where it was not
    np.testing.assert_allclose(
        ours.predict_proba(asked), theirs.predict_proba(asked.to_numpy())[:, 1], rtol=1e-12
    )


@pytest.mark.parametrize(
    ("name", "most"), [("logistic", 0.17), ("boosting", 0.14), ("network", 0.13)]
)
def test_it_recovers_the_probabilities_its_labels_were_drawn_from(name, most):
    X, _, y = people(12_000)
    asked, truth, _ = people(2_000, seed=2)
    found = BUILDS[name]().fit(X, y).predict_proba(asked)

    assert np.sqrt(((found - expit(truth)) ** 2).mean()) < most


@pytest.mark.parametrize("way", ["Platt", "isotonic"])
def test_calibration_undoes_what_bends_the_probabilities(way):
    class Bold(LogisticProbability):
        """Twice as sure as it should be."""

        def log_odds(self, X):
            return 2 * super().log_odds(X) + 1

    rng = np.random.default_rng(4)
    X = pd.DataFrame({"silence": np.exp(rng.normal(0, 1, 8_000))})
    y = (rng.random(len(X)) < expit(np.log(X["silence"]))).astype(float)
    bold = Bold(columns=["silence"]).fit(X, y)
    mild = CalibratedProbability(model=Bold(columns=["silence"]), way=way).fit(X, y)
    plain = LogisticProbability(columns=["silence"]).fit(X, y)

    far, near = (np.abs(each.predict_proba(X) - plain.predict_proba(X)).mean()
                 for each in (bold, mild))  # fmt: skip
    assert near < far / 4
    if way == "Platt":
        assert mild.slope_ == pytest.approx(0.5, abs=0.03)


def test_a_season_moves_everybody_to_the_rate_of_a_year_ago():
    X, truth, y = people()
    calm = (np.random.default_rng(8).random(len(X)) < expit(truth - 0.7)).astype(float)
    model = SeasonalProbability(model=LogisticProbability(columns=COLUMNS))
    moved = model.fit(X, y, year_ago=(X, calm))

    assert moved.shift_ == pytest.approx(-0.7, abs=0.15)
    assert moved.predict_proba(X).mean() == pytest.approx(calm.mean(), abs=1e-6)
    assert (moved.contributions(X, GROUPS)[SEASON] == moved.shift_).all()
    assert model.fit(X, y).shift_ == 0.0  # no year ago, no season


def test_all_rows_of_a_customer_are_held_out_together():
    """With copies on both sides the curve would trust what was learnt by heart."""
    rng = np.random.default_rng(6)
    table = pd.DataFrame({name: rng.random(150) for name in COLUMNS})
    y = (rng.random(150) < 0.5).astype(float)  # nothing to learn
    copies, labels = pd.concat([table] * 6), np.tile(y, 6)
    model = BoostedProbability(columns=COLUMNS, trees=60, least_leaf=5)
    calibrated = CalibratedProbability(model=model).fit(copies, labels)

    told, learnt = calibrated.predict_proba(table), calibrated.model_.log_odds(table)
    assert np.abs(logit(told)).mean() < np.abs(learnt).mean() / 3


def test_groups_that_leave_out_or_repeat_a_column_are_refused():
    X, _, y = people(200)
    model = LogisticProbability(columns=COLUMNS).fit(X, y)

    with pytest.raises(ValueError, match="carts, orders"):
        model.contributions(X, {"a": ["silence", "orders", "orders"], "b": ["spent"]})


def test_a_network_has_no_contributions_of_more_groups_than_can_be_counted():
    columns = [f"c{place}" for place in range(11)]
    X = pd.DataFrame(np.random.default_rng(0).random((60, 11)), columns=columns)
    model = NetworkProbability(columns=columns).fit(X, np.arange(60) % 2)

    with pytest.raises(ValueError, match="11 groups"):
        model.contributions(X, {name: [name] for name in columns})
