"""How many purchases to expect, by small Poisson trees that correct a shrunken rate."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingRegressor

from segments.estimators.boosting import LEAVES, BoostedProbability, usable
from segments.estimators.clv import ShrunkenValue
from segments.estimators.columns import UnusableTable, numbers

SMALLEST_EXPECTED = 1e-6  # purchases; a base of 0 could not be corrected
BINS = 255  # the library's most


class PoissonCorrection(BoostedProbability):
    """What to multiply an expected count by, by gradient boosting of small Poisson trees.

    Parameters are those of `BoostedProbability`, and so are its attributes: tables of the
    logarithm of the factor.

    Examples
    --------
    >>> X = pd.DataFrame({"recency": np.arange(200.0)})
    >>> model = PoissonCorrection(columns=["recency"])
    >>> model = model.correct(X, np.where(X["recency"] < 100, 2.0, 0.5), np.ones(200))
    >>> model.factor(X).iloc[[0, 199]].round(1).tolist()
    [2.0, 0.5]
    """

    def correct(
        self,
        X: pd.DataFrame,
        y: Sequence[float] | np.ndarray | pd.Series,
        base: Sequence[float] | np.ndarray | pd.Series,
    ) -> "PoissonCorrection":
        """Learn from counts and what the base expected of them, both of shape (n,).

        A Poisson likelihood with an offset is one of the quotient, weighted by the base.

        Raises
        ------
        UnusableTable
            Where columns are missing, or nothing was counted.
        """
        expected = np.maximum(np.asarray(base, dtype=float), SMALLEST_EXPECTED)
        counted = np.asarray(y, dtype=float)
        if not counted.sum() > 0:
            raise UnusableTable(f"none of {len(X)} customers bought anything: nothing to learn")
        values = usable(numbers(X, self.columns))
        self.reference_ = np.nan_to_num(values).mean(axis=0)
        model = HistGradientBoostingRegressor(
            loss="poisson",
            max_iter=self.trees,
            learning_rate=self.learning_rate,
            max_leaf_nodes=LEAVES,
            min_samples_leaf=self.least_leaf,
            l2_regularization=1.0,
            early_stopping=False,
            random_state=self.random_state,
        )
        # Given weights, the library sorts a column anew for each of its bins' edges: 9 parts in 10
        # of the whole fit. It is given the bins instead.
        edges = [_edges(column, expected) for column in values.T]
        codes = np.column_stack(
            [_codes(column, cuts) for column, cuts in zip(values.T, edges, strict=True)]
        )
        self._keep(model.fit(codes, counted / expected, sample_weight=expected))
        for place, cuts in enumerate(edges):
            asked = (self.feature_ == place) & np.isfinite(self.threshold_)
            self.threshold_[asked] = cuts[self.threshold_[asked].astype(int)]
        return self

    def factor(self, X: pd.DataFrame) -> pd.Series:
        """The factor, above 0, indexed as ``X``."""
        return np.exp(self.log_odds(X)).rename("factor")


def _edges(column: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Upper edges of all bins but the last, ascending: of equal weight, or one for each value."""
    is_there = ~np.isnan(column)
    order = np.argsort(column[is_there], kind="stable")
    ordered = column[is_there][order]
    distinct = np.unique(ordered)
    if distinct.size <= BINS:
        return (distinct[:-1] + distinct[1:]) / 2
    below = np.cumsum(weight[is_there][order])
    at = np.searchsorted(below, below[-1] * np.arange(1, BINS) / BINS)
    return np.unique(ordered[np.minimum(at, ordered.size - 1)])


def _codes(column: np.ndarray, cuts: np.ndarray) -> np.ndarray:
    """The bin of each value, as a number; what is missing stays missing."""
    found = np.searchsorted(cuts, column, side="left").astype(float)
    return np.where(np.isnan(column), np.nan, found)


