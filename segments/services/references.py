"""What a run keeps of the customers it was trained on, to see later whether they have moved."""

from typing import Any

import numpy as np
import pandas as pd

from segments.evaluation import drift
from segments.recipes.registry import RECIPES

SAMPLE = 50_000  # customers scored for it at most: intervals are narrow enough by then


def of_training(kind: str, estimator: Any, table: pd.DataFrame) -> dict[str, Any]:
    """Counts of every feature and of every score among these customers; nobody's data.

    Parameters
    ----------
    kind : str
        Of `ModelRun.Kind`.
    estimator
        The one that is to serve; None where nothing scores.
    table : DataFrame
        Features of the customers at the run's ``as_of``.
    """
    return {
        "features": drift.reference(table),
        "scores": drift.reference(scores(kind, estimator, table)),
    }


def scores(kind: str, estimator: Any, table: pd.DataFrame) -> pd.DataFrame:
    """What the estimator says of at most ``SAMPLE`` customers; a column a name.

    Whoever gets no score of a name is missing there.  Clusters are words, for their keys are no
    amounts.
    """
    recipe = RECIPES.get(kind)
    part = table
    if len(table) > SAMPLE:
        chosen = np.random.default_rng(0).choice(len(table), SAMPLE, replace=False)
        part = table.iloc[np.sort(chosen)]
    found = pd.DataFrame(index=part.index)
    if recipe is None or recipe.blocks is None or estimator is None or not len(part):
        return found
    for block in recipe.blocks(estimator, part):
        for name, rows in block.groupby("name", sort=False):
            values = rows.set_index("customer_id")["value"].reindex(part.index)
            if name == "cluster":
                values = values.map(lambda key: f"cluster {key:.0f}", na_action="ignore")
            found[str(name)] = values
    return found
