"""Two who plan or launch at the same moment, each on a connection of its own."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection, transaction

from campaigns.models import Assignment, Campaign, Coupon, InboxMail, Message
from campaigns.services import delivery, offers, pilots, planning, policy
from rapport.errors import Conflict
from tests.campaigns.ledger import make_sending
from tests.makers import NOW, make_campaign, make_crowd, make_segment

pytestmark = pytest.mark.django_db(transaction=True)
WORKERS = 4
LATER = NOW + timedelta(hours=1)


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
        assert planning._is_only_planner(campaign.pk)
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


def test_two_planners_and_four_senders_write_to_everybody_once(settings):
    """Launched twice, planned by two while four send: each person has one message, sent once."""
    settings.EMAIL_URL = ""  # to the inbox
    crowd = make_crowd(150)
    campaign = make_campaign(make_segment(members=crowd), holdout_share=0.1, pilot_share=0.5)
    launched = at_once(lambda: planning.launch(Campaign.objects.get(), user=None, now=NOW))
    assert sum(not isinstance(one, Conflict) for one in launched) == 1
    jobs = [lambda: planning.plan(campaign.pk, now=NOW)] * 2
    jobs += [lambda: _deliver_until_finished(campaign.pk)] * 4

    _all_at_once(jobs)
    pilot = set(InboxMail.objects.values_list("recipient", flat=True))
    answers = at_once(lambda: pilots.scale(Campaign.objects.get(), user=None, now=LATER))
    _all_at_once(jobs)

    assert sum(not isinstance(one, Conflict) for one in answers) == 1
    arms = dict(Assignment.objects.values_list("customer_id", "arm"))
    treated = {pk for pk, arm in arms.items() if arm == "treated"}
    emails = Counter(InboxMail.objects.values_list("recipient", flat=True))
    assert len(arms) == Message.objects.count() == 150
    assert set(emails.values()) == {1} and len(emails) == len(treated)
    assert pilot < set(emails)
    assert Campaign.objects.get().state == Campaign.State.FINISHED
    assert {one.state for one in Message.objects.all()} == {"sent", "skipped"}


def test_of_senders_of_two_campaigns_a_cap_lets_one_message_through(settings):
    settings.EMAIL_URL = ""
    policy.change(user=None, now=NOW, caps=[{"channel": "", "most": 1, "days": 7}])
    crowd = make_crowd(60)
    both = [make_sending(crowd), make_sending(crowd)]

    _all_at_once([lambda pk=one.pk: _deliver_until_finished(pk) for one in both * 2])

    assert set(Counter(InboxMail.objects.values_list("recipient", flat=True)).values()) == {1}
    assert Message.objects.filter(reason="capped").count() == 60


def _deliver_until_finished(campaign_id):
    for _attempt in range(400):
        delivery.deliver(campaign_id, now=LATER)
        if Campaign.objects.get(pk=campaign_id).state == Campaign.State.FINISHED:
            return


def _all_at_once(jobs):
    gate = threading.Barrier(len(jobs))

    def one(job):
        try:
            gate.wait(10)
            return job()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(jobs)) as pool:
        return list(pool.map(one, jobs))