class BoostedValue:
    """Purchases by a shrunken rate that small Poisson trees correct, times shrunken spend.

    The challenger of the purchase models, and what serves where their fit is degenerate: it
    assumes nothing of who leaves when, but learns it from what followed earlier snapshots.

    Parameters
    ----------
    columns : sequence of str
        Features that the trees read, beside the columns of `ShrunkenValue`; may be missing.
    horizon_days : int
        Of the counts that it learns from.
    decay : float, default=1.0
        Purchases of the customers known in one more such horizon, as a part of those in the one
        before it; above 0. Beyond ``horizon_days`` this is how purchases go on.
    trees, learning_rate, least_leaf, random_state
        As of `PoissonCorrection`.

    Attributes
    ----------
    base_ : ShrunkenValue
    correction_ : PoissonCorrection
        Of the expected purchases.
    worth_ : PoissonCorrection or None
        What is spent in the horizon, in units of the shrunken spend of a purchase.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> n = 400
    >>> X = pd.DataFrame({"frequency": rng.poisson(2, n), "age": 100.0, "mean_spend": 20.0})
    >>> X["purchases"] = X["frequency"] + 1
    >>> model = BoostedValue(columns=["frequency"], horizon_days=90)
    >>> found = model.fit(X, rng.poisson(X["frequency"])).predict(X, horizon_days=90)
    >>> found.columns.tolist()
    ['orders', 'spend', 'value']
    """

    def __init__(
        self,
        *,
        columns: Sequence[str],
        horizon_days: int = 90,
        decay: float = 1.0,
        trees: int = 100,
        learning_rate: float = 0.05,
        least_leaf: int = 40,
        random_state: int = 0,
    ) -> None:
        self.columns = columns
        self.horizon_days = horizon_days
        self.decay = decay
        self.trees = trees
        self.learning_rate = learning_rate
        self.least_leaf = least_leaf
        self.random_state = random_state

    def fit(
        self,
        X: pd.DataFrame,
        y: Sequence[float] | np.ndarray | pd.Series,
        value: Sequence[float] | np.ndarray | pd.Series | None = None,
    ) -> "BoostedValue":
        """Learn from snapshots, one under another.

        Parameters
        ----------
        X : DataFrame indexed by customer; one may be there once a snapshot
            Columns as of `ShrunkenValue`, and ``columns``.
        y : array of shape (n,)
            Purchase days in the ``horizon_days`` after the snapshot.
        value : array of shape (n,), optional
            What was spent on them. Trees that learn it directly have half a say in the spend,
            for they weigh customers by their money.

        Raises
        ------
        UnusableTable
            Where columns are missing, or nobody bought anything.
        """
        counted = np.asarray(y, dtype=float)
        if len(counted) != len(X):
            raise UnusableTable(f"found {len(X)} customers and {len(counted)} counts")
        order = np.argsort(X.index.to_numpy(), kind="stable")  # sums do not hang on row order
        X, counted = X.iloc[order], counted[order]
        paid = None if value is None else np.maximum(np.asarray(value, dtype=float)[order], 0.0)
        self.base_ = ShrunkenValue(random_state=self.random_state).fit(X)
        self.correction_ = self._trees().correct(X, counted, self._base(X))
        self.worth_ = None
        if paid is not None and paid.sum() > 0:
            self.worth_ = self._trees().correct(X, paid, self.base_.expected_spend(X))
        return self

    def predict(self, X: pd.DataFrame, *, horizon_days: float) -> pd.DataFrame:
        """As of `CustomerValue`."""
        orders = self.expected_orders(X, horizons_days=[horizon_days])[horizon_days]
        spend = self.expected_spend(X)
        return pd.DataFrame({"orders": orders, "spend": spend, "value": orders * spend})

    def expected_spend(self, X: pd.DataFrame) -> pd.Series:
        """As of `CustomerValue`."""
        spend = self.base_.expected_spend(X)
        if self.worth_ is None:
            return spend
        return (spend * (1 + self.worth_.factor(X) / self._learnt(X)) / 2).rename("spend")

    def expected_orders(self, X: pd.DataFrame, *, horizons_days: Sequence[float]) -> pd.DataFrame:
        """Purchase days expected in each horizon, one column each."""
        learnt = self._learnt(X)
        return pd.DataFrame({days: learnt * self._horizons(days) for days in horizons_days})

    def _learnt(self, X: pd.DataFrame) -> pd.Series:
        """Purchase days expected in ``horizon_days``."""
        return np.maximum(self._base(X), SMALLEST_EXPECTED) * self.correction_.factor(X)

    def _trees(self) -> PoissonCorrection:
        return PoissonCorrection(
            columns=list(self.columns),
            trees=self.trees,
            learning_rate=self.learning_rate,
            least_leaf=self.least_leaf,
            random_state=self.random_state,
        )

    def _base(self, X: pd.DataFrame) -> pd.Series:
        days = float(self.horizon_days)
        return self.base_.expected_orders(X, horizons_days=[days])[days]

    def _horizons(self, days: float) -> float:
        """So many learnt horizons fit into ``days``, later ones counting less."""
        whole, rest = divmod(days / self.horizon_days, 1)
        if self.decay == 1:
            return whole + rest
        return (1 - self.decay**whole) / (1 - self.decay) + rest * self.decay**whole
