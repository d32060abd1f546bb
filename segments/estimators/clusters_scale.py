"""A scale that bends each column as much as it needs: a logarithm may be too much or too little."""

import numpy as np
import pandas as pd
from sklearn.preprocessing import PowerTransformer

from segments.estimators.columns import LogScaler, numbers

STRAIGHT = 1.0  # the exponent that bends nothing


class YeoJohnsonScaler(LogScaler):
    """Skewed columns on one scale: each bent by an exponent of its own, then mean 0, deviation 1.

    Attributes
    ----------
    lambdas_ : array of shape (columns,)
        Exponents by maximum likelihood; 1 leaves a column as it is, 0 is ``log(1 + value)`` of
        values from 0 up. That of a constant column is 1.

    Notes
    -----
    Where a column is squeezed above 0 it is stretched below: a few refunds become far outliers.

    References
    ----------
    .. [1] Yeo & Johnson (2000). A new family of power transformations to improve normality or
       symmetry. Biometrika 87(4), 954-959.

    Examples
    --------
    >>> table = pd.DataFrame({"spent": [0.0, 9.0, 99.0, 999.0]})
    >>> YeoJohnsonScaler(columns=["spent"]).fit(table).transform(table).round(1)[:, 0].tolist()
    [-1.3, -0.4, 0.4, 1.3]
    """

    def fit(self, X: pd.DataFrame) -> "YeoJohnsonScaler":
        self.lambdas_ = np.array([_exponent(column) for column in numbers(X, self.columns).T])
        super().fit(X)
        return self

    def logs_of(self, scaled: np.ndarray) -> np.ndarray:
        """Back from the frozen scale to the log scale, where runs can be compared."""
        plain = _unbent(scaled * self.scale_ + self.mean_, self.lambdas_)
        return np.sign(plain) * np.log1p(np.abs(plain))

    def _logs(self, X: pd.DataFrame) -> np.ndarray:
        return _bent(numbers(X, self.columns), self.lambdas_)


def _exponent(column: np.ndarray) -> float:
    known = column[~np.isnan(column)]
    if known.size < 2 or np.ptp(known) < 1e-9:
        return STRAIGHT
    found = PowerTransformer(standardize=False).fit(known[:, None]).lambdas_[0]
    return float(found) if np.isfinite(found) else STRAIGHT


def _bent(values: np.ndarray, lambdas: np.ndarray) -> np.ndarray:
    """Equation (2.1) of [1]_: as Box-Cox of 1 + value above 0, of 2 − λ below."""
    up = _power(np.log1p(np.maximum(values, 0)), lambdas)
    down = _power(np.log1p(np.maximum(-values, 0)), 2 - lambdas)
    return np.where(np.isnan(values), np.nan, up - down)


def _power(logs: np.ndarray, exponent: np.ndarray) -> np.ndarray:
    """((exp logs) ** exponent − 1) / exponent, and its limit where the exponent is 0."""
    is_flat = np.abs(exponent) < 1e-9
    safe = np.where(is_flat, 1.0, exponent)
    return np.where(is_flat, logs, np.expm1(logs * safe) / safe)


def _unbent(bent: np.ndarray, lambdas: np.ndarray) -> np.ndarray:
    up = np.expm1(_unpowered(np.maximum(bent, 0), lambdas))
    down = np.expm1(_unpowered(np.maximum(-bent, 0), 2 - lambdas))
    return up - down


def _unpowered(values: np.ndarray, exponent: np.ndarray) -> np.ndarray:
    is_flat = np.abs(exponent) < 1e-9
    safe = np.where(is_flat, 1.0, exponent)
    # Beyond the asymptote of a negative exponent nothing lies; centres come close at most.
    return np.where(is_flat, values, np.log1p(np.maximum(values * safe, -1 + 1e-9)) / safe)
