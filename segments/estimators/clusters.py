"""Groups of customers who behave alike, and which group of yesterday each one continues."""

import copy
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist
from sklearn.cluster import KMeans

from segments.estimators.columns import LogScaler, UnusableTable

BLOCK_ROWS = 100_000  # distances are computed for that many customers at once


class LogKMeans:
    """k-means on log features, fitted on a sample and finished on everybody.

    Parameters
    ----------
    columns : sequence of str
        Features; missing values take the median learnt.
    n_clusters : int
        3 or more say something; 2 mostly separates who bought once.
    sample : int, default=50_000
        Customers at most from whom the starting centres are learnt.
    lloyd_steps : int, default=5
        Steps over all customers after that.
    n_init : int, default=5
        Starts, of which the best is kept.
    random_state : int

    Attributes
    ----------
    scaler_ : LogScaler
        Frozen: later customers are measured with it.
    centers_ : array of shape (n_clusters, columns)
        On the scaler's scale, the largest cluster first.
    keys_ : array of int of shape (n_clusters,)
        The lasting number of each cluster; 0 upwards until `keyed` says otherwise.

    Notes
    -----
    O(n · n_clusters) a step. It finds round groups of similar spread whether there are groups or
    not: judge it by stability and against shuffled columns.

    Examples
    --------
    >>> X = pd.DataFrame({"spent": [1.0, 1.2, 1.1, 90, 100, 95, 9000, 9900, 9500]})
    >>> LogKMeans(columns=["spent"], n_clusters=3).fit(X).predict(X).value_counts().tolist()
    [3, 3, 3]
    """

    def __init__(
        self,
        *,
        columns: Sequence[str],
        n_clusters: int = 4,
        sample: int = 50_000,
        lloyd_steps: int = 5,
        n_init: int = 5,
        random_state: int = 0,
    ) -> None:
        self.columns = columns
        self.n_clusters = n_clusters
        self.sample = sample
        self.lloyd_steps = lloyd_steps
        self.n_init = n_init
        self.random_state = random_state

    def fit(
        self, X: pd.DataFrame, y: None = None, *, start: "LogKMeans | None" = None
    ) -> "LogKMeans":
        """Find the groups.

        Parameters
        ----------
        X : DataFrame indexed by customer
        start : LogKMeans, optional
            Begin from its centres instead of several random starts, so that groups move no more
            than the customers did. Of the same columns and number of clusters.

        Raises
        ------
        UnusableTable
            Where columns are missing, or fewer distinct customers than clusters are there.
        """
        # in order of the index, so that the order of rows does not matter
        in_order = X.iloc[np.argsort(X.index.to_numpy(), kind="stable")]
        self.scaler_ = LogScaler(columns=list(self.columns)).fit(in_order)
        rows = self.scaler_.transform(in_order)
        first = None if start is None else self._moved(start)
        centers = self._start(rows, first)
        for _ in range(self.lloyd_steps if len(rows) > self.sample else 0):
            centers = _lloyd(rows, centers)
        size = np.bincount(_nearest(rows, centers), minlength=self.n_clusters)
        self.centers_ = centers[np.argsort(-size, kind="stable")]
        self.keys_ = np.arange(self.n_clusters)
        return self

    def predict(self, X: pd.DataFrame) -> pd.Series:
        """The key of the nearest centre for each customer, indexed as ``X``."""
        keys = self.keys_[_nearest(self.scaler_.transform(X), self.centers_)]
        return pd.Series(keys, index=X.index, name="cluster")

    def keyed(self, keys: Sequence[int]) -> "LogKMeans":
        """A copy whose clusters carry these keys, in the order of ``centers_``."""
        if len(set(keys)) != len(self.centers_):
            raise ValueError(
                f"found keys {list(keys)}, expected {len(self.centers_)} distinct ones"
            )
        other = copy.copy(self)
        other.keys_ = np.asarray(keys, dtype=int)
        return other

    def _moved(self, start: "LogKMeans") -> np.ndarray:
        """Another estimator's centres on our scale."""
        if list(start.columns) != list(self.columns) or len(start.centers_) != self.n_clusters:
            raise ValueError("start is of other columns or of another number of clusters")
        logs = start.scaler_.logs_of(start.centers_)
        return (logs - self.scaler_.mean_) / self.scaler_.scale_

    def _start(self, rows: np.ndarray, first: np.ndarray | None) -> np.ndarray:
        rng = np.random.default_rng(self.random_state)
        if len(rows) > self.sample:
            rows = rows[np.sort(rng.choice(len(rows), self.sample, replace=False))]
        distinct = len(np.unique(rows.round(9), axis=0))
        if distinct < self.n_clusters:
            raise UnusableTable(
                f"found {distinct} distinct customers, {self.n_clusters} clusters need more"
            )
        model = KMeans(
            self.n_clusters,
            init="k-means++" if first is None else first,
            n_init=self.n_init if first is None else 1,
            random_state=self.random_state,
        )
        return model.fit(rows).cluster_centers_


def match(old: LogKMeans, new: LogKMeans, *, farthest: float = 1.0) -> Mapping[int, int]:
    """Which cluster of ``old`` each cluster of ``new`` continues.

    Centres are compared on the old scale and paired so that all distances together are
    smallest (the Hungarian method).

    Parameters
    ----------
    old, new : LogKMeans
        Of the same columns.
    farthest : float, default=1.0
        Pairs farther apart are no match, in root-mean-square standard deviations of a feature.

    Returns
    -------
    dict from position in ``new.centers_`` to key in ``old``
        Positions without a counterpart are left out; empty where the columns differ.
    """
    if list(old.columns) != list(new.columns):
        return {}
    theirs = (new.scaler_.logs_of(new.centers_) - old.scaler_.mean_) / old.scaler_.scale_
    distance = cdist(theirs, old.centers_) / np.sqrt(len(old.columns))
    pairs = zip(*linear_sum_assignment(distance), strict=True)
    return {
        int(position): int(old.keys_[place])
        for position, place in pairs
        if distance[position, place] <= farthest
    }


def looseness(model: LogKMeans, X: pd.DataFrame, scaler: LogScaler) -> float:
    """Mean squared distance of customers to the nearest centre, on the scale of ``scaler``.

    On one scale, two fits can be compared on the same customers.
    """
    rows = scaler.transform(X)
    centers = (model.scaler_.logs_of(model.centers_) - scaler.mean_) / scaler.scale_
    return float(((rows - centers[_nearest(rows, centers)]) ** 2).sum() / len(rows))


def _nearest(rows: np.ndarray, centers: np.ndarray) -> np.ndarray:
    """Position of the nearest centre of each row; the square of the row itself cancels out."""
    own = (centers**2).sum(axis=1)
    found = np.empty(len(rows), dtype=np.intp)
    for start in range(0, len(rows), BLOCK_ROWS):
        block = rows[start : start + BLOCK_ROWS]
        found[start : start + BLOCK_ROWS] = np.argmin(own - 2 * block @ centers.T, axis=1)
    return found


def _lloyd(rows: np.ndarray, centers: np.ndarray) -> np.ndarray:
    """One step: each centre moves to the mean of its rows; an empty one stays."""
    labels = _nearest(rows, centers)
    size = np.bincount(labels, minlength=len(centers))
    sums = np.column_stack(
        [np.bincount(labels, weights=column, minlength=len(centers)) for column in rows.T]
    )
    return np.where(size[:, None] > 0, sums / np.maximum(size, 1)[:, None], centers)
