"""What the shop's sending rules keep from whom, when a campaign is planned."""

from collections import Counter
from datetime import time, timedelta

import pytest

from campaigns import judging, querysets
from campaigns.experiments import assignment
from campaigns.models import Assignment, Campaign, Message, SendingPolicy
from campaigns.services import planning, policy
from campaigns.services.planning import Wanted
from customers.models import Customer
from rapport.errors import Conflict
from rapport.models import AuditEntry
from segments.models import ModelRun, Score
from tests.makers import NOW, ago, make_campaign, make_consent, make_crowd, make_segment

pytestmark = pytest.mark.django_db
MORNING = NOW.replace(hour=6)  # 08:00 in Paris


def change(**fields) -> SendingPolicy:
    return policy.change(user=None, now=NOW, **fields)


def judge(campaign, **given) -> dict[int, dict]:
    found = querysets.rows(querysets.judged(campaign, now=NOW, **given))
    return {row["customer_id"]: row for row in found}


def plan(campaign, now=NOW) -> dict[int, Message]:
    planning.launch(campaign, user=None, now=now)
    planning.plan(campaign.pk, now=now)
    return {one.customer_id: one for one in Message.objects.filter(campaign=campaign)}


def send_to(people, *, days_ago=1.0, channel="email", **given) -> Campaign:
    campaign = make_campaign(**given)
    Message.objects.bulk_create(
        Message(
            campaign=campaign, customer=one, channel=channel, state="sent", planned_at=ago(30),
            due_at=ago(30), sent_at=ago(days_ago), finished_at=ago(days_ago),
        )
        for one in people
    )  # fmt: skip
    return campaign


def score(customer, name, value):
    run, _ = ModelRun.objects.get_or_create(
        kind="response", state="live",
        defaults={"as_of": NOW, "created_at": NOW, "card": {"parameters": {"usual_hour": 19.0}}},
    )  # fmt: skip
    Score.objects.create(customer=customer, name=name, value=value, run=run, as_of=NOW)


@pytest.fixture
def crowd():
    return make_crowd(60)


@pytest.fixture
def everybody(crowd):
    return make_segment(members=crowd)


def test_the_global_holdout_is_left_alone_in_both_arms(crowd, everybody):
    salt = change(holdout_share=0.3).holdout_salt
    campaign = make_campaign(everybody, holdout_share=0.5)

    messages = plan(campaign)

    left = {one.pk for one in crowd if assignment.draw(salt, one.pk) < 0.3}
    arms = dict(Assignment.objects.values_list("customer_id", "arm"))
    assert {pk for pk, one in messages.items() if one.reason == "global_holdout"} == left
    assert {arms[pk] for pk in left} == {"treated", "holdout"}
    assert not Assignment.objects.filter(customer_id__in=left, is_eligible=True).exists()


def test_a_sample_cuts_both_arms_alike(crowd, everybody):
    found = judge(make_campaign(everybody, holdout_share=0.5, sampled_share=0.4))

    out = [pk for pk, row in found.items() if row["obstacle"] == "not_sampled"]
    assert set(out) == {one.pk for one in crowd if assignment.draw("spring:sample", one.pk) >= 0.4}
    assert {found[pk]["arm"] for pk in out} == {"treated", "holdout"}


@pytest.mark.parametrize(
    ("cap", "days_ago", "channel", "is_capped"),
    [
        ({"channel": "", "most": 1, "days": 7}, 6.9, "email", True),
        ({"channel": "", "most": 1, "days": 7}, 7.0, "email", False),  # the window has rolled on
        ({"channel": "", "most": 1, "days": 7}, 1, "sms", True),  # across channels
        ({"channel": "email", "most": 1, "days": 7}, 1, "sms", False),
        ({"channel": "sms", "most": 1, "days": 7}, 1, "sms", False),  # says nothing of e-mail
        ({"channel": "", "most": 2, "days": 7}, 1, "email", False),
        ({"channel": "email", "most": 0, "days": 7}, 100, "email", True),  # nothing at all
    ],
)
@pytest.mark.parametrize("few", [True, False])
def test_who_had_enough_lately_is_capped(crowd, everybody, cap, days_ago, channel, is_capped, few):
    send_to(crowd[:1], days_ago=days_ago, channel=channel)
    change(caps=[cap])
    ids = "SELECT unnest(%s::bigint[]) AS customer_id", [[crowd[0].pk]]

    found = judge(make_campaign(everybody), **({"people": ids} if few else {}))

    assert found[crowd[0].pk]["obstacle"] == ("capped" if is_capped else "")


