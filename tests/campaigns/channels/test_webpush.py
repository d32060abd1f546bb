import json
from datetime import UTC, datetime

import jwt
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from campaigns import querysets
from campaigns.channels import others, webpush
from campaigns.channels.webpush import spelt, unspelt
from campaigns.models import Message, PushSubscription
from campaigns.services import delivery, pushes
from campaigns.services.pushes import PushRefused, Subscription
from customers.services import consent
from tests.campaigns.channels.gateways import HttpServer
from tests.campaigns.channels.texting import make_people, make_texting
from tests.campaigns.ledger import states
from tests.makers import NOW

KEY = "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"  # of RFC 8291's example
BROWSER = ec.derive_private_key(7, webpush.CURVE)
SECRET = b"0123456789abcdef"


def make_subscription(endpoint: str) -> Subscription:
    public = webpush.public_key(BROWSER)
    return Subscription(endpoint, spelt(public), spelt(SECRET), "Firefox")


@pytest.fixture(scope="module")
def listening():
    with HttpServer() as server:
        yield server


@pytest.fixture
def service(listening, settings):
    """A push service on this machine, which the installation allows by name."""
    settings.OUTGOING_ALLOWED_HOSTS = [listening.place]
    settings.VAPID_PRIVATE_KEY = KEY
    settings.SITE_URL = "https://crm.shop.example"
    listening.rule, listening.asked = lambda *_: (201, ""), []
    return listening


def subscribe(service: HttpServer, customer, name: str) -> PushSubscription:
    given = make_subscription(f"http://{service.place}/{name}")
    return pushes.subscribe(customer.pk, given, words="Tell me", page="/", now=NOW)


def read(body: bytes) -> bytes:
    """What the browser reads: RFC 8291 from the other side."""
    salt, theirs, sealed = body[:16], body[21:86], body[86:]
    point = ec.EllipticCurvePublicKey.from_encoded_point(webpush.CURVE, theirs)
    ours = webpush.public_key(BROWSER)

    def derived(material: bytes, length: int, salt: bytes, info: bytes) -> bytes:
        return HKDF(hashes.SHA256(), length, salt, info).derive(material)

    shared = BROWSER.exchange(ec.ECDH(), point)
    material = derived(shared, 32, SECRET, b"WebPush: info\0" + ours + theirs)
    key = derived(material, 16, salt, b"Content-Encoding: aes128gcm\0")
    nonce = derived(material, 12, salt, b"Content-Encoding: nonce\0")
    return AESGCM(key).decrypt(nonce, sealed, None).removesuffix(b"\x02")


def test_the_example_of_rfc_8291_comes_out_to_the_letter():
    own = webpush.key_pair("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw")

    made = webpush.encrypted(
        b"When I grow up, I want to be a watermelon",
        public=unspelt(
            "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"
        ),
        secret=unspelt("BTBZMqHH6r4Tts7J_aSIgg"),
        salt=unspelt("DGv6ra1nlYgDCS1FRnbzlw"),
        own=own,
    )

    assert spelt(made) == (
        "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWA"
        "mS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSx"
        "sj_Qulcy4a-fN"
    )


def test_the_push_service_learns_who_sends_and_until_when():
    keys = webpush.key_pair(KEY)
    now = datetime.now(UTC)
    header = webpush.authorization(
        keys, "https://push.example/abc?d", contact="mailto:a@b.example", now=now
    )
    token = header.removeprefix("vapid t=").split(",")[0]

    claims = jwt.decode(
        token, keys.public_key(), algorithms=["ES256"], audience="https://push.example"
    )

    assert claims["sub"] == "mailto:a@b.example"
    assert 0 < claims["exp"] - now.timestamp() < 24 * 3_600
    assert header.endswith(f"k={spelt(webpush.public_key(keys))}")


