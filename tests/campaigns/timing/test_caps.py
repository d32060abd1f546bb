"""Rolling windows: how many messages somebody may still be sent."""

from datetime import UTC, datetime, timedelta

import pytest

from campaigns.timing.caps import Cap, left

NOW = datetime(2026, 3, 29, 12, tzinfo=UTC)  # the day on which Paris has 23 hours
SECOND = timedelta(seconds=1)
WEEK = timedelta(days=7)


def sent(*ages, channel="email"):
    return [(channel, NOW - age) for age in ages]


@pytest.mark.parametrize(
    ("caps", "channel", "past", "room"),
    [
        ([], "email", sent(SECOND), None),
        ([Cap("sms", 1, 7)], "email", sent(SECOND), None),  # says nothing of e-mail
        ([Cap("", 2, 7)], "email", [], 2),
        ([Cap("", 2, 7)], "email", sent(WEEK - SECOND), 1),
        ([Cap("", 2, 7)], "email", sent(WEEK), 2),  # to the second
        ([Cap("", 2, 7)], "email", sent(WEEK, SECOND, 2 * SECOND), 0),
        ([Cap("", 2, 7)], "sms", sent(SECOND), 1),  # across channels
        ([Cap("email", 2, 7)], "email", sent(SECOND, channel="sms"), 2),
        ([Cap("", 5, 30), Cap("email", 1, 1)], "email", sent(SECOND), 0),  # the narrowest holds
        ([Cap("", 5, 30), Cap("email", 1, 1)], "sms", sent(SECOND), 4),
        ([Cap("", 1, 0.5)], "email", sent(timedelta(hours=12)), 1),
        ([Cap("", 1, 7)], "email", sent(SECOND, SECOND, SECOND), 0),  # never below none
        ([Cap("", 0, 7)], "email", [], 0),
    ],
)
def test_what_is_left_of_the_narrowest_cap(caps, channel, past, room):
    assert left(caps, channel, past, now=NOW) == room