def test_transactional_messages_neither_count_nor_are_held_back(crowd, everybody):
    send_to(crowd[:1], kind="transactional")
    change(caps=[{"channel": "", "most": 1, "days": 7}], holdout_share=0.5)
    Campaign.objects.filter(kind="transactional").update(sampled_share=0.1)
    transactional = Campaign.objects.get(kind="transactional")
    stranger = Customer.objects.create(
        email="x@example.com", happened_at=NOW, recorded_at=NOW, changed_at=NOW
    )  # never said yes
    wanted = [Wanted(one.pk, occasion=7) for one in (*crowd, stranger)]

    found = planning.plan_people(transactional, wanted, now=NOW)

    assert set(found.values()) == {""}
    change(holdout_share=0.0)
    assert judge(make_campaign(everybody))[crowd[0].pk]["obstacle"] == ""


def test_each_person_is_written_to_where_she_answers(crowd, everybody):
    both, only_mail, no_word, silent = crowd[:4]
    for one in (both, no_word):
        Customer.objects.filter(pk=one.pk).update(phone=f"+3360000{one.pk}")
        make_consent(one, channel="sms")
    score(both, "response_email", 0.02)
    score(both, "response_sms", 0.2)
    make_consent(silent, is_granted=False, happened_at=ago(1))
    campaign = make_campaign(everybody, channel_choice="preferred", other_channels=["sms"])

    found = judge(campaign)

    assert found[both.pk]["channel"] == "sms"  # answers there
    assert found[only_mail.pk]["channel"] == "email"
    assert found[no_word.pk]["channel"] == "email"  # nothing is known: the campaign's own
    assert found[silent.pk]["obstacle"] == "no_consent"
    assert len(found) == len(crowd)
    planning.plan_people(campaign, [Wanted(both.pk, occasion=1)], now=NOW)
    assert Message.objects.get().channel == "sms"


def test_in_a_comparison_of_channels_who_lacks_one_is_in_no_arm(crowd, everybody):
    for one in crowd[:30]:
        Customer.objects.filter(pk=one.pk).update(phone=f"+3360000{one.pk}")
        make_consent(one, channel="sms")
    campaign = make_campaign(everybody)
    for name, channel in (("A", ""), ("B", "sms")):
        campaign.variants.create(
            name=name, channel=channel, text="Hello", created_at=NOW, changed_at=NOW
        )
    change(quiet_hours={})

    messages = plan(campaign)

    reasons = Counter(one.reason for one in messages.values())
    assert reasons == {"": 30, "unreachable": 30}
    by_variant = {(one.variant.name, one.channel) for one in messages.values() if not one.reason}
    assert by_variant == {("A", "email"), ("B", "sms")}


def test_an_hour_of_the_recipients_clock(crowd, everybody):
    zones = ["Europe/Paris", "Pacific/Kiritimati", "Pacific/Pago_Pago", "Mars/Olympus"]
    for one, zone in zip(crowd, zones, strict=False):
        Customer.objects.filter(pk=one.pk).update(time_zone=zone)
    campaign = make_campaign(everybody, timing="local_hour", local_hour=9)

    messages = plan(campaign)

    due = [messages[one.pk].due_at - NOW for one in crowd[:5]]  # NOW is noon in UTC
    assert due == [timedelta(hours=hours) for hours in (19, 7, 8, 21, 21)]


