"""A probability whose every answer can be taken apart: logistic regression on log features."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from segments.estimators.columns import LogScaler, UnusableTable

START = "start"  # the part of the log-odds that every customer shares

Groups = Mapping[str, Sequence[str]]  # features that are told together, by the name of the group


class LogisticProbability:
    """Probability of an event, by logistic regression on log features.

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
    >>> model = LogisticProbability(columns=["recency"]).fit(X, [0, 0, 1, 1, 0, 1])
    >>> model.predict_proba(X).round(1).tolist()
    [0.2, 0.2, 0.8, 0.8, 0.3, 0.8]
    """

    def __init__(self, *, columns: Sequence[str], C: float = 1.0, random_state: int = 0) -> None:
        self.columns = columns
        self.C = C
        self.random_state = random_state

    def fit(
        self, X: pd.DataFrame, y: Sequence[float] | np.ndarray | pd.Series
    ) -> "LogisticProbability":
        """Learn from features and labels; 1 is the event.

        Raises
        ------
        UnusableTable
            Where columns are missing, or all labels are alike.
        """
        X, labels = in_order(X, y)
        self.scaler_ = LogScaler(columns=list(self.columns)).fit(X)
        model = LogisticRegression(C=self.C, max_iter=500, tol=1e-6)
        model.fit(self.scaler_.transform(X), labels)
        self.coefficients_ = model.coef_[0]
        self.intercept_ = float(model.intercept_[0])
        return self

    def predict_proba(self, X: pd.DataFrame) -> pd.Series:
        """Probability of the event, in [0, 1], indexed as ``X``."""
        return pd.Series(expit(self.log_odds(X).to_numpy()), index=X.index, name="probability")

    def log_odds(self, X: pd.DataFrame) -> pd.Series:
        """The log-odds of the event."""
        values = self.scaler_.transform(X) @ self.coefficients_ + self.intercept_
        return pd.Series(values, index=X.index, name="log_odds")

    def contributions(self, X: pd.DataFrame, groups: Groups | None = None) -> pd.DataFrame:
        """What each feature adds to the log-odds, measured from the average customer.

        Parameters
        ----------
        X : DataFrame indexed by customer
        groups : dict from name to columns, optional
            Features that are told together; each by itself if not given.

        Returns
        -------
        DataFrame indexed as ``X``, one column a feature or group, and ``start``
            Rows add up to `log_odds`. ``start`` is that of a customer average in everything.
        """
        parts = pd.DataFrame(
            self.scaler_.transform(X) * self.coefficients_,
            index=X.index,
            columns=list(self.columns),
        )
        if groups is not None:
            names = list(checked(groups, self.columns))
            sums = [parts[list(groups[name])].sum(axis=1) for name in names]
            parts = pd.concat(sums, axis=1, keys=names)
        return parts.assign(**{START: self.intercept_})


def in_order(
    X: pd.DataFrame, y: Sequence[float] | np.ndarray | pd.Series
) -> tuple[pd.DataFrame, np.ndarray]:
    """Rows by index, so that sums do not hang on their order, with their labels as floats.

    Raises
    ------
    UnusableTable
        Where there are more or fewer labels than rows, or all labels are alike.
    """
    labels = np.asarray(y, dtype=float)
    if len(labels) != len(X):
        raise UnusableTable(f"found {len(X)} customers and {len(labels)} labels")
    if np.unique(labels).size != 2:
        raise UnusableTable(f"all {len(labels)} labels are alike: nothing to tell apart")
    order = np.argsort(X.index.to_numpy(), kind="stable")
    return X.iloc[order], labels[order]


def checked(groups: Groups, columns: Sequence[str]) -> Groups:
    """The groups, of which every column is in exactly one.

    Raises
    ------
    ValueError
        Naming the columns that are in none or in several, and those that are unknown.
    """
    told = [name for group in groups.values() for name in group]
    if sorted(told) != sorted(columns):
        wrong = {name for name in {*told, *columns} if told.count(name) != 1}
        wrong |= set(told) - set(columns)
        raise ValueError(f"not in exactly one group: {', '.join(sorted(wrong))}")
    return groups
