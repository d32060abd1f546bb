"""What customers tells the home page: people, orders, revenue, consent, and the weekly chart."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse

from customers import querysets
from customers.models import Customer
from customers.querysets import Day
from rapport.web import charts, dashboard, keyset, words
from rapport.web.charts import Chart
from rapport.web.dashboard import Block, Empty, Link, Number

WINDOW_DAYS = 30
BEFORE = "the 30 days before"


@dataclass(frozen=True)
class Sales:
    """Paid orders of the main currency in the weeks up to ``until``."""

    until: datetime
    currency: str
    days: list[Day]
    others: tuple[str, ...]  # currencies left out of the sums

    def window(self, skip_days: int, days: int = WINDOW_DAYS) -> tuple[int, float]:
        """Orders and revenue of ``days`` days, beginning ``skip_days`` days before `until`."""
        inside = [d for d in self.days if skip_days <= d.days_ago < skip_days + days]
        return sum(d.orders for d in inside), sum(d.revenue for d in inside)


def shop(request: HttpRequest, *, now: datetime) -> Block:
    """The shop in five numbers and its weeks in a chart."""
    people, counted_at = dashboard.remember(
        "people", lambda: (keyset.count(querysets.customers()), now)
    )
    sales = dashboard.remember("sales", lambda: _sales(now))
    numbers: tuple[Number, ...] = ()
    if people.n:
        people_numbers = _people_numbers(people, now=counted_at)
        numbers = (people_numbers[0], *_sales_numbers(sales), people_numbers[1])
    if sales.days:
        return Block("The shop", numbers, charts=(_weekly(sales),), is_wide=True)
    nothing = Empty(
        "No orders are known yet. Bring the shop's history in, and customers, groups and "
        "predictions follow.",
        Link("Import a file", reverse("import_new")),
    )
    return Block("No orders yet", numbers, empty=nothing, is_wide=True)


def _people_numbers(people: words.Count, *, now: datetime) -> tuple[Number, Number]:
    new = Customer.objects.filter(happened_at__gt=now - timedelta(days=WINDOW_DAYS), erased_at=None)
    arrived = dashboard.remember("arrived", lambda: keyset.count(new))
    reachable = dashboard.remember("reachable", querysets.reachable_count)
    return (
        Number(
            "Customers",
            str(people).capitalize(),
            change=f"{arrived} new in the last {WINDOW_DAYS} days",
            note=f"as of {words.clock(now)}",
            url=reverse("customers"),
        ),
        Number(
            "May be written to by e-mail",
            words.number(reachable),
            change=f"{words.part(min(reachable, people.n), people.n)} of all customers",
            note="said yes to marketing, and not no since",
            url=f"{reverse('customers')}?may_email=yes",
        ),
    )


def _sales_numbers(sales: Sales) -> list[Number]:
    orders, revenue = sales.window(0)
    orders_before, revenue_before = sales.window(WINDOW_DAYS)
    fewest = min(orders, orders_before)
    until = f"{WINDOW_DAYS} days to {words.day(sales.until)}"
    others = f"; {', '.join(sales.others)} not counted" if sales.others else ""
    mean, mean_before = revenue / (orders or 1), revenue_before / (orders_before or 1)
    return [
        Number(
            "Revenue",
            words.money(revenue, sales.currency),
            change=words.change(revenue, revenue_before, than=BEFORE, n=fewest),
            note=f"{until}, n = {words.plural(orders, 'order')}{others}",
            tone=_tone(revenue, revenue_before, fewest),
        ),
        Number(
            "Orders",
            words.number(orders),
            change=words.change(orders, orders_before, than=BEFORE, n=fewest),
            note=until,
            tone=_tone(orders, orders_before, fewest),
        ),
        Number(
            "Revenue an order",
            words.money(mean, sales.currency) if orders else words.NOTHING,
            change=words.change(mean, mean_before, than=BEFORE, n=fewest) if orders else "",
            note=f"{until}, n = {words.number(orders)}",
        ),
    ]


def _tone(now: float, before: float, n: int) -> str:
    if n < words.FEW or now == before:
        return ""
    return "good" if now > before else "bad"


def sales(request: HttpRequest, *, now: datetime) -> Block | None:
    found = _sales(now)
    if not found.days:
        return Block(
            title="No orders yet",
            is_wide=True,
            empty=Empty(
                "No orders are known yet. Bring the shop's history in, and customers, groups and "
                "predictions follow.",
                Link("Import a file", reverse("import_new")),
            ),
        )
    return Block(title="Revenue by week", charts=(_weekly(found),), is_wide=True)


def _weekly(sales: Sales) -> Chart:
    """Revenue in weeks that end at `until`, so that the last one is as long as the others."""
    revenue: defaultdict[int, float] = defaultdict(float)
    orders: defaultdict[int, int] = defaultdict(int)
    for day in sales.days:
        revenue[day.days_ago // 7] += day.revenue
        orders[day.days_ago // 7] += day.orders
    first = max(revenue)
    weeks = list(range(first, -1, -1))
    ends = [(sales.until - timedelta(days=7 * week)).date() for week in weeks]
    sums = [round(revenue[week], 2) for week in weeks]
    figure = charts.figure(
        charts.bars(
            ends,
            sums,
            customdata=[orders[week] for week in weeks],
            hovertemplate="7 days to %{x|%-d %b %Y}<br>%{y:,.0f} "
            + sales.currency
            + "<br>%{customdata:,} orders<extra></extra>",
        ),
        x_title="7 days to",
        y_title=f"Revenue, {sales.currency}",
    )
    rows = [
        (words.day(end), words.money(total, sales.currency), words.number(orders[week]))
        for week, end, total in zip(weeks, ends, sums, strict=True)
    ]
    return Chart(
        key="revenue-by-week",
        title=_finding(sales),
        figure=figure,
        columns=("7 days to", "Revenue", "Orders"),
        rows=rows[::-1],
        note=f"Paid sales less refunds, n = {words.plural(sum(orders.values()), 'order')}, "
        f"{len(weeks)} weeks to {words.clock(sales.until)}.",
    )


def _finding(sales: Sales) -> str:
    orders, revenue = sales.window(0, 28)
    orders_before, before = sales.window(28, 28)
    said = words.change(revenue, before, than="the 4 before", n=min(orders, orders_before))
    return f"Revenue of the last 4 weeks is {said}"


def _sales(now: datetime) -> Sales:
    """Sales up to now; where history ended longer ago, up to its last order."""
    last = querysets.last_order_at(until=now)
    if last is not None and last <= now - timedelta(days=WINDOW_DAYS):
        now = last
    days = querysets.sales_by_day(until=now)
    totals: dict[str, float] = defaultdict(float)
    for day in days:
        totals[day.currency] += day.revenue
    currency = max(totals, key=lambda code: totals[code], default=settings.CURRENCY)
    others = tuple(sorted(totals.keys() - {currency}))
    return Sales(now, currency, [day for day in days if day.currency == currency], others)