def test_a_best_hour_is_the_persons_own_or_the_shops(crowd, everybody):
    score(crowd[0], "best_hour", 7.0)
    campaign = make_campaign(everybody, timing="best_hour")

    messages = plan(campaign)

    assert messages[crowd[0].pk].due_at == NOW + timedelta(hours=19)
    assert messages[crowd[1].pk].due_at == NOW + timedelta(hours=7)
    assert judging.usual_hour() == 19


def test_variants_may_differ_in_the_hour(everybody):
    campaign = make_campaign(everybody, timing="local_hour", local_hour=14)
    for name, hour in (("A", None), ("B", 20)):
        campaign.variants.create(name=name, local_hour=hour, created_at=NOW, changed_at=NOW)

    found = {(one.variant.name, one.due_at.hour) for one in plan(campaign).values()}

    assert found == {("A", 14), ("B", 20)}


def test_windows_and_quiet_hours_move_what_flows_ask_for(crowd, everybody):
    change(quiet_hours={"email": ["20:00", "08:00"]})
    Customer.objects.filter(pk=crowd[1].pk).update(time_zone="Asia/Tokyo")  # 21:00
    campaign = make_campaign(kind="flow", window_from=time(9), window_to=time(18))
    wanted = [Wanted(one.pk, occasion=1, due_at=NOW) for one in crowd[:2]]
    late = Wanted(crowd[2].pk, occasion=1, due_at=NOW + timedelta(hours=7))

    planning.plan_people(campaign, [*wanted, late], now=NOW)

    due = dict(Message.objects.values_list("customer_id", "due_at"))
    assert [due[one.pk] - NOW for one in crowd[:3]] == [
        timedelta(0), timedelta(hours=12), timedelta(hours=21)
    ]  # fmt: skip


def test_whose_hour_comes_after_the_end_is_told_so(crowd, everybody):
    campaign = make_campaign(
        kind="flow", timing="local_hour", local_hour=9, ends_at=NOW + timedelta(hours=3)
    )

    found = planning.plan_people(campaign, [Wanted(crowd[0].pk, occasion=1)], now=NOW)

    assert list(found.values()) == ["quiet"]


def test_rules_change_by_version_and_leave_a_trail():
    first = change(holdout_share=0.1)
    salt, since = first.holdout_salt, first.holdout_since
    second = policy.change(user=None, now=NOW + timedelta(days=1), version=1, small_people=50)

    assert (second.version, second.holdout_salt, second.holdout_since) == (2, salt, since)
    with pytest.raises(Conflict, match="version 2, and you were looking at 1"):
        change(version=1, small_people=60)
    entry = AuditEntry.objects.filter(action="sending_rules.changed").latest("pk")
    assert entry.details["small_people"] == {"before": 100, "after": 50}


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"quiet_hours": {"fax": ["21:00", "08:00"]}}, "no channel fax"),
        ({"quiet_hours": {"sms": ["21:00"]}}, "Quiet hours of sms"),
        ({"quiet_hours": {"sms": ["21:00+02:00", "8"]}}, "Quiet hours of sms"),
        ({"caps": [{"channel": "", "most": 1.5, "days": 7}]}, "messages are 1.5"),
        ({"caps": [{"channel": "", "most": 1, "days": 0}]}, "days are 0"),
        ({"caps": [{"most": True, "days": float("nan")}]}, "messages are True"),
        ({"holdout_share": 0.6}, "must be 0 to 0.5"),
        ({"costs": {"sms": "NaN"}}, "The cost of sms"),
        ({"approval_above": -1}, "approval_above must be"),
        ({"colour": "red"}, "no rule colour"),
    ],
)
def test_rules_that_make_no_sense_are_refused(fields, word):
    with pytest.raises(policy.PolicyRefused, match=word):
        change(**fields)

    assert not SendingPolicy.objects.exists()
