"""Blocks, snippets, products and links from people who mean harm: refused, and the rest goes on."""

import email
import json

import pytest

from campaigns.models import Campaign, InboxMail, Message
from campaigns.services import delivery
from customers.models import Customer
from tests.campaigns.ledger import make_sending, states
from tests.campaigns.test_templates import make
from tests.makers import NOW, make_consent, make_customer, make_product

pytestmark = pytest.mark.django_db
EVIL = "</td><script>alert('x')</script>\r\nBcc: all@example.com\r\n\r\n{{ customer.email }}"
NAME = "{{ customer.first_name }}"
LOOP = (
    "{% for one in customer.traits.many %}{% for two in customer.traits.many %}x{% endfor %}"
    "{% endfor %}"
)


@pytest.fixture
def people():
    hostile = {
        "ada": {},
        "mallory": {"first_name": EVIL, "traits": {"city": EVIL}},
        "eve": {"traits": {"many": list(range(5_000))}},
        "bob": {"first_name": "{% include 'x' %}{{ 'a' | upcase }}"},
    }
    found = [make_customer(name, **given) for name, given in hostile.items()]
    for one in found:
        make_consent(one)
    return found


def send(people: list[Customer], settings, *blocks, **given) -> tuple[Campaign, dict]:
    settings.EMAIL_URL = ""
    campaign = make_sending(people, blocks={"version": 1, "blocks": list(blocks)}, **given)
    delivery.deliver(campaign.pk, now=NOW)
    mails = {one.recipient.partition("@")[0]: bytes(one.raw) for one in InboxMail.objects.all()}
    return campaign, mails


def parts(raw: bytes) -> tuple[str, str]:
    found = email.message_from_bytes(raw)
    return tuple(part.get_payload(decode=True).decode() for part in found.get_payload())  # type: ignore[return-value]


def test_hostile_values_act_nowhere_and_one_bomb_concerns_one_person(people, settings):
    shop = make_product("evil", name="{{ customer.email }}<script>x</script>")
    foot = make("Foot", kind="snippet", blocks={"version": 1, "blocks": [
        {"kind": "text", "html": f"<p>{{{{ customer.traits.city }}}}{LOOP}</p>"}]})  # fmt: skip

    campaign, mails = send(
        people, settings,
        {"kind": "text", "html": "<p>Hello {{ customer.first_name }}</p>"},
        {"kind": "button", "label": NAME, "href": f"https://shop.example/{NAME}"},
        {"kind": "products", "ids": [shop.pk]},
        {"kind": "snippet", "snippet": foot.pk},
        subject="For {{ customer.first_name }}",
    )  # fmt: skip

    campaign.refresh_from_db()
    assert campaign.state == Campaign.State.FINISHED, "the campaign goes on"
    assert states(campaign) == {"sent": 3, "failed:render_error": 1}
    assert Message.objects.get(reason="render_error").customer == people[2]
    for name, raw in mails.items():
        text, page = parts(raw)
        assert "<script" not in page.lower()
        assert email.message_from_bytes(raw)["Bcc"] is None
        assert f"{name}@example.com" not in text.replace("Bcc: all@example.com", ""), (
            "what a value says is never read as Liquid"
        )
    assert "{% include" in parts(mails["bob"])[0]


def test_a_hostile_event_makes_no_link_and_no_attribute(people, settings):
    campaign = make_sending(people[:1], blocks={"version": 1, "blocks": [
        {"kind": "products", "source": "event", "button": "See"}]})  # fmt: skip
    item = {
        "name": EVIL,
        "url": "javascript:alert(1)",
        "image_url": 'x" onerror="alert(1)',
        "price": {"a": ["b"]},
    }
    Message.objects.filter(campaign=campaign).update(data={"products": [item] * 3_000})
    settings.EMAIL_URL = ""

    delivery.deliver(campaign.pk, now=NOW)

    text, page = parts(bytes(InboxMail.objects.get().raw))
    assert "javascript:" not in page + text
    assert 'onerror="' not in page and "<script" not in page.lower()
    assert page.count("See") == 3, "at most as many as were asked for"


def test_a_document_tampered_with_in_the_database_pauses_and_says_why(people, settings):
    settings.EMAIL_URL = ""
    campaign = make_sending(people[:1], body="")
    deep: dict = {"kind": "divider"}
    for _ in range(200):
        deep = {"kind": "if", "tests": [{"field": "customer.email", "op": "is"}], "then": [deep]}
    Campaign.objects.filter(pk=campaign.pk).update(
        blocks=json.loads(json.dumps({"version": 1, "blocks": [deep]}))
    )

    delivery.deliver(campaign.pk, now=NOW)

    campaign.refresh_from_db()
    assert campaign.state == Campaign.State.PAUSED
    assert "deep" in campaign.state_reason
    assert states(campaign) == {"planned": 1}, "nothing is lost"
