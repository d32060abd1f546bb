import json

import pytest

from campaigns.messages import sms
from campaigns.messages.render import RenderError, TemplateError
from campaigns.messages.wire import AddressError
from campaigns.models import Message, ShortLink
from campaigns.services import composing, receivers
from campaigns.services.composing import Person
from customers.models import Customer
from tests.campaigns.channels.texting import make_people, make_texting
from tests.makers import NOW

pytestmark = pytest.mark.django_db
HOSTILE = '"},"admin":true,"x":"<script>alert(1)</script>'


@pytest.fixture(autouse=True)
def site(settings):
    settings.SITE_URL = "https://crm.shop.example"
    settings.SHOP_URL = "https://shop.example"


def written(channel: str, person: Person | None = None, **given) -> str:
    ada = Customer.objects.filter(email="ada@example.com").first() or make_people(channel)["ada"]
    campaign = make_texting([ada], channel, **given)
    message = Message.objects.get(campaign=campaign)
    who = person or Person(ada.pk, "ada@example.com", "Ada", phone="+33600000001")
    found = composing.writer(campaign, channel).write(message.pk, who, now=NOW)
    return found.data.decode()


def test_a_text_has_its_links_shortened_and_says_how_to_stop(settings):
    settings.SMS_OPT_OUT_WORDS = "STOP to end"

    text = written("sms", text="Hi {{ customer.first_name }}: https://shop.example/a-long-way/home")

    assert text.startswith("Hi Ada: https://crm.shop.example/m/s/") and text.endswith("STOP to end")
    assert ShortLink.objects.get().address == "https://shop.example/a-long-way/home"
    assert sms.size(text).segments == 1


def test_typographic_signs_do_not_halve_what_fits():
    assert written("sms", text="“It’s on” – now…") == '"It\'s on" - now...'
    assert "’" in written("sms", text="It’s on 😀"), "an emoji has halved it already"


@pytest.mark.parametrize(
    "text", ["", "{{ customer.password }}", "{{ customer.first_name | nope }}"]
)
def test_a_text_that_cannot_be_compiled_is_refused_in_words(text):
    with pytest.raises(TemplateError):
        written("sms", text=text)


def test_one_person_without_a_number_or_with_endless_words_concerns_herself_alone():
    with pytest.raises(AddressError):
        written("sms", Person(1, "", phone="call me"))
    with pytest.raises(RenderError, match="segments"):
        written("sms", Person(1, "", "x" * 5_000, phone="+33600000001"))


def test_a_notification_leads_by_a_counted_link_where_its_last_line_says():
    said = json.loads(
        written("push", subject="Hi {{ customer.first_name }}",
                text="The sale is on\nhttps://shop.example/sale?a={{ customer.language }}")
    )  # fmt: skip

    assert (said["title"], said["body"]) == ("Hi Ada", "The sale is on")
    assert said["url"].startswith("https://crm.shop.example/m/c/")


def test_no_value_of_a_person_decides_where_a_link_leads():
    said = json.loads(
        written("push", Person(1, "", "evil.example"), subject="Hi",
                text="Look\nhttps://{{ customer.first_name }}/sale")
    )  # fmt: skip

    assert said["body"].endswith("https://evil.example/sale"), "it stays text"
    assert said["url"].startswith("https://crm.shop.example/m/c/")


def test_an_in_app_message_is_clean_whatever_it_was_made_of():
    said = json.loads(
        written("in_app", Person(1, "", HOSTILE), subject="Hi {{ customer.first_name }}",
                text="<p onclick='x()'>Hello {{ customer.first_name }}</p><script>x()</script>")
    )  # fmt: skip

    assert "<script" not in said["html"] and "onclick" not in said["html"]
    assert "&lt;script&gt;" in said["html"] and said["url"] == ""


def test_no_value_of_a_person_adds_a_field_to_a_webhook():
    receivers.name("https://1.1.1.1/hook", user=None, now=NOW)

    said = json.loads(
        written("webhook", Person(7, "", HOSTILE),
                text='{"greeting": "Hi {{ customer.first_name }}", "n": [1, "{{ shop.name }}"]}')
    )  # fmt: skip

    assert set(said["data"]["content"]) == {"greeting", "n"}
    assert said["data"]["content"]["greeting"] == f"Hi {HOSTILE}"
    assert (said["data"]["customer_id"], said["type"]) == (7, "campaign.message")


def test_webhooks_without_a_receiver_are_refused_in_words():
    with pytest.raises(TemplateError, match="receiver"):
        written("webhook", text="{}")


def test_a_translation_is_written_for_its_readers():
    given = {"text": "Hello", "translations": {"fr": {"text": "Bonjour"}}}
    french = Person(1, "", language="fr-CA", phone="+33600000001")

    assert written("sms", french, **given) == "Bonjour"
