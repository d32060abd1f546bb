"""One call of the tracking API: who may, what it may hold, and what it answers."""

import base64
import gzip
import json
from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client
from django.utils import timezone

from customers.collect import tracking
from customers.models import Customer, Event, RejectedMessage
from customers.services import conclusions, write_keys
from segments.services import membership, segments
from tests.customers.tracking.calls import make_key, send, track

pytestmark = pytest.mark.django_db

BATCH_BYTES = 500 * 1024
ADDRESSES = {
    "identify": {"traits": {"plan": "gold"}},
    "track": {"event": "Song Played"},
    "page": {"name": "Home"},
    "screen": {"name": "Home"},
    "group": {"groupId": "g1"},
    "alias": {"previousId": "a1"},
}


@pytest.fixture
def key(db):
    return make_key()


def post(path: str, body: bytes, **headers):
    return Client().post(f"/v1/{path}", body, content_type="application/json", headers=headers)


def basic(text: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(text.encode()).decode()}


def error(answer) -> dict:
    body = answer.json()
    assert body["type"] == "client_error"
    assert body["code"] == body["errors"][0]["code"]
    return body["errors"][0]


@pytest.mark.parametrize("kind", ADDRESSES)
def test_every_kind_has_a_long_and_a_short_address(key, kind):
    names = {"identify": "Identified", "track": "Song Played", "page": "Page Viewed"}
    names |= {"screen": "Screen Viewed", "group": "Group Joined", "alias": "Aliased"}

    for path in (kind, kind[0]):
        answer = send(key, path, {"userId": "u1", "messageId": path, **ADDRESSES[kind]})
        assert answer.status_code == 200
        assert answer.json()["success"] is True

    assert set(Event.objects.values_list("name", flat=True)) == {names[kind]}
    assert Event.objects.count() == 2


@pytest.mark.parametrize("path", ["batch", "b", "import"])
def test_a_batch_holds_every_kind_and_shares_its_context(key, path):
    batch = [{"type": kind, "userId": "u1", **said} for kind, said in ADDRESSES.items()]
    batch[1]["context"] = {"campaign": {"source": "own"}}
    context = {"campaign": {"name": "spring", "source": "mail", "medium": "email"}}

    answer = send(key, path, {"batch": batch, "context": context})

    assert answer.json()["stored"] == 6
    assert Event.objects.get(name="Page Viewed").properties == {
        "name": "Home",
        "utm_campaign": "spring",
        "utm_source": "mail",
        "utm_medium": "email",
    }
    assert Event.objects.get(name="Song Played").properties == {"utm_source": "own"}


@pytest.mark.parametrize("form", ["{}:", "{}", "{}:whatever"])
def test_the_key_may_come_as_basic_user_name_with_or_without_a_colon(key, form):
    body = json.dumps({"event": "e", "userId": "u"}).encode()

    assert post("track", body, **basic(form.format(key.key))).status_code == 200


@pytest.mark.parametrize("headers", [{}, basic("wrong:"), {"Authorization": "Basic %%%"}])
def test_a_wrong_or_missing_key_is_refused_and_nothing_is_kept(key, headers):
    answer = post("track", json.dumps({"event": "e", "userId": "u"}).encode(), **headers)

    assert answer.status_code == 401
    assert error(answer)["code"] == "wrong_write_key"
    assert not Event.objects.exists()
    assert not RejectedMessage.objects.exists()


def test_a_wrong_key_may_be_answered_as_the_original_does(key, settings):
    settings.TRACKING_ACCEPTS_WRONG_KEYS = True

    answer = send(None, "track", {"event": "e", "userId": "u", "writeKey": "nobody's"})

    assert (answer.status_code, answer.json()) == (200, {"success": True})
    assert not Event.objects.exists()


def test_a_stopped_key_is_refused(key):
    write_keys.switch(key, is_active=False, user=None)

    assert track(key, "e").status_code == 401


def test_bodies_may_be_gzip_and_plain_text(key):
    body = gzip.compress(json.dumps({"event": "e", "userId": "u", "writeKey": key.key}).encode())

    packed = post("track", body, **{"Content-Encoding": "gzip"})
    plain = Client().post("/v1/t", gzip.decompress(body), content_type="text/plain")
    form = Client().post("/v1/t", {"event": "e"})

    assert (packed.status_code, plain.status_code, form.status_code) == (200, 200, 415)


