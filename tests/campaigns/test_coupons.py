"""Codes of every kind, within every limit, however many plan at once."""

import os
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection

from campaigns.models import Campaign, Coupon, Message, Variant
from campaigns.offers import choice
from campaigns.services import offer_choice, offers, outcomes, planning
from campaigns.services.planning import Wanted
from rapport.errors import Conflict
from segments.models import Score
from tests.campaigns.ledger import states
from tests.campaigns.test_planning_at_once import at_once
from tests.makers import (
    NOW,
    ago,
    make_campaign,
    make_consent,
    make_crowd,
    make_customer,
    make_order,
    make_segment,
)
from tests.segments.learnt import make_run

PEOPLE, BUDGET = (5_000, 1_000) if os.environ.get("RAPPORT_LONG") else (500, 100)


def offer(name="Spring", **given):
    given = {"kind": "percent", "share": Decimal("0.2"), **given}
    return offers.create(user=None, now=ago(10), name=name, **given)


def planned(campaign: Campaign, now=NOW) -> planning.PlanReport:
    planning.launch(campaign, user=None, now=now)
    return planning.plan(campaign.pk, now=now)


def to(people: int, given, **fields) -> Campaign:
    segment = make_segment(f"crowd-{fields.pop('key', 'all')}", make_crowd(people))
    return make_campaign(segment, offer=given, **fields)


@pytest.mark.django_db
def test_a_limit_on_people_is_kept_and_the_others_are_told_why():
    campaign = to(30, offer(given_most=10))

    report = planned(campaign)

    assert (report.planned, report.skipped) == (10, {"offer_exhausted": 20})
    assert states(campaign) == {"planned": 10, "skipped:offer_exhausted": 20}
    assert Coupon.objects.count() == 10


@pytest.mark.django_db
def test_who_goes_without_is_drawn_and_not_the_last_in_the_list():
    campaign = to(200, offer(given_most=100))
    planned(campaign)

    have = list(Coupon.objects.order_by("customer_id").values_list("customer_id", flat=True))
    first_half = campaign.messages.order_by("customer_id").values_list("customer_id", flat=True)[
        :100
    ]
    assert 30 <= len(set(have) & set(first_half)) <= 70


@pytest.mark.django_db
def test_a_budget_counts_every_open_promise_and_what_expired_is_free_again():
    given = offer(budget=100, cost=10)
    assert planned(to(8, given, key="one")).planned == 8
    second = Campaign.objects.get(pk=to(0, given, key="two").pk)
    second.included.set(Campaign.objects.exclude(pk=second.pk).get().included.all())

    assert planned(second).planned == 2

    third = make_campaign(second.included.get(), offer=given)
    later = NOW + timedelta(days=15)  # all have expired
    assert planned(third, later).planned == 8


@pytest.mark.django_db
def test_a_redemption_limit_is_kept_whatever_is_redeemed_later():
    given = offer(redeemed_most=3)
    campaign = to(5, given)
    assert planned(campaign).planned == 3
    Coupon.objects.update(redeemed_at=NOW)

    again = make_campaign(campaign.included.get(), offer=given)

    assert planned(again).skipped == {"offer_exhausted": 5}


@pytest.mark.django_db
def test_an_offer_that_is_over_is_not_given_and_no_code_outlives_it():
    assert planned(to(2, offer(ends_at=ago(1)), key="over")).skipped == {"offer_exhausted": 2}
    end = NOW + timedelta(days=3)
    campaign = make_campaign(Campaign.objects.get().included.get(), offer=offer(ends_at=end))

    planned(campaign)

    assert set(Coupon.objects.values_list("expires_at", flat=True)) == {end}


