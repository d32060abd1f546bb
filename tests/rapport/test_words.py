"""Numbers, money and time as people read them."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from rapport.web import words

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "currency", "written"),
    [
        (12.5, "EUR", "€12.50"),
        (Decimal("0.001"), "EUR", "€0.001"),
        (Decimal("-12.5"), "GBP", "-£12.50"),
        (123456.78, "USD", "$123,457"),
        (500, "JPY", "¥500"),
        (0, "EUR", "€0.00"),
        (7, "", "7.00"),
        (None, "EUR", "–"),
    ],
)
def test_money_is_written_as_its_currency_is(value, currency, written):
    assert words.money(value, currency) == written


def test_a_share_of_few_people_is_given_in_counts():
    assert words.part(3, 12) == "3 of 12"
    assert words.part(12, 48) == "25%"


def test_a_change_from_few_carries_no_percentage():
    assert words.change(12, 10, than="last week", n=12) == (
        "up on last week (too few for a percentage)"
    )
    assert words.change(120, 100, than="last week", n=100) == "up 20% on last week"
    assert words.change(5, 0, than="last week") == "up from none in last week"
    assert words.change(5, 5, than="last week") == "the same as last week"
    assert words.change(50, 100, than="last week") == "down 50% on last week"


def test_estimates_say_about():
    assert str(words.Count(1_234_567, is_estimate=True)) == "about 1.2 million"
    assert str(words.Count(123_456, is_estimate=True)) == "about 120,000"
    assert str(words.Count(1_234)) == "1,234"


def test_numbers_lose_no_sign_and_gain_none():
    assert words.number(-0.4) == "0"
    assert words.number(-1234.56, 1) == "-1,234.6"
    assert words.number(None) == "–"


def test_moments_are_told_from_now():
    assert words.ago(datetime(2026, 5, 29, 12, tzinfo=UTC), now=NOW) == "3 days ago"
    assert words.ago(datetime(2026, 6, 3, 12, tzinfo=UTC), now=NOW) == "in 2 days"
    assert words.clock(NOW) == "1 Jun 2026, 12:00"


def test_durations_are_told_in_their_own_size():
    assert [words.duration(s) for s in (8.2, 200, 7500)] == ["8 s", "3 min", "2 h 5 min"]
