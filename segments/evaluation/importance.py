"""How much worse do predictions become where one feature is shuffled among the customers?"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from segments.evaluation.estimate import LEAST_N
from segments.evaluation.metrics import Metric

Z = 1.959963984540054  # 97.5 % quantile of the standard normal


def importance(
    predict: Callable[[pd.DataFrame], ArrayLike],
    metric: Metric,
    X: pd.DataFrame,
    y: ArrayLike,
    *,
    seed: int,
    repeats: int = 10,
) -> list[dict[str, Any]]:
    """What each feature is worth to fitted predictions, in the unit of ``metric``.

    Parameters
    ----------
    predict : callable
        ``predict(table)`` gives one number for each row; it is not fitted again.
    metric : Metric
        Of `segments.evaluation.metrics`, for example ``log_loss``.
    X : DataFrame of shape (n, columns)
        Customers that the estimator has not learnt from.
    y : array of shape (n,)
        What happened.
    seed : int
        Of the shuffles; the same seed gives the same answer.
    repeats : int
        Shuffles of each column, 2 or more; each is one more prediction of everybody.

    Returns
    -------
    list of dict, the most important first
        ``feature``; ``value``, how much worse the metric becomes, above 0 where the feature
        helps; ``low`` and ``high`` of its 95 % interval over shuffles and resampled customers.
        Empty where n < 30 or the metric is undefined.

    Notes
    -----
    Of features that say the same each alone looks useless, for the others stand in for it. It
    tells what the model uses, never what causes the outcome.

    References
    ----------
    .. [1] Breiman (2001). Random forests. Machine Learning 45, 5-32, section 10.
    """
    truth = np.asarray(y, dtype=float).ravel()
    n = truth.size
    before = np.asarray(predict(X), dtype=float).ravel()
    if n < LEAST_N or not metric(truth, before, resamples=0).is_known:
        return []
    rng = np.random.default_rng(seed)
    shuffles = [rng.permutation(n) for _ in range(repeats)]
    weights = np.ones((2, n))  # as they are, and resampled
    sign = -1.0 if metric.higher_is_better else 1.0
    weigh_before = metric.kernel(truth, before)
    rows = []
    for name in X.columns:
        values, draws = [], []
        for shuffle in shuffles:
            shuffled = X.assign(**{name: X[name].iloc[shuffle].to_numpy()})
            weights[1] = np.bincount(rng.integers(0, n, n), minlength=n)
            after = np.asarray(predict(shuffled), dtype=float).ravel()
            worse = sign * (metric.kernel(truth, after)(weights) - weigh_before(weights))
            values.append(worse[0])
            draws.append(worse[1])
        value = float(np.mean(values))
        half = Z * float(np.std(draws, ddof=1))  # of few draws a percentile would be coarse
        rows.append(
            {
                "feature": str(name),
                "value": round(value, 6),
                "low": round(value - half, 6),
                "high": round(value + half, 6),
            }
        )
    return sorted(rows, key=lambda row: -row["value"])
