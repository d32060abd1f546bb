"""Two who plan or launch at the same moment, each on a connection of its own."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection, transaction

from campaigns.models import Assignment, Campaign, Coupon, Message
from campaigns.services import offers, planning
from rapport.errors import Conflict
from tests.makers import NOW, make_campaign, make_crowd, make_segment

pytestmark = pytest.mark.django_db(transaction=True)
WORKERS = 4


def at_once(work):
    """Call ``work`` in several threads that start together; return answers and errors."""
    gate = threading.Barrier(WORKERS)

    def one(_number):
        try:
            gate.wait(10)
            return work()
        except Conflict as error:
            return error
        finally:
            connection.close()

    with ThreadPoolExecutor(WORKERS) as pool:
        return list(pool.map(one, range(WORKERS)))


@pytest.fixture
def campaign():
    offer = offers.create(user=None, now=NOW, name="Gift", kind="free_shipping")
    return make_campaign(make_segment(members=make_crowd(200)), holdout_share=0.1, offer=offer)


def test_of_several_planners_one_writes(campaign):
    planning.launch(campaign, user=None, now=NOW)

    reports = at_once(lambda: planning.plan(campaign.pk, now=NOW))

    wrote = [report for report in reports if report.planned]
    assert len(wrote) == 1
    assert Message.objects.count() == Assignment.objects.count() == 200
    assert Coupon.objects.count() == wrote[0].planned == 200 - wrote[0].holdout


def test_a_planner_that_finds_another_at_work_leaves_at_once(campaign):
    planning.launch(campaign, user=None, now=NOW)

    with transaction.atomic():
        Campaign.objects.select_for_update().get()
        reports = at_once(lambda: planning.plan(campaign.pk, now=NOW))

    assert reports == [planning.PlanReport(campaign.pk)] * WORKERS
    assert planning.plan(campaign.pk, now=NOW).planned


def test_of_several_launches_one_wins(campaign):
    answers = at_once(lambda: planning.launch(Campaign.objects.get(), user=None, now=NOW))

    assert Counter(isinstance(answer, Conflict) for answer in answers) == {False: 1, True: 3}


def test_several_schedulers_launch_once(campaign):
    planning.schedule(campaign, at=NOW + timedelta(hours=1), user=None, now=NOW)

    launched = at_once(lambda: planning.launch_due(now=NOW + timedelta(hours=2)))

    assert sum(launched) == 1


def test_a_planner_that_dies_in_the_middle_leaves_nothing_and_the_next_one_does_it_all(campaign):
    planning.launch(campaign, user=None, now=NOW)

    class Died(Exception):
        pass

    with pytest.raises(Died), transaction.atomic():
        assert planning.plan(campaign.pk, now=NOW).planned
        raise Died

    assert not Message.objects.exists() and not Coupon.objects.exists()
    assert Campaign.objects.get().state == Campaign.State.PLANNING
    report = planning.plan(campaign.pk, now=NOW)
    assert report.planned + report.holdout == Message.objects.count() == 200
