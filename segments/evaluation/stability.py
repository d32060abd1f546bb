"""Would another sample of the same customers have given the same clusters?"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score, silhouette_samples

from segments.evaluation.estimate import LEAST_N, Estimate, spread, unknown

NOISE = -1  # (H)DBSCAN's label for "no cluster"
NULL_STARTS = 4  # k-means starts on permuted data: a poor fit there would flatter ours

Table = pd.DataFrame | np.ndarray
FitLabels = Callable[[Table], ArrayLike]


class Silhouette(NamedTuple):
    """The silhouette found, and that of the same columns with their links cut."""

    found: Estimate
    null: Estimate

    @property
    def gap(self) -> float | None:
        """How far the clusters stand above what unlinked columns would show."""
        if self.found.value is None or self.null.value is None:
            return None
        return self.found.value - self.null.value


def stability(
    fit_labels: FitLabels, X: Table, *, rounds: int = 8, share: float = 0.8, seed: int = 0
) -> Estimate:
    """Mean adjusted Rand index between the clustering and refits on random parts of the rows.

    1 says that every part gives the same clusters, 0 that they agree no better than chance.

    Parameters
    ----------
    fit_labels : callable
        ``fit_labels(rows)`` fits from scratch and returns one label per row.
    X : DataFrame or array of shape (n, columns)
        Already scaled.
    rounds : int
        Refits; each is compared on its own rows.
    share : float
        Part of the rows drawn without replacement, in (0, 1).

    Returns
    -------
    Estimate
        ``low`` and ``high`` are the spread of the rounds, not a bootstrap interval.
        None with a note where n < 30.

    Notes
    -----
    Costs ``rounds + 1`` fits: hand in a sample of a large base.
    """
    n = len(X)
    if n < LEAST_N:
        return unknown(n, f"only {n} customers, at least {LEAST_N} are needed")
    whole = np.asarray(fit_labels(X))
    rng = np.random.default_rng(seed)
    agreements = []
    for _ in range(rounds):
        part = np.sort(rng.choice(n, size=max(2, int(share * n)), replace=False))
        agreements.append(adjusted_rand_score(whole[part], np.asarray(fit_labels(_rows(X, part)))))
    note = f"spread of {rounds} refits on {share:g} of the rows"
    return Estimate(float(np.mean(agreements)), *spread(agreements), n, note)


def silhouette_and_null(
    X: Table,
    labels: ArrayLike,
    *,
    sample: int = 2_000,
    seed: int = 0,
    fit_labels: FitLabels | None = None,
) -> Silhouette:
    """The silhouette on a sample, beside that of the same columns each shuffled by itself.

    A high silhouette is not good news in itself: a few outliers against all others reach 0.9.
    Shuffled columns keep every column's shape and lose every link between them, so what stands
    above them is structure.

    Parameters
    ----------
    X : DataFrame or array of shape (n, columns)
        As clustered.
    labels : array of shape (n,)
        −1 is no cluster and left out.
    sample : int
        Rows at most; time and memory grow with its square.
    fit_labels : callable, optional
        As in `stability`, refitted on the shuffled rows; k-means with as many clusters if not
        given.

    Returns
    -------
    Silhouette
        Two estimates in [−1, 1]; None with a note where fewer than 30 rows or than two clusters
        are in the sample.
    """
    found = np.asarray(labels)
    kept = np.flatnonzero(found != NOISE)
    rng = np.random.default_rng(seed)
    if kept.size > sample:
        kept = np.sort(rng.choice(kept, size=sample, replace=False))
    rows, found = np.asarray(_rows(X, kept), dtype=float), found[kept]
    ours = _silhouette(rows, found, rng)
    if ours.value is None:
        return Silhouette(ours, unknown(ours.n, ours.note))
    shuffled = rng.permuted(rows, axis=0)
    if fit_labels is None:
        k = np.unique(found).size
        theirs = KMeans(k, n_init=NULL_STARTS, random_state=seed).fit_predict(shuffled)
    else:
        theirs = np.asarray(fit_labels(_like(X, shuffled)))
    return Silhouette(ours, _silhouette(shuffled, theirs, rng))


def _silhouette(rows: np.ndarray, labels: np.ndarray, rng: np.random.Generator) -> Estimate:
    rows, labels = rows[labels != NOISE], labels[labels != NOISE]
    n, k = len(rows), np.unique(labels).size
    if n < LEAST_N:
        return unknown(n, f"only {n} customers, at least {LEAST_N} are needed")
    if not 1 < k < n:
        return unknown(n, f"found {k} clusters in {n} rows, a silhouette needs 2 or more")
    each = silhouette_samples(rows, labels)
    draws = each[rng.integers(0, n, (200, n))].mean(axis=1)
    return Estimate(float(each.mean()), *spread(draws), n)


def _rows(X: Table, places: np.ndarray) -> Table:
    return X.iloc[places] if isinstance(X, pd.DataFrame) else X[places]


def _like(X: Table, rows: np.ndarray) -> Table:
    return pd.DataFrame(rows, columns=X.columns) if isinstance(X, pd.DataFrame) else rows
