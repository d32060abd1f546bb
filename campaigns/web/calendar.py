"""The calendar: what goes out when, and to how many."""

import calendar as days_of
from datetime import date, datetime, timedelta

from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from campaigns.models import Campaign
from campaigns.services import agenda
from campaigns.services.agenda import Entry
from rapport.web import dashboard, words
from rapport.web.page import page, show

WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
YEARS = (2000, 2100)
KINDS = dict(Campaign.Kind.choices)


@page("campaigns.view_campaign")
def calendar(request: HttpRequest) -> HttpResponse:
    """One month of what left and what will leave."""
    now = timezone.now()
    today = timezone.localtime(now).date()
    first = _month(request.GET.get("month", ""), today)
    after = (first + timedelta(days=32)).replace(day=1)
    found = agenda.entries(since=_midnight(first), until=_midnight(after), now=now)
    by_day: dict[date, list[Entry]] = {}
    for entry in found:
        by_day.setdefault(entry.day, []).append(entry)
    weeks = [
        [(day, by_day.get(day, []), day.month == first.month) for day in week]
        for week in days_of.Calendar().monthdatescalendar(first.year, first.month)
    ]
    context = {
        "weeks": weeks,
        "weekdays": WEEKDAYS,
        "listed": sorted(by_day.items()),
        "today": today,
        "goes_on": dashboard.remember("calendar:goes_on", lambda: agenda.goes_on(now=now)),
        "kinds": KINDS,
        "before": f"{first - timedelta(days=1):%Y-%m}",
        "after": f"{after:%Y-%m}",
        "month": f"{first:%B %Y}",
        "as_of": now,
    }
    lead = _lead(found, first, today)
    return show(request, "campaigns/calendar.html", title="Calendar", lead=lead, context=context)


def _month(asked: str, today: date) -> date:
    try:
        found = datetime.strptime(asked, "%Y-%m").date()  # noqa: DTZ007  a month has no zone
    except ValueError:
        return today.replace(day=1)
    return found if YEARS[0] <= found.year < YEARS[1] else today.replace(day=1)


def _midnight(day: date) -> datetime:
    return timezone.make_aware(datetime(day.year, day.month, day.day))  # noqa: DTZ001


def _lead(found: list[Entry], first: date, today: date) -> str:
    month = f"{first:%B %Y}"
    coming = [one for one in found if not one.is_over]
    if not found:
        return f"Nothing has a date in {month}."
    if not coming:
        return f"{words.plural(len(found), 'sending')} in {month}; nothing more is to come in it."
    people = sum(one.people or 0 for one in coming)
    following = coming[0]
    when = "today" if following.day == today else words.day(following.day)
    return (
        f"{words.plural(len(coming), 'sending')} to come in {month}, to "
        f"{words.plural(people, 'person', 'people')}; next “{following.name}”, {when}."
    )
