"""How the scores of one name are spread, gathered block by block.  Writes nothing."""

from typing import Any

import numpy as np
import pandas as pd

BINS = 20
TAIL = 0.99  # the last bin begins to be wide here, so that a few great values hide nothing
CLUSTER = "cluster"  # its values are keys, not amounts


class Spread:
    """Numbers, mean, bands and histogram of each name."""

    def __init__(self) -> None:
        self._values: dict[str, list[np.ndarray]] = {}
        self._bands: dict[str, dict[str, int]] = {}

    def add(self, block: pd.DataFrame) -> None:
        """One block of scores of one name, or of several."""
        for name, rows in block.groupby("name", sort=False, observed=True):
            values = rows["value"].to_numpy(float)
            self._values.setdefault(str(name), []).append(values)
            bands = rows["value"].astype(int).astype(str) if name == CLUSTER else rows["band"]
            found = self._bands.setdefault(str(name), {})
            for band, n in bands.value_counts().items():
                if band:
                    found[str(band)] = found.get(str(band), 0) + int(n)

    def rows(self) -> dict[str, dict[str, Any]]:
        """The columns of `ScoreSummary` by name."""
        return {name: self._row(name, np.concatenate(v)) for name, v in self._values.items()}

    def _row(self, name: str, values: np.ndarray) -> dict[str, Any]:
        there = values[np.isfinite(values)]
        edges, counts = ([], []) if name == CLUSTER else histogram(there)
        return {
            "n": int(values.size),
            "mean": float(there.mean()) if there.size and name != CLUSTER else None,
            "bands": self._bands[name],
            "edges": edges,
            "counts": counts,
        }


def histogram(values: np.ndarray) -> tuple[list[float], list[int]]:
    """``BINS`` bins: of equal width from 0 to 1 for shares, else up to ``TAIL``, the last open."""
    if not values.size:
        return [], []
    low, high = min(float(values.min()), 0.0), float(values.max())
    if low >= 0 and high <= 1:
        edges = np.linspace(0, 1, BINS + 1)
    else:
        tail = float(np.quantile(values, TAIL))
        edges = np.linspace(low, tail if tail > low else high, BINS + 1)
        edges[-1] = max(high, edges[-1])
    counts, edges = np.histogram(values, edges)
    return [round(edge, 6) for edge in edges.tolist()], counts.tolist()
