"""What a page draws of clusters: a map, the tree they grew on, and who moved between two runs."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
from sklearn.decomposition import PCA

from segments.estimators.clusters import Clusterer
from segments.estimators.clusters_ward import dendrogram, tree
from segments.recipes.names import told

POINTS_MOST = 1_500
TREE_ROWS = 1_500
LOUD = 0.4  # of the weight of a direction's loudest feature: what else is told of it
OUTSIDE = "In no cluster"


def pictures(estimator: Clusterer, table: pd.DataFrame, *, seed: int = 0) -> dict[str, Any]:
    """The card's ``map`` and ``dendrogram``, without anybody's id."""
    rows = estimator.scaler_.transform(table)
    keys = estimator.predict(table).to_numpy()
    rng = np.random.default_rng(seed)
    found = {"map": _map(estimator, *_drawn(rows, keys, POINTS_MOST, rng))}
    rows, keys = _drawn(rows, keys, TREE_ROWS, rng)
    if len(rows) > 1:
        found["dendrogram"] = dendrogram(tree(rows), keys)
    return found


def flow(
    before: pd.Series,
    after: pd.Series,
    *,
    names_before: Mapping[int, str],
    names_after: Mapping[int, str],
    as_of: tuple[datetime, datetime],
) -> dict[str, Any]:
    """How many customers went from which cluster of one run to which of another.

    Parameters
    ----------
    before, after : Series of cluster keys
        Of the same customers, now, by either run: what moved is the clusters, not the customers.
    names_before, names_after : mapping from key to name
    as_of : pair of datetime
        Of either run.
    """
    pairs = np.column_stack([before.to_numpy(), after.to_numpy()])
    distinct, counts = np.unique(pairs, axis=0, return_counts=True)
    return {
        "from": _side(before, names_before),
        "to": _side(after, names_after),
        "moves": np.column_stack([distinct, counts]).tolist(),
        "as_of": [moment.isoformat() for moment in as_of],
    }


def _side(keys: pd.Series, names: Mapping[int, str]) -> list[dict[str, Any]]:
    found, counts = np.unique(keys.to_numpy(), return_counts=True)
    return [
        {"key": key, "name": names.get(key, OUTSIDE), "n": n}
        for key, n in zip(found.tolist(), counts.tolist(), strict=True)
    ]


def _drawn(
    rows: np.ndarray, keys: np.ndarray, most: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    if len(rows) <= most:
        return rows, keys
    drawn = np.sort(rng.choice(len(rows), most, replace=False))
    return rows[drawn], keys[drawn]


def _map(estimator: Clusterer, rows: np.ndarray, keys: np.ndarray) -> dict[str, Any]:
    """The two directions in which customers differ most, named by the features that make them."""
    size = min(2, *rows.shape)
    model = PCA(size, random_state=0).fit(rows)
    loudest = np.abs(model.components_).argmax(axis=1)
    turn = np.sign(model.components_[np.arange(size), loudest])  # the loudest points to the right
    places = np.zeros((len(rows), 2))
    places[:, :size] = model.transform(rows) * turn
    axes = [
        _axis(list(estimator.columns), line * sign)
        for line, sign in zip(model.components_, turn, strict=True)
    ]
    return {
        "axes": [*axes, *[""] * (2 - size)],
        "explained": [round(float(share), 4) for share in model.explained_variance_ratio_],
        "points": [
            [round(float(x), 2), round(float(y), 2), int(key)]
            for (x, y), key in zip(places, keys, strict=True)
        ],
    }


def _axis(columns: list[str], weights: np.ndarray) -> str:
    """What is more of the further one goes, the loudest features first."""
    order = np.argsort(-np.abs(weights), kind="stable")[:3]
    least = LOUD * np.abs(weights).max()
    return ", ".join(
        told(columns[place], weights[place] > 0) for place in order if abs(weights[place]) >= least
    )
