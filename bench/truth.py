"""Measure what the models find of a truth that is known: simulated shops, seed after seed.

Clusters against the true types, churn probabilities against what came, value intervals against
what was spent, uplift against each customer's true effect, drift alarms where nothing has moved.
``python bench/truth.py`` takes 2 seeds of 4,000 customers; ``--full`` 20 seeds of 20,000; single
tasks by name, as in ``python bench/truth.py uplift drift``.  In memory: no database, no files.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import spearmanr
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import adjusted_rand_score
from sklearn.model_selection import cross_val_predict
from threadpoolctl import threadpool_limits

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "platform")]

from customers.features.labels import labels  # noqa: E402
from customers.features.table import features  # noqa: E402
from customers.simulation import facts as simulated  # noqa: E402
from customers.simulation.plan import Plan  # noqa: E402
from customers.simulation.reactions import effects_of  # noqa: E402
from customers.simulation.shop import Shop  # noqa: E402
from segments.evaluation import calibration, drift  # noqa: E402
from segments.recipes import churn, groups, uplift, values  # noqa: E402

AS_OF = datetime(2026, 3, 1, tzinfo=UTC)
HISTORY_DAYS = 730
YEAR_DAYS = 365
SEEDS, CUSTOMERS = {"small": 2, "full": 20}, {"small": 4_000, "full": 20_000}
HELD_OUT_SHARE = 0.3  # of the simulated campaign
WINDOW_DAYS = 7
REDRAWS = {"small": 50, "full": 1_000}
SIZES = (100, 1_000, 100_000)
Figures = dict[str, float | None]


class Case:
    """One shop with its truth, as it stands at ``AS_OF``, and what came in the year after."""

    def __init__(self, customers: int, seed: int) -> None:
        self.seed = seed
        self.shop = Shop(Plan(customers=customers, seed=seed, until=AS_OF, days=HISTORY_DAYS))
        self.facts = simulated.facts(self.shop)
        self.truth = simulated.truth(self.shop)
        self.table = features(self.facts, AS_OF)
        # The same plan a year longer; of its customers those count who had come by then.
        later = HISTORY_DAYS + YEAR_DAYS
        end = AS_OF + timedelta(days=YEAR_DAYS)
        grown = customers * later // HISTORY_DAYS
        longer = Shop(Plan(customers=grown, seed=seed, until=end, days=later))
        self.known = simulated.facts(longer, until=AS_OF)
        self.whole = simulated.facts(longer)
        self.people = simulated.people(longer, as_of=AS_OF)


def clusters(case: Case) -> Figures:
    """Adjusted Rand index against the types; beside it what a forest reaches that is told them."""
    judged = groups.train(case.facts, AS_OF, seed=case.seed)
    true = case.truth.behaviour[case.table.index.to_numpy() - 1]
    if judged.estimator is None:
        return {"rand": None, "rand_of_a_forest": None, "clusters": None}
    found = judged.estimator.predict(case.table).to_numpy()
    forest = RandomForestClassifier(200, min_samples_leaf=10, random_state=case.seed)
    told = cross_val_predict(forest, case.table.fillna(-1), true, cv=3)
    return {
        "rand": float(adjusted_rand_score(true, found)),
        "rand_of_a_forest": float(adjusted_rand_score(true, told)),
        "clusters": float(np.unique(found).size),
    }


def churning(case: Case) -> Figures:
    """Calibration error of the scores against what came in the horizon."""
    judged = churn.train(case.known, AS_OF, seed=case.seed, people=case.people)
    table = features(case.known, AS_OF)
    p = churn.scores(judged.estimator, table)["value"]
    came = labels(case.whole, AS_OF, horizon_days=churn.HORIZON_DAYS)["has_ordered"].loc[p.index]
    y = (~came.astype(bool)).to_numpy(float)
    error = calibration.expected_calibration_error(y, p.to_numpy(), resamples=0)
    return {
        "calibration_error": error.value,
        "expected": float(p.mean()),
        "observed": float(y.mean()),
    }


def worth(case: Case) -> Figures:
    """How often the stated intervals hold what a customer spent."""
    judged = values.train(case.known, AS_OF, seed=case.seed, people=case.people)
    stated = (judged.card.get("intervals") or {}).get("stated")
    found: Figures = {"stated": stated}
    table = features(case.known, AS_OF)
    for block in values.blocks(judged.estimator, table):
        name = str(block["name"].iloc[0])
        days = {"clv_365d": 365, "clv_90d": 90}.get(name)
        if days is None or block["low"].isna().all():
            continue
        after = labels(case.whole, AS_OF, horizon_days=days)["revenue"].loc[block.index]
        inside = (after >= block["low"] - 0.005) & (after <= block["high"] + 0.005)
        found[f"covered_{days}d"] = float(inside.mean())
        found[f"total_ratio_{days}d"] = float(block["value"].sum() / after.sum())
    return found


def lifting(case: Case) -> Figures:
    """Agreement of the learnt with the true effects, and the gain of the first 30 % of customers
    over that of all, against what an oracle would gain.
    """
    rng = np.random.default_rng([case.seed, 5])
    base, added = effects_of(case.truth, sent_at=AS_OF, window_days=WINDOW_DAYS)
    at = case.table.index.to_numpy() - 1
    treated = rng.random(at.size) >= HELD_OUT_SHARE
    bought = rng.random(at.size) < base[at] + np.where(treated, added[at], 0.0)
    index = case.table.index
    judged = uplift.train(
        case.table,
        pd.Series(treated.astype(float), index),
        pd.Series(bought.astype(float), index),
        as_of=AS_OF,
        window_days=WINDOW_DAYS,
        share=1 - HELD_OUT_SHARE,
        seed=case.seed,
    )
    if judged.estimator is None:
        return dict.fromkeys(("spearman", "qini", "qini_low", "top_gain", "oracle_gain"))
    tau, true = judged.estimator.predict(case.table).to_numpy(), added[at]
    top = int(uplift.TOP * at.size)
    return {
        "spearman": float(spearmanr(tau, true).statistic),
        "qini": judged.metrics["qini"].value,
        "qini_low": judged.metrics["qini"].low,
        "top_gain": float(true[np.argsort(-tau)[:top]].mean() / true.mean()),
        "oracle_gain": float(np.sort(true)[::-1][:top].mean() / true.mean()),
    }


TASKS: dict[str, Callable[[Case], Figures]] = {
    "clusters": clusters,
    "churn": churning,
    "value": worth,
    "uplift": lifting,
}


def drifting(size: str) -> dict[str, float]:
    """Checks with an alarm among redraws of one shop's features without any drift."""
    many = 300_000 if size == "full" else 30_000
    table = Case(many, 0).table
    found = {}
    for n in SIZES:
        if 2 * n > len(table):
            continue
        false = 0
        for place in range(REDRAWS[size]):
            drawn = np.random.default_rng([n, place]).permutation(len(table))[: 2 * n]
            kept = drift.reference(table.iloc[drawn[:n]])
            now = table.iloc[drawn[n:]]
            false += any(one.is_alarm for one in drift.drift(kept, now, excluded=()))
            _bar(f"drift, n = {n:,}", place + 1, REDRAWS[size])
        found[f"false_alarms_{n}"] = false / REDRAWS[size]
    return found


