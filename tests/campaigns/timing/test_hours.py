"""When somebody may be written to: nights on which clocks change, the date line, quiet hours."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from campaigns.timing import hours

PARIS, NEW_YORK, LORD_HOWE = "Europe/Paris", "America/New_York", "Australia/Lord_Howe"
CASABLANCA, SAO_PAULO, APIA = "Africa/Casablanca", "America/Sao_Paulo", "Pacific/Apia"
KIRITIMATI, PAGO_PAGO, KATHMANDU = "Pacific/Kiritimati", "Pacific/Pago_Pago", "Asia/Kathmandu"
NIGHT, EVENING, NOON = "21:00-08:00", "18:00-20:00", "12:00-13:00"

# zone, the moment in UTC, quiet hours, window, hour wished for, the answer in UTC ("": at once)
CASES = [
    # an ordinary day
    (PARIS, "2026-06-01 10:00", "", "", None, ""),
    (PARIS, "2026-06-01 10:00", NIGHT, "", None, ""),
    (PARIS, "2026-06-01 18:59", NIGHT, "", None, ""),  # 20:59
    (PARIS, "2026-06-01 19:00", NIGHT, "", None, "2026-06-02 06:00"),  # 21:00 is quiet
    (PARIS, "2026-06-01 23:00", NIGHT, "", None, "2026-06-02 06:00"),  # after midnight
    (PARIS, "2026-06-02 05:59", NIGHT, "", None, "2026-06-02 06:00"),
    (PARIS, "2026-06-02 06:00", NIGHT, "", None, ""),  # 08:00 is not quiet
    (PARIS, "2026-06-01 11:30", "12:00-14:00", "", None, "2026-06-01 12:00"),  # a nap
    (PARIS, "2026-06-01 11:30", "12:00-12:00", "", None, ""),  # equal ends: no limit
    (PARIS, "2026-06-01 21:00", "20:00-00:00", "", None, "2026-06-01 22:00"),  # up to midnight
    # a window
    (PARIS, "2026-06-01 10:00", "", EVENING, None, "2026-06-01 16:00"),
    (PARIS, "2026-06-01 17:30", "", EVENING, None, ""),
    (PARIS, "2026-06-01 18:00", "", EVENING, None, "2026-06-02 16:00"),  # 20:00 is over
    (PARIS, "2026-06-01 21:00", "", "22:00-02:00", None, ""),  # over midnight
    (PARIS, "2026-06-02 00:00", "", "22:00-02:00", None, "2026-06-02 20:00"),
    (PARIS, "2026-06-01 17:30", "19:00-08:00", EVENING, None, "2026-06-02 16:00"),
    (PARIS, "2026-06-01 04:00", "21:00-09:00", "07:00-12:00", None, "2026-06-01 07:00"),
    # an hour wished for
    (PARIS, "2026-06-01 10:00", "", "", 18, "2026-06-01 16:00"),
    (PARIS, "2026-06-01 16:40", "", "", 18, ""),  # it is that hour
    (PARIS, "2026-06-01 17:00", "", "", 18, "2026-06-02 16:00"),  # it is over
    (PARIS, "2026-06-01 10:00", "", "", 0, "2026-06-01 22:00"),
    (PARIS, "2026-06-01 10:00", NIGHT, "", 22, "2026-06-02 06:00"),  # quiet: the first hour after
    (PARIS, "2026-06-01 05:00", NIGHT, "", 22, "2026-06-01 06:00"),
    (PARIS, "2026-06-01 10:00", "21:00-08:30", "", 22, "2026-06-02 06:30"),
    (PARIS, "2026-06-01 05:00", "", NOON, 9, "2026-06-01 10:00"),
    (PARIS, "2026-06-01 10:30", "", NOON, 12, ""),
    # Paris goes forward at 02:00 on 29 March 2026, and back at 03:00 on 25 October
    (PARIS, "2026-03-28 22:00", NIGHT, "", None, "2026-03-29 06:00"),  # a night of 23 hours
    (PARIS, "2026-03-29 00:30", "01:00-02:30", "", None, "2026-03-29 01:00"),  # ends in the gap
    (PARIS, "2026-03-29 00:30", "", "02:00-03:00", None, "2026-03-30 00:00"),  # window in the gap
    (PARIS, "2026-03-29 00:30", "", "02:00-04:00", None, "2026-03-29 01:00"),
    (PARIS, "2026-03-28 23:30", "", "", 2, "2026-03-29 01:00"),  # hour in the gap: the jump
    (PARIS, "2026-03-29 01:30", "", "", 2, ""),  # and the hour that stands in for it
    (PARIS, "2026-03-29 02:00", "", "", 2, "2026-03-30 00:00"),
    (PARIS, "2026-03-28 23:30", "", "", 3, "2026-03-29 01:00"),
    (PARIS, "2026-10-24 21:00", NIGHT, "", None, "2026-10-25 07:00"),  # a night of 25 hours
    (PARIS, "2026-10-25 00:40", "", "02:00-02:30", None, "2026-10-25 01:00"),  # seen again
    (PARIS, "2026-10-25 00:45", "02:30-02:45", "", None, ""),
    (PARIS, "2026-10-25 01:35", "02:30-02:45", "", None, "2026-10-25 01:45"),  # quiet twice
    (PARIS, "2026-10-25 01:30", "", "", 2, ""),  # the second 02:30
    (PARIS, "2026-10-25 00:50", "", "01:00-02:30", None, "2026-10-25 01:00"),  # back inside
    # New York: 8 March and 1 November 2026
    (NEW_YORK, "2026-03-08 04:00", NIGHT, "", None, "2026-03-08 12:00"),
    (NEW_YORK, "2026-03-08 06:30", "", "", 2, "2026-03-08 07:00"),
    (NEW_YORK, "2026-03-07 15:00", "", "", 9, "2026-03-08 13:00"),  # 23 hours after nine
    (NEW_YORK, "2026-11-01 02:00", NIGHT, "", None, "2026-11-01 13:00"),
    (NEW_YORK, "2026-11-01 06:30", "", "", 1, ""),  # the second 01:30
    (NEW_YORK, "2026-10-31 15:00", "", "", 9, "2026-11-01 14:00"),
    # Lord Howe: half an hour, forward on 4 October 2026, back on 5 April
    (LORD_HOWE, "2026-10-03 12:00", NIGHT, "", None, "2026-10-03 21:00"),
    (LORD_HOWE, "2026-10-03 15:00", "", "", 2, "2026-10-03 15:30"),  # 02:30, the hour's other half
    (LORD_HOWE, "2026-10-03 15:00", "", "02:10-02:20", None, "2026-10-04 15:10"),
    (LORD_HOWE, "2026-04-04 14:50", "", "01:30-01:45", None, "2026-04-04 15:00"),
    (LORD_HOWE, "2026-04-04 11:00", NIGHT, "", None, "2026-04-04 21:30"),
    # Casablanca leaves its summer time for Ramadan: back on 15 February 2026, forward on 22 March
    (CASABLANCA, "2026-02-14 22:00", NIGHT, "", None, "2026-02-15 08:00"),
    (CASABLANCA, "2026-03-21 22:00", NIGHT, "", None, "2026-03-22 07:00"),
    (CASABLANCA, "2026-03-22 01:00", "", "", 2, "2026-03-22 02:00"),
    # São Paulo jumped over midnight: 4 November 2018; and back at midnight: 17 February 2019
    (SAO_PAULO, "2018-11-04 01:30", "21:00-00:30", "", None, "2018-11-04 03:00"),
    (SAO_PAULO, "2018-11-04 01:30", "", "", 0, "2018-11-04 03:00"),
    (SAO_PAULO, "2019-02-17 01:30", "", "", 23, ""),
    (SAO_PAULO, "2019-02-17 02:30", "", "", 23, ""),  # 23:30 again
    (SAO_PAULO, "2019-02-17 02:30", "22:00-08:00", "", None, "2019-02-17 11:00"),
    # either side of the date line, and zones that are no whole hours away
    (KIRITIMATI, "2026-06-01 07:30", NIGHT, "", None, "2026-06-01 18:00"),  # 21:30, a day ahead
    (PAGO_PAGO, "2026-06-01 07:30", NIGHT, "", None, ""),  # 20:30, the day before
    (PAGO_PAGO, "2026-06-01 08:00", NIGHT, "", None, "2026-06-01 19:00"),
    (KIRITIMATI, "2026-06-01 12:00", "", "", 9, "2026-06-01 19:00"),
    (PAGO_PAGO, "2026-06-01 12:00", "", "", 9, "2026-06-01 20:00"),
    (KATHMANDU, "2026-06-01 00:00", "", "", 9, "2026-06-01 03:15"),
    (APIA, "2011-12-30 08:00", NIGHT, "", None, "2011-12-30 18:00"),  # the day that was skipped
    (APIA, "2011-12-30 08:00", "", "", 12, "2011-12-30 22:00"),
    # nowhere: the shop's clock, here Paris
    ("", "2026-06-01 19:00", NIGHT, "", None, "2026-06-02 06:00"),
    ("Mars/Olympus", "2026-06-01 19:00", NIGHT, "", None, "2026-06-02 06:00"),
    ("../../etc/passwd", "2026-06-01 10:00", "", "", 18, "2026-06-01 16:00"),
]


def moment(words):
    return datetime.fromisoformat(words).replace(tzinfo=UTC)


def span(words):
    return tuple(time.fromisoformat(one) for one in words.split("-")) if words else None


@pytest.mark.parametrize(("zone", "at", "quiet", "window", "hour", "expected"), CASES)
def test_the_first_moment_that_the_recipients_clock_allows(zone, at, quiet, window, hour, expected):
    given = {"zone": zone, "quiet": span(quiet), "window": span(window), "shop": PARIS}

    found = hours.allowed_at(moment(at), local_hour=hour, **given)

    assert found == moment(expected or at)
    assert hours.allowed_at(found, local_hour=hour, **given) == found


LIMITS = [(NIGHT, "", None), ("00:15-02:40", "", None), ("", "01:45-03:10", None), (NIGHT, NOON, 9)]
NIGHTS = [
    (PARIS, "2026-03-28 20:00"), (PARIS, "2026-10-24 20:00"), (NEW_YORK, "2026-11-01 00:00"),
    (LORD_HOWE, "2026-10-03 10:00"), (LORD_HOWE, "2026-04-04 09:00"),
    (SAO_PAULO, "2018-11-03 22:00"), (SAO_PAULO, "2019-02-16 20:00"), (APIA, "2011-12-30 04:00"),
]  # fmt: skip


@pytest.mark.parametrize(("zone", "start"), NIGHTS)
@pytest.mark.parametrize(("quiet", "window", "hour"), LIMITS)
def test_it_is_the_first_minute_that_the_clock_allows(zone, start, quiet, window, hour):
    """The same found by looking at the clock every five minutes."""
    place, quiet, window = ZoneInfo(zone), span(quiet), span(window)

    for steps in range(0, 100, 7):
        at = moment(start) + timedelta(minutes=5 * steps)
        seen = at
        while not hours.is_allowed(seen, zone=place, quiet=quiet, window=window):
            seen += timedelta(minutes=5)
        assert hours.allowed_at(at, zone=place, quiet=quiet, window=window) == seen
        wished = hours.allowed_at(at, zone=place, quiet=quiet, window=window, local_hour=hour)
        assert hours.is_allowed(wished, zone=place, quiet=quiet, window=window) and wished >= seen


def test_quiet_hours_that_cover_the_window_are_told():
    quiet, window = span("20:00-10:00"), span("08:00-09:00")

    assert hours.leaves_nothing(quiet, window) and not hours.leaves_nothing(quiet, span(EVENING))
    with pytest.raises(hours.NeverAllowed, match="20:00 to 10:00 leave nothing of 08:00 to 09:00"):
        hours.allowed_at(moment("2026-06-01 10:00"), zone=PARIS, quiet=quiet, window=window)
