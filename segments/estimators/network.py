"""A probability by a small neural network, kept as its weights."""

from collections.abc import Sequence
from math import factorial
from warnings import catch_warnings, simplefilter

import numpy as np
import pandas as pd
from scipy.special import expit
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from segments.estimators.columns import LogScaler
from segments.estimators.logistic import START, Groups, checked, in_order

FARTHEST = 6.0  # deviations: beyond it a network only goes on in a straight line
LEAST_TO_STOP = 20  # rows of the rarer label, below which none are put aside to stop early
MOST_GROUPS = 10  # contributions need 2 to that power of answers
BLOCK_ROWS = 20_000  # asked at once: they stay in the processor's cache


class NetworkProbability:
    """Probability of an event, by a neural network with one hidden layer on log features.

    Parameters
    ----------
    columns : sequence of str
        Features; missing values take the median learnt.
    hidden : int, default=16
        Units of the hidden layer.
    alpha : float, default=0.01
        Strength of the ridge penalty.
    most_rows : int, default=20_000
        Drawn from those given: more take longer and teach so small a network nothing.
    random_state : int
        Of the first weights, of the rows put aside to stop early, and of those drawn.

    Attributes
    ----------
    scaler_ : LogScaler
    hidden_weights_ : array of shape (columns, hidden)
    hidden_bias_ : array of shape (hidden,)
    weights_ : array of shape (hidden,)
    intercept_ : float

    Examples
    --------
    >>> X = pd.DataFrame({"recency": np.arange(200.0)})
    >>> model = NetworkProbability(columns=["recency"]).fit(X, np.arange(200) >= 100)
    >>> model.predict_proba(X).is_monotonic_increasing
    True
    """

    def __init__(
        self,
        *,
        columns: Sequence[str],
        hidden: int = 16,
        alpha: float = 0.01,
        most_rows: int = 20_000,
        random_state: int = 0,
    ) -> None:
        self.columns = columns
        self.hidden = hidden
        self.alpha = alpha
        self.most_rows = most_rows
        self.random_state = random_state

    def fit(
        self, X: pd.DataFrame, y: Sequence[float] | np.ndarray | pd.Series
    ) -> "NetworkProbability":
        """Learn from features and labels; 1 is the event.

        Raises
        ------
        UnusableTable
            Where columns are missing, or all labels are alike.
        """
        X, labels = in_order(X, y)
        self.scaler_ = LogScaler(columns=list(self.columns)).fit(X)
        rows = self._rows(X)
        if len(rows) > self.most_rows:
            rng = np.random.default_rng(self.random_state)
            drawn = np.sort(rng.choice(len(rows), self.most_rows, replace=False))
            if np.unique(labels[drawn]).size == 2:
                rows, labels = rows[drawn], labels[drawn]
        model = MLPClassifier(
            (self.hidden,),
            alpha=self.alpha,
            learning_rate_init=0.003,
            max_iter=60,
            early_stopping=min(labels.sum(), (1 - labels).sum()) >= LEAST_TO_STOP,
            n_iter_no_change=12,
            random_state=self.random_state,
        )
        with catch_warnings():
            simplefilter("ignore", ConvergenceWarning)  # stopping early is the point
            model.fit(rows, labels)
        self.hidden_weights_, last = model.coefs_
        self.hidden_bias_ = model.intercepts_[0]
        self.weights_, self.intercept_ = last[:, 0], float(model.intercepts_[1][0])
        return self

    def predict_proba(self, X: pd.DataFrame) -> pd.Series:
        """Probability of the event, in [0, 1], indexed as ``X``."""
        return pd.Series(expit(self.log_odds(X).to_numpy()), index=X.index, name="probability")

    def log_odds(self, X: pd.DataFrame) -> pd.Series:
        """The log-odds of the event."""
        values = self._out(self._rows(X) @ self.hidden_weights_ + self.hidden_bias_)
        return pd.Series(values, index=X.index, name="log_odds")

    def contributions(self, X: pd.DataFrame, groups: Groups) -> pd.DataFrame:
        """What each group of features adds to the log-odds, from the average customer.

        The exact Shapley values of a game in which a group takes the customer's values or those
        of the average customer.

        Parameters
        ----------
        X : DataFrame indexed by customer
        groups : dict from name to columns
            At most 10, for the answers needed double with each.

        Returns
        -------
        DataFrame indexed as ``X``, one column a group, and ``start``
            Rows add up to `log_odds`. ``start`` is that of a customer average in everything.

        Notes
        -----
        O(n · 2^groups · hidden): what a group adds to the hidden layer is computed once, and one
        coalition follows another by adding or taking away a single group.
        """
        if len(checked(groups, self.columns)) > MOST_GROUPS:
            raise ValueError(f"found {len(groups)} groups, expected {MOST_GROUPS} at most")
        place = {name: at for at, name in enumerate(self.columns)}
        members = [[place[name] for name in group] for group in groups.values()]
        rows = self._rows(X)
        parts = np.concatenate(
            [
                self._shapley(rows[begin : begin + BLOCK_ROWS], members)
                for begin in range(0, max(len(rows), 1), BLOCK_ROWS)
            ]
        )
        start = self._out(self.hidden_bias_[None, :])[0]
        return pd.DataFrame(parts, index=X.index, columns=list(groups)).assign(**{START: start})

    def _rows(self, X: pd.DataFrame) -> np.ndarray:
        return np.clip(self.scaler_.transform(X), -FARTHEST, FARTHEST)

    def _out(self, hidden: np.ndarray) -> np.ndarray:
        return np.maximum(hidden, 0) @ self.weights_ + self.intercept_

    def _shapley(self, rows: np.ndarray, members: list[list[int]]) -> np.ndarray:
        n = len(members)
        added = [rows[:, columns] @ self.hidden_weights_[columns] for columns in members]
        hidden = np.repeat(self.hidden_bias_[None, :], len(rows), axis=0)
        found = np.zeros((len(rows), n))
        team = 0
        for step in range(1 << n):
            worth = self._out(hidden)
            size = team.bit_count()
            for one in range(n):
                is_in = team >> one & 1
                others = size - is_in
                weight = factorial(others) * factorial(n - others - 1) / factorial(n)
                found[:, one] += weight * worth if is_in else -weight * worth
            # the Gray code: the next team differs in one group
            turned = (step + 1 & -(step + 1)).bit_length() - 1
            if turned < n:
                hidden += -added[turned] if team >> turned & 1 else added[turned]
                team ^= 1 << turned
        return found
