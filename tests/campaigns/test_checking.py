import http.server
import threading

import pytest

from campaigns.models import Offer
from campaigns.services import checking, readiness
from tests.campaigns.ledger import BODY
from tests.makers import NOW, make_campaign, make_cast, make_consent, make_customer, make_segment

pytestmark = pytest.mark.django_db


@pytest.fixture
def cast():
    people = make_cast()
    nobody = make_customer("nameless", first_name="", language="fr")
    make_consent(nobody)
    return [people["ada"], people["bob"], nobody]


def found(campaign, **more) -> dict[str, checking.Check]:
    return {one.key: one for one in checking.check(campaign, NOW, **more)}


def make(cast, **given):
    fields = {"subject": "News for the spring", "preheader": "Look", "body": BODY}
    return make_campaign(make_segment(f"all {given.get('name', '')}", cast), **{**fields, **given})


def test_who_has_no_value_is_counted_in_one_statement(cast, django_assert_num_queries):
    campaign = make(cast, subject="{{ customer.first_name }} {{ customer.traits.size }}")

    checks = found(campaign)

    gap = checks["missing:customer.first_name"]
    assert (gap.level, gap.n) == ("warn", 1)
    assert "1 of 3 people have no value" in gap.sentence
    assert checks["missing:customer.traits.size"].n == 3
    people = checking.fields.audience(campaign)
    with django_assert_num_queries(1):
        checking.fields.count_missing(["customer.country", "scores.churn", "shop.name"], people)


def test_a_text_that_says_something_else_is_good(cast):
    campaign = make(cast, body=BODY.replace("first_name }}", "first_name | default: 'you' }}"))

    assert found(campaign)["missing:customer.first_name"].level == "ok"


def test_what_cannot_be_compiled_stops_and_says_where(cast):
    campaign = make(cast, translations={"fr": {"subject": "{{ nobody }}"}})

    stopped = [one for one in checking.check(campaign, NOW) if one.level == "stop"]

    assert [one.sentence for one in stopped] == ["fr: Unknown variable “nobody” in the subject."]


def test_an_offer_is_shown_where_it_is_given_and_nowhere_else(cast):
    offer = Offer.objects.create(name="Fifth", kind="percent", share="0.2", created_at=NOW)
    shows = BODY.replace("see", "with {{ offer.code }}, see")

    assert "does not show it" in found(make(cast, offer=offer))["offer"].sentence
    assert "there is none" in found(make(cast, body=shows, name="B"))["offer"].sentence
    assert "offer" not in found(make(cast, body=shows, offer=offer, name="C"))


def test_people_whose_language_is_not_said_are_counted(cast):
    campaign = make(cast, translations={"de": {"subject": "Neues"}})

    assert found(campaign)["language:fr"].n == 1


def test_what_filters_dislike_is_named(cast):
    picture = '<mj-image src="https://a.example/x.png" />'
    body = BODY.replace("</mj-column>", f"{picture}</mj-column>").replace(
        "https://shop.example/sale", "https://bit.ly/x"
    )
    campaign = make(
        cast, subject="BUY NOW!!! 100% FREE", body=body, preheader="", sender_email="us@gmail.com"
    )

    checks = found(campaign)

    assert {"spam", "alt", "pictures", "preheader", "shorteners"} <= checks.keys()
    assert checks["sender"].level == "stop"


def test_a_message_too_long_for_gmail_is_noticed(cast):
    body = BODY.replace("Hello", "Hello " + "word " * 25_000)

    assert "cuts" in found(make(cast, body=body))["size"].sentence


class _Shop(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(404 if "gone" in self.path else 200)
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def shop(settings):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Shop)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    settings.OUTGOING_ALLOWED_HOSTS = [f"localhost:{server.server_port}"]
    yield f"http://localhost:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_links_are_followed_when_asked_and_private_addresses_are_not(cast, shop):
    body = BODY.replace("https://shop.example/sale", f"{shop}/gone").replace(
        "</mj-text>", f'<a href="{shop}/here">a</a><a href="https://127.0.0.1/x">b</a></mj-text>'
    )
    campaign = make(cast, body=body)

    bad = [one.sentence for one in checking.check(campaign, NOW, with_links=True)
           if one.key == "links"]  # fmt: skip

    assert len(bad) == 2
    assert any("/gone does not work: Answered 404" in one for one in bad)
    assert any("not an address of the open internet" in one for one in bad)
    assert "links" not in found(campaign), "nothing leaves unasked"


def test_a_text_of_letters_that_phones_lack_is_noticed(cast):
    campaign = make(cast, channel="sms", text="Zoë’s sale: https://shop.example")

    checks = found(campaign)

    assert checks["letters"].sentence.startswith("ë ’ halves")
    assert "subject" not in checks


def test_every_text_that_may_be_sent_is_asked_for_before_a_launch(cast):
    blocks = {"version": 1, "blocks": [{"kind": "text", "html": "Hi"}]}
    good = make(cast, body="", blocks=blocks, name="Blocks")
    bare = make(cast, body="", name="Bare")
    broken = make(
        cast, blocks={"version": 1, "blocks": [{"kind": "snippet", "snippet": 9}]}, name="C"
    )
    phones = make(cast, channel_choice="preferred", other_channels=["sms"], name="D")
    text = make(cast, channel="sms", text="{{ nobody }}", name="E")

    assert readiness.faults(good) == []
    assert readiness.faults(bare) == ["The body is empty."]
    assert readiness.faults(broken) == ["blocks[0]: There is no snippet 9."]
    assert readiness.faults(phones) == ["The text is empty."]
    assert readiness.faults(text) == ["Unknown variable “nobody” in the text."]
