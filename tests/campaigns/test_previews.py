import pytest

from campaigns.messages.render import RenderError, TemplateError
from campaigns.models import InboxMail, Message, Offer
from campaigns.services import previews
from campaigns.services.previews import NotSent
from customers.models import Event
from rapport.errors import NotFound
from tests.campaigns.ledger import BODY
from tests.campaigns.smtp import SmtpServer
from tests.makers import NOW, ago, make_campaign, make_cast

pytestmark = pytest.mark.django_db


@pytest.fixture
def campaign():
    offer = Offer.objects.create(name="A fifth", kind="percent", share="0.2", created_at=ago(3))
    body = BODY.replace("see", "{{ offer.percent }} % with {{ offer.code }}, see")
    return make_campaign(subject="Hi {{ customer.first_name }}", body=body, offer=offer)


def test_a_preview_shows_what_one_customer_would_get_and_counts_nothing(campaign):
    ada = make_cast()["ada"]

    found = previews.preview(campaign, ada.pk, now=NOW)

    assert found.subject == "Hi Ada"
    assert "20 % with YOUR-CODE" in found.html
    assert 'href="https://shop.example/sale"' in found.html, "no tracking"
    assert "/m/o/" not in found.html
    assert Message.objects.count() == Event.objects.count() == InboxMail.objects.count() == 0


def test_a_preview_of_a_broken_text_says_what_is_wrong(campaign):
    ada = make_cast()["ada"]

    campaign.subject = "{{ custmer.name }}"
    with pytest.raises(TemplateError, match="custmer.name"):
        previews.preview(campaign, ada.pk, now=NOW)
    campaign.subject = "{{ 1 | divided_by: 0 }}"
    with pytest.raises(RenderError, match="divide"):
        previews.preview(campaign, ada.pk, now=NOW)
    with pytest.raises(NotFound):
        previews.preview(campaign, 0, now=NOW)


def test_a_test_message_goes_to_the_house_and_says_so(campaign, settings):
    settings.EMAIL_URL = ""

    previews.test_send(campaign, "boss@example.com", make_cast()["ada"].pk, now=NOW)

    kept = InboxMail.objects.get()
    assert (kept.recipient, kept.subject) == ("boss@example.com", "[Test] Hi Ada")
    assert kept.message_id is None
    assert b"List-Unsubscribe" not in bytes(kept.raw)


@pytest.mark.parametrize("address", ["nonsense", "a@b.c\r\nRCPT TO:<x@y.z>"])
def test_a_test_to_nobody_is_refused(campaign, settings, address):
    settings.EMAIL_URL = ""

    with pytest.raises(NotSent, match="is not an address"):
        previews.test_send(campaign, address, make_cast()["ada"].pk, now=NOW)


def test_a_test_that_the_server_refuses_says_why(campaign, settings):
    ada = make_cast()["ada"]
    with SmtpServer(rule=lambda verb, _: "550 no" if verb == "RCPT" else None) as server:
        settings.EMAIL_URL = server.url
        with pytest.raises(NotSent, match="550 no"):
            previews.test_send(campaign, "boss@example.com", ada.pk, now=NOW)
    with pytest.raises(NotSent, match="refused"):
        previews.test_send(campaign, "boss@example.com", ada.pk, now=NOW)
