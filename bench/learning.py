"""Set what the models reach on public data beside what is demanded of them.

``python bench/learning.py`` takes a minute or two. It calls the recipes and estimators that serve,
on CDNOW and Online Retail, split by time. The data sets are looked for in ``../shared/data``, or
where ``--data`` says; what is missing is named and left out. The exit code is 0 whatever is met.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import _public
import numpy as np
import pandas as pd

AS_OF = datetime(2011, 12, 9, tzinfo=UTC)
SPLIT_DAYS = 90
RFM = ["days_since_last_order", "orders_total", "revenue_total"]


@dataclass(frozen=True)
class Row:
    """One figure beside its demand; ``by`` is how far it is on the right side, below 0 if not."""

    task: str
    metric: str
    demand: str
    ours: float | None
    met: bool
    by: float | None
    note: str = ""


def at_least(task: str, metric: str, demand: float, ours: float | None, note: str = "") -> Row:
    by = None if ours is None else ours - demand
    return Row(task, metric, f">= {demand:g}", ours, by is not None and by >= 0, by, note)


def at_most(task: str, metric: str, demand: float, ours: float | None, note: str = "") -> Row:
    by = None if ours is None else demand - ours
    return Row(task, metric, f"<= {demand:g}", ours, by is not None and by >= 0, by, note)


def near(task: str, metric: str, demand: float, ours: float, within: float, note: str = "") -> Row:
    by = within - abs(ours - demand)
    return Row(task, metric, f"{demand:g} ± {within:.4g}", ours, by >= 0, by, note)


# --- CDNOW ---------------------------------------------------------------------------------------


def parameters(folder: Path) -> Iterator[Row]:
    """What the papers print and other libraries find."""
    from segments.estimators.gamma_gamma import GammaGamma
    from segments.estimators.purchases import BetaGeometricNBD, ModifiedBetaGeometricNBD

    table = _public.cdnow(folder, "CDNOW_sample.txt")
    task = "BG/NBD, CDNOW sample"
    began = time.perf_counter()
    model = BetaGeometricNBD().fit(table)
    seconds = time.perf_counter() - began
    for name, printed in (("r", 0.243), ("alpha", 4.414), ("a", 0.793), ("b", 2.426)):
        yield near(task, name, printed, getattr(model, f"{name}_"), 0.0005)
    yield at_least(task, "log-likelihood", -9582.43, model.log_likelihood_)
    yield at_most(task, "seconds", 1, seconds)
    task = "MBG/NBD, CDNOW sample"
    model = ModifiedBetaGeometricNBD().fit(table)
    for name, printed in (("r", 0.5248), ("alpha", 6.183), ("a", 0.8914), ("b", 1.614)):
        yield near(task, name, printed, getattr(model, f"{name}_"), 0.005 * printed)
    yield near(task, "log-likelihood", -9582.14, model.log_likelihood_, 0.01)
    task = "Gamma-Gamma, CDNOW repeaters"
    spend = pd.DataFrame({"purchases": table["frequency"], "mean_spend": table["repeat_spend"]})
    paid = GammaGamma().fit(spend)
    for name, printed in (("p", 6.25), ("q", 3.74), ("gamma", 15.44)):
        yield near(task, name, printed, getattr(paid, f"{name}_"), 0.005 * printed)
    yield near(task, "correlation of orders and spend", 0.114, paid.correlation_, 0.0005)


def whole_cohort(folder: Path) -> Iterator[Row]:
    from segments.estimators.purchases import BetaGeometricNBD

    table = _public.cdnow(folder, "CDNOW_master.txt")
    task = "BG/NBD, all of CDNOW"
    began = time.perf_counter()
    model = BetaGeometricNBD().fit(table)
    seconds = time.perf_counter() - began
    for name, printed in (("r", 0.2516), ("alpha", 4.789), ("a", 0.7234), ("b", 2.1611)):
        yield near(task, name, printed, getattr(model, f"{name}_"), 0.01 * printed)
    yield near(task, "log-likelihood", -95368.4, model.log_likelihood_, 0.1)
    yield at_most(task, "seconds", 5, seconds)
    expected = model.expected_purchases(table, horizon_days=_public.HOLDOUT_WEEKS)
    correlation = float(np.corrcoef(expected, table["later"])[0, 1])
    yield at_least(task, "correlation, next 39 weeks", 0.66, correlation)


def holdout(folder: Path) -> Iterator[Row]:
    """The next 39 weeks of the sample, by the models that serve."""
    from segments.estimators.clv import CustomerValue
    from segments.estimators.purchases import BetaGeometricNBD, ModifiedBetaGeometricNBD
    from segments.evaluation import metrics

    table = _public.cdnow(folder, "CDNOW_sample.txt")
    later = table["later"]
    for name, build in (("BG/NBD", BetaGeometricNBD), ("MBG/NBD", ModifiedBetaGeometricNBD)):
        task = f"{name}, next 39 weeks"
        weeks = _public.HOLDOUT_WEEKS
        expected = build().fit(table).expected_purchases(table, horizon_days=weeks)
        yield at_least(task, "correlation", 0.62, float(np.corrcoef(expected, later)[0, 1]))
        yield at_most(task, "mean absolute error", 0.79, float(abs(expected - later).mean()))
        ratio = float(expected.sum() / later.sum())
        is_bg = name == "BG/NBD"
        note = "all three families expect too little here" + ("" if is_bg else "; peers -16 %")
        yield at_least(task, "total over actual", 0.87, ratio, note)
        top = expected.nlargest(len(expected) // 10).index
        share = float(later.loc[top].sum() / later.sum())
        yield at_least(task, "share of purchases in the top tenth", 0.465, share)
        will = (later > 0).astype(float)
        ranked = metrics.auc(will, expected, resamples=0).value
        yield at_least(task, "AUC of E[X]: will buy", 0.77, ranked)
    bought = table[table["later_spend"] > 0]
    missed = abs(CustomerValue().fit(table).expected_spend(table) - table["later_spend"])
    own = abs(table["mean_spend"] - table["later_spend"])[bought.index].mean()
    task = "Gamma-Gamma, spend of later purchases"
    again = bought.index[bought["frequency"] > 0]
    yield at_most(task, "mean absolute error, repeaters", 16.0, float(missed[again].mean()),
                  f"n = {len(again)}")  # fmt: skip
    yield at_most(task, "mean absolute error, all, against their own mean", float(own),
                  float(missed[bought.index].mean()), f"n = {len(bought)}")  # fmt: skip


# --- Online Retail -------------------------------------------------------------------------------


def churn(folder: Path) -> Iterator[Row]:
    from segments.evaluation import metrics
    from segments.recipes import churn as recipe

    shop = _retail(folder)
    judged = recipe.train(shop, AS_OF)
    task = "churn, Online Retail"
    split = judged.card["split"]
    note = f"test {split['test']}, {split['test_rows']:,} customers, {judged.method}"
    found = {name: each.value for name, each in judged.metrics.items()}
    yield at_least(task, "AUC", 0.740, found["auc"], note)
    yield at_most(task, "Brier score", 0.205, found["brier"])
    yield at_least(task, "lift of the top tenth", 1.55, found["lift_10"])
    for one in judged.comparisons:
        low, high = one.difference.low, one.difference.high
        worst = None if low is None or high is None else (low if one.higher_is_better else -high)
        yield at_least(
            task, f"{one.words} above the {one.against}, lower end of 95 %", 0.0, worst,
            str(judged.card.get("baseline", ""))[:60],
        )  # fmt: skip
    y, ours, rfm = _rfm_rival(shop, judged, split)
    gain = metrics.paired_difference(metrics.auc, y, ours, rfm)
    yield at_least(task, "AUC above RFM regression, lower end of 95 %", 0.0, gain.low)


def _rfm_rival(shop: Any, judged: Any, split: dict[str, Any]) -> tuple[Any, Any, Any]:
    """What happened at the test, our answer, and that of recency, frequency and money alone."""
    from segments.estimators.churn import LogisticChurn
    from segments.recipes import churn as recipe
    from segments.recipes import history

    moments = [datetime.fromisoformat(day).replace(tzinfo=UTC)
               for day in (*split["train"], split["test"])]  # fmt: skip
    days = judged.card.get("horizon", {}).get("days", SPLIT_DAYS)
    shots = [history.snapshot(shop, each, horizon_days=days) for each in moments]
    tables = pd.concat([shot.table for shot in shots[:-1]])
    left = 1 - np.concatenate([shot.after["has_ordered"] for shot in shots[:-1]]).astype(int)
    rfm = LogisticChurn(columns=RFM, C=0.01).fit(tables, left)
    test = shots[-1]
    ours = judged.judged_estimator.predict_proba(recipe.prepared(test.table))
    return 1 - test.after["has_ordered"].astype(int), ours, rfm.predict_proba(test.table)


def value(folder: Path) -> Iterator[Row]:
    from customers.features.table import features
    from segments.evaluation import metrics
    from segments.recipes import values as recipe

    shop = _retail(folder)
    judged = recipe.train(shop, AS_OF)
    moment = AS_OF - timedelta(days=SPLIT_DAYS)
    table = features(shop, moment)
    expected = judged.judged_estimator.predict(
        recipe.prepared(table), horizon_days=SPLIT_DAYS
    )["value"]  # fmt: skip
    net = features(shop, AS_OF).loc[table.index, "revenue_total"] - table["revenue_total"]
    gross = _gross(shop, moment).reindex(table.index).fillna(0.0)
    task = "value of the next 90 days, Online Retail"
    note = f"{len(table):,} customers, {judged.method}"
    spearman, total = metrics.spearman, metrics.total_ratio
    found = spearman(gross, expected, resamples=0).value
    yield at_least(task, "Spearman, before refunds (as the demand counts)", 0.52, found, note)
    found = spearman(net, expected, resamples=0).value
    yield at_least(task, "Spearman, after refunds (as we value)", 0.52, found)
    found = total(net, expected, resamples=0).value
    yield near(task, "total over actual, after refunds", 1.0, found, 0.25)
    found = total(gross, expected, resamples=0).value
    yield near(task, "total over actual, before refunds", 1.0, found, 0.25)


def _gross(shop: Any, moment: datetime) -> pd.Series:
    """What each customer paid in the horizon after ``moment``, refunds not taken off."""
    from customers.features.facts import MONEY_SCALE
    from customers.features.seen import microseconds

    bought = shop.purchases
    here = (bought.placed >= microseconds(moment)) & (bought.placed < microseconds(AS_OF))
    ids = shop.customer_ids[bought.customer[here]]
    return pd.Series(bought.amount[here] / MONEY_SCALE).groupby(ids).sum()


def clusters(folder: Path) -> Iterator[Row]:
    from customers.features.table import features
    from segments.recipes import groups as recipe

    shop = _retail(folder)
    judged = recipe.train(shop, AS_OF)
    task = "clusters, Online Retail"
    labels = judged.estimator.predict(features(shop, AS_OF))
    shares = labels.value_counts(normalize=True)
    silhouette = judged.metrics["silhouette"].value
    null = judged.baseline["silhouette"].value
    k = f"{len(shares)} groups, {judged.method}"
    yield at_least(task, "silhouette", 0.31, silhouette, k)
    gap = None if silhouette is None or null is None else silhouette - null
    yield at_least(task, "silhouette above shuffled columns", 0.04, gap)
    yield at_least(task, "stability (mean ARI)", 0.90, judged.metrics["stability"].value)
    yield at_least(task, "smallest share", 0.03, float(shares.min()))
    worth = judged.metrics.get("eta_squared_90d")
    yield at_least(task, "worth: eta² of the next 90 days", 0.15, worth.value if worth else None)


_SHOPS: dict[Path, Any] = {}


def _retail(folder: Path) -> Any:
    if folder not in _SHOPS:
        _SHOPS[folder] = _public.online_retail(folder)
    return _SHOPS[folder]


TASKS: dict[str, tuple[str, Callable[[Path], Iterator[Row]]]] = {
    "parameters": ("cdnow", parameters),
    "whole cohort": ("cdnow", whole_cohort),
    "holdout": ("cdnow", holdout),
    "churn": ("online_retail", churn),
    "value": ("online_retail", value),
    "clusters": ("online_retail", clusters),
}


def measured(folder: Path, chosen: list[str]) -> tuple[list[Row], dict[str, float], list[str]]:
    """All rows, the seconds of each task, and what could not be measured."""
    rows: list[Row] = []
    seconds, left_out = {}, []
    for name in chosen:
        data, task = TASKS[name]
        if not (folder / data).is_dir():
            left_out.append(f"{name}: {folder / data} is not there")
            continue
        began = time.perf_counter()
        try:
            for row in task(folder):
                rows.append(row)
                print(told(row), flush=True)
        except Exception as error:  # the other tasks go on
            left_out.append(f"{name}: {type(error).__name__}: {error}")
        seconds[name] = round(time.perf_counter() - began, 1)
    return rows, seconds, left_out


def told(row: Row) -> str:
    """One line of the table."""
    ours = "unknown" if row.ours is None else f"{row.ours:,.4f}"
    by = "" if row.by is None else f"{row.by:+.4f}"
    met = "yes" if row.met else "NO"
    found = f"{row.task:42} {row.metric:50} {row.demand:>20} {ours:>14} {met:>4} {by:>10}"
    return f"{found}  {row.note}".rstrip()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=_public.DATA, help="folder of the data sets")
    parser.add_argument("--only", nargs="+", choices=list(TASKS), default=list(TASKS))
    parser.add_argument("--full", action="store_true", help="the same: the data sets are small")
    asked = parser.parse_args()
    from threadpoolctl import threadpool_limits

    head = ("task", "metric", "demand", "ours", "met", "by")
    print("{:42} {:50} {:>20} {:>14} {:>4} {:>10}".format(*head))
    with threadpool_limits(1):
        rows, seconds, left_out = measured(asked.data, asked.only)
    for words in left_out:
        print(f"not measured: {words}")
    print(
        json.dumps(
            {
                "bench": "learning",
                "met": sum(row.met for row in rows),
                "of": len(rows),
                "seconds": seconds,
                "left_out": left_out,
                "rows": [asdict(row) for row in rows],
            }
        )
    )


if __name__ == "__main__":
    main()
