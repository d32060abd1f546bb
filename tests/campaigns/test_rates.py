from collections import Counter
from contextlib import closing
from datetime import UTC, date, datetime, timedelta

import psycopg2
import pytest

from campaigns.models import Message, SendingLimit, SendingLine, SendingUse, WarmUp
from campaigns.services import delivery, rates
from tests.campaigns.ledger import make_sending, states
from tests.campaigns.smtp import SmtpServer
from tests.conftest import database_url
from tests.makers import NOW, make_crowd

pytestmark = pytest.mark.django_db
SECOND, HOUR, DAY = timedelta(seconds=1), timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def server(settings):
    with SmtpServer() as server:
        settings.EMAIL_URL = server.url
        yield server


def limit(**given) -> SendingLimit | None:
    fields = {"channel": "email", "per_second": None, "per_hour": None}
    return rates.set_limit(**{**fields, **given}, user=None, now=NOW)


def warm_up(**given) -> WarmUp:
    fields = {"domain": "example.com", "starts_on": NOW.date(), "first_day": 4, "growth": 2.0}
    return rates.set_warm_up(**{"until": 30, **fields, **given}, user=None, now=NOW)


def run(campaign, *, until: datetime, step: timedelta = SECOND) -> Counter:
    """Deliver at every step of a clock of our own; how many left at each."""
    now, left, before = NOW, Counter(), 0
    while now <= until:
        delivery.deliver(campaign.pk, now=now)
        sent = states(campaign)["sent"]
        left[now] += sent - before
        now, before = now + step, sent
    return left


def test_no_second_sees_more_than_its_rate_and_everybody_is_written_to(server):
    limit(per_second=4)
    campaign = make_sending(23)

    left = run(campaign, until=NOW + 8 * SECOND)

    assert max(left.values()) == 4
    assert states(campaign) == {"sent": 23}
    assert set(server.recipients().values()) == {1}


def test_those_over_the_rate_stay_planned_with_a_later_moment_and_say_why(server):
    limit(per_second=2)
    campaign = make_sending(7)

    delivery.deliver(campaign.pk, now=NOW)

    waiting = Message.objects.filter(state="planned").order_by("due_at", "pk")
    assert [(one.due_at - NOW).seconds for one in waiting] == [1, 1, 2, 2, 3]
    assert {one.detail for one in waiting} == {rates.WAITS}
    assert delivery.deliver(campaign.pk, now=NOW) == 0


def test_an_hour_sees_no_more_than_its_rate_however_it_lies(server):
    limit(per_hour=10)
    campaign = make_sending(26)

    left = run(campaign, until=NOW + 3 * HOUR, step=timedelta(minutes=12))

    moments = sorted(left.elements())
    assert len(moments) == 26
    for first in moments:
        assert sum(first <= one < first + HOUR for one in moments) <= 10


def test_one_domain_over_its_rate_keeps_nobody_else_back(server):
    people = make_crowd(6)
    for one in people[:3]:
        one.email = one.email.replace("example.com", "slow.example")
        one.save()
    campaign = make_sending(people)
    limit(domain="@Slow.example", per_second=1)

    delivery.deliver(campaign.pk, now=NOW)

    sent = Message.objects.filter(state="sent").values_list("customer__email", flat=True)
    assert Counter(rates.domain_of(one) for one in sent) == {"example.com": 3, "slow.example": 1}
    run(campaign, until=NOW + 3 * SECOND)
    assert states(campaign) == {"sent": 6}


def test_a_campaign_in_line_does_not_hold_up_another(server):
    limit(per_second=5)
    first, second = make_sending(40), make_sending(make_crowd(3, first=100))
    delivery.deliver(first.pk, now=NOW)

    delivery.deliver(second.pk, now=NOW + SECOND)

    assert states(second) == {"sent": 3}


def test_a_warm_up_grows_by_the_day_and_ends(server):
    plan = warm_up()
    campaign = make_sending(50)

    left = run(campaign, until=NOW + 4 * DAY, step=timedelta(hours=3))

    by_day: Counter = Counter()
    for at, count in left.items():
        by_day[at.date() - NOW.date()] += count
    assert [by_day[day * DAY] for day in range(2)] == [4, 8]
    assert by_day[2 * DAY] in (15, 16), "the last moment of a day lies between two of our looks"
    assert states(campaign) == {"sent": 50}
    assert rates.ends_on(plan) == NOW.date() + 3 * DAY


@pytest.mark.parametrize(
    ("days", "most"), [(-1, 1), (0, 4), (1, 8), (2, 16), (3, None), (9_999, None)]
)
def test_a_day_of_a_plan_has_its_most(days, most):
    plan = WarmUp(domain="x", starts_on=date(2026, 6, 1), first_day=4, growth=2.0, until=30)

    assert rates.day_most(plan, plan.starts_on + days * DAY) == most


def test_raising_a_rate_lets_those_in_line_go_at_once(server):
    limit(per_second=1)
    campaign = make_sending(20)
    delivery.deliver(campaign.pk, now=NOW)

    limit(per_second=100)
    delivery.deliver(campaign.pk, now=NOW + SECOND)

    assert states(campaign) == {"sent": 20}
    assert not SendingLine.objects.exists()


def test_two_takers_at_once_share_one_allowance(server):
    limit(per_second=3)
    campaign = make_sending(5)
    among = rates.limits("email")
    with closing(psycopg2.connect(database_url())) as other, other.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended('rates email', 0))")
        from django.db import connection

        with connection.cursor() as mine:
            mine.execute("SELECT pg_try_advisory_xact_lock(hashtextextended('rates email', 0))")
            assert mine.fetchone()[0] is False, "while another takes, nobody else does"
    ids = list(campaign.messages.order_by("pk").values_list("pk", flat=True))
    first = rates.grant(campaign.pk, dict.fromkeys(ids[:2], "x"), among, channel="email", now=NOW)
    second = rates.grant(campaign.pk, dict.fromkeys(ids[2:], "x"), among, channel="email", now=NOW)
    assert (len(first), len(second)) == (2, 1)


def test_the_end_of_many_is_foretold(server):
    assert rates.finishes_at(1_000, NOW) == NOW + SECOND
    limit(per_second=10)
    assert rates.finishes_at(1_010, NOW) == NOW + 101 * SECOND
    limit(per_hour=360)
    assert rates.finishes_at(360 + 36, NOW) == NOW + HOUR + 360 * SECOND
    limit()
    warm_up()
    midnight = datetime(2026, 6, 2, tzinfo=UTC)
    ends = rates.finishes_at(4 + 8 + 8, NOW, sender="shop@example.com")
    assert ends == midnight + DAY + DAY / 2
    limit(domain="slow.example", per_second=1)
    assert rates.finishes_at(5, NOW, domains={"slow.example": 5}) == NOW + 5 * SECOND


def test_what_no_limit_asks_for_any_more_is_forgotten():
    for days, span in ((0, "minute"), (1, "minute"), (1, "day"), (500, "day")):
        SendingUse.objects.create(scope="email", span=span, starts_at=NOW - days * DAY, used=1)

    delivery.sweep(now=NOW)

    assert SendingUse.objects.count() == 2


@pytest.mark.parametrize(
    "given", [{"per_second": 0}, {"channel": "sms", "domain": "x.example", "per_second": 1}]
)
def test_a_limit_that_means_nothing_is_refused(given):
    with pytest.raises(rates.WrongLimit):
        limit(**given)
