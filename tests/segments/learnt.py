"""Model runs and clusters for pages, without the training."""

from datetime import timedelta

from segments.models import Cluster, ModelArtefact, ModelRun
from tests.makers import NOW, ago

PROFILE = {
    "orders_total": {"mean": 7.4, "base_mean": 5.5, "z": 0.7},
    "revenue_total": {"mean": 496.2, "base_mean": 366.6, "z": 0.6},
    "discount_share": {"mean": 0.01, "base_mean": 0.02, "z": -0.3},
    "mean_gap_days": {"mean": None, "base_mean": 61.0, "z": None},
}


def estimate(value: float, width: float = 0.01, n: int = 400) -> dict:
    return {"value": value, "low": value - width, "high": value + width, "n": n}


def comparison(metric: str, value: float, *, higher: bool = True, is_worse: bool = False) -> dict:
    return {
        "metric": metric,
        "words": metric,
        "against": "baseline",
        "decides": True,
        "is_worse": is_worse,
        "difference": estimate(value),
        "higher_is_better": higher,
    }


def make_run(kind: str = "churn_90d", state: str = "live", **given) -> ModelRun:
    fields = {
        "method": "logistic regression",
        "as_of": ago(1),
        "n_customers": 500,
        "metrics": {"auc": estimate(0.81), "brier": estimate(0.17)},
        "baseline": {"auc": estimate(0.77), "brier": estimate(0.24)},
        "card": {
            "window": {"from": ago(500).isoformat(), "to": ago(1).isoformat(), "days": 499},
            "label": "no order in the 90 days after",
            "baseline": "longest silence first",
            "limits": ["It knows no seasons."],
            "features": [{"name": "orders_total", "meaning": "Purchases ever."}],
            "comparisons": [comparison("auc", 0.04), comparison("brier", -0.07, higher=False)],
            "reliability": [
                {"n": 40, "expected": 0.2, "observed": 0.25, "observed_low": 0.1,
                 "observed_high": 0.4},
            ],
            "coefficients": [{"feature": "orders_90d", "log_odds_per_deviation": -0.4}],
            "deciles": [{"n": 40, "actual": 3.0, "expected": 5.0}],
        },
        "summary": "Ranks who will not order with an AUC of 0.81.",
        "versions": {"python": "3.11"},
        "created_at": ago(1),
        "finished_at": ago(1) + timedelta(seconds=9),
        "promoted_at": ago(1) if state in ("live", "retired") else None,
    }  # fmt: skip
    run = ModelRun.objects.create(kind=kind, state=state, **{**fields, **given})
    ModelArtefact.objects.create(run=run, content=b"-", sha256="-")
    return run


def make_clusters(n: int = 3) -> list[Cluster]:
    """Clusters of a live run, all proposed."""
    run = make_run(
        "clusters",
        metrics={"stability": estimate(0.96), "silhouette": estimate(0.3)},
        baseline={"silhouette": estimate(0.2)},
        card={"comparisons": [comparison("silhouette", 0.1)]},
        as_of=NOW,
    )
    return [
        Cluster.objects.create(
            run=run, key=key, proposed_name=f"Group {key}", size=100 - key, profile=PROFILE
        )
        for key in range(n)
    ]
