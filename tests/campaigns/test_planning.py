"""A plan is written once, whole, and only for a campaign that may be sent."""

from collections import Counter
from datetime import timedelta

import pytest
from django.db import connection

from campaigns.models import Assignment, Campaign, Coupon, Message
from campaigns.offers import codes
from campaigns.services import audience, campaigns, coupons, offers, planning
from customers.services import consent
from rapport.errors import Conflict
from rapport.models import AuditEntry
from segments.models import Segment
from tests.makers import NOW, ago, make_campaign, make_cast, make_crowd, make_segment, make_staff

pytestmark = pytest.mark.django_db
State = Campaign.State


@pytest.fixture
def manager():
    return make_staff("manager")


def make_offer(**given):
    return offers.create(
        user=None, now=NOW, name="Spring", **{"kind": "percent", "share": 0.15, **given}
    )


def launched(*included, now=NOW, **given) -> Campaign:
    return planning.launch(make_campaign(*included, **given), user=None, now=now)


def test_a_plan_writes_everybodys_arm_message_and_code():
    cast = make_cast()
    campaign = launched(make_segment(members=cast.values()), offer=make_offer(code_prefix="spring"))

    report = planning.plan(campaign.pk, now=NOW)

    assert (report.planned, report.holdout, report.skipped) == (3, 0, {"no_consent": 1})
    messages = {m.customer_id: m for m in Message.objects.select_related("coupon")}
    for name in ("ada", "bob", "eve"):
        message = messages[cast[name].pk]
        assert (message.state, message.reason, message.due_at) == ("planned", "", NOW)
        assert codes.normalise(message.coupon.code).startswith("SPRING-")
        assert message.coupon.customer_id == message.customer_id
        assert message.coupon.expires_at == NOW + timedelta(days=14)
    spared = messages[cast["mallory"].pk]
    assert (spared.state, spared.reason, spared.coupon) == ("skipped", "no_consent", None)
    assert spared.finished_at == NOW
    assert Coupon.objects.count() == 3
    assert Campaign.objects.get().state == State.SENDING


def test_a_plan_does_what_the_dry_run_said():
    crowd = [*make_crowd(120), *make_crowd(40, first=120, consent=False)]
    everybody = make_segment(members=crowd)
    for one in crowd[:9]:
        consent.suppress(one.email, channel="email", reason="manual", source="x", now=NOW)
    campaign = make_campaign(everybody, holdout_share=0.25)
    said = audience.dry_run(campaign, now=NOW)

    done = planning.plan(planning.launch(campaign, user=None, now=NOW).pk, now=NOW)

    assert said.holdout > 0
    assert (done.planned, done.holdout) == (said.planned, said.holdout)
    assert done.skipped == {reason: n for reason, n in said.skipped.items() if n}
    written = Counter(Message.objects.values_list("state", "reason"))
    assert written == {
        ("planned", ""): said.planned,
        ("skipped", "holdout"): said.holdout,
        ("skipped", "suppressed"): 9,
        ("skipped", "no_consent"): 40,
    }


def test_eligibility_is_kept_beside_the_arm_and_is_alike_in_both():
    crowd = [*make_crowd(200), *make_crowd(200, first=200, consent=False)]
    campaign = launched(make_segment(members=crowd), holdout_share=0.5)

    planning.plan(campaign.pk, now=NOW)

    found = Counter(Assignment.objects.values_list("arm", "is_eligible"))
    assert sum(found.values()) == 400
    assert found["treated", True] + found["holdout", True] == 200
    # the arm says nothing about consent: each arm has about half of those without it
    assert 70 <= found["holdout", False] <= 130


def test_planning_twice_writes_nothing_twice():
    campaign = launched(make_segment(members=make_crowd(20)), offer=make_offer())
    planning.plan(campaign.pk, now=NOW)
    before = set(Message.objects.values_list("pk", "coupon__code"))

    again = planning.plan(campaign.pk, now=NOW + timedelta(minutes=1))

    assert again == planning.PlanReport(campaign.pk)
    assert set(Message.objects.values_list("pk", "coupon__code")) == before
    assert Assignment.objects.count() == Coupon.objects.count() == 20


def test_codes_that_collide_are_drawn_again(monkeypatch):
    monkeypatch.setattr(codes, "LENGTH", 1)  # 32 codes for 25 people
    crowd = make_crowd(25)
    campaign = launched(make_segment(members=crowd), offer=make_offer())

    planning.plan(campaign.pk, now=NOW)

    given = Message.objects.values_list("coupon__code", flat=True)
    assert len(set(given)) == 25 and set(given) <= set(codes.ALPHABET)


def test_a_plan_without_free_codes_leaves_nothing_half_and_says_so(monkeypatch):
    monkeypatch.setattr(codes, "LENGTH", 1)
    campaign = launched(make_segment(members=make_crowd(33)), offer=make_offer())

    planning.plan(campaign.pk, now=NOW)

    campaign.refresh_from_db()
    assert campaign.state == State.DRAFT and "another prefix" in campaign.state_reason
    assert not Message.objects.exists() and not Assignment.objects.exists()
    assert not Coupon.objects.exists()


def test_postgresql_and_python_spell_a_number_alike():
    numbers = [0, 1, 31, 32, 33**5, 2**40 - 1, 987654321098]
    spelled = coupons.spelled_sql("n", prefix="VIP", length=codes.LENGTH)

    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {spelled} FROM unnest(%s::bigint[]) n", [numbers])
        assert [row[0] for row in cursor] == [codes.spell(n, prefix="VIP") for n in numbers]


