"""Who will not order within the horizon: a logistic regression, and a rule of thumb."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from segments.estimators.columns import LogScaler, UnusableTable, numbers

START = "start"  # the part of the log-odds that every customer shares


class LogisticChurn:
    """Probability of no order within the horizon, by logistic regression on log features.

    Parameters
    ----------
    columns : sequence of str
        Features, of any sign; missing values take the median learnt.
    C : float, default=1.0
        Inverse strength of the ridge penalty.
    random_state : int
        Unused: the loss has one minimum.

    Attributes
    ----------
    scaler_ : LogScaler
    coefficients_ : array of shape (columns,)
        Change of the log-odds for one standard deviation of a feature.
    intercept_ : float

    Notes
    -----
    On public data this ties with gradient boosting and each answer can be taken apart into what
    its features add. An addend is an association, never a cause.

    Examples
    --------
    >>> X = pd.DataFrame({"recency": [1.0, 2, 50, 60, 3, 70]})
    >>> model = LogisticChurn(columns=["recency"]).fit(X, [0, 0, 1, 1, 0, 1])
    >>> model.predict_proba(X).round(1).tolist()
    [0.2, 0.2, 0.8, 0.8, 0.3, 0.8]
    """

    def __init__(self, *, columns: Sequence[str], C: float = 1.0, random_state: int = 0) -> None:
        self.columns = columns
        self.C = C
        self.random_state = random_state

    def fit(self, X: pd.DataFrame, y: Sequence[float] | np.ndarray | pd.Series) -> "LogisticChurn":
        """Learn from features and labels; 1 is churn.

        Raises
        ------
        UnusableTable
            Where columns are missing, or all labels are alike.
        """
        labels = np.asarray(y, dtype=float)
        if len(labels) != len(X):
            raise UnusableTable(f"found {len(X)} customers and {len(labels)} labels")
        if np.unique(labels).size != 2:
            raise UnusableTable(f"all {len(labels)} labels are alike: nothing to tell apart")
        order = np.argsort(X.index.to_numpy(), kind="stable")  # sums do not hang on row order
        self.scaler_ = LogScaler(columns=list(self.columns)).fit(X.iloc[order])
        scaled = self.scaler_.transform(X.iloc[order])
        model = LogisticRegression(C=self.C, max_iter=500, tol=1e-6).fit(scaled, labels[order])
        self.coefficients_ = model.coef_[0]
        self.intercept_ = float(model.intercept_[0])
        return self

    def predict_proba(self, X: pd.DataFrame) -> pd.Series:
        """Probability of churn, in [0, 1], indexed as ``X``."""
        return pd.Series(expit(self.log_odds(X).to_numpy()), index=X.index, name="probability")

    def log_odds(self, X: pd.DataFrame) -> pd.Series:
        """The log-odds of churn."""
        values = self.scaler_.transform(X) @ self.coefficients_ + self.intercept_
        return pd.Series(values, index=X.index, name="log_odds")

    def contributions(self, X: pd.DataFrame) -> pd.DataFrame:
        """What each feature adds to the log-odds, measured from the average customer.

        Returns
        -------
        DataFrame indexed as ``X``, one column a feature, and ``start``
            Rows add up to `log_odds`. ``start`` is that of a customer average in everything.
        """
        parts = pd.DataFrame(
            self.scaler_.transform(X) * self.coefficients_,
            index=X.index,
            columns=list(self.columns),
        )
        return parts.assign(**{START: self.intercept_})


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
