import numpy as np
import pandas as pd
import pytest

from segments.estimators.columns import UnusableTable
from segments.estimators.uplift import BASES, BOOSTING, LINEAR, LogRidge, TLearner, XLearner

BOTH = pytest.mark.parametrize("learner", [TLearner, XLearner])


def campaign(n: int = 6_000, *, share: float = 0.5, seed: int = 0):
    """Who buys often buys anyway; a message brings those who like discounts."""
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(
        {
            "orders": rng.poisson(3, n).astype(float),
            "discount": rng.random(n),
            "idle": rng.random(n),
        },
        index=pd.Index(rng.permutation(n) + 1, name="customer_id"),
    )
    treated = rng.random(n) < share
    effect = 0.3 * (X["discount"] > 0.5)
    base = 0.05 + 0.05 * X["orders"].clip(upper=6)
    y = (rng.random(n) < base + treated * effect).astype(float)
    return X, y, treated, effect


@BOTH
@pytest.mark.parametrize("base", BASES)
def test_those_whom_the_message_brings_are_told_from_the_others(learner, base):
    X, y, treated, effect = campaign()

    found = learner(columns=list(X), base=base).fit(X, y, treated=treated).predict(X)

    likes = effect > 0
    # The true effects are .3 and 0; a straight line through a step is flatter.
    assert found[likes].mean() - found[~likes].mean() > 0.15
    assert found.mean() == pytest.approx(effect.mean(), abs=0.03)
    assert np.corrcoef(found, effect)[0, 1] > 0.7


@BOTH
def test_with_a_linear_base_and_a_linear_effect_the_truth_comes_back(learner):
    rng = np.random.default_rng(1)
    X = pd.DataFrame({"x": rng.normal(size=20_000), "z": rng.normal(size=20_000)})
    logs = np.sign(X) * np.log1p(np.abs(X))
    treated = rng.random(20_000) < 0.9
    y = 2 * logs["z"] + treated * (1 + 0.5 * logs["x"]) + rng.normal(0, 0.5, 20_000)

    found = learner(columns=["x", "z"], base=LINEAR).fit(X, y, treated=treated).predict(X)

    np.testing.assert_allclose(found, 1 + 0.5 * logs["x"], atol=0.1)


def test_x_is_nearer_to_the_truth_than_t_where_few_were_left_alone():
    errors = {TLearner: 0.0, XLearner: 0.0}
    for seed in range(6):
        X, y, treated, effect = campaign(3_000, share=0.9, seed=seed)
        for learner in errors:
            found = learner(columns=list(X), base=BOOSTING).fit(X, y, treated=treated).predict(X)
            errors[learner] += float(((found - effect) ** 2).mean())

    assert errors[XLearner] < errors[TLearner]


def test_the_ridge_agrees_with_least_squares_by_another_library():
    rng = np.random.default_rng(2)
    X = pd.DataFrame({"a": rng.gamma(2, 3, 500), "b": rng.random(500)})
    y = rng.normal(size=500) + np.log1p(X["a"])

    ours = LogRidge(columns=["a", "b"], penalty=0.0).fit(X, y).predict(X)

    rows = np.column_stack([np.ones(500), np.log1p(X)])
    theirs = rows @ np.linalg.lstsq(rows, y, rcond=None)[0]
    np.testing.assert_allclose(ours, theirs, atol=1e-9)


@BOTH
def test_an_empty_arm_and_lengths_that_differ_are_refused(learner):
    X, y, treated, _ = campaign(300)
    with pytest.raises(UnusableTable, match="one arm is empty"):
        learner(columns=list(X)).fit(X, y, treated=np.ones(300))
    with pytest.raises(UnusableTable, match="300 customers, 300 outcomes and 299 arms"):
        learner(columns=list(X)).fit(X, y, treated=treated[:-1])


def test_an_unknown_base_is_refused():
    X, y, treated, _ = campaign(300)
    with pytest.raises(ValueError, match="base is magic; expected one of logistic"):
        TLearner(columns=list(X), base="magic").fit(X, y, treated=treated)
