"""Groups by merging: the two closest become one, again and again, and the tree is kept."""

from collections.abc import Sequence
from typing import Any, NamedTuple, Self

import numpy as np
import pandas as pd
from scipy.cluster.hierarchy import fcluster, linkage

from segments.estimators.clusters import NOISE, Clusterer, lloyd, nearest

LEAVES_MOST = 40  # what a picture of a tree can show


class Tree(NamedTuple):
    """The upper part of a tree of merges.

    ``leaf`` is the leaf of each row; ``merges`` has one row a merge, as scipy's linkage: the two
    that become one, their distance, and how many rows are then in it. Leaves are numbered from 0,
    the merge in row i is number leaves + i.
    """

    leaf: np.ndarray
    merges: np.ndarray


class LogWard(Clusterer):
    """Ward's hierarchical clustering of log features on a sample; all others by nearest centre.

    Parameters
    ----------
    columns : sequence of str
        Features; missing values take the median learnt.
    n_clusters : int
        Where the tree is cut.
    scale : {"log", "yeo-johnson"}
    sample : int, default=3_000
        Customers at most that the tree is grown on: it takes memory by their square.
    random_state : int

    Attributes
    ----------
    centers_ : array of shape (n_clusters, columns)
        Means of the branches, after one step over everybody, the largest cluster first.
    merges_ : array of shape (leaves − 1, 4)
        As of `Tree`.
    leaf_sizes_ : array of shape (leaves,)
        Customers of the sample in each leaf.
    leaf_places_ : array of shape (leaves,)
        Position in ``centers_`` of the branch that each leaf is on.

    Notes
    -----
    A customer on the edge of two branches may be nearer to the centre of the other one.

    References
    ----------
    .. [1] Ward (1963). Hierarchical grouping to optimize an objective function. Journal of the
       American Statistical Association 58(301), 236-244.

    Examples
    --------
    >>> X = pd.DataFrame({"spent": [1.0, 1.2, 1.1, 90, 100, 95, 9000, 9900, 9500]})
    >>> LogWard(columns=["spent"], n_clusters=3).fit(X).predict(X).value_counts().tolist()
    [3, 3, 3]
    """

    def __init__(
        self,
        *,
        columns: Sequence[str],
        n_clusters: int = 4,
        scale: str = "log",
        sample: int = 3_000,
        random_state: int = 0,
    ) -> None:
        self.columns = columns
        self.n_clusters = n_clusters
        self.scale = scale
        self.sample = sample
        self.random_state = random_state

    def fit(self, X: pd.DataFrame, y: None = None) -> Self:
        """Grow the tree and cut it; `UnusableTable` where fewer distinct customers are there."""
        rows = self._scaled(X)
        drawn = self._drawn(rows, least=self.n_clusters)
        grown = linkage(drawn, method="ward")
        branch = fcluster(grown, self.n_clusters, criterion="maxclust") - 1
        centers = _means(drawn, branch)
        if len(rows) > len(drawn):
            centers = lloyd(rows, centers)
        size = np.bincount(nearest(rows, centers), minlength=len(centers))
        order = np.argsort(-size, kind="stable")
        self.centers_ = centers[order]
        self.keys_ = np.arange(len(centers))
        found = _upper(grown, max(LEAVES_MOST, self.n_clusters))
        self.merges_ = found.merges
        self.leaf_sizes_ = np.bincount(found.leaf)
        self.leaf_places_ = np.argsort(order)[branch[np.unique(found.leaf, return_index=True)[1]]]
        return self


def tree(rows: np.ndarray, *, leaves: int = LEAVES_MOST) -> Tree:
    """The upper part of Ward's tree over these rows, however they were clustered."""
    return _upper(linkage(rows, method="ward"), leaves)


def dendrogram(grown: Tree, keys: np.ndarray) -> dict[str, Any]:
    """A tree for a page: what most of each leaf's rows are in, and the merges.

    ``keys`` has one key a row; a leaf that is mostly in no cluster has None.
    """
    leaves = []
    for place in range(len(grown.merges) + 1):
        found, counts = np.unique(keys[grown.leaf == place], return_counts=True)
        most = int(found[counts.argmax()])
        leaves.append({"key": None if most == NOISE else most, "n": int(counts.sum())})
    merges = [
        [int(left), int(right), round(float(height), 4), int(n)]
        for left, right, height, n in grown.merges
    ]
    return {"leaves": leaves, "merges": merges}


def _upper(grown: np.ndarray, leaves: int) -> Tree:
    """The last merges of a linkage; what was merged before them are the leaves."""
    n = len(grown) + 1
    leaves = min(leaves, n)
    first = n - leaves  # merges that happen inside a leaf
    inside = np.arange(n + first)
    for row in range(first):  # every merge inside a leaf points to the one that holds it
        inside[grown[row, :2].astype(int)] = n + row
    for place in reversed(range(n + first)):
        inside[place] = inside[inside[place]]
    roots, leaf = np.unique(inside[:n], return_inverse=True)
    number = {int(root): place for place, root in enumerate(roots)}
    number |= {n + first + row: leaves + row for row in range(leaves - 1)}
    merges = grown[first:].copy()
    merges[:, :2] = [[number[int(left)], number[int(right)]] for left, right in merges[:, :2]]
    return Tree(leaf, merges)


def _means(rows: np.ndarray, labels: np.ndarray) -> np.ndarray:
    size = np.bincount(labels)
    sums = np.column_stack([np.bincount(labels, weights=column) for column in rows.T])
    return sums / size[:, None]
