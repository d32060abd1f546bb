"""Clusters of which a person had one parted in two."""

from typing import Self

import numpy as np
import pandas as pd
from sklearn.cluster import KMeans

from segments.estimators.clusters import Clusterer, nearest
from segments.estimators.columns import UnusableTable

STARTS = 5


class SplitClusters(Clusterer):
    """Fitted clusters with two inside one of them, found by k-means; all others stay as they are.

    Parameters
    ----------
    whole : Clusterer
        Fitted; its scale and its keys are kept.
    place : int
        Position in ``whole.centers_`` of the cluster to part.
    random_state : int

    Attributes
    ----------
    centers_ : array of shape (clusters + 1, columns)
        Those of ``whole``, the larger part at ``place`` and the smaller one last.
    keys_
        Those of ``whole``, and one more than the highest for the smaller part.
    parts_ : array of shape (2, columns)
        Centres of the two.
    """

    def __init__(self, *, whole: Clusterer, place: int, random_state: int = 0) -> None:
        self.whole = whole
        self.place = place
        self.random_state = random_state

    def fit(self, X: pd.DataFrame, y: None = None) -> Self:
        """Part the cluster; `UnusableTable` where fewer than two distinct customers are in it."""
        whole = self.whole
        self.columns, self.scaler_ = whole.columns, whole.scaler_
        in_order = X.iloc[np.argsort(X.index.to_numpy(), kind="stable")]
        rows = self.scaler_.transform(in_order)
        rows = rows[whole.places(rows) == self.place]
        distinct = len(np.unique(rows.round(9), axis=0))
        if distinct < 2:
            raise UnusableTable(f"found {distinct} distinct customers in the cluster to part")
        parts = KMeans(2, n_init=STARTS, random_state=self.random_state).fit(rows).cluster_centers_
        size = np.bincount(nearest(rows, parts), minlength=2)
        self.parts_ = parts[np.argsort(-size, kind="stable")]
        self.centers_ = np.vstack([whole.centers_, self.parts_[1]])
        self.centers_[self.place] = self.parts_[0]
        self.keys_ = np.append(whole.keys_, whole.keys_.max() + 1)
        return self

    def places(self, rows: np.ndarray) -> np.ndarray:
        found = self.whole.places(rows)
        inside = found == self.place
        found[inside] = np.where(
            nearest(rows[inside], self.parts_) == 0, self.place, len(self.centers_) - 1
        )
        return found
