"""A probability that is moved by what the same season brought a year ago."""

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import brentq
from scipy.special import expit

from segments.estimators.columns import UnusableTable
from segments.estimators.logistic import START, Groups

SEASON = "season"  # what the season adds to the log-odds of everybody
FARTHEST = 3.0  # log-odds: a season that moves more is none


class SeasonalProbability:
    """Another estimator's probability, moved for everybody alike by the season ahead.

    The labels that an estimator learns from lag behind by their own length, so it expects the
    season that is over. A year ago the coming season is known: the shift is what makes the
    estimator right, on average, about those customers then.

    Parameters
    ----------
    model : estimator of a probability
        With ``fit``, ``log_odds`` and ``contributions``. It is copied, never fitted itself.
    random_state : int
        Unused: the model has its own.

    Attributes
    ----------
    model_ : estimator
    shift_ : float
        Log-odds; 0 where no year ago was given.

    Examples
    --------
    >>> from segments.estimators.logistic import LogisticProbability
    >>> X = pd.DataFrame({"recency": [1.0, 2, 50, 60, 3, 70]})
    >>> model = SeasonalProbability(model=LogisticProbability(columns=["recency"]))
    >>> model.fit(X, [0, 0, 1, 1, 0, 1], year_ago=(X, [0, 0, 1, 0, 0, 1])).shift_ < 0
    True
    """

    def __init__(self, *, model: Any, random_state: int = 0) -> None:
        self.model = model
        self.random_state = random_state

    def fit(
        self,
        X: pd.DataFrame,
        y: Sequence[float] | np.ndarray | pd.Series,
        *,
        year_ago: tuple[pd.DataFrame, Any] | None = None,
    ) -> "SeasonalProbability":
        """Learn the model, and the shift from features and labels of a year before it is asked.

        Raises
        ------
        UnusableTable
            Where the model refuses the table.
        """
        self.model_ = copy.deepcopy(self.model).fit(X, y)
        self.shift_ = 0.0 if year_ago is None else _shift(self.model_, *year_ago)
        return self

    def predict_proba(self, X: pd.DataFrame) -> pd.Series:
        """Probability of the event, in [0, 1], indexed as ``X``."""
        return pd.Series(expit(self.log_odds(X).to_numpy()), index=X.index, name="probability")

    def log_odds(self, X: pd.DataFrame) -> pd.Series:
        """The log-odds of the event in the season ahead."""
        return self.model_.log_odds(X) + self.shift_

    def contributions(self, X: pd.DataFrame, groups: Groups | None = None) -> pd.DataFrame:
        """As the model's own, with a column ``season`` before ``start``."""
        parts = self.model_.contributions(X, groups)
        start = parts.pop(START)
        return parts.assign(**{SEASON: self.shift_, START: start})


def _shift(model: Any, X: pd.DataFrame, y: Any) -> float:
    """What makes the expected total the observed one."""
    labels = np.asarray(y, dtype=float)
    if len(labels) != len(X):
        raise UnusableTable(f"found {len(X)} customers of a year ago and {len(labels)} labels")
    if not len(X):
        return 0.0
    log_odds = model.log_odds(X).to_numpy()

    def excess(shift: float) -> float:
        return float((expit(log_odds + shift) - labels).mean())

    if excess(-FARTHEST) > 0:
        return -FARTHEST
    return FARTHEST if excess(FARTHEST) < 0 else float(brentq(excess, -FARTHEST, FARTHEST))
