"""What comes back is recorded once, in any order, and goes back to the facts."""

from datetime import timedelta
from decimal import Decimal

import pytest

from campaigns.models import Coupon, Message, Outcome
from campaigns.services import offers, outcomes, planning, reports
from customers.models import Consent, Customer, Event, Suppression
from customers.services import consent
from rapport.errors import NotFound
from tests.makers import NOW, make_campaign, make_cast, make_order, make_segment

pytestmark = pytest.mark.django_db
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def send(campaign, *, at=NOW) -> dict[str, Message]:
    """Plan a campaign and mark its messages as sent; by first name."""
    planning.launch(campaign, user=None, now=at)
    planning.plan(campaign.pk, now=at)
    planned = Message.objects.filter(campaign=campaign, state="planned")
    planned.update(state="sent", sent_at=at, finished_at=at)
    messages = Message.objects.filter(campaign=campaign).select_related("customer", "coupon")
    return {message.customer.first_name.lower(): message for message in messages}


@pytest.fixture
def cast():
    return make_cast()


@pytest.fixture
def everybody(cast):
    return make_segment(members=cast.values())


@pytest.fixture
def sent(everybody):
    offer = offers.create(user=None, now=NOW, name="Gift", kind="free_shipping", code_prefix="VIP")
    return send(make_campaign(everybody, offer=offer))


def attributed() -> list[tuple[int, str]]:
    found = Outcome.objects.filter(kind="order").order_by("key")
    return list(found.values_list("message_id", "key"))


def test_an_open_is_recorded_once_and_told_as_an_event(sent):
    ada = sent["ada"]

    assert outcomes.opened(ada.pk, now=NOW + HOUR)
    assert not outcomes.opened(ada.pk, now=NOW + 2 * HOUR)

    assert Outcome.objects.get().happened_at == NOW + HOUR
    event = Event.objects.get(source="rapport")
    assert (event.name, event.customer_id) == ("Email Opened", ada.customer_id)
    assert event.properties["campaign_id"] == ada.campaign_id


def test_a_prefetch_before_the_person_is_kept_apart_and_tells_no_event(sent):
    ada = sent["ada"]

    outcomes.opened(ada.pk, now=NOW, is_machine=True)
    assert not Event.objects.filter(source="rapport").exists()
    outcomes.opened(ada.pk, now=NOW + HOUR)

    funnel = reports.report(ada.campaign, now=NOW + DAY).funnel
    assert (funnel.opened, funnel.opened_by_machines) == (1, 1)
    assert Event.objects.filter(name="Email Opened").count() == 1


def test_each_link_counts_once_and_a_click_is_an_open(sent):
    ada, bob = sent["ada"], sent["bob"]

    for message, key in ((ada, "1"), (ada, "1"), (ada, "2"), (bob, "1")):
        outcomes.clicked(message.pk, url=f"https://x.example/{key}", key=key, now=NOW + HOUR)

    funnel = reports.report(ada.campaign, now=NOW + DAY).funnel
    assert (funnel.clicked, funnel.opened) == (2, 2)
    assert Outcome.objects.count() == 3
    told = Event.objects.filter(name="Email Link Clicked", customer_id=ada.customer_id)
    assert {event.properties["link_url"] for event in told} == {
        "https://x.example/1",
        "https://x.example/2",
    }


def test_many_reactions_are_recorded_in_one_go_and_again_change_nothing(
    sent, django_assert_max_num_queries
):
    reactions = [
        outcomes.Reaction(message.pk, kind, NOW + HOUR, key="1")
        for message in sent.values()
        for kind in ("open", "click")
    ] + [outcomes.Reaction(0, "open", NOW)]

    with django_assert_max_num_queries(15):
        assert outcomes.record(reactions, now=NOW + DAY) == 8
    assert outcomes.record(reactions, now=NOW + DAY) == 0
    assert outcomes.record([], now=NOW) == 0


def test_of_two_words_for_one_thing_the_earlier_moment_stands(sent):
    ada = sent["ada"].pk

    for moment in (NOW + 2 * HOUR, NOW + HOUR, NOW + 3 * HOUR):
        outcomes.opened(ada, now=moment)

    assert Outcome.objects.get().happened_at == NOW + HOUR
    assert Event.objects.filter(name="Email Opened").count() == 1


def test_unsubscribing_takes_consent_back_for_the_topic_alone(sent):
    ada = sent["ada"]
    consent.record(
        ada.customer_id, channel="email", topic="surveys", is_granted=True, source="x", now=NOW
    )

    assert outcomes.unsubscribed(ada.pk, now=NOW + HOUR, how="one-click")

    assert not consent.allows(ada.customer_id, "email", "marketing")
    assert consent.allows(ada.customer_id, "email", "surveys")
    assert not Suppression.objects.exists()
    word = Consent.objects.filter(customer_id=ada.customer_id, is_granted=False).get()
    assert word.source == "unsubscribe" and "one-click" in word.proof_text
    assert Event.objects.filter(name="Unsubscribed").count() == 1


def test_unsubscribing_again_withdraws_a_consent_given_in_between(sent):
    ada = sent["ada"]
    outcomes.unsubscribed(ada.pk, now=NOW + HOUR, how="page")
    consent.record(
        ada.customer_id,
        channel="email",
        topic="marketing",
        is_granted=True,
        source="shop",
        now=NOW + DAY,
    )

    assert not outcomes.unsubscribed(ada.pk, now=NOW + 2 * DAY, how="page")

    assert not consent.allows(ada.customer_id, "email", "marketing")
    assert Outcome.objects.filter(kind="unsubscribe").count() == 1


