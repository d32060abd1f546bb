"""What every recipe of a probability says about itself: figures, tables and groups."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from segments.evaluation import calibration, metrics
from segments.evaluation.deciles import deciles
from segments.evaluation.estimate import Estimate
from segments.evaluation.groups import by_group
from segments.evaluation.importance import importance
from segments.recipes.judged import LIVE, RESAMPLES, Comparison, compare, sampled

EXPLAINED_CUSTOMERS = 5_000  # on whom importance is measured: it asks for each many times
SHUFFLES = 5


def ranking(y: pd.Series, p: pd.Series, *, seed: int) -> dict[str, Estimate]:
    """How well it ranks."""
    asked = {
        "auc": metrics.auc,
        "average_precision": metrics.average_precision,
        "lift_10": metrics.lift_at(0.1),
    }
    return {key: metric(y, p, seed=seed, resamples=RESAMPLES) for key, metric in asked.items()}


def probability(y: pd.Series, p: pd.Series, *, seed: int) -> dict[str, Estimate]:
    """How true its probabilities are."""
    asked = {"brier": metrics.brier, "log_loss": metrics.log_loss}
    return {key: metric(y, p, seed=seed, resamples=RESAMPLES) for key, metric in asked.items()}


def figures(y: pd.Series, p: pd.Series, *, seed: int) -> dict[str, Estimate]:
    """Both, and the calibration error."""
    error = calibration.expected_calibration_error(y, p, seed=seed, resamples=RESAMPLES)
    return {**ranking(y, p, seed=seed), **probability(y, p, seed=seed), "calibration": error}


def quality(
    estimator: Any,
    table: pd.DataFrame,
    y: pd.Series,
    p: pd.Series,
    *,
    columns: Sequence[str],
    threshold: float,
    people: pd.DataFrame | None,
    seed: int,
) -> dict[str, Any]:
    """The card's tables of the test: reliability, deciles, importance and groups.

    ``threshold`` is the probability from which on a campaign would take somebody.
    """
    some = sampled(table, EXPLAINED_CUSTOMERS, seed=seed)
    return {
        "reliability": calibration.reliability(y, p).round(4).to_dict("records"),
        "deciles": deciles(y, p),
        "importance": importance(
            estimator.predict_proba, metrics.log_loss, some[list(columns)], y.loc[some.index],
            seed=seed, repeats=SHUFFLES,
        ),
        "groups": by_group(y, p, people, threshold=threshold, seed=seed),
    }  # fmt: skip


def against_live(
    live: Any, table: pd.DataFrame, y: pd.Series, p: pd.Series, *, seed: int
) -> list[Comparison]:
    """The live run on the same customers."""
    if live is None:
        return []
    theirs = live.predict_proba(table)
    return [compare(metrics.log_loss, LIVE, y, p, theirs, key="log_loss", seed=seed)]
