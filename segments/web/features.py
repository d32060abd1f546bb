"""Features and metrics of models as people read them."""

from typing import Any

from django.conf import settings

from customers.features.table import catalogue
from rapport.web import words
from segments.models import ModelRun

LABELS = {
    "frequency": "repeat purchase days",
    "recency": "days between first and last purchase",
    "age": "days since the first purchase",
    "monetary": "spend of a repeat day",
    "mean_spend": "spend of a purchase day",
    "days_since_last_order": "days since the last order",
    "orders_total": "orders ever",
    "revenue_total": "revenue ever",
    "mean_order_value": "revenue of an order",
    "tenure_days": "days since the first order",
    "mean_gap_days": "days between orders",
    "distinct_products": "different products",
    "basket_size": "units in an order",
    "discount_share": "taken off by discounts",
    "refund_share": "given back",
    "pace_ratio": "silence over the usual gap",
    "orders_per_month": "orders in 30 days",
    "bought_once": "bought once",
}
METRICS = {
    "auc": "AUC",
    "auc_repeat_buyers": "AUC among repeat buyers",
    "brier": "Brier score",
    "log_loss": "Log loss",
    "lift_10": "Lift of the first tenth",
    "calibration": "Calibration error",
    "average_precision": "Average precision",
    "mae_orders": "Mean error, orders",
    "mae_revenue": "Mean error, revenue",
    "spearman_orders": "Rank correlation, orders",
    "spearman_revenue": "Rank correlation, revenue",
    "total_ratio_orders": "Expected over actual orders",
    "total_ratio_revenue": "Expected over actual revenue",
    "stability": "Agreement of refits",
    "silhouette": "Silhouette",
    "eta_squared_90d": "Told about the next 90 days",
}
BETTER = {
    "auc": "higher is better, 0.5 is chance",
    "auc_repeat_buyers": "higher is better, 0.5 is chance",
    "brier": "lower is better",
    "log_loss": "lower is better",
    "lift_10": "higher is better, 1 is chance",
    "calibration": "lower is better",
    "average_precision": "higher is better",
    "mae_orders": "lower is better",
    "mae_revenue": "lower is better",
    "spearman_orders": "higher is better, 1 is most",
    "spearman_revenue": "higher is better, 1 is most",
    "total_ratio_orders": "1 is best",
    "total_ratio_revenue": "1 is best",
    "stability": "higher is better, 1 is most",
    "silhouette": "higher is better, 1 is most",
    "eta_squared_90d": "higher is better, 1 is most",
}
# What each kind of model is asked, and the metric that is told first.
KINDS: dict[str, tuple[str, str]] = {
    ModelRun.Kind.CHURN.value: ("Risk of leaving", "auc"),
    ModelRun.Kind.CLV.value: ("Expected value", "mae_revenue"),
    ModelRun.Kind.CLUSTERS.value: ("Groups of customers", "silhouette"),
}
STATES = {
    "training": "in training",
    "judged": "waits for promotion",
    "live": "live",
    "retired": "retired",
    "refused": "refused",
    "fallback": "rule of thumb",
    "failed": "failed",
}
KIND_OF = {feature.name: feature.kind for feature in catalogue()}
WINDOWS = ("30d", "90d", "365d")


def label(name: str) -> str:
    """ "orders_90d" as "orders, 90 days"."""
    if name in LABELS:
        return LABELS[name]
    stem, _, window = name.rpartition("_")
    if window in WINDOWS:
        return f"{stem.replace('_', ' ')}, {window.removesuffix('d')} days"
    return name.replace("_", " ")


def written(name: str, value: float | None) -> str:
    """A feature's value with its unit."""
    if value is None:
        return words.NOTHING
    kind = KIND_OF.get(name, "")
    if kind == "money":
        return words.money(value, settings.CURRENCY)
    if kind == "share":
        return words.percent(value, 1)
    if kind == "days":
        return words.plural(round(value), "day")
    return words.number(value, 1)


def figure(value: float | None) -> str:
    """A metric with as many digits as say something."""
    if value is None:
        return words.NOTHING
    return words.number(value, 3 if abs(value) < 10 else 2)


def between(estimate: dict[str, Any]) -> str:
    """The 95% interval of a stored estimate."""
    low, high = estimate.get("low"), estimate.get("high")
    if low is None or high is None:
        return "interval unknown"
    return f"{figure(low)} to {figure(high)}"


def kind_label(kind: str) -> str:
    return KINDS.get(kind, (kind, ""))[0]


def main_metric(run: ModelRun) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """The metric that is told first: its name, the run's estimate and the baseline's."""
    name = KINDS.get(run.kind, ("", ""))[1]
    if name not in run.metrics:
        name = next(iter(run.metrics), "")
    return name, run.metrics.get(name) or {}, run.baseline.get(name) or {}
