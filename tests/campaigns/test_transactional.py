"""One message asked for by API: once, at once, and to the address that was meant."""

from email import message_from_bytes, policy

import pytest
from rest_framework.test import APIClient

from campaigns.models import Campaign, InboxMail, Message
from campaigns.services import delivery, transactional
from customers.models import Consent, Customer
from customers.services import consent
from rapport.access import SCOPES
from rapport.errors import Conflict, NotFound
from rapport.models import ApiKey
from tests.makers import NOW, make_campaign, make_cast

pytestmark = pytest.mark.django_db
BODY = """<mjml><mj-body><mj-section><mj-column>
<mj-text>Thank you for {{ event.order }}: {{ event.note }}</mj-text>
</mj-column></mj-section></mj-body></mjml>"""


@pytest.fixture
def cast():
    return make_cast()


@pytest.fixture
def receipts() -> Campaign:
    campaign = make_campaign(
        kind="transactional",
        topic="receipts",
        subject="Your order {{ event.order }}",
        body=BODY,
        holdout_share=0.5,
    )
    campaign.state = Campaign.State.SENDING
    campaign.launched_at = NOW
    campaign.save()
    return campaign


@pytest.fixture
def api():
    _key, secret = ApiKey.objects.create_key(name="shop", scopes=list(SCOPES))
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Api-Key {secret}")
    return client


def post(api, campaign, key="order-7", **given):
    headers = {"HTTP_IDEMPOTENCY_KEY": key} if key else {}
    address = f"/api/v1/transactional/{campaign.pk}/"
    return api.post(address, given, format="json", **headers)


def mails(campaign) -> list:
    delivery.deliver(campaign.pk)
    found = InboxMail.objects.order_by("id")
    return [message_from_bytes(bytes(mail.raw), policy=policy.default) for mail in found]


def test_a_receipt_goes_out_with_its_values_and_a_repeat_does_not(api, receipts, cast):
    given = {"address": "mallory@example.com", "values": {"order": "A-7", "note": "soon"}}

    first, second = post(api, receipts, **given), post(api, receipts, **given)

    assert (first.status_code, second.status_code) == (202, 202)
    assert first.json() == second.json() and first.json()["state"] == "planned"
    (mail,) = mails(receipts)
    assert (mail["To"], mail["Subject"]) == ("mallory@example.com", "Your order A-7")
    assert "Thank you for A-7: soon" in mail.get_body(("plain",)).get_content()
    told = api.get(f"/api/v1/transactional/messages/{first.json()['id']}/").json()
    assert told["state"] == "sent"


def test_the_same_person_may_get_many_and_none_is_held_out(api, receipts, cast):
    for number in range(6):
        post(api, receipts, key=f"k{number}", customer_id=cast["ada"].pk)

    assert Message.objects.filter(state="planned").count() == 6


def test_who_is_not_known_becomes_known_without_any_consent(api, receipts):
    post(api, receipts, address="new@example.com")

    customer = Customer.objects.get(email="new@example.com")
    assert Message.objects.get().customer_id == customer.pk
    assert not Consent.objects.exists()


def test_a_suppressed_address_is_not_written_to(api, receipts, cast):
    consent.suppress(
        "ada@example.com", channel="email", reason="hard_bounce", source="test", now=NOW
    )

    answer = post(api, receipts, customer_id=cast["ada"].pk).json()

    assert (answer["state"], answer["reason"]) == ("skipped", "suppressed")
    assert mails(receipts) == []


@pytest.mark.parametrize(
    ("status", "key", "given"),
    [
        (400, "", {"address": "a@example.com"}),  # no key
        (400, "k", {}),
        (400, "k", {"address": "a@example.com", "customer_id": 1}),
        (400, "k", {"address": "not an address"}),
        (400, "k", {"address": "a@example.com", "values": {"x": "y" * 40_000}}),
        (400, "k", {"address": "a@example.com", "values": {"x": [[[[[[[[[1]]]]]]]]]}}),
        (404, "k", {"customer_id": 999}),
        (404, "k", {"external_id": "nobody"}),
    ],
)
def test_what_is_wrong_is_refused_and_leaves_nothing(api, receipts, status, key, given):
    answer = post(api, receipts, key=key, **given)

    assert answer.status_code == status, answer.json()
    assert not Message.objects.exists() and not Customer.objects.exists()


def test_a_campaign_of_another_kind_or_not_launched_refuses(receipts, cast):
    for fields in ({"kind": "broadcast"}, {"kind": "transactional", "state": "draft"}):
        Campaign.objects.update(**fields)
        receipts.refresh_from_db()
        with pytest.raises(Conflict):
            transactional.send(receipts, values={}, customer_id=cast["ada"].pk, now=NOW)


def test_the_erased_are_not_written_to(receipts, cast):
    Customer.objects.update(erased_at=NOW, email=None)

    with pytest.raises(NotFound):
        transactional.send(receipts, values={}, customer_id=cast["ada"].pk, now=NOW)


def test_a_password_does_not_go_to_another_address_than_was_meant(receipts, cast):
    from customers.models import Identity

    Identity.objects.create(
        customer=cast["ada"], kind="email", source="", value="old@example.com", recorded_at=NOW
    )

    with pytest.raises(Conflict, match="another one"):
        transactional.send(receipts, values={}, address="old@example.com", now=NOW)


def test_values_cannot_add_headers_or_markup(api, receipts, cast):
    values = {
        "order": "7\r\nBcc: victim@example.com\r\n\r\nhello",
        "note": "<script>alert(1)</script><a href='https://evil.example'>x</a>",
    }
    post(api, receipts, customer_id=cast["ada"].pk, values=values)

    (mail,) = mails(receipts)

    assert mail["Bcc"] is None and "Bcc: victim" in mail["Subject"]
    html = mail.get_body(("html",)).get_content()
    assert "<script>" not in html and "href='https://evil.example'" not in html


def test_a_key_without_the_scope_is_refused(receipts):
    _key, secret = ApiKey.objects.create_key(name="reader", scopes=["campaigns:read"])
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Api-Key {secret}")

    assert post(client, receipts, address="a@example.com").status_code == 403
