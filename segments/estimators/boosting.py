"""A probability by a small gradient boosting, kept as plain tables that are quick to ask."""

from collections.abc import Sequence
from itertools import combinations
from math import factorial

import numpy as np
import pandas as pd
from scipy.special import expit
from sklearn.ensemble import HistGradientBoostingClassifier

from segments.estimators.columns import LogScaler, numbers
from segments.estimators.logistic import START, Groups, checked, in_order

LEAVES = 8
SPLITS = LEAVES - 1
PATTERNS = 1 << SPLITS  # of answers to the questions of one tree
BLOCK_ROWS = 20_000  # asked at once: they stay in the processor's cache


class BoostedProbability:
    """Probability of an event, by gradient boosting of small trees.

    Parameters
    ----------
    columns : sequence of str
        Features; missing values go the way that was learnt for them.
    trees : int, default=60
        More hardly help and soon learn a small shop by heart.
    learning_rate : float, default=0.06
    least_leaf : int, default=40
        Rows in a leaf. The usual 20, with leaves without bound, learns a small shop by heart.
    random_state : int

    Attributes
    ----------
    feature_ : array of int of shape (trees, 7)
        Position in ``columns`` of what each question asks of.
    threshold_ : array of shape (trees, 7)
        Yes where the value is at most this.
    yes_if_missing_ : array of bool of shape (trees, 7)
    value_ : array of shape (trees, 128)
        What a tree adds to the log-odds, by the pattern of its answers.
    intercept_ : float
    reference_ : array of shape (columns,)
        The average customer, on the log scale, from whom contributions are measured.

    Notes
    -----
    A tree of 8 leaves asks 7 questions, so it is a table with a row for each of the 128 patterns
    of answers: asking a million customers needs neither the library nor its file format.

    Examples
    --------
    >>> X = pd.DataFrame({"recency": np.arange(200.0)})
    >>> model = BoostedProbability(columns=["recency"]).fit(X, np.arange(200) >= 100)
    >>> model.predict_proba(X).iloc[[0, 199]].round(1).tolist()
    [0.0, 1.0]
    """

    def __init__(
        self,
        *,
        columns: Sequence[str],
        trees: int = 60,
        learning_rate: float = 0.06,
        least_leaf: int = 40,
        random_state: int = 0,
    ) -> None:
        self.columns = columns
        self.trees = trees
        self.learning_rate = learning_rate
        self.least_leaf = least_leaf
        self.random_state = random_state

    def fit(
        self, X: pd.DataFrame, y: Sequence[float] | np.ndarray | pd.Series
    ) -> "BoostedProbability":
        """Learn from features and labels; 1 is the event.

        Raises
        ------
        UnusableTable
            Where columns are missing, or all labels are alike.
        """
        X, labels = in_order(X, y)
        scaler = LogScaler(columns=list(self.columns)).fit(X)
        self.reference_ = np.sign(scaler.mean_) * np.expm1(np.abs(scaler.mean_))
        model = HistGradientBoostingClassifier(
            max_iter=self.trees,
            learning_rate=self.learning_rate,
            max_leaf_nodes=LEAVES,
            min_samples_leaf=self.least_leaf,
            l2_regularization=1.0,
            early_stopping=False,
            random_state=self.random_state,
        ).fit(usable(numbers(X, self.columns)), labels)
        self._keep(model)
        return self

    def predict_proba(self, X: pd.DataFrame) -> pd.Series:
        """Probability of the event, in [0, 1], indexed as ``X``."""
        return pd.Series(expit(self.log_odds(X).to_numpy()), index=X.index, name="probability")

    def log_odds(self, X: pd.DataFrame) -> pd.Series:
        """The log-odds of the event."""
        found = self._summed(X, self.value_[:, :, None])[:, 0] + self.intercept_
        return pd.Series(found, index=X.index, name="log_odds")

    def contributions(self, X: pd.DataFrame, groups: Groups | None = None) -> pd.DataFrame:
        """What each feature adds to the log-odds, measured from the average customer.

        The Shapley values of a game in which a feature, or a group of them, takes the customer's
        value or that of the average customer [1]_. They are exact: within a tree they depend on
        the pattern of answers alone, so each tree has a table of them.

        Parameters
        ----------
        X : DataFrame indexed by customer
        groups : dict from name to columns, optional
            Features that are told together; each by itself if not given.

        Returns
        -------
        DataFrame indexed as ``X``, one column a feature or group, and ``start``
            Rows add up to `log_odds`. ``start`` is that of a customer average in everything.

        References
        ----------
        .. [1] Lundberg et al. (2020). From local explanations to global understanding with
           explainable AI for trees. Nature Machine Intelligence 2, 56-67.
        """
        groups = {name: [name] for name in self.columns} if groups is None else groups
        place = {
            column: place
            for place, group in enumerate(checked(groups, self.columns).values())
            for column in group
        }
        owner = np.array([place[name] for name in self.columns])
        start = self._patterns(self.reference_[None, :])[:, 0]
        tables = np.stack(
            [
                _shapley(value, owner[feature], int(code), len(groups))
                for value, feature, code in zip(self.value_, self.feature_, start, strict=True)
            ]
        )
        parts = pd.DataFrame(self._summed(X, tables), index=X.index, columns=list(groups))
        return parts.assign(
            **{START: self.intercept_ + self.value_[np.arange(len(start)), start].sum()}
        )

    def _keep(self, model: HistGradientBoostingClassifier) -> None:
        """Take the trees out of the library's form, which is private: a test compares both."""
        trees = [predictor.nodes for (predictor,) in model._predictors]
        self.intercept_ = float(np.ravel(model._baseline_prediction)[0])
        self.feature_ = np.zeros((len(trees), SPLITS), dtype=np.int64)
        self.threshold_ = np.full((len(trees), SPLITS), np.inf)
        self.yes_if_missing_ = np.ones((len(trees), SPLITS), dtype=bool)
        self.value_ = np.empty((len(trees), PATTERNS))
        for place, nodes in enumerate(trees):
            splits = np.flatnonzero(nodes["is_leaf"] == 0)
            asked = nodes[splits]
            self.feature_[place, : len(splits)] = asked["feature_idx"]
            self.threshold_[place, : len(splits)] = asked["num_threshold"]
            self.yes_if_missing_[place, : len(splits)] = asked["missing_go_to_left"] == 1
            self.value_[place] = _by_pattern(nodes, splits)

    def _patterns(self, values: np.ndarray) -> np.ndarray:
        """The answers to each tree's questions as one number, shape (trees, n)."""
        columns, missing = np.ascontiguousarray(values.T), np.isnan(values.T)
        found = np.zeros((len(self.feature_), len(values)), dtype=np.uint8)
        for tree, row in enumerate(found):
            for bit in range(SPLITS):
                feature = self.feature_[tree, bit]
                yes = columns[feature] <= self.threshold_[tree, bit]
                if self.yes_if_missing_[tree, bit]:
                    yes |= missing[feature]
                row |= yes.view(np.uint8) << np.uint8(bit)
        return found

    def _summed(self, X: pd.DataFrame, tables: np.ndarray) -> np.ndarray:
        """The entries of each row's patterns, summed over trees; shape (n, entries)."""
        values = numbers(X, self.columns)
        found = np.zeros((len(values), tables.shape[2]))
        for begin in range(0, len(values), BLOCK_ROWS):
            rows = slice(begin, begin + BLOCK_ROWS)
            for table, codes in zip(tables, self._patterns(values[rows]), strict=True):
                found[rows] += table[codes]
        return found


