"""How estimators read their table, and bring its columns to one scale."""

from collections.abc import Sequence

import numpy as np
import pandas as pd


class UnusableTable(ValueError):
    """The table lacks columns, rows or values that the estimator needs."""


def numbers(X: pd.DataFrame, columns: Sequence[str]) -> np.ndarray:
    """The named columns as floats, in this order, whatever else the table holds.

    Parameters
    ----------
    X : DataFrame indexed by customer
        May have more columns, in any order.
    columns : sequence of str
        Those wanted.

    Returns
    -------
    array of shape (n, len(columns))
        A copy; missing and infinite values are NaN.

    Raises
    ------
    UnusableTable
        Naming all missing columns at once.
    """
    missing = [name for name in columns if name not in X.columns]
    if missing:
        raise UnusableTable(
            f"columns missing: {', '.join(missing)}; found: {', '.join(map(str, X.columns))}"
        )
    found = X[list(columns)].to_numpy(dtype=float, na_value=np.nan, copy=True)
    found[~np.isfinite(found)] = np.nan
    return found


def complete_numbers(X: pd.DataFrame, columns: Sequence[str]) -> np.ndarray:
    """As `numbers`, and refuse the table where one of them is missing or below 0."""
    found = numbers(X, columns)
    for what, wrong in (("missing", np.isnan(found)), ("below 0", found < 0)):
        if wrong.any():
            words = [
                f"{name} ({n})" for name, n in zip(columns, wrong.sum(axis=0), strict=True) if n
            ]
            raise UnusableTable(f"values {what}: {', '.join(words)}")
    return found


class LogScaler:
    """Skewed columns on one scale: sign·log(1 + |value|), then mean 0 and deviation 1.

    What it learns is frozen, so that tomorrow's customers are measured with today's rule.

    Parameters
    ----------
    columns : sequence of str
        Taken in this order.

    Attributes
    ----------
    fill_ : array of shape (columns,)
        Median on the log scale, which stands in for a missing value; 0 where a column is empty.
    mean_, scale_ : arrays of shape (columns,)
        On the log scale. The scale of a constant column is 1.

    Examples
    --------
    >>> table = pd.DataFrame({"spent": [0.0, 9.0, 99.0, None]})
    >>> LogScaler(columns=["spent"]).fit(table).transform(table).round(2)[:, 0].tolist()
    [-1.41, 0.0, 1.41, 0.0]
    """

    def __init__(self, *, columns: Sequence[str]) -> None:
        self.columns = columns

    def fit(self, X: pd.DataFrame) -> "LogScaler":
        logs = self._logs(X)
        if not len(logs):
            raise UnusableTable("no customers: nothing to learn from")
        empty = np.isnan(logs).all(axis=0)
        self.fill_ = np.nanmedian(np.where(empty, 0.0, logs), axis=0)
        logs = np.where(np.isnan(logs), self.fill_, logs)
        self.mean_ = logs.mean(axis=0)
        spread = logs.std(axis=0)
        self.scale_ = np.where(spread > 1e-9, spread, 1.0)
        return self

    def transform(self, X: pd.DataFrame) -> np.ndarray:
        """Rows on the frozen scale, shape (n, columns), without missing values."""
        logs = self._logs(X)
        return (np.where(np.isnan(logs), self.fill_, logs) - self.mean_) / self.scale_

    def logs_of(self, scaled: np.ndarray) -> np.ndarray:
        """Back from the frozen scale to the log scale, where runs can be compared."""
        return scaled * self.scale_ + self.mean_

    def _logs(self, X: pd.DataFrame) -> np.ndarray:
        found = numbers(X, self.columns)
        return np.sign(found) * np.log1p(np.abs(found))
