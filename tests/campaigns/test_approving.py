"""What goes to many takes a second person's word."""

from datetime import timedelta

import pytest

from campaigns.models import Approval
from campaigns.services import approving, campaigns, offers, planning, policy
from rapport.errors import Conflict
from segments.models import Membership, Segment
from tests.makers import NOW, make_campaign, make_crowd, make_segment, make_staff

pytestmark = pytest.mark.django_db


@pytest.fixture
def asker():
    return make_staff("marketer")


@pytest.fixture
def boss():
    return make_staff("manager")


@pytest.fixture
def campaign():
    policy.change(user=None, now=NOW, approval_above=9)
    return make_campaign(make_segment(members=make_crowd(10)))


def approve(campaign, asker, boss):
    question = approving.ask(campaign, user=asker, now=NOW)
    return approving.decide(question, is_approved=True, user=boss, now=NOW)


def launch(campaign):
    return planning.launch(campaign, user=None, now=NOW)


def test_above_the_size_nothing_is_launched_or_scheduled_without_approval(campaign, asker, boss):
    with pytest.raises(planning.LaunchRefused, match="more than 9 people.*nobody was asked"):
        launch(campaign)
    with pytest.raises(planning.LaunchRefused, match="more than 9 people"):
        planning.schedule(campaign, at=NOW + timedelta(days=1), user=None, now=NOW)
    approving.ask(campaign, user=asker, now=NOW)
    with pytest.raises(planning.LaunchRefused, match="the answer is awaited"):
        launch(campaign)

    approve(campaign, asker, boss)

    assert launch(campaign).state == "planning"


def test_up_to_the_size_nobody_need_be_asked(campaign):
    policy.change(user=None, now=NOW, approval_above=10)

    assert not approving.is_needed(campaign) and launch(campaign)


def test_who_asked_cannot_approve(campaign, boss):
    question = approving.ask(campaign, user=boss, now=NOW)

    with pytest.raises(approving.ApprovalRefused, match="somebody else"):
        approving.decide(question, is_approved=True, user=boss, now=NOW)
    with pytest.raises(approving.ApprovalRefused, match="a person's word"):
        approving.decide(question, is_approved=True, user=None, now=NOW)
    assert Approval.objects.get().verdict == "waiting"


def test_a_refusal_is_told_and_may_be_asked_again(campaign, asker, boss):
    question = approving.ask(campaign, user=asker, now=NOW)
    approving.decide(question, is_approved=False, user=boss, now=NOW, note="Too loud.")

    with pytest.raises(planning.LaunchRefused, match="manager refused. Too loud."):
        launch(campaign)
    with pytest.raises(Conflict, match="answered already"):
        approving.decide(question, is_approved=True, user=boss, now=NOW)

    approve(campaign, asker, boss)
    assert launch(campaign)


def edit(**fields):
    return lambda campaign: campaigns.edit(campaign, user=None, now=NOW, **fields)


def change_rule(campaign):
    Segment.objects.filter(key="everybody").update(rule_version=2)


def change_offer(campaign):
    campaign.offer.given_most = 5
    campaign.offer.save()


def add_variant(campaign):
    campaign.variants.create(name="B", subject="Other", created_at=NOW, changed_at=NOW)


def let_grow(campaign):
    segment = Segment.objects.get(key="everybody")
    Membership.objects.bulk_create(
        Membership(segment=segment, customer=one, entered_at=NOW, rule_version=1)
        for one in make_crowd(2, first=100)
    )


@pytest.mark.parametrize(
    ("alter", "word"),
    [
        (edit(subject="Other words"), "was changed"),
        (edit(translations={"fr": {"subject": "Bonjour"}}), "was changed"),
        (edit(holdout_share=0.0, excluded=[]), None),  # nothing is another than it was
        (edit(name="Autumn"), None),
        (edit(sampled_share=0.5), "was changed"),
        (change_rule, "was changed"),
        (change_offer, "was changed"),
        (add_variant, "was changed"),
        (let_grow, "has grown"),
    ],
)
def test_what_is_changed_after_the_approval_voids_it(campaign, asker, boss, alter, word):
    offer = offers.create(user=None, now=NOW, name="Gift", kind="free_shipping")
    campaigns.edit(campaign, user=None, now=NOW, offer=offer)
    approve(campaign, asker, boss)
    assert not approving.faults(campaign)

    alter(campaign)

    if word is None:
        assert launch(campaign)
    else:
        with pytest.raises(planning.LaunchRefused, match=word):
            launch(campaign)


def test_a_scheduled_campaign_that_was_changed_is_not_launched(campaign, asker, boss):
    approve(campaign, asker, boss)
    planning.schedule(campaign, at=NOW + timedelta(hours=1), user=None, now=NOW)
    campaigns.edit(campaign, user=None, now=NOW, subject="Other words")

    assert planning.launch_due(now=NOW + timedelta(hours=2)) == 0

    campaign.refresh_from_db()
    assert campaign.state == "draft" and "it was changed" in campaign.state_reason


def test_what_was_changed_while_the_question_was_open_cannot_be_approved(campaign, asker, boss):
    question = approving.ask(campaign, user=asker, now=NOW)
    campaigns.edit(campaign, user=None, now=NOW, subject="Other words")

    with pytest.raises(Conflict, match="asked again"):
        approving.decide(question, is_approved=True, user=boss, now=NOW)

    renewed = approving.ask(campaign, user=asker, now=NOW)
    assert renewed.pk == question.pk and Approval.objects.count() == 1
    assert [one.pk for one in approving.waiting()] == [question.pk]
    approving.decide(renewed, is_approved=True, user=boss, now=NOW)
    assert not approving.waiting()


def test_what_anybody_may_enter_counts_as_everybody(asker):
    make_crowd(12)
    flow = make_campaign(kind="flow")

    assert approving.size(flow) == 12
