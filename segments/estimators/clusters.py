"""Groups of customers who behave alike, and which group of yesterday each one continues."""

import copy
from collections.abc import Mapping, Sequence
from typing import Self

import numpy as np
import pandas as pd
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist
from sklearn.cluster import KMeans, MiniBatchKMeans

from segments.estimators.clusters_scale import YeoJohnsonScaler
from segments.estimators.columns import LogScaler, UnusableTable

BLOCK_ROWS = 100_000  # distances are computed for that many customers at once
BATCH_ROWS = 4_096  # of a mini-batch
LEAST_SHARED = 0.5  # of the customers of two clusters, for one to continue the other
NOISE = -1  # what a density method says of customers in no cluster
SCALES = {"log": LogScaler, "yeo-johnson": YeoJohnsonScaler}


class Clusterer:
    """What every clustering here has, however it finds its groups.

    Attributes
    ----------
    columns : sequence of str
    scaler_ : LogScaler
        Frozen: later customers are measured with it.
    centers_ : array of shape (clusters, columns)
        On the scaler's scale, the largest cluster first.
    keys_ : array of int of shape (clusters,)
        The lasting number of each cluster; 0 upwards until `keyed` says otherwise.
    """

    columns: Sequence[str]
    scale: str
    sample: int
    random_state: int
    scaler_: LogScaler
    centers_: np.ndarray
    keys_: np.ndarray

    def _scaled(self, X: pd.DataFrame) -> np.ndarray:
        """Learn the scale, and return all rows on it in order of the index.

        So the order in which customers come does not matter.
        """
        in_order = X.iloc[np.argsort(X.index.to_numpy(), kind="stable")]
        self.scaler_ = SCALES[self.scale](columns=list(self.columns)).fit(in_order)
        return self.scaler_.transform(in_order)

    def _drawn(self, rows: np.ndarray, *, least: int) -> np.ndarray:
        """At most ``sample`` of the rows; refused where fewer than ``least`` are distinct."""
        if len(rows) > self.sample:
            rng = np.random.default_rng(self.random_state)
            rows = rows[np.sort(rng.choice(len(rows), self.sample, replace=False))]
        distinct = len(np.unique(rows.round(9), axis=0))
        if distinct < least:
            raise UnusableTable(f"found {distinct} distinct customers, {least} clusters need more")
        return rows

    def fit(self, X: pd.DataFrame, y: None = None) -> Self:
        """Find the groups; `UnusableTable` where there are none to find."""
        raise NotImplementedError

    def predict(self, X: pd.DataFrame) -> pd.Series:
        """The key of each customer's cluster, indexed as ``X``; −1 is no cluster."""
        places = self.places(self.scaler_.transform(X))
        keys = np.where(places == NOISE, NOISE, self.keys_[places])
        return pd.Series(keys, index=X.index, name="cluster")

    def places(self, rows: np.ndarray) -> np.ndarray:
        """Position in ``centers_`` of the cluster of each scaled row; −1 is no cluster."""
        return nearest(rows, self.centers_)

    def keyed(self, keys: Sequence[int]) -> Self:
        """A copy whose clusters carry these keys, in the order of ``centers_``."""
        if len(set(keys)) != len(self.centers_):
            raise ValueError(
                f"found keys {list(keys)}, expected {len(self.centers_)} distinct ones"
            )
        other = copy.copy(self)
        other.keys_ = np.asarray(keys, dtype=int)
        return other


def is_clusterer(estimator: object) -> bool:
    """Whether it sorts customers into groups."""
    return isinstance(estimator, Clusterer)


class LogKMeans(Clusterer):
    """k-means on log features, fitted on a sample and finished on everybody.

    Parameters
    ----------
    columns : sequence of str
        Features; missing values take the median learnt.
    n_clusters : int
        3 or more say something; 2 mostly separates who bought once.
    scale : {"log", "yeo-johnson"}
    sample : int, default=50_000
        Customers at most from whom the starting centres are learnt.
    lloyd_steps : int, default=5
        Steps over all customers after that.
    mini_batch : bool, default=False
        Where there are more than ``sample``, learn from small batches of all of them instead.
    n_init : int, default=5
        Starts, of which the best is kept.
    random_state : int

    Notes
    -----
    O(n · n_clusters) a step. A sample and a few steps over everybody end tighter than mini-batches
    and are no slower, because a step is one product of matrices. k-means finds round groups of
    similar spread whether there are groups or not: judge it by stability and against shuffled
    columns.

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
        scale: str = "log",
        sample: int = 50_000,
        lloyd_steps: int = 5,
        mini_batch: bool = False,
        n_init: int = 5,
        random_state: int = 0,
    ) -> None:
        self.columns = columns
        self.n_clusters = n_clusters
        self.scale = scale
        self.sample = sample
        self.lloyd_steps = lloyd_steps
        self.mini_batch = mini_batch
        self.n_init = n_init
        self.random_state = random_state

    def fit(self, X: pd.DataFrame, y: None = None, *, start: Clusterer | None = None) -> Self:
        """Find the groups.

        Parameters
        ----------
        X : DataFrame indexed by customer
        start : Clusterer, optional
            Begin from its centres instead of several random starts, so that groups move no more
            than the customers did. Of the same columns and number of clusters.

        Raises
        ------
        UnusableTable
            Where columns are missing, or fewer distinct customers than clusters are there.
        """
        rows = self._scaled(X)
        first = None if start is None else self._moved(start)
        centers = self._start(rows, first)
        for _ in range(self.lloyd_steps if len(rows) > self.sample and not self.mini_batch else 0):
            centers = lloyd(rows, centers)
        size = np.bincount(nearest(rows, centers), minlength=self.n_clusters)
        self.centers_ = centers[np.argsort(-size, kind="stable")]
        self.keys_ = np.arange(self.n_clusters)
        return self

    def _moved(self, start: Clusterer) -> np.ndarray:
        """Another estimator's centres on our scale."""
        if list(start.columns) != list(self.columns) or len(start.centers_) != self.n_clusters:
            raise ValueError("start is of other columns or of another number of clusters")
        return _centers_on(self.scaler_, start)

    def _start(self, rows: np.ndarray, first: np.ndarray | None) -> np.ndarray:
        drawn = self._drawn(rows, least=self.n_clusters)
        init = "k-means++" if first is None else first
        n_init = self.n_init if first is None else 1
        if self.mini_batch and len(rows) > self.sample:
            model = MiniBatchKMeans(
                self.n_clusters,
                init=init,
                n_init=n_init,
                batch_size=BATCH_ROWS,
                random_state=self.random_state,
            )
            return model.fit(rows).cluster_centers_
        model = KMeans(self.n_clusters, init=init, n_init=n_init, random_state=self.random_state)
        return model.fit(drawn).cluster_centers_


