"""Features and metrics of models as people read them."""

from typing import Any

from django.conf import settings

from customers.features.table import catalogue
from rapport.web import words
from segments.models import ModelRun
from segments.recipes.registry import RECIPES

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
    "lift_30": "Lift of the first three tenths",
    "lift_10_repeat_buyers": "Lift of the first tenth of repeat buyers",
    "wape_units": "Error of units, as a share of all",
    "wape_orders": "Error of orders, as a share of all",
    "qini": "Qini coefficient",
    "coverage": "Cover of the intervals",
    "wape": "Error, as a share of the total",
    "mase": "Error beside the seasonal one",
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
    "lift_30": "higher is better, 1 is chance",
    "qini": "higher is better, 0 is chance",
    "wape": "lower is better",
    "mase": "lower is better, below 1 beats the baseline",
}
SCORES = {
    "churn_90d": "Risk of leaving",
    "clv_365d": "Value in a year",
    "worth_365d": "Worth in a year if she stays",
    "clv_90d": "Value in 90 days",
    "orders_365d": "Orders in a year",
    "orders_90d": "Orders in 90 days",
    "next_order_days": "Days to the next order",
    "propensity_7d": "Order within 7 days",
    "response_email": "Answers an e-mail",
    "response_sms": "Answers an SMS",
    "best_hour": "Best hour",
    "cluster": "Group",
}
# What each kind of model is called and what it is asked, in the order in which pages tell them.
ASKED = {
    "churn_90d": ("Risk of leaving", "Who will not come back?"),
    "clv_365d": ("Expected value", "How much will each customer bring?"),
    "clusters": ("Groups of customers", "Who buys alike?"),
    "propensity_7d": ("Order within 7 days", "Who is about to order?"),
    "response": ("Answers to messages", "Whom does which channel reach, and when?"),
    "forecast": ("Forecast of orders", "How much will be ordered in the next weeks?"),
    "uplift": ("Effect of past campaigns", "Whom did a message move?"),
}
# Of the kinds that can be trained: the label, and the metric that is told first.
KINDS: dict[str, tuple[str, str]] = {
    kind: (RECIPES[kind].label, RECIPES[kind].metric)
    for kind in sorted(RECIPES, key=lambda kind: [*ASKED, kind].index(kind))
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
    return (KINDS.get(kind) or ASKED.get(kind) or (kind, ""))[0]


def score_label(name: str) -> str:
    return SCORES.get(name) or name.replace("_", " ")


def score_written(name: str, value: float | None) -> str:
    """A score with its unit."""
    if value is None:
        return words.NOTHING
    if name.startswith(("clv", "worth")):
        return words.money(value, settings.CURRENCY)
    if name.startswith("orders"):
        return words.number(value, 1)
    if name == "next_order_days":
        return words.plural(round(value), "day")
    if name == "best_hour":
        return f"{round(value) % 24:02d}:00"
    if name.startswith(("churn", "propensity", "response")):
        return words.percent(value, 1 if 0 < value < 0.1 else 0)
    return words.number(value, 2)


def metric_label(name: str) -> str:
    return METRICS.get(name) or name.replace("_", " ").capitalize()


def run_label(run: ModelRun) -> str:
    """The kind, and what the run is about where that is not the shop."""
    label = kind_label(run.kind)
    return f"{label}: {run.subject}" if run.subject else label


def main_metric(run: ModelRun) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """The metric that is told first: its name, the run's estimate and the baseline's."""
    name = KINDS.get(run.kind, ("", ""))[1]
    if name not in run.metrics:
        name = next(iter(run.metrics), "")
    return name, run.metrics.get(name) or {}, run.baseline.get(name) or {}
