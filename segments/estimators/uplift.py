"""What writing to a customer changes: two learners of the difference that treatment makes."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from segments.estimators.boosting import BoostedProbability
from segments.estimators.columns import LogScaler, UnusableTable
from segments.estimators.logistic import LogisticProbability

LOGISTIC, BOOSTING, LINEAR = BASES = ("logistic", "boosting", "linear")
C = 0.1  # of the logistic arms: their difference is small, and noise in either is noise in it


class LogRidge:
    """An amount, by a ridge regression on log features.

    Parameters
    ----------
    columns : sequence of str
        Features, of any sign; missing values take the median learnt.
    penalty : float, default=0.01
        For each customer, so that twice the customers with the same habits give the same answer.

    Attributes
    ----------
    scaler_ : LogScaler
    coefficients_ : array of shape (columns,)
    intercept_ : float
    """

    def __init__(self, *, columns: Sequence[str], penalty: float = 0.01) -> None:
        self.columns = columns
        self.penalty = penalty

    def fit(self, X: pd.DataFrame, y: Sequence[float] | np.ndarray | pd.Series) -> "LogRidge":
        amounts = np.asarray(y, dtype=float)
        self.scaler_ = LogScaler(columns=list(self.columns)).fit(X)
        rows = self.scaler_.transform(X)
        self.intercept_ = float(amounts.mean())
        spread = rows.T @ rows + self.penalty * len(rows) * np.eye(rows.shape[1])
        self.coefficients_ = np.linalg.solve(spread, rows.T @ (amounts - self.intercept_))
        return self

    def predict(self, X: pd.DataFrame) -> pd.Series:
        values = self.scaler_.transform(X) @ self.coefficients_ + self.intercept_
        return pd.Series(values, index=X.index, name="amount")


class TLearner:
    """Uplift as the difference of two models: one of the treated, one of those left alone.

    Parameters
    ----------
    columns : sequence of str
        Features known before the draw.
    base : {"logistic", "boosting", "linear"}
        What the two models are; the first two for outcomes of 0 and 1, the last also for amounts.
    random_state : int

    Attributes
    ----------
    treated_, untreated_ : fitted models of the arms

    Notes
    -----
    Only for arms that chance has drawn. Both models learn mostly what customers do anyway, and
    their errors do not cancel: with few customers X is often better [1]_.

    References
    ----------
    .. [1] Künzel, Sekhon, Bickel & Yu (2019). Metalearners for estimating heterogeneous treatment
       effects using machine learning. PNAS 116(10), 4156-4165.

    Examples
    --------
    >>> X = pd.DataFrame({"likes_mail": np.tile([0.0, 1.0], 200)})
    >>> treated = np.repeat([0, 1], 200)
    >>> buys = treated * X["likes_mail"]
    >>> TLearner(columns=["likes_mail"], base="linear").fit(X, buys, treated=treated).predict(
    ...     X.head(2)).round(1).tolist()
    [0.0, 1.0]
    """

    def __init__(
        self, *, columns: Sequence[str], base: str = LOGISTIC, random_state: int = 0
    ) -> None:
        self.columns = columns
        self.base = base
        self.random_state = random_state

    def fit(self, X: pd.DataFrame, y: Any, *, treated: Any) -> "TLearner":
        """Learn from features, outcomes and who was treated (1) or left alone (0).

        Raises
        ------
        UnusableTable
            Where an arm is empty or, with a base for probabilities, all of its outcomes are alike.
        """
        X, outcome, is_treated = _ordered(X, y, treated)
        self.treated_, self.untreated_ = (
            _model(self.base, self.columns, self.random_state).fit(X[arm], outcome[arm])
            for arm in (is_treated, ~is_treated)
        )
        return self

    def predict(self, X: pd.DataFrame) -> pd.Series:
        """What treatment adds to the outcome of each customer, indexed as ``X``."""
        return (_asked(self.treated_, X) - _asked(self.untreated_, X)).rename("uplift")


class XLearner:
    """Uplift learnt from each customer's difference to what the other arm's model expects.

    Parameters
    ----------
    columns, base, random_state
        As of `TLearner`; the second stage is a ridge regression.
    share : float, optional
        Known probability of being treated; the share found if not given.

    Attributes
    ----------
    arms_ : TLearner
    of_treated_, of_untreated_ : LogRidge
        Second stage: effects as seen from each arm.
    share_ : float

    Notes
    -----
    The arm with fewer customers is compared with the model of the larger one, which is the better
    of the two: made for a small holdout. See [1]_ of `TLearner`, eq. 9.
    """

    def __init__(
        self,
        *,
        columns: Sequence[str],
        base: str = LOGISTIC,
        share: float | None = None,
        random_state: int = 0,
    ) -> None:
        self.columns = columns
        self.base = base
        self.share = share
        self.random_state = random_state

    def fit(self, X: pd.DataFrame, y: Any, *, treated: Any) -> "XLearner":
        """As `TLearner.fit`."""
        X, outcome, is_treated = _ordered(X, y, treated)
        self.share_ = float(is_treated.mean()) if self.share is None else self.share
        self.arms_ = TLearner(
            columns=self.columns, base=self.base, random_state=self.random_state
        ).fit(X, outcome, treated=is_treated)
        there, alone = X[is_treated], X[~is_treated]
        gained = outcome[is_treated] - _asked(self.arms_.untreated_, there).to_numpy()
        missed = _asked(self.arms_.treated_, alone).to_numpy() - outcome[~is_treated]
        self.of_treated_ = LogRidge(columns=list(self.columns)).fit(there, gained)
        self.of_untreated_ = LogRidge(columns=list(self.columns)).fit(alone, missed)
        return self

    def predict(self, X: pd.DataFrame) -> pd.Series:
        """As `TLearner.predict`."""
        # eq. 9: weighted by the probability to be treated
        found = self.share_ * self.of_untreated_.predict(X)
        return (found + (1 - self.share_) * self.of_treated_.predict(X)).rename("uplift")


def _model(base: str, columns: Sequence[str], random_state: int) -> Any:
    if base == LOGISTIC:
        return LogisticProbability(columns=list(columns), C=C, random_state=random_state)
    if base == BOOSTING:
        return BoostedProbability(columns=list(columns), random_state=random_state)
    if base == LINEAR:
        return LogRidge(columns=list(columns))
    raise ValueError(f"base is {base}; expected one of {', '.join(BASES)}")


def _asked(model: Any, X: pd.DataFrame) -> pd.Series:
    return model.predict(X) if isinstance(model, LogRidge) else model.predict_proba(X)


def _ordered(X: pd.DataFrame, y: Any, treated: Any) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """The rows by customer, whatever order they came in: sums then do not depend on it."""
    arms, outcome = np.asarray(treated).astype(bool), np.asarray(y, dtype=float)
    if not len(X) == len(arms) == len(outcome):
        raise UnusableTable(
            f"found {len(X)} customers, {len(outcome)} outcomes and {len(arms)} arms"
        )
    if arms.all() or not arms.any():
        raise UnusableTable("one arm is empty: nothing to compare with")
    order = np.argsort(X.index.to_numpy(), kind="stable")
    return X.iloc[order], outcome[order], arms[order]
