import pytest
from django.test import Client

from campaigns.models import InboxMail, WebhookCall, WebhookReceiver
from campaigns.services import delivery, inbound, receivers
from tests.campaigns.channels.gateways import HttpServer
from tests.campaigns.channels.texting import NUMBERS, make_people, make_texting
from tests.makers import NOW, make_staff

pytestmark = pytest.mark.django_db
PAGES = {"/texts/": "viewer", "/senders/addresses/": "admin"}


def sign_in(role: str) -> Client:
    client = Client()
    client.force_login(make_staff(role))
    return client


def test_texts_and_notifications_without_a_way_out_are_shown_on_the_inbox_page():
    people = make_people()
    delivery.deliver(make_texting([people["ada"]], text="Hello\nAda").pk, now=NOW)
    delivery.deliver(
        make_texting([people["bob"]], "in_app", name="B", subject="News", text="<b>Hi</b>").pk,
        now=NOW,
    )
    client = sign_in("viewer")

    shown = client.get("/inbox/").content.decode()
    only = client.get("/inbox/?channel=sms").content.decode()
    text = client.get(f"/inbox/{InboxMail.objects.get(channel='sms').pk}/").content.decode()

    assert "Hello Ada" in shown and NUMBERS["ada"] in only
    assert "1 × GSM-7" in text and "Hello<br>Ada" in text


@pytest.mark.parametrize("path", PAGES)
def test_each_page_opens_for_its_role_and_for_nobody_without_one(path):
    assert sign_in(PAGES[path]).get(path).status_code == 200
    assert sign_in("stranger").get(path).status_code == 403


def test_what_people_text_is_shown_as_text():
    make_people()
    inbound.received(
        "sms", NUMBERS["ada"], "<b>STOP</b> it", provider="t", provider_id="1", now=NOW
    )
    inbound.received("sms", NUMBERS["bob"], "Stop", provider="t", provider_id="2", now=NOW)

    shown = sign_in("viewer").get("/texts/").content.decode()
    stops = Client()
    stops.force_login(make_staff("analyst"))

    assert "&lt;b&gt;STOP&lt;/b&gt; it" in shown and "Bob" in shown
    assert "Bob" in stops.get("/texts/?meaning=stop").content.decode()


def test_a_receiver_is_named_tested_and_removed(settings):
    client = sign_in("admin")
    with HttpServer(rule=lambda *_: (200, "thanks")) as server:
        settings.OUTGOING_ALLOWED_HOSTS = [server.place]
        client.post("/senders/addresses/", {"url": f"http://{server.place}/hook", "campaign": ""})
        receiver = WebhookReceiver.objects.get()
        client.post(f"/senders/addresses/{receiver.pk}/test/")
    salt = receiver.secret_salt
    client.post(f"/senders/addresses/{receiver.pk}/rotate/")
    shown = client.get("/senders/addresses/").content.decode()

    assert WebhookCall.objects.get().status == 200 and "thanks" in shown and "whsec_" in shown
    assert WebhookReceiver.objects.get().secret_salt != salt
    client.post(f"/senders/addresses/{receiver.pk}/remove/")
    assert not WebhookReceiver.objects.exists()


def test_an_address_inside_our_network_is_refused_in_words():
    answer = sign_in("admin").post("/senders/addresses/", {"url": "https://10.0.0.1/x"})

    assert "not an address of the open internet" in answer.content.decode()
    assert not WebhookReceiver.objects.exists()


def test_the_address_for_the_gateway_is_for_those_who_set_it_up(settings):
    settings.SMS_URL = "kannel://user:secret-word@127.0.0.1:13013/?from=S"

    shown = sign_in("admin").get("/senders/addresses/").content.decode()
    seen = sign_in("marketer").get("/senders/").content.decode()

    assert "/v1/sms/kannel/inbound/" in shown and "secret-word" not in shown
    assert "/v1/sms/kannel/inbound/" not in seen and "secret-word" not in seen


def test_only_one_receiver_serves_all():
    receivers.name("https://1.1.1.1/a", user=None, now=NOW)
    receivers.name("https://1.1.1.1/b", user=None, now=NOW)

    assert WebhookReceiver.objects.get().url == "https://1.1.1.1/b"
