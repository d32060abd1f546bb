"""Every kind of model: what it asks, which scores it writes, how it learns and how it scores.

A new kind is one entry here, one in `ModelRun.Kind`, and its types in `artefacts.TRUSTED`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pandas as pd

from customers.features.facts import Facts
from customers.features.table import features
from segments.recipes import churn, forecast, groups, propensity, response, values
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
        every feature of all buyers.
    """

    kind: str
    label: str
    metric: str
    names: tuple[str, ...]
    train: Callable[..., Judged]
    blocks: Callable[[Any, pd.DataFrame], Iterator[pd.DataFrame]] | None = None
    table: Callable[[Facts, datetime, pd.DataFrame | None], pd.DataFrame] | None = None


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
        ),
        Recipe(churn.KIND, "Risk of leaving", "auc", churn.NAMES, churn.train, churn.blocks),
        Recipe(
            values.KIND,
            "Expected value",
            "mae_revenue",
            values.NAMES,
            values.train,
            values.blocks,
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
    """What the blocks of a kind read: a table of its own, or every feature of all buyers.

    ``shared`` are those features, where they are at hand.
    """
    own = RECIPES[kind].table if kind in RECIPES else None
    if own is not None:
        return own(facts, as_of, people)
    return features(facts, as_of) if shared is None else shared