@pytest.mark.parametrize(
    ("body", "headers", "code"),
    [
        (b"{", {}, "invalid_json"),
        (b"[]", {}, "invalid_json"),
        (b"\xff\xfe", {}, "invalid_json"),
        (b'{"a": NaN}', {}, "invalid_json"),
        (b"[" * 100_000, {}, "invalid_json"),
        (b"not gzip", {"Content-Encoding": "gzip"}, "invalid_gzip"),
        (gzip.compress(b"{}")[:-9], {"Content-Encoding": "gzip"}, "invalid_gzip"),
        (gzip.compress(b" " * 50_000_000), {"Content-Encoding": "gzip"}, "body_too_large"),
        (b" " * (BATCH_BYTES + 1), {}, "body_too_large"),
    ],
    ids=["cut", "list", "utf16", "nan", "deep", "not-gzip", "short-gzip", "bomb", "large"],
)
def test_a_body_that_cannot_be_read_is_refused_in_words(key, body, headers, code):
    answer = post("batch", body, **headers)

    assert answer.status_code == 400
    assert error(answer)["code"] == code


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ({"event": "e"}, "no_user_anon_id"),
        ({"event": "e", "userId": "", "anonymousId": None}, "no_user_anon_id"),
        ({"userId": "u"}, "no_event"),
        ({"userId": "u", "event": 5}, "no_event"),
        ({"userId": "u", "event": "e" * 121}, "event_too_long"),
        ({"userId": "u" * 255, "event": "e"}, "id_too_long"),
        ({"userId": ["u"], "event": "e"}, "wrong_id"),
        ({"userId": "u", "event": "e", "messageId": "m" * 100}, "message_id_too_long"),
        ({"userId": "u", "event": "e", "timestamp": "soon"}, "wrong_timestamp"),
        ({"userId": "u", "event": "e", "timestamp": "0001-01-01"}, "wrong_timestamp"),
        ({"userId": "u", "event": "e", "properties": [1]}, "not_an_object"),
        ({"userId": "u", "event": "e", "properties": {"x": "y" * 32_768}}, "message_too_large"),
        ({"userId": "u", "event": "e", "properties": {"x": [1] * 10_001}}, "too_many_properties"),
    ],
)
def test_a_message_that_cannot_be_meant_is_refused_and_kept_with_the_reason(key, message, code):
    answer = send(key, "track", message)

    assert answer.status_code == 400
    assert error(answer)["code"] == code
    assert not Event.objects.exists()
    assert RejectedMessage.objects.get().reason == error(answer)["detail"]


def test_bad_messages_of_a_batch_are_reported_and_the_good_ones_land(key):
    batch = [
        {"type": "track", "userId": "u1", "event": "Good", "messageId": "m0"},
        {"type": "track", "userId": "u1", "messageId": "m1"},
        {"type": "trick", "userId": "u1", "messageId": "m2"},
        "nonsense",
        {"type": "page", "anonymousId": "a1", "messageId": "m4"},
    ]

    body = send(key, "batch", {"batch": batch}).json()

    assert (body["stored"], body["rejected"]) == (2, 3)
    assert [(e["attr"], e["code"]) for e in body["errors"]] == [
        ("batch.1.event", "no_event"),
        ("batch.2.type", "unknown_type"),
        ("batch.3", "not_an_object"),
    ]
    assert Event.objects.count() == 2
    kept = RejectedMessage.objects.order_by("id")
    assert [row.message_id for row in kept] == ["m1", "m2", ""]
    assert json.loads(kept[0].payload)["userId"] == "u1"


def test_what_no_check_foresaw_costs_one_message_and_not_its_batch(key, monkeypatch):
    monkeypatch.setattr(tracking, "NAME_MOST", 10_000)  # a check that somebody forgot
    batch = [{"type": "track", "userId": "u", "event": f"e{n}"} for n in range(12)]
    batch[7]["event"] = "e" * 500

    body = send(key, "batch", {"batch": batch}).json()

    assert (body["stored"], body["rejected"]) == (11, 1)
    assert body["errors"][0]["attr"] == "batch.7"


def test_characters_that_postgresql_cannot_store_are_replaced(key):
    body = '{"event": "a\\u0000b", "userId": "u", "properties": {"x": "\\ud83d", "\\u0000": "😀"}}'

    answer = post("track", body.encode(), **basic(key.key))

    assert answer.status_code == 200
    event = Event.objects.get()
    assert event.name == "a\ufffdb"
    assert event.properties == {"x": "\ufffd", "\ufffd": "😀"}


def test_the_surplus_of_a_batch_is_reported(key):
    batch = [{"type": "page", "userId": "u", "messageId": f"m{n}"} for n in range(2_502)]

    body = send(key, "batch", {"batch": batch}).json()

    assert (body["stored"], body["rejected"]) == (2_500, 2)
    assert {e["code"] for e in body["errors"]} == {"too_many"}


