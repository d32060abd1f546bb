"""Campaigns are written, changed, copied and removed, until they are launched."""

from datetime import time

import pytest

from campaigns.models import Campaign
from campaigns.services import campaigns, planning, readiness
from rapport.errors import Conflict
from rapport.models import AuditEntry
from tests.makers import NOW, make_campaign, make_crowd, make_segment, make_staff

pytestmark = pytest.mark.django_db


@pytest.fixture
def marketer():
    return make_staff("marketer")


def test_a_new_campaign_is_a_draft_with_a_holdout_a_salt_and_a_message_ready_to_send(marketer):
    everybody = make_segment()

    campaign = campaigns.create(user=marketer, now=NOW, name="Spring", included=[everybody])

    assert (campaign.state, campaign.holdout_share) == ("draft", 0.10)
    assert len(campaign.salt) >= 16
    assert list(campaign.included.all()) == [everybody]
    assert readiness.faults(campaign) == []
    assert AuditEntry.objects.get(action="campaign.created").actor == "marketer"


def test_no_two_campaigns_share_a_draw(marketer):
    one = campaigns.create(user=marketer, now=NOW, name="Spring")

    copy = campaigns.duplicate(one, user=marketer, now=NOW)

    assert copy.salt != one.salt


def test_a_copy_is_a_draft_with_the_same_plan(marketer):
    everybody, few = make_segment(), make_segment("few")
    one = make_campaign(everybody, excluded=[few], subject="Hello", attribution_days=3)
    Campaign.objects.filter(pk=one.pk).update(state="finished", launched_at=NOW)
    one.refresh_from_db()

    copy = campaigns.duplicate(one, user=marketer, now=NOW)

    assert (copy.name, copy.state, copy.launched_at) == ("Copy of Spring", "draft", None)
    assert (copy.subject, copy.attribution_days) == ("Hello", 3)
    assert (list(copy.included.all()), list(copy.excluded.all())) == ([everybody], [few])


def test_all_that_is_wrong_with_the_fields_is_said_at_once(marketer):
    with pytest.raises(campaigns.CampaignRefused) as refusal:
        campaigns.create(
            user=marketer, now=NOW, name=" ", holdout_share=1.2, attribution_days=0, colour="red"
        )

    words = str(refusal.value)
    for part in ("needs a name", "holdout share", "window must be", "no field colour"):
        assert part in words
    assert not Campaign.objects.exists()


@pytest.mark.parametrize(
    ("field", "value"),
    [("name", "x" * 121), ("sender_email", "nonsense"), ("objective", "fame"), ("included", [0])],
)
def test_a_value_its_column_cannot_hold_is_refused(marketer, field, value):
    with pytest.raises(campaigns.CampaignRefused):
        campaigns.create(user=marketer, now=NOW, **{"name": "Spring", field: value})


def test_a_draft_may_wait_for_its_words(marketer):
    campaign = campaigns.create(user=marketer, now=NOW, name="Spring", subject="", body="")

    assert len(readiness.faults(campaign)) == 3  # segment, subject, body


def test_a_draft_can_be_changed_and_the_trail_says_what(marketer):
    campaign = make_campaign(make_segment())

    campaigns.edit(campaign, user=marketer, now=NOW, subject="New", included=[], name="Spring")

    fresh = Campaign.objects.get()
    assert (fresh.subject, fresh.included.count(), campaign.subject) == ("New", 0, "New")
    entry = AuditEntry.objects.get(action="campaign.edited")
    assert entry.details == {"changed": ["subject", "included"]}


def test_a_launched_campaign_can_be_neither_changed_nor_deleted(marketer):
    campaign = make_campaign(make_segment(members=make_crowd(1)))
    stale = Campaign.objects.get()
    campaigns.edit(stale, user=marketer, now=NOW, subject="Before")
    planning.launch(campaign, user=None, now=NOW)

    with pytest.raises(Conflict, match="Duplicate it instead"):
        campaigns.edit(stale, user=marketer, now=NOW, subject="After")
    with pytest.raises(Conflict, match="never launched"):
        campaigns.delete(stale, user=marketer)

    assert Campaign.objects.get().subject == "Before"


def test_a_draft_can_be_deleted(marketer):
    campaigns.delete(make_campaign(), user=marketer)

    assert not Campaign.objects.exists()


EVERYTHING = {
    "kind": "recurring",
    "metric": "revenue",
    "stopping": "sequential",
    "channel_choice": "preferred",
    "other_channels": ["sms"],
    "text": "Hello {{ customer.first_name }}",
    "translations": {"fr": {"subject": "Bonjour"}},
    "sampled_share": 0.5,
    "priority": 10,
    "timing": "local_hour",
    "local_hour": 9,
    "recurrence": "0 9 * * 1",
    "time_zone": "Europe/Paris",
}


def test_every_field_of_a_plan_is_kept_and_copied(marketer):
    variants = [
        {"name": "A", "weight": 2, "subject": "Come back"},
        {"name": "B", "subject": "We miss you", "translations": {"fr": {"subject": "Revenez"}}},
    ]
    one = campaigns.create(user=marketer, now=NOW, name="All", variants=variants, **EVERYTHING)

    copy = campaigns.duplicate(one, user=marketer, now=NOW)

    fresh = Campaign.objects.get(pk=copy.pk)
    assert {name: getattr(fresh, name) for name in EVERYTHING} == EVERYTHING
    assert [(v.name, v.weight, v.subject) for v in fresh.variants.all()] == [
        ("A", 2, "Come back"),
        ("B", 1, "We miss you"),
    ]


@pytest.mark.parametrize(
    ("field", "given"),
    [
        ("recurrence", {"recurrence": "at nine"}),
        ("time_zone", {"time_zone": "Mars/Olympus"}),
        ("local_hour", {"timing": "local_hour"}),
        ("local_hour", {"local_hour": 24}),
        ("window_to", {"window_from": time(9)}),
        ("other_channels", {"other_channels": ["sms"]}),
        ("other_channels", {"channel_choice": "preferred", "other_channels": ["email"]}),
        ("sampled_share", {"sampled_share": 0}),
        ("pilot_share", {"kind": "flow", "pilot_share": 0.1}),
        ("priority", {"priority": 0}),
        ("translations", {"translations": {"French": {}}}),
        ("translations", {"translations": {"fr": {"subject": 3}}}),
        ("trigger", {"trigger": {"on": "full_moon"}}),
        ("trigger", {"trigger": {"on": "segment_entered", "segment": "nowhere"}}),
        ("kind", {"kind": "rumour"}),
        ("variants", {"variants": [{"name": "A"}, {"name": "A"}]}),
        ("variants", {"variants": [{"name": "A", "weight": 0}]}),
        ("variants", {"variants": [{"name": "A", "channel": "pigeon"}]}),
        ("variants", {"variants": [{"name": "", "subject": "x"}]}),
    ],
)
def test_a_fault_names_its_field(marketer, field, given):
    with pytest.raises(campaigns.CampaignRefused) as refusal:
        campaigns.create(user=marketer, now=NOW, name="Spring", **given)

    assert field in refusal.value.by_field


def test_a_variant_keeps_its_row_while_it_keeps_its_name(marketer):
    one = campaigns.create(
        user=marketer, now=NOW, name="Spring", variants=[{"name": "A"}, {"name": "B"}]
    )
    before = {v.name: v.pk for v in one.variants.all()}

    campaigns.edit(one, user=marketer, now=NOW, variants=[{"name": "A", "subject": "New"}])

    (left,) = one.variants.all()
    assert (left.pk, left.subject) == (before["A"], "New")
