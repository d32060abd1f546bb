import numpy as np
import pandas as pd
import pytest

from segments.evaluation.importance import importance
from segments.evaluation.metrics import auc, brier, mean_absolute_error


def table(n: int = 2_000, *, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(rng.normal(size=(n, 3)), columns=["strong", "weak", "idle"])
    p = 1 / (1 + np.exp(-(2 * X["strong"] + 0.5 * X["weak"])))
    return X, (rng.random(n) < p).astype(float).to_numpy()


def truth_of(X: pd.DataFrame) -> np.ndarray:
    return (1 / (1 + np.exp(-(2 * X["strong"] + 0.5 * X["weak"])))).to_numpy()


def test_features_are_told_in_the_order_of_what_they_are_worth():
    X, y = table()

    rows = importance(truth_of, brier, X, y, seed=1)

    assert [row["feature"] for row in rows] == ["strong", "weak", "idle"]
    assert rows[0]["low"] > rows[1]["high"] and rows[1]["low"] > 0
    assert rows[2]["value"] == rows[2]["low"] == rows[2]["high"] == 0  # the model never reads it


@pytest.mark.parametrize("metric", [auc, brier], ids=["AUC", "Brier"])
def test_a_feature_that_helps_counts_above_zero_whichever_way_the_metric_points(metric):
    X, y = table()

    rows = importance(truth_of, metric, X, y, seed=1, repeats=5)

    assert rows[0]["feature"] == "strong" and rows[0]["low"] > 0


def test_the_loss_of_a_shuffled_amount_agrees_with_its_expectation():
    rng = np.random.default_rng(3)
    X = pd.DataFrame({"x": rng.normal(size=4_000)})

    (row,) = importance(lambda t: t["x"], mean_absolute_error, X, X["x"], seed=1, repeats=20)

    # E|a − b| of two independent standard normals is 2/√π.
    assert row["value"] == pytest.approx(2 / np.sqrt(np.pi), abs=0.03)
    assert row["low"] < 2 / np.sqrt(np.pi) < row["high"]


def test_the_same_seed_gives_the_same_answer_and_the_argument_stays_as_it_was():
    X, y = table(300)
    before = X.copy()

    assert importance(truth_of, brier, X, y, seed=4) == importance(truth_of, brier, X, y, seed=4)
    pd.testing.assert_frame_equal(X, before)


def test_too_few_customers_or_one_class_give_no_rows():
    X, y = table(300)

    assert importance(truth_of, brier, X[:20], y[:20], seed=1) == []
    assert importance(truth_of, auc, X, np.ones(300), seed=1) == []