@pytest.mark.django_db
def test_a_pool_gives_the_shop_s_own_codes_and_no_others():
    given = offer(codes="pool")
    report = offers.fill_pool(
        given, ["\ufeffaaa-1", " bbb-2 ", "", "aaa-1", "=cmd()", "ccc-3"], user=None, now=NOW
    )
    assert (report.added, report.known, report.refused_count) == (3, 0, 2)
    assert [line for line, *_ in report.refused] == [4, 5]
    assert offers.fill_pool(given, ["aaa-1"], user=None, now=NOW).known == 1

    campaign = to(5, given)

    assert planned(campaign).skipped == {"offer_exhausted": 2}
    sent = campaign.messages.filter(state="planned").values_list("coupon__code", flat=True)
    assert set(sent) == {"AAA-1", "BBB-2", "CCC-3"}
    assert not Coupon.objects.filter(given_at=None).exists()


@pytest.mark.django_db
def test_an_empty_pool_is_a_fault_before_the_launch_and_codes_can_be_made_ahead():
    given = offer(codes="pool", code_prefix="VIP")
    campaign = to(3, given)
    with pytest.raises(planning.LaunchRefused, match="no free code"):
        planning.launch(campaign, user=None, now=NOW)

    assert offers.make_pool(given, 5, user=None, now=NOW) == 5

    assert planned(campaign).planned == 3
    assert Coupon.objects.filter(given_at=None, code__startswith="VIP-").count() == 2
    with pytest.raises(Conflict, match="takes no codes"):
        offers.make_pool(offer(), 5, user=None, now=NOW)


@pytest.mark.django_db
def test_a_code_for_everybody_is_redeemed_by_each_for_himself():
    campaign = to(3, offer(codes="static", static_code="summer"))
    planned(campaign)
    Message.objects.update(state="sent", sent_at=NOW, coupon_id=None)
    ids = list(campaign.messages.order_by("customer_id").values_list("customer_id", flat=True))
    customer = campaign.messages.get(customer_id=ids[0]).customer
    make_order(customer, coupon_code="Summer", happened_at=NOW + timedelta(hours=1))

    outcomes.attribute(now=NOW + timedelta(days=1))

    assert set(Coupon.objects.values_list("code", flat=True)) == {"SUMMER"}
    redeemed = Coupon.objects.exclude(redeemed_at=None).values_list("customer_id", flat=True)
    assert list(redeemed) == [ids[0]]


@pytest.mark.django_db
def test_an_offer_does_not_stand_beside_another_unless_both_say_so():
    crowd = make_segment(members=make_crowd(4))
    planned(make_campaign(crowd, offer=offer("First")))

    assert planned(make_campaign(crowd, offer=offer("Other"))).skipped == {"no_offer_fits": 4}
    one, two = (offer(name, is_stackable=True) for name in ("Third", "Fourth"))
    Coupon.objects.update(redeemed_at=NOW)
    assert planned(make_campaign(crowd, offer=one)).planned == 4
    assert planned(make_campaign(crowd, offer=two)).planned == 4


@pytest.mark.django_db
def test_an_offer_that_would_leave_too_little_is_kept_from_those_alone(settings):
    settings.MARGIN_SHARE = 0.4
    small, large = make_customer("small"), make_customer("large")
    for _ in range(20):
        make_order(small, 10, days_ago=5)
        make_order(large, 200, days_ago=5)
    given = offer(kind="amount", share=None, amount=5, currency="EUR", margin_share_least=0.2)
    segment = make_segment(members=[small, large])
    for one in (small, large):
        make_consent(one)
    campaign = make_campaign(segment, offer=given)

    planned(campaign)

    assert campaign.messages.get(customer=small).reason == "no_offer_fits"
    assert campaign.messages.get(customer=large).reason == ""


@pytest.mark.django_db
def test_a_step_has_its_variant_s_offer_and_a_repeat_gives_nothing_more():
    campaign = to(3, None, kind="flow")
    mine = offer("Mine")
    variant = Variant.objects.create(
        campaign=campaign, step=2, name="A", offer=mine, created_at=NOW, changed_at=NOW
    )
    Campaign.objects.filter(pk=campaign.pk).update(state="sending")
    people = [row.customer_id for row in campaign.included.get().memberships.all()]
    wanted = [Wanted(pk, occasion=7, step=2, variant_id=variant.pk) for pk in people]

    for _ in range(2):
        planning.plan_people(campaign, wanted, now=NOW)

    assert Coupon.objects.filter(offer=mine, occasion=7, step=2).count() == 3
    assert Message.objects.exclude(coupon=None).count() == 3