def match(
    old: Clusterer, new: Clusterer, *, X: pd.DataFrame | None = None, farthest: float = 1.0
) -> Mapping[int, int]:
    """Which cluster of ``old`` each cluster of ``new`` continues.

    Centres are compared on the old scale and paired so that all distances together are
    smallest (the Hungarian method).

    Parameters
    ----------
    old, new : Clusterer
        Of any method each.
    X : DataFrame, optional
        Where the two are of different columns, clusters are paired by the customers that both put
        into them, if they share half of all that either has.
    farthest : float, default=1.0
        Pairs farther apart are no match, in root-mean-square standard deviations of a feature.

    Returns
    -------
    dict from position in ``new.centers_`` to key in ``old``
        Positions without a counterpart are left out; empty where the columns differ and there is
        no ``X``.
    """
    if list(old.columns) == list(new.columns):
        theirs = _centers_on(old.scaler_, new)
        distance, most = cdist(theirs, old.centers_) / np.sqrt(len(old.columns)), farthest
    elif X is not None:
        distance, most = 1 - _shared(old, new, X), 1 - LEAST_SHARED
    else:
        return {}
    pairs = zip(*linear_sum_assignment(distance), strict=True)
    return {
        int(position): int(old.keys_[place])
        for position, place in pairs
        if distance[position, place] <= most
    }


def _shared(old: Clusterer, new: Clusterer, X: pd.DataFrame) -> np.ndarray:
    """For each pair of clusters, new by old, customers in both as a share of those in either."""
    ours, theirs = (model.places(model.scaler_.transform(X)) for model in (new, old))
    inside = [
        labels[:, None] == np.arange(len(model.centers_))
        for labels, model in ((ours, new), (theirs, old))
    ]
    both = inside[0].T.astype(float) @ inside[1]
    either = inside[0].sum(axis=0)[:, None] + inside[1].sum(axis=0) - both
    return both / np.maximum(either, 1)


def looseness(model: Clusterer, X: pd.DataFrame, scaler: LogScaler) -> float:
    """Mean squared distance of customers to the nearest centre, on the scale of ``scaler``.

    On one scale, two fits can be compared on the same customers.
    """
    rows = scaler.transform(X)
    centers = _centers_on(scaler, model)
    return float(((rows - centers[nearest(rows, centers)]) ** 2).sum() / len(rows))


def _centers_on(scaler: LogScaler, model: Clusterer) -> np.ndarray:
    """A model's centres on another scale; both come from the same plain values."""
    logs = model.scaler_.logs_of(model.centers_)
    plain = np.sign(logs) * np.expm1(np.abs(logs))
    return scaler.transform(pd.DataFrame(plain, columns=list(scaler.columns)))


def nearest(rows: np.ndarray, centers: np.ndarray) -> np.ndarray:
    """Position of the nearest centre of each row; the square of the row itself cancels out."""
    own = (centers**2).sum(axis=1)
    found = np.empty(len(rows), dtype=np.intp)
    for start in range(0, len(rows), BLOCK_ROWS):
        block = rows[start : start + BLOCK_ROWS]
        found[start : start + BLOCK_ROWS] = np.argmin(own - 2 * block @ centers.T, axis=1)
    return found


def lloyd(rows: np.ndarray, centers: np.ndarray) -> np.ndarray:
    """One step: each centre moves to the mean of its rows; an empty one stays."""
    labels = nearest(rows, centers)
    size = np.bincount(labels, minlength=len(centers))
    sums = np.column_stack(
        [np.bincount(labels, weights=column, minlength=len(centers)) for column in rows.T]
    )
    return np.where(size[:, None] > 0, sums / np.maximum(size, 1)[:, None], centers)
