import json

import pytest
from django.test import Client
from django.utils import timezone

from campaigns.models import InAppMessage, Message, Outcome, PushSubscription
from campaigns.services import decide, delivery
from campaigns.services import privacy as service
from tests.campaigns.channels.test_webpush import make_subscription
from tests.campaigns.channels.texting import agree, make_texting
from tests.campaigns.decide.asking import BROWSER, STRANGER, make_browser, make_key, make_visitor
from tests.makers import make_customer

pytestmark = pytest.mark.django_db
TEXT = "<p>Hello <b>{{ customer.first_name | default: 'you' }}</b></p>\nhttps://shop.example/sale"


@pytest.fixture
def key():
    return make_key()


@pytest.fixture
def visitor():
    found = make_visitor()
    agree(found, "in_app")
    return found


def show(*people) -> None:
    campaign = make_texting(list(people), "in_app", subject="News", text=TEXT)
    delivery.deliver(campaign.pk, now=timezone.now())


def fetch(key, anonymous_id: str = BROWSER, **more):
    given = {"writeKey": key.key, "anonymousId": anonymous_id, **more}
    return Client().get("/v1/inbox", given)


def tell(key, path: str = "/v1/inbox", anonymous_id: str = BROWSER, **said):
    body = json.dumps({"writeKey": key.key, "anonymousId": anonymous_id, **said})
    return Client().post(path, body, content_type="text/plain")


def test_a_message_waits_for_its_visitor_is_seen_and_closed(key, visitor):
    show(visitor)
    assert Message.objects.get().state == "sent"

    (first,) = fetch(key).json()["messages"]
    fetch(key)

    assert (first["title"], first["html"]) == ("News", "<p>Hello <b>you</b></p>")
    assert "/m/c/" in first["url"]
    assert Message.objects.get().state == "delivered"
    for _twice in range(2):
        assert tell(key, id=first["id"], what="open").status_code == 200
        assert tell(key, id=first["id"], what="close").status_code == 200
    kinds = sorted(Outcome.objects.values_list("kind", flat=True))
    assert kinds == ["delivered", "open"]
    assert fetch(key).json() == {"messages": []}


def test_nobody_reads_or_closes_the_messages_of_another(key, visitor):
    show(visitor)
    token = fetch(key).json()["messages"][0]["id"]
    make_visitor(STRANGER)

    assert fetch(key, STRANGER).json() == {"messages": []}
    assert tell(key, anonymous_id=STRANGER, id=token, what="close").status_code == 404
    assert tell(key, id=f"{token}x", what="close").status_code == 404
    assert tell(key, id=token, what="sell").status_code == 404
    assert InAppMessage.objects.get().closed_at is None


def test_of_a_customer_we_know_by_name_a_browser_needs_proof(key):
    ada = make_customer("ada")
    make_browser(ada)
    agree(ada, "in_app")
    show(ada)

    assert fetch(key).status_code == 403
    proof = {"userId": "ada", "signature": decide.sign(key, "ada")}
    assert len(fetch(key, **proof).json()["messages"]) == 1


@pytest.mark.parametrize("given", [{"anonymous_id": "short"}, {"anonymous_id": "unknown" * 5}])
def test_who_cannot_be_known_gets_nothing(key, visitor, given):
    assert fetch(key, **given).status_code in (400, 403)


def test_a_wrong_key_is_refused(key, visitor):
    key.key = "wrong"

    assert fetch(key).status_code == 401
    assert tell(key, "/v1/push", subscription={}).status_code == 401


def test_a_browser_subscribes_and_ends_it(key, visitor, settings):
    settings.VAPID_PRIVATE_KEY = "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"
    settings.OUTGOING_ALLOWED_HOSTS = ["127.0.0.1:9"]
    given = make_subscription("http://127.0.0.1:9/abc")
    said = {"endpoint": given.endpoint, "keys": {"p256dh": given.p256dh, "auth": given.auth}}

    shown = Client().get("/v1/push", {"writeKey": key.key}).json()
    made = tell(key, "/v1/push", subscription=said, words="Yes, tell me", page="https://s.example")

    assert len(shown["publicKey"]) == 87 and made.status_code == 200
    kept = PushSubscription.objects.get()
    assert kept.customer_id == visitor.pk
    assert visitor.consents.get(channel="push").proof_url == "https://s.example"
    assert tell(key, "/v1/push", subscription=said, ended=True).json() == {"ok": True}
    assert PushSubscription.objects.filter(gone_at=None).count() == 0


@pytest.mark.parametrize("body", ["", "[]", "{", '{"writeKey": 1}', "[" * 9_000])
def test_nonsense_is_refused_in_words(key, body):
    for path in ("/v1/push", "/v1/inbox"):
        answer = Client().post(path, body, content_type="text/plain")
        assert answer.status_code in (400, 401) and answer.json()["errors"]


def test_the_scripts_are_small_and_kept(key):
    for name in ("push.js", "push-worker.js", "inbox.js"):
        answer = Client().get(f"/v1/{name}")
        assert answer.status_code == 200 and len(answer.content) < 3_000
        again = Client().get(f"/v1/{name}", headers={"If-None-Match": answer["ETag"]})
        assert again.status_code == 304


def test_what_a_channel_holds_of_somebody_is_handed_out_and_erased(key, visitor):
    show(visitor)

    assert [row["kind"] for row in service.export_channels(visitor.pk)] == ["in_app"]
    assert service.erase_channels(visitor.pk) == 1
    assert service.export_channels(visitor.pk) == []
