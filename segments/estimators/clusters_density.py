"""Groups as islands: where customers lie close together; whoever lies between is in none."""

from collections.abc import Sequence
from typing import Self

import numpy as np
import pandas as pd
from scipy.spatial import cKDTree
from sklearn.cluster import DBSCAN, HDBSCAN

from segments.estimators.clusters import NOISE, Clusterer
from segments.estimators.columns import UnusableTable

CORE_SHARE = 0.9  # customers who shall have enough neighbours, where nobody says how near
REACH_SHARE = 0.95  # of an island's customers, whose spacing later customers are held to


class Islands(Clusterer):
    """What DBSCAN and HDBSCAN share: later customers are measured by frozen reference points.

    Attributes
    ----------
    references_ : array of shape (references, columns)
        On the scaler's scale.
    reference_places_ : array of int of shape (references,)
        The cluster of each, as its position in ``centers_``; −1 is none.
    reach_ : array of shape (clusters,)
        How far from a reference of the cluster a customer may lie.
    """

    references_: np.ndarray
    reference_places_: np.ndarray
    reach_: np.ndarray

    def places(self, rows: np.ndarray) -> np.ndarray:
        """The cluster of the nearest reference point, if it is within reach."""
        apart, nearest = cKDTree(self.references_).query(rows)
        found = self.reference_places_[nearest]
        return np.where(apart <= self.reach_[found], found, NOISE)

    def _settle(self, rows: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """Centres and keys of what was found, the largest first; labels as positions of these."""
        if labels.max(initial=NOISE) == NOISE:
            raise UnusableTable(f"found no island among {len(rows)} customers, all are noise")
        size = np.bincount(labels[labels != NOISE])
        order = np.argsort(-size, kind="stable")
        place = np.where(labels == NOISE, NOISE, np.argsort(order)[labels])
        self.centers_ = np.array([rows[place == each].mean(axis=0) for each in range(len(size))])
        self.keys_ = np.arange(len(size))
        return place


class LogDBSCAN(Islands):
    """DBSCAN on log features of a sample: islands of customers with enough neighbours within eps.

    Parameters
    ----------
    columns : sequence of str
        Features; missing values take the median learnt.
    eps : float, optional
        How near a neighbour is, in deviations. If not given, the distance within which nine in
        ten customers have enough.
    min_samples : int, default=20
        Neighbours that are enough, the customer included.
    scale : {"log", "yeo-johnson"}
    sample : int, default=10_000
        Customers at most from whom the islands are learnt.
    random_state : int

    Attributes
    ----------
    eps_ : float
    references_
        Customers of the sample with enough neighbours: *core points*.

    Notes
    -----
    A customer belongs to the island of the nearest core point within eps, as in [1]_; of two such
    islands the original takes the one it met first.

    References
    ----------
    .. [1] Ester, Kriegel, Sander & Xu (1996). A density-based algorithm for discovering clusters
       in large spatial databases with noise. KDD-96, 226-231.

    Examples
    --------
    >>> X = pd.DataFrame({"spent": [1.0, 1.2, 1.1, 90, 100, 95, 5000]})
    >>> LogDBSCAN(columns=["spent"], eps=0.2, min_samples=3).fit(X).predict(X).tolist()
    [0, 0, 0, 1, 1, 1, -1]
    """

    def __init__(
        self,
        *,
        columns: Sequence[str],
        eps: float | None = None,
        min_samples: int = 20,
        scale: str = "log",
        sample: int = 10_000,
        random_state: int = 0,
    ) -> None:
        self.columns = columns
        self.eps = eps
        self.min_samples = min_samples
        self.scale = scale
        self.sample = sample
        self.random_state = random_state

    def fit(self, X: pd.DataFrame, y: None = None) -> Self:
        """Find the islands; `UnusableTable` where there is none."""
        rows = self._drawn(self._scaled(X), least=2)
        spacing = _spacing(rows, self.min_samples)
        self.eps_ = float(np.quantile(spacing, CORE_SHARE)) if self.eps is None else self.eps
        model = DBSCAN(eps=max(self.eps_, 1e-9), min_samples=self.min_samples).fit(rows)
        place = self._settle(rows, model.labels_)
        self.references_ = rows[model.core_sample_indices_]
        self.reference_places_ = place[model.core_sample_indices_]
        self.reach_ = np.full(len(self.centers_), self.eps_)
        return self


class LogHDBSCAN(Islands):
    """HDBSCAN on log features of a sample: islands of unlike density, the lasting ones.

    Parameters
    ----------
    columns : sequence of str
        Features; missing values take the median learnt.
    min_cluster_size : int, optional
        Customers of the sample that are an island; 3 in 100 of them if not given, 10 at least.
    min_samples : int, default=10
        Neighbours that make a place dense.
    scale : {"log", "yeo-johnson"}
    sample : int, default=10_000
        Customers at most from whom the islands are learnt.
    random_state : int

    Attributes
    ----------
    references_
        The sample, noise included: who lies nearest to noise is noise.

    References
    ----------
    .. [1] Campello, Moulavi & Sander (2013). Density-based clustering based on hierarchical
       density estimates. PAKDD 2013, 160-172.

    Examples
    --------
    >>> near, far = np.linspace(1, 2, 30), np.linspace(900, 1800, 30)
    >>> model = LogHDBSCAN(columns=["spent"], min_samples=3)
    >>> model = model.fit(pd.DataFrame({"spent": [*near, *far]}))
    >>> model.predict(pd.DataFrame({"spent": [1.5, 40.0, 1_000.0]})).tolist()
    [0, -1, 1]
    """

    def __init__(
        self,
        *,
        columns: Sequence[str],
        min_cluster_size: int | None = None,
        min_samples: int = 10,
        scale: str = "log",
        sample: int = 10_000,
        random_state: int = 0,
    ) -> None:
        self.columns = columns
        self.min_cluster_size = min_cluster_size
        self.min_samples = min_samples
        self.scale = scale
        self.sample = sample
        self.random_state = random_state

    def fit(self, X: pd.DataFrame, y: None = None) -> Self:
        """Find the islands; `UnusableTable` where there is none."""
        rows = self._drawn(self._scaled(X), least=2)
        size = self.min_cluster_size or max(10, round(0.03 * len(rows)))
        if len(rows) <= max(size, self.min_samples):
            raise UnusableTable(f"found {len(rows)} customers, an island has {size} at least")
        labels = HDBSCAN(
            min_cluster_size=size, min_samples=self.min_samples, copy=True
        ).fit_predict(rows)
        place = self._settle(rows, labels)
        self.references_, self.reference_places_ = rows, place
        spacing = _spacing(rows, self.min_samples)
        self.reach_ = np.array(
            [np.quantile(spacing[place == each], REACH_SHARE) for each in range(len(self.centers_))]
        )
        return self


def _spacing(rows: np.ndarray, neighbours: int) -> np.ndarray:
    """Distance from each row to its so-many-th nearest, itself counted as the first."""
    among = min(neighbours, len(rows))
    apart, _ = cKDTree(rows).query(rows, k=[among])
    return np.asarray(apart)[:, 0]
