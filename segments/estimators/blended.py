"""A probability that is the middle of several estimators' answers."""

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import expit

from segments.estimators.logistic import Groups


class BlendedProbability:
    """The mean of several estimators' log-odds.

    Where they err in different ways their mean errs less: a straight line misses bends, trees
    are rough between their steps.

    Parameters
    ----------
    models : sequence of estimators of a probability
        With ``fit``, ``log_odds`` and ``contributions``. They are copied, never fitted themselves.
    random_state : int
        Unused: each model has its own.

    Attributes
    ----------
    models_ : list of estimators

    Examples
    --------
    >>> from segments.estimators.logistic import LogisticProbability
    >>> X = pd.DataFrame({"recency": [1.0, 2, 50, 60, 3, 70]})
    >>> models = [LogisticProbability(columns=["recency"], C=C) for C in (0.1, 10.0)]
    >>> BlendedProbability(models=models).fit(X, [0, 0, 1, 1, 0, 1]).predict_proba(X).round(1)[5]
    np.float64(0.8)
    """

    def __init__(self, *, models: Sequence[Any], random_state: int = 0) -> None:
        self.models = models
        self.random_state = random_state

    def fit(
        self, X: pd.DataFrame, y: Sequence[float] | np.ndarray | pd.Series
    ) -> "BlendedProbability":
        """Learn each model from the same features and labels; 1 is the event.

        Raises
        ------
        UnusableTable
            Where one of them refuses the table.
        """
        self.models_ = [copy.deepcopy(model).fit(X, y) for model in self.models]
        return self

    def predict_proba(self, X: pd.DataFrame) -> pd.Series:
        """Probability of the event, in [0, 1], indexed as ``X``."""
        return pd.Series(expit(self.log_odds(X).to_numpy()), index=X.index, name="probability")

    def log_odds(self, X: pd.DataFrame) -> pd.Series:
        """The log-odds of the event."""
        found = np.mean([model.log_odds(X).to_numpy() for model in self.models_], axis=0)
        return pd.Series(found, index=X.index, name="log_odds")

    def contributions(self, X: pd.DataFrame, groups: Groups | None = None) -> pd.DataFrame:
        """The mean of what the models say each feature or group adds; as of each of them."""
        parts = [model.contributions(X, groups) for model in self.models_]
        return sum(parts[1:], start=parts[0]) / len(parts)