# figure: (task, worst that is met, whether more is better)
DEMANDS: dict[str, tuple[float, bool]] = {
    "rand": (0.8, True),
    "calibration_error": (0.02, False),
    "spearman": (0.0, True),
    "qini_low": (0.0, True),
    **{f"false_alarms_{n}": (0.02, False) for n in SIZES},
}


def spread(rows: list[Figures]) -> dict[str, dict[str, float]]:
    """Mean, least and most of each figure over the seeds, and the interval of the mean."""
    found = {}
    for name in dict.fromkeys(key for row in rows for key in row):
        given = np.array([row[name] for row in rows if row.get(name) is not None], dtype=float)
        if not given.size:
            continue
        half = 1.96 * given.std(ddof=1) / np.sqrt(given.size) if given.size > 1 else 0.0
        found[name] = {
            "mean": round(float(given.mean()), 4),
            "low": round(float(given.mean() - half), 4),
            "high": round(float(given.mean() + half), 4),
            "least": round(float(given.min()), 4),
            "most": round(float(given.max()), 4),
            "seeds": int(given.size),
        }
    return found


def _bar(what: str, done: int, total: int) -> None:
    if sys.stderr.isatty():
        filled = "#" * (30 * done // total)
        print(f"\r{what:<22}[{filled:<30}] {done}/{total}", end="", file=sys.stderr)
        if done == total:
            print(file=sys.stderr)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tasks", nargs="*", metavar="task")
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--seeds", type=int)
    parser.add_argument("--customers", type=int)
    given = parser.parse_args()
    size = "full" if given.full else "small"
    seeds = given.seeds or SEEDS[size]
    customers = given.customers or CUSTOMERS[size]
    chosen = given.tasks or [*TASKS, "drift"]
    if unknown := set(chosen) - {*TASKS, "drift"}:
        parser.error(f"unknown: {', '.join(unknown)}; expected some of {', '.join(TASKS)}, drift")
    rows: dict[str, list[Figures]] = {name: [] for name in TASKS if name in chosen}
    seconds = dict.fromkeys(chosen, 0.0)
    with threadpool_limits(1):
        for seed in range(seeds if rows else 0):
            case = Case(customers, seed + 1)
            for name in rows:
                started = time.perf_counter()
                rows[name].append(TASKS[name](case))
                seconds[name] += time.perf_counter() - started
            _bar("seeds", seed + 1, seeds)
        found = {name: spread(each) for name, each in rows.items()}
        if "drift" in chosen:
            started = time.perf_counter()
            found["drift"] = {
                name: {"mean": value, "low": value, "high": value, "least": value, "most": value}
                for name, value in drifting(size).items()
            }
            seconds["drift"] = time.perf_counter() - started
    print(f"{seeds} seeds of {customers:,} customers, as of {AS_OF:%Y-%m-%d}")
    print(f"{'task':<10}{'figure':<24}{'mean':>9}{'95% interval':>20}{'worst demand':>15}")
    for task, figures in found.items():
        for name, row in figures.items():
            demand = ""
            if name in DEMANDS:
                limit, up = DEMANDS[name]
                is_met = row["mean"] >= limit if up else row["mean"] <= limit
                demand = f"{'≥' if up else '≤'} {limit:g} {'met' if is_met else 'missed'}"
            between = f"{row['low']:.4f} to {row['high']:.4f}"
            print(f"{task:<10}{name:<24}{row['mean']:>9.4f}{between:>20}{demand:>15}")
    figures: dict[str, Any] = {"seeds": seeds, "customers": customers, "figures": found}
    print(json.dumps({**figures, "seconds": {k: round(v, 1) for k, v in seconds.items()}}))


if __name__ == "__main__":
    main()
