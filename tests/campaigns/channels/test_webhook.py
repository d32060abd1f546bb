import json

import pytest
from django.utils import timezone
from standardwebhooks import Webhook

from campaigns.channels import webhook
from campaigns.models import Message, WebhookCall
from campaigns.services import delivery, receivers
from campaigns.services.receivers import ReceiverRefused
from tests.campaigns.channels.gateways import HttpServer
from tests.campaigns.channels.texting import make_people, make_texting
from tests.campaigns.ledger import states
from tests.makers import NOW

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def listening():
    with HttpServer() as server:
        yield server


@pytest.fixture
def server(listening, settings):
    settings.OUTGOING_ALLOWED_HOSTS = [listening.place]
    listening.rule, listening.asked = lambda *_: (204, ""), []
    return listening


def test_a_message_reaches_its_receiver_signed_and_each_try_is_logged(server):
    people = make_people("webhook")
    receiver = receivers.name(f"http://{server.place}/hook", user=None, now=NOW)
    campaign = make_texting([people["ada"]], "webhook", text='{"to": "{{ customer.email }}"}')
    now = timezone.now()

    delivery.deliver(campaign.pk, now=now)

    assert states(campaign) == {"sent": 1}
    (_method, path, headers, body), *_none = server.asked
    said = Webhook(webhook.secret_of(receiver)).verify(body, headers)
    assert said["data"]["content"] == {"to": "ada@example.com"} and path == "/hook"
    call = WebhookCall.objects.get()
    assert (call.status, call.message_id) == (204, Message.objects.get().pk)


def test_a_repeat_has_the_same_name_by_which_the_receiver_drops_it(server):
    people = make_people("webhook")
    receivers.name(f"http://{server.place}/hook", user=None, now=NOW)
    campaign = make_texting([people["ada"]], "webhook", text="Hello")
    answers = iter([(503, "busy"), (200, "")])
    server.rule = lambda *_: next(answers)

    delivery.deliver(campaign.pk, now=NOW)
    delivery.deliver(campaign.pk, now=Message.objects.get().due_at)

    assert states(campaign) == {"sent": 1}
    assert len({headers["webhook-id"] for _m, _p, headers, _b in server.asked}) == 1
    assert sorted(WebhookCall.objects.values_list("status", flat=True)) == [200, 503]
    assert json.loads(server.asked[0][3])["data"]["content"] == "Hello"


def test_a_campaign_may_have_a_receiver_of_its_own(server):
    people = make_people("webhook")
    receivers.name(f"http://{server.place}/all", user=None, now=NOW)
    campaign = make_texting([people["ada"]], "webhook", text="Hello")
    receivers.name(f"http://{server.place}/own", user=None, now=NOW, campaign=campaign)

    delivery.deliver(campaign.pk, now=NOW)

    assert [path for _m, path, _h, _b in server.asked] == ["/own"]


@pytest.mark.parametrize("url", ["https://169.254.169.254/x", "http://shop.example", "ftp://a"])
def test_an_address_inside_our_network_is_no_receiver(url):
    with pytest.raises(ReceiverRefused):
        receivers.name(url, user=None, now=NOW)


def test_an_address_that_has_become_private_since_gets_nothing(server, settings):
    people = make_people("webhook")
    receivers.name(f"http://{server.place}/hook", user=None, now=NOW)
    settings.OUTGOING_ALLOWED_HOSTS = []
    campaign = make_texting([people["ada"]], "webhook", text="Hello")

    delivery.deliver(campaign.pk, now=NOW)

    assert states(campaign) == {"failed:refused": 1} and not server.asked
