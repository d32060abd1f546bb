"""What came of the tenth of customers ranked highest, of the next tenth, and so on."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

TENTHS = 10


def deciles(y: ArrayLike, p: ArrayLike) -> list[dict[str, Any]]:
    """Expected and observed means of ten groups by prediction, the highest first.

    Parameters
    ----------
    y, p : arrays of shape (n,)
        Outcomes (0/1, counts or amounts) and predictions of the same unit, for the same customers.

    Returns
    -------
    list of dict
        ``decile`` (1 has the highest predictions), ``n``, ``expected`` and ``observed`` means,
        and ``lift``: the observed mean over that of everybody, None where that is 0. Groups
        differ by one customer at most; fewer than ten customers make fewer groups. Rows with a
        missing value are left out.

    Notes
    -----
    Customers with equal predictions cannot be told apart, so each counts with the mean outcome of
    them all: the order of the rows says nothing.

    Examples
    --------
    >>> rows = deciles([1] * 10 + [0] * 90, [0.5] * 10 + [0.1] * 90)
    >>> rows[0]["observed"], rows[0]["lift"], rows[1]["lift"]
    (1.0, 10.0, 0.0)
    """
    frame = pd.DataFrame({"y": np.asarray(y, float).ravel(), "p": np.asarray(p, float).ravel()})
    frame = frame.loc[np.isfinite(frame.to_numpy()).all(axis=1)]
    frame["y"] = frame.groupby("p")["y"].transform("mean")
    frame = frame.sort_values("p", ascending=False, kind="stable")
    average = float(frame["y"].mean()) if len(frame) else 0.0
    parts = [part for part in np.array_split(np.arange(len(frame)), TENTHS) if part.size]
    rows = []
    for place, part in enumerate(parts):
        here = frame.iloc[part]
        observed = float(here["y"].mean())
        rows.append(
            {
                "decile": place + 1,
                "n": len(here),
                "expected": round(float(here["p"].mean()), 4),
                "observed": round(observed, 4),
                "lift": round(observed / average, 4) if average else None,
            }
        )
    return rows
