"""Numbers, money and time as people read them, in one voice on every page."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal

from babel.dates import format_date, format_datetime, format_timedelta
from babel.numbers import format_currency, format_decimal, format_percent
from django.utils import timezone

LOCALE = "en"
FEW = 30  # people: below it a share says nothing, and says so
ABOUT_OVER = 100_000  # rows: above it a count is an estimate until somebody asks for it
COINS_UP_TO = 10_000  # of a currency: above it the coins only make noise
NOTHING = "–"

Figure = int | float | Decimal


@dataclass(frozen=True)
class Count:
    """How many rows there are; ``is_estimate`` where counting all of them would take too long."""

    n: int
    is_estimate: bool = False

    def __str__(self) -> str:
        return about(self.n) if self.is_estimate else number(self.n)


def number(value: Figure | None, decimals: int = 0) -> str:
    """``1234.5`` as "1,235", or "1,234.5" with one decimal."""
    if value is None:
        return NOTHING
    digits = "#,##0" + ("." + "0" * decimals if decimals else "")
    exact = round(Decimal(str(value)), decimals) + 0  # plus nothing, so that -0 is 0
    return format_decimal(exact, format=digits, locale=LOCALE)


def about(n: int) -> str:
    """An estimate with two leading digits: "about 1.2 million"."""
    if n >= 1_000_000:
        return f"about {format_decimal(round(n / 1e6, 1), locale=LOCALE)} million"
    unit = 10 ** max(0, len(str(n)) - 2)
    return f"about {number(round(n / unit) * unit)}"


def money(value: Figure | None, currency: str) -> str:
    """``12.5`` and "EUR" as "€12.50"; small prices keep their four places, big sums lose coins."""
    if value is None:
        return NOTHING
    exact = Decimal(str(value))
    if not currency:
        return number(exact, 2)
    if 0 < abs(exact) < 1:
        return format_currency(
            exact, currency, format="¤#,##0.00##", locale=LOCALE, currency_digits=False
        )
    if abs(exact) >= COINS_UP_TO:
        return format_currency(
            exact, currency, format="¤#,##0", locale=LOCALE, currency_digits=False
        )
    return format_currency(exact, currency, locale=LOCALE)


def percent(share: Figure | None, decimals: int = 0) -> str:
    """``0.123`` as "12%"."""
    if share is None:
        return NOTHING
    digits = "#,##0" + ("." + "0" * decimals if decimals else "") + "%"
    return format_percent(share, format=digits, locale=LOCALE)


def part(count: int, n: int) -> str:
    """``count`` of ``n`` people as a percentage, or in plain counts below `FEW` people."""
    if n < FEW:
        return f"{number(count)} of {number(n)}"
    return percent(count / n)


def change(now: Figure, before: Figure, *, than: str, n: int | None = None) -> str:
    """How ``now`` compares with ``before``: "up 12% on the 30 days before".

    With ``n`` people or orders below `FEW` the change is given in words without a percentage.
    """
    if now == before:
        return f"the same as {than}"
    way = "up" if now > before else "down"
    if not before:
        return f"{way} from none in {than}"
    if n is not None and n < FEW:
        return f"{way} on {than} (too few for a percentage)"
    return f"{way} {percent(abs(float(now) - float(before)) / abs(float(before)))} on {than}"


def plural(n: Figure, one: str, many: str = "") -> str:
    """The count with its noun: "1 order", "2 orders"."""
    return f"{number(n)} {one if n == 1 else many or one + 's'}"


def day(moment: datetime | date | None) -> str:
    """ "1 Jun 2026", in the shop's time zone."""
    if moment is None:
        return NOTHING
    local = timezone.localtime(moment) if isinstance(moment, datetime) else moment
    return format_date(local, "d MMM y", locale=LOCALE)


def clock(moment: datetime | None) -> str:
    """ "1 Jun 2026, 14:05", in the shop's time zone."""
    if moment is None:
        return NOTHING
    return format_datetime(timezone.localtime(moment), "d MMM y, HH:mm", locale=LOCALE)


def ago(moment: datetime | None, *, now: datetime) -> str:
    """ "3 days ago", "in 2 hours"."""
    if moment is None:
        return NOTHING
    return format_timedelta(
        moment.astimezone(UTC) - now, add_direction=True, threshold=1.5, locale=LOCALE
    )


def duration(seconds: float | None) -> str:
    """How long something took or will take: "8 s", "3 min", "2 h 5 min"."""
    if seconds is None:
        return NOTHING
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{round(whole / 60)} min"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
