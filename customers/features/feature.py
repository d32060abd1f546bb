"""What a feature is: a number about a customer at a moment, declared before it is computed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from customers.features.seen import Seen

Kind = Literal["count", "days", "money", "share"]
Dtype = Literal["int32", "float32", "float64"]


@dataclass(frozen=True)
class Feature:
    """One number about a customer, computed from that customer's own facts, not learned.

    Attributes
    ----------
    name : str
        The column; ends in ``_30d`` and the like where it looks back over a window.
    kind : {"count", "days", "money", "share"}
        What sort of number it is; decides how pages print and models scale it.
    unit : str
        In words: "orders", "days", "the shop's currency", "share of 1".
    meaning : str
        One sentence for pages, API documentation and reports.
    compute : callable
        From what is seen at the moment to one number a customer, in the order of ``Seen``.
    window_days : int, optional
        How far back it looks; None for the whole past.
    dtype : str
        Of the column. ``int32`` features are never missing; the others are NaN where undefined,
        and ``meaning`` says when.
    """

    name: str
    kind: Kind
    unit: str
    meaning: str
    compute: Callable[[Seen], np.ndarray] = field(repr=False, compare=False)
    window_days: int | None = None
    dtype: Dtype = "float32"