def usable(values: np.ndarray) -> np.ndarray:
    """The values with 0 in columns that are missing everywhere: the library cannot bin those."""
    return np.where(np.isnan(values).all(axis=0), 0.0, values)


def _by_pattern(nodes: np.ndarray, splits: np.ndarray) -> np.ndarray:
    """The leaf's value for each pattern of answers."""
    patterns = np.arange(PATTERNS)
    bit = {int(node): place for place, node in enumerate(splits)}
    at = np.zeros(PATTERNS, dtype=np.int64)
    for _ in splits:  # no path is longer than there are questions
        for node, place in bit.items():
            yes = (patterns >> place) & 1 == 1
            here = at == node
            at[here & yes] = nodes[node]["left"]
            at[here & ~yes] = nodes[node]["right"]
    return nodes["value"][at]


def _shapley(value: np.ndarray, owner: np.ndarray, reference: int, groups: int) -> np.ndarray:
    """Each group's Shapley value for each pattern of one tree, shape (patterns, groups)."""
    players = np.unique(owner[:SPLITS])
    bits = [int(sum(1 << place for place in np.flatnonzero(owner == one))) for one in players]
    patterns = np.arange(PATTERNS)
    worth = {}
    for size in range(len(players) + 1):
        for team in combinations(range(len(players)), size):
            mask = sum(bits[one] for one in team)
            worth[team] = value[(patterns & mask) | (reference & ~mask & (PATTERNS - 1))]
    found = np.zeros((PATTERNS, groups))
    n = len(players)
    for team, with_team in worth.items():
        for one in team:
            rest = tuple(other for other in team if other != one)
            weight = factorial(len(rest)) * factorial(n - len(team)) / factorial(n)
            found[:, players[one]] += weight * (with_team - worth[rest])
    return found