def test_unsubscribing_without_any_word_on_record_leaves_an_explicit_no(sent):
    mallory = sent["mallory"]

    outcomes.unsubscribed(mallory.pk, now=NOW + HOUR, how="page")

    assert Consent.objects.get(customer_id=mallory.customer_id).is_granted is False


def test_outcomes_may_come_in_any_order(sent):
    ada = sent["ada"]

    outcomes.unsubscribed(ada.pk, now=NOW + 3 * HOUR, how="page")
    outcomes.clicked(ada.pk, url="https://x.example", key="1", now=NOW + 2 * HOUR)
    outcomes.opened(ada.pk, now=NOW + HOUR)

    funnel = reports.report(ada.campaign, now=NOW + DAY).funnel
    assert (funnel.opened, funnel.clicked, funnel.unsubscribed) == (1, 1, 1)


def test_what_comes_back_for_the_erased_leaves_nothing(sent):
    ada = sent["ada"]
    Customer.objects.filter(pk=ada.customer_id).update(erased_at=NOW)

    assert not outcomes.opened(ada.pk, now=NOW + HOUR)
    assert not outcomes.unsubscribed(ada.pk, now=NOW + HOUR, how="page")

    assert not Outcome.objects.exists()


def test_a_message_that_does_not_exist_cannot_be_unsubscribed_from():
    with pytest.raises(NotFound, match="no message 7"):
        outcomes.unsubscribed(7, now=NOW, how="page")


def test_orders_in_the_window_are_tied_once(sent, cast):
    inside = make_order(cast["ada"], 30, happened_at=NOW + HOUR)
    last = make_order(cast["ada"], 30, happened_at=NOW + 7 * DAY)
    for moment in (NOW - HOUR, NOW, NOW + 7 * DAY + HOUR):
        make_order(cast["ada"], 30, happened_at=moment)
    make_order(cast["mallory"], 30, happened_at=NOW + HOUR)  # was not written to

    assert outcomes.attribute(now=NOW + 9 * DAY) == 2
    assert outcomes.attribute(now=NOW + 9 * DAY) == 0

    ada = sent["ada"].pk
    assert attributed() == sorted([(ada, str(inside.pk)), (ada, str(last.pk))], key=lambda r: r[1])
    assert Outcome.objects.filter(amount=Decimal(30)).count() == 2


@pytest.mark.parametrize(
    "given", [{"status": "cancelled"}, {"status": "refunded"}, {"kind": "refund"}]
)
def test_only_orders_that_stand_are_tied(sent, cast, given):
    make_order(cast["ada"], 30, happened_at=NOW + HOUR, **given)

    assert outcomes.attribute(now=NOW + DAY) == 0


def test_an_order_that_is_cancelled_later_leaves_the_report(sent, cast):
    order = make_order(cast["ada"], 30, happened_at=NOW + HOUR)
    outcomes.attribute(now=NOW + DAY)
    campaign = sent["ada"].campaign
    assert reports.report(campaign, now=NOW + DAY).funnel.attributed_revenue == 30

    order.status = "cancelled"
    order.save()

    funnel = reports.report(campaign, now=NOW + DAY).funnel
    assert (funnel.ordered, funnel.attributed_revenue) == (0, 0)


def test_of_two_campaigns_the_last_one_before_the_order_has_it(sent, everybody, cast):
    later = send(make_campaign(everybody, name="Later"), at=NOW + DAY)
    between = make_order(cast["bob"], happened_at=NOW + HOUR)
    after = make_order(cast["bob"], happened_at=NOW + 2 * DAY)

    outcomes.attribute(now=NOW + 3 * DAY)

    assert dict((key, message) for message, key in attributed()) == {
        str(between.pk): sent["bob"].pk,
        str(after.pk): later["bob"].pk,
    }


def test_a_code_outweighs_the_later_message(sent, everybody, cast):
    send(make_campaign(everybody, name="Later"), at=NOW + DAY)
    code = sent["bob"].coupon.code.lower()
    make_order(cast["bob"], happened_at=NOW + 2 * DAY, coupon_code=f" {code} ")

    outcomes.attribute(now=NOW + 3 * DAY)

    assert [message for message, _key in attributed()] == [sent["bob"].pk]


def test_a_message_that_bounced_has_brought_no_order(sent, cast):
    Message.objects.filter(pk=sent["ada"].pk).update(state="bounced")
    make_order(cast["ada"], happened_at=NOW + HOUR)

    assert outcomes.attribute(now=NOW + DAY) == 0


def test_a_redeemed_code_says_when_and_by_which_order(sent, cast):
    code = sent["ada"].coupon.code
    first = make_order(None, happened_at=NOW + HOUR, coupon_code=code.lower())  # as a guest
    make_order(cast["ada"], happened_at=NOW + 2 * HOUR, coupon_code=code)

    outcomes.attribute(now=NOW + DAY)
    outcomes.attribute(now=NOW + 2 * DAY)

    coupon = Coupon.objects.get(code=code)
    assert (coupon.redeemed_at, coupon.order_id) == (NOW + HOUR, first.pk)
    assert reports.report(sent["ada"].campaign, now=NOW + DAY).funnel.redeemed == 1


def test_an_order_that_reaches_us_late_is_still_tied(sent, cast):
    make_order(cast["ada"], happened_at=NOW + HOUR, recorded_at=NOW + 20 * DAY)

    assert outcomes.attribute(now=NOW + DAY) == 0
    assert outcomes.attribute(now=NOW + 20 * DAY) == 1
