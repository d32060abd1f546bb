"""Two workers that refresh the same customers at the same time."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import connection, transaction

from segments.models import Membership, MembershipChange, Segment
from segments.services import membership, segments
from tests import makers
from tests.makers import NOW

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def segment():
    rule = {"version": 1, "where": {"type": "orders", "measure": "count", "op": ">=", "value": 2}}
    return segments.create(name="Two orders", rule=rule, user=None, now=NOW)


def in_threads(works):
    """Run all at once, each with its own connection; the answers in order."""
    start = Barrier(len(works))

    def run(work):
        try:
            start.wait()
            return work()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(works)) as pool:
        return list(pool.map(run, works))


def test_every_change_is_written_once(segment):
    cast = makers.make_cast()
    ids = [customer.pk for customer in cast.values()]

    answers = in_threads(
        [lambda: membership.refresh(ids, cause="event", now=NOW)] * 3
        + [lambda: membership.refresh_all(now=NOW, cause="model")]
    )

    assert sum(len(answer) for answer in answers[:3]) + answers[3].entered == (
        MembershipChange.objects.count()
    )
    assert MembershipChange.objects.filter(segment=segment).count() == 2
    assert Membership.objects.filter(segment=segment).count() == 2


def test_who_comes_second_sees_what_came_in_while_it_waited(segment):
    ada = makers.make_customer("ada")
    makers.make_order(ada, days_ago=3)

    def first():
        with transaction.atomic():
            membership.refresh([ada.pk], cause="event", now=NOW)
            makers.make_order(ada, days_ago=2)  # commits with the lock still held

    in_threads([first, lambda: membership.refresh([ada.pk], cause="event", now=NOW)])
    membership.refresh([ada.pk], cause="event", now=NOW)

    assert Membership.objects.filter(segment=segment, customer=ada).exists()
    assert MembershipChange.objects.filter(segment=segment).count() == 1


def test_archiving_while_refreshing_leaves_no_member(segment):
    cast = makers.make_cast()
    ids = [customer.pk for customer in cast.values()]
    works = [lambda: membership.refresh(ids, cause="event", now=NOW)] * 2
    works.append(lambda: segments.archive(segment, user=None, now=NOW))
    works.append(lambda: membership.refresh_all(now=NOW, cause="model"))

    in_threads(works)

    assert Segment.objects.get(pk=segment.pk).state == Segment.State.ARCHIVED
    assert not Membership.objects.filter(segment=segment).exists()
