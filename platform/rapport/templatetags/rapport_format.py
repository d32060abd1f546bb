"""Template filters for numbers, money and time: `rapport.web.words` in templates."""

from datetime import datetime
from typing import Any

from django import template
from django.utils import timezone
from django.utils.html import format_html

from rapport.web import words

register = template.Library()

register.filter("number", words.number)
register.filter("money", words.money)
register.filter("percent", words.percent)
register.filter("part", words.part)
register.filter("day", words.day)
register.filter("duration", words.duration)


@register.filter
def count(n: int, noun: str) -> str:
    """``3|count:"order"`` is "3 orders"; irregular ones: ``3|count:"stay,stays"``."""
    one, _, many = noun.partition(",")
    return words.plural(n, one, many)


@register.filter
def moment(value: datetime | None) -> str:
    """A moment with its machine-readable form."""
    if value is None:
        return words.NOTHING
    return format_html(
        '<time datetime="{}">{}</time>', value.isoformat(timespec="seconds"), words.clock(value)
    )


@register.filter
def ago(value: datetime | None) -> str:
    """ "3 days ago", with the exact moment on hover."""
    if value is None:
        return words.NOTHING
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        value.isoformat(timespec="seconds"),
        words.clock(value),
        words.ago(value, now=timezone.now()),
    )


@register.filter
def hundredths(share: float | None) -> int:
    """A share as a whole number of hundredths, for the width of a bar."""
    return round(100 * (share or 0))


@register.filter
def item(values: dict | tuple | list, key: Any) -> Any:
    """The value under a key or at a place that is only known in the template."""
    try:
        return values[key]
    except (KeyError, IndexError):
        return ""
