"""A probability that is moved to what came true of such probabilities, where that helps."""

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import expit, logit
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from segments.estimators.columns import UnusableTable
from segments.estimators.logistic import START, Groups, in_order

WAYS = ("Platt", "isotonic")
CORRECTION = "correction"  # what an uneven calibration adds to the log-odds
HARDLY = 1e3  # Platt's C: two numbers from thousands of rows need no penalty


class CalibratedProbability:
    """Another estimator's probability, moved by what came true of its forecasts.

    What came true is looked up on customers that the forecasts were not learnt from: they are
    dealt into folds, all rows of a customer into the same.

    Parameters
    ----------
    model : estimator of a probability
        With ``fit``, ``log_odds`` and ``contributions``. It is copied, never fitted itself.
    way : {"Platt", "isotonic"}
        A straight line of the log-odds [1]_, or any rising curve [2]_.
    folds : int, default=3
    random_state : int
        Of the deal.

    Attributes
    ----------
    model_ : estimator
        Fitted on everybody.
    slope_, shift_ : float
        Platt's line.
    before_, after_ : arrays of shape (points,)
        The isotonic curve in log-odds, straight between the points.

    References
    ----------
    .. [1] Platt (1999). Probabilistic outputs for support vector machines.
    .. [2] Zadrozny & Elkan (2002). Transforming classifier scores into accurate multiclass
       probability estimates. KDD.

    Examples
    --------
    >>> from segments.estimators.logistic import LogisticProbability
    >>> X = pd.DataFrame({"recency": np.arange(300.0)})
    >>> model = CalibratedProbability(model=LogisticProbability(columns=["recency"]))
    >>> model.fit(X, np.arange(300) % 7 < 3).predict_proba(X).between(0.3, 0.6).all()
    np.True_
    """

    def __init__(
        self, *, model: Any, way: str = "Platt", folds: int = 3, random_state: int = 0
    ) -> None:
        self.model = model
        self.way = way
        self.folds = folds
        self.random_state = random_state

    def fit(
        self, X: pd.DataFrame, y: Sequence[float] | np.ndarray | pd.Series
    ) -> "CalibratedProbability":
        """Learn the model on everybody, and the calibration on forecasts of held-out customers.

        Raises
        ------
        UnusableTable
            Where the model refuses the table, or a fold has one label only.
        ValueError
            If ``way`` is neither of the two.
        """
        if self.way not in WAYS:
            raise ValueError(f"way is {self.way}, expected one of {', '.join(WAYS)}")
        X, labels = in_order(X, y)
        held_out = self._held_out(X, labels)
        self.model_ = copy.deepcopy(self.model).fit(X, labels)
        self.slope_, self.shift_ = 1.0, 0.0
        self.before_ = self.after_ = np.zeros(1)
        if self.way == "Platt":
            line = LogisticRegression(C=HARDLY).fit(held_out[:, None], labels)
            self.slope_, self.shift_ = float(line.coef_[0, 0]), float(line.intercept_[0])
        else:
            self.before_, self.after_ = _curve(held_out, labels)
        return self

    def predict_proba(self, X: pd.DataFrame) -> pd.Series:
        """Probability of the event, in [0, 1], indexed as ``X``."""
        return pd.Series(expit(self.log_odds(X).to_numpy()), index=X.index, name="probability")

    def log_odds(self, X: pd.DataFrame) -> pd.Series:
        """The log-odds of the event, calibrated."""
        found = self.model_.log_odds(X)
        if self.way == "Platt":
            return found * self.slope_ + self.shift_
        moved = np.interp(found.to_numpy(), self.before_, self.after_)
        return pd.Series(moved, index=X.index, name="log_odds")

    def contributions(self, X: pd.DataFrame, groups: Groups | None = None) -> pd.DataFrame:
        """As the model's own; an isotonic curve adds a column ``correction``."""
        parts = self.model_.contributions(X, groups)
        if self.way == "Platt":
            parts = parts * self.slope_
            return parts.assign(**{START: parts[START] + self.shift_})
        return parts.assign(**{CORRECTION: self.log_odds(X) - self.model_.log_odds(X)})

    def _held_out(self, X: pd.DataFrame, labels: np.ndarray) -> np.ndarray:
        """Log-odds of each row by a model that has not seen its customer."""
        customers, place = np.unique(X.index.to_numpy(), return_inverse=True)
        deal = np.random.default_rng(self.random_state).permutation(len(customers))
        fold = (deal % self.folds)[place]
        found = np.empty(len(X))
        for one in range(self.folds):
            here = fold == one
            if np.unique(labels[~here]).size != 2:
                raise UnusableTable(f"only {len(customers)} customers: too few to calibrate on")
            model = copy.deepcopy(self.model).fit(X[~here], labels[~here])
            found[here] = model.log_odds(X[here])
        return found


def _curve(log_odds: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Points of a rising curve in log-odds, away from 0 and 1 as far as the rows allow."""
    steps = IsotonicRegression(out_of_bounds="clip").fit(log_odds, labels)
    least = 1 / (len(labels) + 2)
    after = logit(np.clip(steps.y_thresholds_, least, 1 - least))
    return np.asarray(steps.X_thresholds_, dtype=float), after
