"""What a feature is: a number about a customer at a moment, declared before it is computed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

Ground = Literal["orders", "goods", "events", "reviews"]
Kind = Literal["count", "days", "money", "share", "ratio", "hour", "stars"]
Dtype = Literal["int32", "float32", "float64"]


@dataclass(frozen=True)
class Feature:
    """One number about a customer, computed from that customer's own facts, not learned.

    Attributes
    ----------
    name : str
        The column; ends in ``_30d`` and the like where it looks back over a window.
    kind : {"count", "days", "money", "share", "ratio", "hour", "stars"}
        What sort of number it is; decides how pages print and models scale it.
    unit : str
        In words: "orders", "days", "the shop's currency", "share of 1".
    meaning : str
        One sentence for pages, API documentation and reports.
    compute : callable
        From what is known at the moment (`Seen` of orders and goods, `Watched` of events and
        reviews) to one number a customer, in the order of its ``customer_ids``.
    window_days : int, optional
        How far back it looks; None for the whole past.
    dtype : str
        Of the column. ``int32`` features are never missing; the others are NaN where undefined,
        and ``meaning`` says when.
    ground : {"orders", "goods", "events", "reviews"}
        Which facts it stands on; they must have been loaded.
    without : float
        What it is for somebody who never bought, where it stands on orders or goods.
    """

    name: str
    kind: Kind
    unit: str
    meaning: str
    compute: Callable[[Any], np.ndarray] = field(repr=False, compare=False)
    window_days: int | None = None
    dtype: Dtype = "float32"
    ground: Ground = "orders"
    without: float = float("nan")