def test_a_message_is_stored_once_however_often_it_comes(key):
    for _ in range(3):
        assert track(key, "e", messageId="m1").status_code == 200
    twins = [{"type": "track", "userId": "u", "event": "e", "messageId": "m2"}] * 2
    body = send(key, "batch", {"batch": twins}).json()

    assert (body["stored"], body["repeated"]) == (1, 1)
    assert Event.objects.count() == 2


def test_a_message_without_an_id_is_known_by_what_it_says_and_when(key):
    said = {"type": "track", "userId": "u", "event": "e", "timestamp": "2026-01-01T00:00:00Z"}
    for _ in range(2):
        send(key, "batch", {"batch": [said, said]})

    assert Event.objects.count() == 2


@pytest.mark.parametrize(
    ("told", "sent", "hours_ago"),
    [
        (-2, 0, 2),  # the clock is right
        (-5, -3, 2),  # 3 hours slow
        (+7, +9, 2),  # 9 hours fast
        (None, +9, 0),
        (+7, None, 0),  # nothing has yet to happen
    ],
)
def test_a_clock_that_goes_wrong_is_corrected_by_when_it_sent(key, told, sent, hours_ago):
    now = datetime.now(UTC)
    moments = {"timestamp": told, "sentAt": sent}
    fields = {
        name: (now + timedelta(hours=hours)).isoformat()
        for name, hours in moments.items()
        if hours is not None
    }

    track(key, "e", **fields)

    off = now - timedelta(hours=hours_ago) - Event.objects.get().happened_at
    assert abs(off) < timedelta(seconds=30)


def test_pages_of_other_sites_may_call(key, settings):
    asked = Client().options("/v1/t", headers={"Origin": "https://shop.example"})
    settings.TRACKING_ORIGINS = ["https://shop.example"]
    body = {"event": "e", "userId": "u"}
    ours = send(key, "t", body, headers={"Origin": "https://shop.example"})
    theirs = send(key, "t", body, headers={"Origin": "https://else.example"})

    assert asked.status_code == 204
    assert asked["Access-Control-Allow-Origin"] == "*"
    assert "content-type" in asked["Access-Control-Allow-Headers"]
    assert ours["Access-Control-Allow-Origin"] == "https://shop.example"
    assert not theirs.has_header("Access-Control-Allow-Origin")
    assert Client().get("/v1/t").status_code == 405


def test_too_many_calls_are_asked_to_come_again(key, settings):
    settings.TRACKING_CALLS_PER_SECOND = 1

    answers = [track(key, "e", messageId=f"m{n}") for n in range(8)]

    slow = [answer for answer in answers if answer.status_code == 429]
    assert slow
    assert slow[0]["Retry-After"] == slow[0]["X-RateLimit-Reset"] == "1"
    assert error(slow[0])["code"] == "throttled"
    assert Event.objects.count() == len(answers) - len(slow)


def test_a_small_call_answers_with_the_segments_of_its_customers(monkeypatch):
    def loud(customer_ids, now):
        return {pk: ["loud"] for pk in customer_ids}

    monkeypatch.setattr(conclusions, "_registered", [loud])
    key = make_key(kind="server")

    body = track(key, "e").json()
    large = [{"type": "page", "userId": "u1"} for _ in range(11)]

    assert body["segments"] == {"u1": ["loud"]}
    assert "segments" not in send(key, "batch", {"batch": large}).json()


def test_a_failing_conclusion_costs_neither_the_event_nor_the_answer(key, monkeypatch):
    def broken(customer_ids, now):
        raise RuntimeError("no")

    monkeypatch.setattr(conclusions, "_registered", [broken])

    answer = track(key, "e")

    assert answer.status_code == 200
    assert Event.objects.count() == 1
    assert Customer.objects.count() == 1


def test_the_segments_of_the_answer_are_true_the_moment_it_is_given():
    key = make_key(kind="server")
    bought = {"type": "orders", "measure": "count", "op": ">=", "value": 2}
    rule = {"version": 1, "where": bought}
    segments.create(name="Twice", rule=rule, key="twice", user=None, now=timezone.now())
    membership.refresh_all(now=timezone.now())
    order = {"revenue": 10, "currency": "EUR"}

    said = [
        track(key, "Order Completed", {**order, "order_id": f"o{n}"}).json()["segments"]["u1"]
        for n in range(2)
    ]

    assert ["twice" in keys for keys in said] == [False, True]
