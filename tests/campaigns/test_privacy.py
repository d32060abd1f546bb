"""What campaigns hold of a person is handed out whole and erased without changing a report."""

import pytest
from django.apps import apps

from campaigns.models import Assignment, Coupon, InboxMail, Message, Outcome
from campaigns.services import offers, outcomes, planning, reports
from customers.models import Customer
from customers.services import privacy
from rapport import privacy as registry
from tests.makers import NOW, make_campaign, make_cast, make_segment

pytestmark = pytest.mark.django_db


@pytest.fixture
def sent():
    cast = make_cast()
    offer = offers.create(user=None, now=NOW, name="Gift", kind="free_shipping")
    campaign = make_campaign(make_segment(members=cast.values()), offer=offer)
    planning.launch(campaign, user=None, now=NOW)
    planning.plan(campaign.pk, now=NOW)
    Message.objects.filter(state="planned").update(state="sent", sent_at=NOW, detail="250 to ada")
    for message in Message.objects.filter(state="sent").select_related("customer"):
        _mail(message.customer.email, message_id=message.pk)
        outcomes.clicked(message.pk, url="https://x.example/?who=ada", key="1", now=NOW)
    return cast


def _mail(recipient, message_id=None):
    InboxMail.objects.create(
        sender="shop@example.com",
        recipient=recipient,
        subject="Hello",
        message_id=message_id,
        raw=b"Subject: Hello\r\n\r\nHello",
        received_at=NOW,
    )


def test_every_model_of_campaigns_that_leads_to_a_person_is_covered():
    covered = registry.covered_models()
    for model in apps.get_app_config("campaigns").get_models():
        fields = model._meta.get_fields()
        if any(field.related_model is Customer for field in fields if field.concrete):
            assert model._meta.label in covered


def test_everything_is_handed_out(sent):
    found = privacy.export(sent["ada"].pk)

    message = found["messages"][0]
    assert (message["campaign"], message["arm"], message["state"]) == ("Spring", "treated", "sent")
    assert message["outcomes"][0]["url"] == "https://x.example/?who=ada"
    assert found["coupons"][0]["customer_id"] == sent["ada"].pk
    assert found["inbox"][0]["raw"].startswith("Subject: Hello")


def test_erasure_takes_what_names_the_person_and_leaves_what_is_counted(sent):
    _mail("Ada@example.com")  # a test send, not of the ledger
    campaign = Message.objects.first().campaign
    before = reports.report(campaign, now=NOW)

    rows = privacy.erase(sent["ada"].pk, user=None, now=NOW).rows

    assert rows["inbox"] == 2 and rows["coupons"] == 1
    assert not InboxMail.objects.filter(recipient__iexact="ada@example.com").exists()
    assert not Coupon.objects.filter(customer_id=sent["ada"].pk).exists()
    message = Message.objects.get(customer_id=sent["ada"].pk)
    assert (message.state, message.detail, message.coupon) == ("sent", "", None)
    assert Outcome.objects.get(message=message).url == ""
    assert Assignment.objects.filter(customer_id=sent["ada"].pk).exists()
    assert reports.report(campaign, now=NOW) == before


def test_others_keep_what_is_theirs(sent):
    privacy.erase(sent["ada"].pk, user=None, now=NOW)

    assert Coupon.objects.count() == 2 and InboxMail.objects.count() == 2
    assert Message.objects.filter(detail="250 to ada").count() == 2