@pytest.mark.django_db
def test_each_gets_the_offer_that_is_worth_most_and_the_plain_way_stands_beside_it():
    crowd = make_crowd(60)
    campaign = make_campaign(make_segment(members=crowd))
    cheap, dear = offer("Cheap", share=Decimal("0.05")), offer("Dear", share=Decimal("0.5"))
    offers.choose_among(campaign, [cheap, dear], user=None, now=NOW)
    run = make_run("clv_365d")
    Score.objects.bulk_create(
        Score(customer=one, run=run, name="orders_90d", value=5.0 if n % 2 else 0.5, as_of=NOW)
        for n, one in enumerate(crowd)
    )
    make_order(crowd[0], 100, days_ago=3)

    expected = offer_choice.rehearse(campaign, now=NOW)
    planned(campaign)

    assert expected.people == 60 and expected.value <= expected.bound
    assert expected.value >= expected.plain > 0
    given = {share.name: share.people for share in expected.shares}
    assert given == {one.name: Coupon.objects.filter(offer=one).count() for one in (cheap, dear)}
    assert sum(given.values()) == 60


@pytest.mark.django_db
def test_a_choice_heeds_the_room_of_each_offer_and_two_are_needed():
    campaign = to(40, None)
    small, rest = offer("Small", given_most=5), offer("Rest", share=Decimal("0.3"), given_most=20)
    with pytest.raises(offers.OfferRefused, match="at least two"):
        offers.choose_among(campaign, [small], user=None, now=NOW)
    offers.choose_among(campaign, [small, rest], user=None, now=NOW)
    make_order(make_customer("buyer"), 50, days_ago=2)

    report = planned(campaign)

    assert report.planned == 25 and report.skipped == {"no_offer_fits": 15}
    assert Coupon.objects.filter(offer=small).count() == 5


@pytest.mark.django_db(transaction=True)
def test_no_limit_is_passed_by_planners_at_once_and_no_one_gets_two():
    given = offer(given_most=BUDGET)
    segment = make_segment(members=make_crowd(PEOPLE))
    campaigns = [make_campaign(segment, offer=given, name=f"{n}") for n in range(2)]
    for one in campaigns:
        planning.launch(one, user=None, now=NOW)
        with pytest.raises(Conflict):
            planning.launch(one, user=None, now=NOW)

    at_once(lambda: [planning.plan(one.pk, now=NOW) for one in campaigns])

    assert Coupon.objects.count() == BUDGET
    assert Message.objects.filter(state="planned").count() == BUDGET
    assert Message.objects.filter(reason="offer_exhausted").count() == 2 * PEOPLE - BUDGET
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT max(n) FROM (SELECT count(*) n FROM campaigns_coupon GROUP BY "
            "campaign_id, customer_id) g"
        )
        assert cursor.fetchone() == (1,)


def test_the_choice_reaches_nearly_what_any_choice_could():
    import numpy as np

    rng = np.random.default_rng(7)
    likely, basket = rng.beta(1, 20, 3_000), rng.gamma(2, 30, 3_000)
    share, lift = np.array([0.2, 0.1, 0.05]), np.array([1.3, 1.2, 1.1])
    value = likely[:, None] * lift * rng.lognormal(0, 0.2, (3_000, 3)) * basket[:, None]
    cost = likely[:, None] * lift * basket[:, None] * share
    room, budget = np.array([300, 900, np.inf]), np.array([np.inf, 150.0, np.inf])

    found = choice.choose(value * (0.5 - share), cost, room, budget)

    assert found.share_of_bound > 0.995 and found.value > found.plain
    for j in range(3):
        has = found.offer == j
        assert has.sum() <= room[j] and cost[has, j].sum() <= budget[j]
