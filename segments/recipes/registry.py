"""Every kind of model: what it asks, which scores it writes, how it learns and how it scores.

A new kind is one entry here, one in `ModelRun.Kind`, and its types in `artefacts.TRUSTED`.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pandas as pd

from customers.features.facts import Facts
from customers.features.table import CATALOGUE, features
from segments.recipes import (
    churn,
    forecast,
    groups,
    propensity,
    response,
    values,
    values_past,
)
from segments.recipes.judged import Judged


@dataclass(frozen=True)
class Recipe:
    """One kind of model.

    Attributes
    ----------
    kind : str
        As of `ModelRun.Kind`.
    label : str
        What people call it.
    metric : str
        The key of the figure that is told first.
    names : tuple of str
        The scores it writes; empty where it says nothing of single customers.
    train : callable
        ``train(facts, as_of, *, live, seed, people) -> Judged``. ``live`` is the judged estimator
        of the run that serves, or None. ``people`` says which group each customer is in (columns
        of `customers.services.frames.groups_frame`); None where nobody asked.
    blocks : callable, optional
        ``blocks(estimator, table)`` yields frames as made by `judged.block`, for the customers of
        a feature table. None where it scores nobody.
    table : callable, optional
        ``table(facts, as_of, people)`` makes the table that ``blocks`` reads; None where that is
        features of all buyers.
    reads : tuple of str
        Where there is no ``table``, the features that ``blocks`` reads.
    """

    kind: str
    label: str
    metric: str
    names: tuple[str, ...]
    train: Callable[..., Judged]
    blocks: Callable[[Any, pd.DataFrame], Iterator[pd.DataFrame]] | None = None
    table: Callable[[Facts, datetime, pd.DataFrame | None], pd.DataFrame] | None = None
    reads: tuple[str, ...] = ()


RECIPES: dict[str, Recipe] = {
    recipe.kind: recipe
    for recipe in (
        Recipe(
            groups.KIND,
            "Groups of customers",
            "silhouette",
            groups.NAMES,
            groups.train,
            groups.blocks,
            reads=groups.COLUMNS,
        ),
        Recipe(
            churn.KIND,
            "Risk of leaving",
            "auc",
            churn.NAMES,
            churn.train,
            churn.blocks,
            reads=churn.READ,
        ),
        Recipe(
            values.KIND,
            "Expected value",
            "mae_revenue",
            values.NAMES,
            values.train,
            values.blocks,
            reads=(*values_past.READ, "tenure_days"),  # which its reasons name
        ),
        Recipe(
            propensity.KIND,
            "Next order within a week",
            "auc",
            propensity.NAMES,
            propensity.train,
            propensity.blocks,
            propensity.table,
        ),
        Recipe(
            response.KIND,
            "Answers to messages",
            "log_loss_email",
            response.NAMES,
            response.train,
            response.blocks,
            response.table,
        ),
        Recipe(forecast.KIND, "Weeks to come", "wape_units", forecast.NAMES, forecast.train),
    )
}


def table_of(
    kind: str,
    facts: Facts,
    as_of: datetime,
    *,
    people: pd.DataFrame | None = None,
    shared: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """What the blocks of a kind read: a table of its own, or features of all buyers.

    ``shared`` are those features, where they are at hand.
    """
    own = RECIPES[kind].table if kind in RECIPES else None
    if own is not None:
        return own(facts, as_of, people)
    return features(facts, as_of) if shared is None else shared


def read_by(scorers: Iterable[tuple[str, Any]]) -> list[str]:
    """The features that these kinds, with their estimators, read of a shared table.

    An estimator that was trained when its kind read others names them itself.
    """
    known = {feature.name for feature in CATALOGUE}
    wanted: set[str] = set()
    for kind, estimator in scorers:
        recipe = RECIPES[kind]
        if recipe.table is None:
            wanted |= {*recipe.reads, *(getattr(estimator, "columns", None) or ())}
    return sorted(wanted & known)