@pytest.mark.django_db
class TestSending:
    def test_each_browser_reads_it_and_those_that_are_gone_are_asked_no_more(self, service):
        people = make_people("push")
        subscribe(service, people["ada"], "phone")
        subscribe(service, people["ada"], "old")
        subscribe(service, people["bob"], "gone")
        service.rule = lambda _m, path, *_: (410 if path in ("/old", "/gone") else 201, "")
        campaign = make_texting(list(people.values()), "push", subject="Hi", text="The sale is on")

        delivery.deliver(campaign.pk, now=NOW)

        assert states(campaign) == {"sent": 1, "failed:refused": 2}
        bodies = [body for _m, path, _h, body in service.asked if path == "/phone"]
        said = json.loads(read(bodies[0]))
        assert (said["title"], said["body"]) == ("Hi", "The sale is on")
        headers = next(headers for _m, path, headers, _b in service.asked if path == "/phone")
        assert headers["Content-Encoding"] == "aes128gcm" and int(headers["TTL"]) > 0
        gone = PushSubscription.objects.filter(gone_at=NOW).values_list("endpoint", flat=True)
        assert sorted(one.rpartition("/")[2] for one in gone) == ["gone", "old"]

    def test_a_busy_service_is_asked_again_later(self, service):
        people = make_people("push")
        subscribe(service, people["ada"], "busy")
        service.rule = lambda *_: (429, "")
        campaign = make_texting([people["ada"]], "push", subject="Hi", text="Hello")

        delivery.deliver(campaign.pk, now=NOW)

        assert (states(campaign), Message.objects.get().tries) == ({"planned": 1}, 1)

    def test_only_who_has_a_browser_is_reachable(self, service):
        people = make_people("push")
        subscribe(service, people["ada"], "phone")
        campaign = make_texting(list(people.values()), "push", subject="Hi", text="Hello")
        ids = "SELECT unnest(%s::bigint[]) AS customer_id", [[one.pk for one in people.values()]]

        judged = querysets.rows(querysets.judged(campaign, people=ids))

        found = {row["customer_id"]: row["reason"] for row in judged}
        assert found[people["ada"].pk] == ""
        assert found[people["bob"].pk] == found[people["eve"].pk] == "unreachable"


@pytest.mark.django_db
class TestSubscribing:
    def test_the_yes_is_kept_with_its_words_and_ends_with_the_last_browser(self, service):
        ada = make_people("sms")["ada"]

        kept = subscribe(service, ada, "phone")
        subscribe(service, ada, "phone")
        other = subscribe(service, ada, "laptop")

        assert PushSubscription.objects.count() == 2
        assert ada.consents.get(channel="push").proof_text == "Tell me"
        assert pushes.unsubscribe(ada.pk, kept.endpoint, now=NOW)
        assert consent.allows(ada.pk, "push", "marketing")
        assert not pushes.unsubscribe(ada.pk + 1, other.endpoint, now=NOW), "not hers"
        assert pushes.unsubscribe(ada.pk, other.endpoint, now=NOW)
        assert not consent.allows(ada.pk, "push", "marketing")

    @pytest.mark.parametrize(
        "endpoint", ["http://push.example/a", "https://10.0.0.1/a", "https://[::1]/", "x", ""]
    )
    def test_no_browser_makes_us_ask_inside_our_own_network(self, settings, endpoint):
        ada = make_people("sms")["ada"]

        with pytest.raises(PushRefused):
            pushes.subscribe(ada.pk, make_subscription(endpoint), words="", page="", now=NOW)

    @pytest.mark.parametrize("key", ["", "AAAA", spelt(b"\x04" + b"\x01" * 64), "no base64 \x00"])
    def test_keys_that_are_none_are_refused(self, service, key):
        ada = make_people("sms")["ada"]
        given = Subscription(f"http://{service.place}/a", key, spelt(SECRET))

        with pytest.raises(PushRefused):
            pushes.subscribe(ada.pk, given, words="", page="", now=NOW)

    def test_without_a_key_notifications_go_to_the_inbox_page(self, settings):
        settings.VAPID_PRIVATE_KEY = ""

        assert type(others.push(lambda: NOW)).__name__ == "InboxChannel"
        assert pushes.public_key() == ""
