"""Who will not order within the horizon: a logistic regression, and a rule of thumb."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from segments.estimators.columns import UnusableTable, numbers
from segments.estimators.logistic import LogisticProbability


class LogisticChurn(LogisticProbability):
    """Probability of no order within the horizon; 1 is churn.

    All of it is that of `LogisticProbability`. The name is that of the runs stored so far.

    Examples
    --------
    >>> X = pd.DataFrame({"recency": [1.0, 2, 50, 60, 3, 70]})
    >>> LogisticChurn(columns=["recency"]).fit(X, [0, 0, 1, 1, 0, 1]).predict_proba(X).round(1)[5]
    np.float64(0.8)
    """


class RecencyBandRate:
    """Churn rate of customers who were last seen about as long ago: a rule of thumb.

    Parameters
    ----------
    column : str
        Days since the last order.
    edges : sequence of float
        Upper edges of the bands, in days, ascending; the last band is open.
    assumed : sequence of float
        Rate of each band before anything was seen, one more than ``edges``.
    strength : float, default=50.0
        Weight of the assumption, in customers. Own figures outweigh it as they come in.
    random_state : int
        Unused.

    Attributes
    ----------
    rates_ : array of shape (bands,)

    Examples
    --------
    >>> X = pd.DataFrame({"recency_days": [5.0, 500.0]})
    >>> RecencyBandRate().fit(X.head(0), []).predict_proba(X).tolist()
    [0.4, 0.95]
    """

    def __init__(
        self,
        *,
        column: str = "recency_days",
        edges: Sequence[float] = (30.0, 90.0, 180.0, 365.0),
        assumed: Sequence[float] = (0.4, 0.55, 0.7, 0.85, 0.95),
        strength: float = 50.0,
        random_state: int = 0,
    ) -> None:
        self.column = column
        self.edges = edges
        self.assumed = assumed
        self.strength = strength
        self.random_state = random_state

    def fit(
        self, X: pd.DataFrame, y: Sequence[float] | np.ndarray | pd.Series
    ) -> "RecencyBandRate":
        """Learn each band's rate; no customers at all leave the assumption."""
        labels = np.asarray(y, dtype=float)
        if len(labels) != len(X):
            raise UnusableTable(f"found {len(X)} customers and {len(labels)} labels")
        bands = self._bands(X)
        count = np.bincount(bands, minlength=len(self.assumed))
        churned = np.bincount(bands, weights=labels, minlength=len(self.assumed))
        assumed = np.asarray(self.assumed, dtype=float)
        self.rates_ = (churned + self.strength * assumed) / (count + self.strength)
        return self

    def predict_proba(self, X: pd.DataFrame) -> pd.Series:
        """Probability of churn, in [0, 1], indexed as ``X``."""
        return pd.Series(self.rates_[self._bands(X)], index=X.index, name="probability")

    def _bands(self, X: pd.DataFrame) -> np.ndarray:
        days = np.nan_to_num(numbers(X, [self.column])[:, 0], nan=np.inf)
        return np.searchsorted(np.asarray(self.edges, dtype=float), days, side="left")