def test_a_launch_is_refused_with_all_its_reasons(manager):
    broken = make_segment("broken", state=Segment.State.INVALID, error="no such field")
    archived = make_segment("old", state=Segment.State.ARCHIVED)
    fresh = make_segment("fresh", refreshed_at=None)
    campaign = make_campaign(fresh, excluded=[broken, archived], subject="", body=" ")

    with pytest.raises(planning.LaunchRefused) as refusal:
        planning.launch(campaign, user=manager, now=NOW)

    words = str(refusal.value)
    assert len(refusal.value.faults) == 5
    for part in ("broken cannot be read", "old is archived", "never refreshed", "subject", "body"):
        assert part in words
    assert Campaign.objects.get().state == State.DRAFT


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"body": "<mjml><mj-body>{{ customer.password }}</mj-body></mjml>"}, "customer.password"),
        ({"subject": "{% if %}"}, "subject cannot be read"),
        ({"channel": "sms"}, "text is empty"),
    ],
)
def test_what_cannot_be_sent_is_refused(given, words):
    everybody = make_segment(members=make_crowd(1))
    planning.launch(make_campaign(everybody), user=None, now=NOW)  # the same, without the fault

    with pytest.raises(planning.LaunchRefused, match=words):
        planning.launch(make_campaign(everybody, **given), user=None, now=NOW)


def test_a_campaign_without_an_audience_is_refused():
    with pytest.raises(planning.LaunchRefused, match="No segment is included"):
        planning.launch(make_campaign(), user=None, now=NOW)


def test_a_second_launch_is_refused_and_leaves_the_first(manager):
    campaign = make_campaign(make_segment(members=make_crowd(1)))
    other_view = Campaign.objects.get()
    planning.launch(campaign, user=manager, now=NOW)

    with pytest.raises(Conflict, match="is planning, expected draft or scheduled"):
        planning.launch(other_view, user=None, now=NOW + timedelta(seconds=1))

    assert Campaign.objects.get().launched_at == NOW
    entries = AuditEntry.objects.filter(action="campaign.launched")
    assert [(entry.actor, entry.target) for entry in entries] == [
        ("manager", f"campaign {campaign.pk}")
    ]


def test_a_segment_broken_after_the_launch_makes_a_draft_again_instead_of_wrong_mail():
    spared = make_segment("spared", members=make_crowd(1))
    campaign = launched(make_segment(members=make_crowd(3, first=5)), excluded=[spared])
    Segment.objects.filter(pk=spared.pk).update(state=Segment.State.INVALID)

    planning.plan(campaign.pk, now=NOW)

    campaign.refresh_from_db()
    assert campaign.state == State.DRAFT and "spared cannot be read" in campaign.state_reason
    assert not Message.objects.exists()


def test_a_scheduled_campaign_is_launched_when_its_moment_has_come(manager):
    campaign = make_campaign(make_segment(members=make_crowd(1)))
    planning.schedule(campaign, at=NOW + timedelta(hours=1), user=manager, now=NOW)

    assert planning.launch_due(now=NOW) == 0
    assert planning.launch_due(now=NOW + timedelta(hours=1)) == 1
    assert planning.launch_due(now=NOW + timedelta(hours=1)) == 0
    campaign.refresh_from_db()
    assert (campaign.state, campaign.launched_by) == (State.PLANNING, manager)


def test_a_moment_that_is_over_cannot_be_scheduled(manager):
    campaign = make_campaign(make_segment(members=make_crowd(1)))

    with pytest.raises(planning.LaunchRefused, match="is over"):
        planning.schedule(campaign, at=ago(1), user=manager, now=NOW)


def test_a_scheduled_campaign_that_has_become_unfit_is_a_draft_with_the_reason(manager):
    everybody = make_segment(members=make_crowd(1))
    campaign = make_campaign(everybody)
    planning.schedule(campaign, at=NOW + timedelta(hours=1), user=manager, now=NOW)
    Segment.objects.filter(pk=everybody.pk).update(state=Segment.State.ARCHIVED)

    assert planning.launch_due(now=NOW + timedelta(hours=2)) == 0

    campaign.refresh_from_db()
    assert campaign.state == State.DRAFT and "is archived" in campaign.state_reason


def test_a_campaign_whose_planner_died_is_planned_at_a_later_tick(
    django_capture_on_commit_callbacks,
):
    campaign = launched(make_segment(members=make_crowd(1)))

    with django_capture_on_commit_callbacks() as soon:
        planning.launch_due(now=NOW + timedelta(seconds=1))
    with django_capture_on_commit_callbacks() as late:
        planning.launch_due(now=NOW + planning.PLANNING_OVERDUE)

    assert (len(soon), len(late)) == (0, 1)
    assert Campaign.objects.get().state == State.PLANNING == campaign.state


def test_an_unscheduled_campaign_is_a_draft(manager):
    campaign = make_campaign(make_segment(members=make_crowd(1)))
    planning.schedule(campaign, at=NOW + timedelta(hours=1), user=manager, now=NOW)

    planning.unschedule(campaign, user=manager, now=NOW)

    assert planning.launch_due(now=NOW + timedelta(days=1)) == 0
    campaigns.edit(campaign, user=manager, now=NOW, name="Later")
