import time

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as theirs

from segments.evaluation import metrics

N = 1_500
BINARY = [metrics.auc, metrics.average_precision, metrics.brier, metrics.log_loss]
ALL = [
    *BINARY,
    metrics.lift_at(0.1),
    metrics.spearman,
    metrics.total_ratio,
    metrics.mean_absolute_error,
]


def sample(n: int = N, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Outcomes, honest probabilities with ties, and a blurred baseline."""
    rng = np.random.default_rng(seed)
    p = np.round(rng.beta(2, 3, n), 2)
    y = (rng.random(n) < p).astype(int)
    q = np.clip(np.round(p + rng.normal(0, 0.3, n), 2), 0, 1)
    return y, p, q


def brute_lift(y, p, share):
    order = np.argsort(-p, kind="stable")
    return y[order][: int(share * len(y))].mean() / y.mean()


@pytest.mark.parametrize(
    ("ours", "reference"),
    [
        (metrics.auc, theirs.roc_auc_score),
        (metrics.average_precision, theirs.average_precision_score),
        (metrics.brier, theirs.brier_score_loss),
        (metrics.log_loss, lambda y, p: theirs.log_loss(y, np.clip(p, 1e-15, 1 - 1e-15))),
        (metrics.spearman, lambda y, p: stats.spearmanr(y, p).statistic),
        (metrics.total_ratio, lambda y, p: p.sum() / y.sum()),
        (metrics.mean_absolute_error, theirs.mean_absolute_error),
    ],
    ids=lambda part: getattr(part, "name", ""),
)
def test_values_agree_with_scikit_learn_and_scipy(ours, reference):
    y, p, _ = sample()

    assert ours(y, p, resamples=0).value == pytest.approx(reference(y, p), rel=1e-12)


def test_lift_without_ties_agrees_with_counting():
    y, p, _ = sample()
    p = p + np.random.default_rng(1).random(N) * 1e-6

    for share in (0.1, 0.5, 1.0):
        found = metrics.lift_at(share)(y, p, resamples=0).value
        assert found == pytest.approx(brute_lift(y, p, share), rel=1e-12)


def test_lift_of_a_constant_prediction_is_one_whatever_the_order():
    y = np.repeat([1, 0], [10, 90])

    assert metrics.lift_at(0.1)(y, np.full(100, 0.3)).value == pytest.approx(1)


@pytest.mark.parametrize("metric", ALL, ids=lambda metric: metric.name)
def test_the_interval_is_that_of_a_plain_bootstrap(metric):
    y, p, _ = sample(400)
    found = metric(y, p, seed=5, resamples=200)

    rng = np.random.default_rng(5)
    draws = []
    for _ in range(200):
        rows = rng.integers(0, 400, 400)
        draws.append(metric(y[rows], p[rows], resamples=0).value)
    low, high = np.percentile(draws, [2.5, 97.5])

    assert (found.low, found.high) == pytest.approx((low, high), rel=1e-9)
    assert found.low < found.value < found.high and found.n == 400 and found.note == ""


@pytest.mark.parametrize("metric", ALL, ids=lambda metric: metric.name)
def test_the_same_seed_gives_the_same_interval_and_another_another(metric):
    y, p, _ = sample(300)

    assert metric(y, p, seed=1) == metric(y, p, seed=1)
    assert metric(y, p, seed=1).low != metric(y, p, seed=2).low


@pytest.mark.parametrize("metric", ALL, ids=lambda metric: metric.name)
def test_too_few_customers_give_a_reason_instead_of_a_figure(metric):
    y, p, _ = sample(29)

    found = metric(y, p)

    assert not found.is_known and found.low is found.high is None
    assert found.n == 29 and "29 customers" in found.note


@pytest.mark.parametrize("metric", BINARY, ids=lambda metric: metric.name)
def test_one_class_gives_a_reason_instead_of_a_figure(metric):
    found = metric(np.ones(50), np.linspace(0, 1, 50))

    assert not found.is_known and "one class" in found.note


@pytest.mark.parametrize("metric", ALL, ids=lambda metric: metric.name)
def test_missing_predictions_give_a_reason_instead_of_nan(metric):
    y, p, _ = sample(100)
    p[3] = np.nan

    assert "1 of 100 values are missing" in metric(y, p).note


def test_figures_that_cannot_be_divided_are_unknown():
    constant, ones = np.full(50, 0.2), np.arange(50)

    assert not metrics.spearman(ones, constant).is_known
    assert "undefined" in metrics.total_ratio(np.zeros(50), ones).note


def test_resamples_of_one_class_are_counted_and_left_out():
    y = np.zeros(40)
    y[0] = 1

    found = metrics.auc(y, np.linspace(1, 0, 40), seed=0)

    assert found.value == 1 and found.low == found.high == 1
    assert "of 200 resamples had no value" in found.note


def test_unequal_lengths_and_other_classes_are_refused():
    with pytest.raises(ValueError, match="3 outcomes and 2 predictions"):
        metrics.auc([0, 1, 1], [0.1, 0.2])
    with pytest.raises(ValueError, match="needs 0 and 1"):
        metrics.auc(np.arange(40), np.linspace(0, 1, 40))
    with pytest.raises(ValueError, match="share is 0"):
        metrics.lift_at(0)


def test_a_real_gain_over_the_baseline_stands_above_zero():
    y, p, q = sample()

    found = metrics.paired_difference(metrics.auc, y, p, q, seed=3)

    gain = theirs.roc_auc_score(y, p) - theirs.roc_auc_score(y, q)
    assert found.value == pytest.approx(gain, rel=1e-12)
    assert 0 < found.low < found.value < found.high


def test_pairing_narrows_the_interval():
    y, p, _ = sample()
    q = np.clip(p + np.random.default_rng(1).normal(0, 0.02, N), 0, 1)

    paired = metrics.paired_difference(metrics.auc, y, p, q)
    alone = metrics.auc(y, p)

    assert paired.high - paired.low < (alone.high - alone.low) / 4


def test_no_gain_over_oneself():
    y, p, _ = sample()
    found = metrics.paired_difference(metrics.brier, y, p, p)

    assert (found.value, found.low, found.high) == (0, 0, 0)


def test_a_difference_is_unknown_where_a_side_is():
    y, p, q = sample(100)
    q[0] = np.nan

    assert not metrics.paired_difference(metrics.auc, y, p, q).is_known
    assert not metrics.paired_difference(metrics.auc, y[:20], p[:20], p[:20]).is_known


@pytest.mark.long
def test_the_interval_covers_the_truth_as_often_as_it_says():
    # The truth of Brier for these probabilities is the mean of p(1 − p) over Beta(2, 3): 0.2.
    def draw(seed: int) -> bool:
        rng = np.random.default_rng(seed)
        p = rng.beta(2, 3, 300)
        found = metrics.brier((rng.random(300) < p).astype(int), p, seed=seed)
        return found.low <= 0.2 <= found.high

    covered = np.mean([draw(seed) for seed in range(1_000)])
    # Five standard errors of a share of 0.95 over 1,000 runs, and a percent for n = 300.
    assert abs(covered - 0.95) < 5 * np.sqrt(0.95 * 0.05 / 1_000) + 0.01


def test_twenty_thousand_customers_are_judged_at_once():
    y, p, q = sample(20_000)
    begun = time.process_time()

    for metric in ALL:
        metrics.paired_difference(metric, y, p, q, resamples=200)

    # About 1 s of one core; row-wise scikit-learn calls would take 20 s and more.
    assert time.process_time() - begun < 10
