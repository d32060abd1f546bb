"""Other systems hear what became of messages and campaigns, signed, once each."""

from datetime import UTC, datetime

import pytest
from django.urls import reverse

from campaigns.models import Message
from campaigns.services import arrivals, delivery, notices, outcomes
from campaigns.services.arrivals import Arrival
from segments.models import WebhookDelivery
from segments.services import privacy, webhooks
from tests.campaigns.ledger import make_sending, states
from tests.makers import make_cast, make_staff
from tests.segments.receiver import Receiver

pytestmark = pytest.mark.django_db
NOW = datetime.now(UTC).replace(microsecond=0)  # the receiver looks at its own clock


@pytest.fixture
def receiver(settings):
    settings.OUTGOING_ALLOWED_HOSTS = ["127.0.0.1"]
    found = Receiver()
    yield found
    found.stop()


def listen(receiver, *types, **given):
    wants = {"wants_entered": False, "wants_exited": False, "event_types": types, **given}
    endpoint = webhooks.create(name="Shop", url=receiver.url, user=None, now=NOW, **wants)
    receiver.secret = webhooks.secret_of(endpoint)
    return endpoint


def heard(receiver) -> list[tuple[str, list]]:
    while webhooks.deliver(now=datetime.now(UTC)):
        pass
    assert all(holds for _id, _body, holds in receiver.calls)
    return [(body["type"], body["data"]["changes"]) for _id, body, _holds in receiver.calls]


def test_a_sending_is_heard_from_the_first_message_to_its_end(receiver):
    listen(receiver, *notices.TYPES)
    ada = make_cast()["ada"]
    campaign = make_sending([ada])

    delivery.deliver(campaign.pk, now=NOW)
    message = Message.objects.get()
    outcomes.opened(message.pk, now=NOW, is_machine=True)
    for _twice in range(2):
        outcomes.opened(message.pk, now=NOW)
        outcomes.clicked(message.pk, url="https://shop.example/", key="1", now=NOW)
        arrivals.record([Arrival("hard_bounce", NOW, message.pk, detail="gone")], now=NOW)

    told = dict(heard(receiver))
    assert sorted(told) == [
        "campaign.finished",
        "message.bounced",
        "message.clicked",
        "message.opened",
        "message.sent",
    ]
    assert len(receiver.calls) == 5
    (sent,) = told["message.sent"]
    assert (sent["message_id"], sent["campaign_id"]) == (message.pk, campaign.pk)
    assert sent["customer"] == {
        "id": ada.pk,
        "external_ids": [{"source": "shop", "value": "ada"}],
    }
    assert told["message.clicked"][0]["link_url"] == "https://shop.example/"
    assert told["campaign.finished"][0]["campaign_name"] == "Spring"


def test_a_pause_says_why(receiver):
    listen(receiver, "campaign.paused")

    delivery.pause(make_sending(1), user=None, now=NOW, reason="The server is away.")

    ((kind, (told,)),) = heard(receiver)
    assert (kind, told["reason"]) == ("campaign.paused", "The server is away.")


def test_nobody_hears_what_nobody_asked_for(receiver):
    listen(receiver, "message.clicked")
    listen(receiver, wants_entered=True)

    campaign = make_sending(3)
    delivery.deliver(campaign.pk, now=NOW)

    assert states(campaign) == {"sent": 3}
    assert not WebhookDelivery.objects.exists()


def test_many_travel_together(receiver):
    listen(receiver, "message.sent")
    campaign = make_sending(150)

    delivery.deliver(campaign.pk, now=NOW)

    told = [len(changes) for _kind, changes in heard(receiver)]
    assert sum(told) == 150 and len(told) < 10


def test_what_was_not_registered_cannot_be_asked_for(receiver):
    with pytest.raises(webhooks.EndpointRefused, match=r"Nothing is known of message\.read"):
        listen(receiver, "message.read")


def test_the_erased_are_taken_out_of_what_was_told(receiver):
    listen(receiver, "message.opened")
    ada = make_cast()["ada"]
    make_sending([ada])
    Message.objects.update(state="sent", sent_at=NOW)
    outcomes.opened(Message.objects.get().pk, now=NOW)

    assert privacy.export_webhooks(ada.pk)[0]["changes"]
    assert privacy.erase_webhooks(ada.pk) == 1
    assert WebhookDelivery.objects.get().payload["data"]["changes"] == []


def test_an_endpoint_chooses_on_its_page(client, receiver):
    client.force_login(make_staff("admin"))
    given = {
        "name": "Shop",
        "url": receiver.url,
        "kinds": ["entered", "message.opened"],
        "which": "every",
    }

    assert client.post(reverse("webhook_new"), given).status_code == 302

    endpoint = webhooks.Endpoint.objects.get()
    assert endpoint.event_types == ["message.opened"]
    page = client.get(reverse("webhook_edit", args=[endpoint.pk])).content.decode()
    assert "A person followed a link" in page
    assert "message.opened" in client.get(reverse("webhooks")).content.decode()
