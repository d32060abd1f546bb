"""The features: what is computed about every customer, what it means, and who uses it."""

from collections.abc import Callable

import numpy as np
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone

from customers.features import table
from customers.features.feature import Feature
from customers.services import sampling
from customers.services.sampling import Bin, Spread
from rapport.errors import NotFound
from rapport.web import charts, dashboard, words
from rapport.web.charts import Chart
from rapport.web.dashboard import Empty, Link, Number
from rapport.web.page import page, show

GROUNDS = {
    "orders": "orders and their lines",
    "goods": "orders, by what the goods are called today",
    "events": "events",
    "reviews": "reviews",
}
FEW = 30  # customers; fewer are too few for a share
Uses = Callable[[], dict[str, list[Link]]]
_uses: list[Uses] = []


def register_uses(found: Uses) -> None:
    """Let an app below say which of its pages use a feature, by the feature's name.

    ``found`` is asked once a page; it costs one query there.
    """
    if found not in _uses:
        _uses.append(found)


@page("customers.view_customer")
def features(request: HttpRequest) -> HttpResponse:
    asked = {key: request.GET.get(key, "") for key in ("q", "topic")}
    used = _used()
    topics = [
        (topic, [(feature, _title(feature.name), used.get(feature.name, [])) for feature in found])
        for topic, everything in table.TOPICS.items()
        if asked["topic"] in ("", topic)
        and (found := [feature for feature in everything if _fits(feature, asked["q"])])
    ]
    total = sum(len(found) for _, found in topics)
    context = {
        "topics": topics,
        "names": list(table.TOPICS),
        "asked": asked,
        "empty": Empty("No feature fits this.", Link("Show all", reverse("features"))),
    }
    everything = len(table.catalogue())
    told = words.plural(total, "number")
    lead = (
        f"{told} known of every customer, none of them learnt."
        if total == everything
        else f"{told} of {everything} fit this."
    )
    return show(request, "customers/features.html", title="Features", lead=lead, context=context)


@page("customers.view_customer")
def feature(request: HttpRequest, name: str) -> HttpResponse:
    try:
        found = sampling.named(name)
    except NotFound as wrong:
        raise Http404(str(wrong)) from wrong
    now = timezone.now()
    spread: Spread = dashboard.remember(
        f"feature:{name}", lambda: sampling.spread(found, now=now), is_patient=True
    )
    chart = _chart(found, spread)
    context = {
        "feature": found,
        "topic": _topic(found),
        "ground": GROUNDS[found.ground],
        "spread": spread,
        "numbers": _numbers(found, spread),
        "chart": chart,
        "charts": [chart] if chart else [],
        "used": _used().get(name, []),
        "empty": Empty("No customer drawn has a value yet: it is missing for all of them."),
    }
    return show(
        request,
        "customers/feature.html",
        title=_title(found.name),
        lead=found.meaning,
        crumbs=(Link("Features", reverse("features")),),
        context=context,
    )


def _used() -> dict[str, list[Link]]:
    used: dict[str, list[Link]] = {}
    for found in _uses:
        for name, links in found().items():
            used.setdefault(name, []).extend(links)
    return used


def _fits(feature: Feature, asked: str) -> bool:
    text = f"{feature.name} {_title(feature.name)} {feature.meaning} {feature.unit}".lower()
    return all(word in text for word in asked.lower().split())


def _topic(feature: Feature) -> str:
    return next(topic for topic, found in table.TOPICS.items() if feature in found)


def _title(name: str) -> str:
    """ "orders_90d" as "Orders, 90 days"."""
    stem, _, window = name.rpartition("_")
    if stem and window[:-1].isdigit() and window.endswith("d"):
        name = f"{stem}, {window[:-1]} days"
    return name.replace("_", " ").capitalize()


def _numbers(feature: Feature, spread: Spread) -> list[Number]:
    of = f"of {words.plural(spread.customers, 'customer')} drawn"
    if not spread.quantiles:
        return []
    low, middle, high = (spread.quantiles[at] for at in ("0.25", "0.5", "0.75"))
    between = f"{_written(feature, low)} to {_written(feature, high)}"
    share = words.percent(spread.missing / spread.customers)
    missing = share if spread.customers >= FEW else words.number(spread.missing)
    n = f"n = {words.number(spread.known)}"
    return [
        Number("Median", _written(feature, middle), note=f"{feature.unit}, {n}"),
        Number("Middle half", between, note=f"{feature.unit}, {n}"),
        Number("Missing", missing, note=of),
    ]


def _written(feature: Feature, value: float) -> str:
    """With as many digits as tell values apart."""
    if feature.dtype == "int32" and float(value).is_integer():
        return words.number(int(value))
    if abs(value) >= 1_000:
        return words.number(round(value))
    return f"{value:,.1f}" if abs(value) >= 10 else f"{value:,.2f}"


def _chart(feature: Feature, spread: Spread) -> Chart | None:
    if not spread.bins:
        return None
    labels = [_label(feature, each) for each in spread.bins]
    counts = [each.customers for each in spread.bins]
    is_whole = feature.dtype == "int32"
    # A bar of whole numbers stands over them: 3 over 3, 10–14 over 12.
    half = 0.5 if is_whole else 0.0
    bars = charts.bars(
        [(each.least + each.most) / 2 - half for each in spread.bins],
        counts,
        width=[0.95 * (each.most - each.least) for each in spread.bins],
        customdata=labels,
        hovertemplate="%{customdata}: %{y:,} customers<extra></extra>",
    )
    most = int(np.argmax(counts))
    part = f"{words.number(counts[most])} of {words.number(spread.known)} customers"
    return Chart(
        key="spread",
        title=f"{part} are at {labels[most]} ({feature.unit})",
        figure=charts.figure(bars, x_title=feature.unit, y_title="customers"),
        columns=(feature.unit.capitalize(), "Customers"),
        rows=list(zip(labels, counts, strict=True)),
        note=f"Of {words.plural(spread.customers, 'customer')} drawn at random, as of "
        f"{words.clock(spread.as_of)}; the first and the last bar hold what lies beyond them.",
    )


def _label(feature: Feature, each: Bin) -> str:
    if feature.dtype == "int32":
        least, last = int(each.least), int(each.most) - 1
        return words.number(least) if last <= least else f"{least:,} to {last:,}"
    digits = max(0, -int(np.floor(np.log10(each.most - each.least) + 1e-9)))
    return f"{each.least:,.{digits}f} to {each.most:,.{digits}f}"
