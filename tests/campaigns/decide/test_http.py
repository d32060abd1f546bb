"""The endpoint as browsers and servers meet it: keys, origins, pace, and one shape of error."""

import base64

import pytest
from django.core.cache import cache

from campaigns.api import decide as endpoint
from campaigns.services import decide
from customers.services import write_keys
from rapport.models import ApiKey
from tests.campaigns.decide.asking import BROWSER, add, key, make_slot, make_visitor
from tests.makers import make_customer, make_segment

pytestmark = pytest.mark.django_db
__all__ = ["key"]
ADDRESS = "/v1/decide"


@pytest.fixture(autouse=True)
def no_questions_yet(monkeypatch, worker_id):
    """In a minute that does not end, or a count could begin anew in the middle of a test.

    Each worker has a minute of its own, for they share the cache.
    """
    minute = 10_000_000 + int(worker_id.removeprefix("gw") if worker_id != "master" else 99)
    monkeypatch.setattr(endpoint, "time", lambda: 60.0 * minute)
    cache.delete(f"decide:address:127.0.0.1:{minute}")
    endpoint._asked.clear()


@pytest.fixture
def asked(client, key):
    """``asked(slots="hero")``: a browser's question."""

    def ask(headers=None, **given):
        return client.get(
            ADDRESS, {"writeKey": key.key, "anonymousId": BROWSER, **given}, headers=headers
        )

    return ask


def basic(words: str) -> dict[str, str]:
    return {"Authorization": f"Basic {base64.b64encode(words.encode()).decode()}"}


def program(*scopes: str) -> dict[str, str]:
    _key, secret = ApiKey.objects.create_key(name="shop server", scopes=list(scopes))
    return {"Authorization": f"Api-Key {secret}"}


def test_a_browser_gets_its_slots(asked):
    visitor = make_visitor(first_name="Ada")
    add(make_slot(), "Hi {{ customer.first_name }}", segment=make_segment("vip", [visitor]))

    answer = asked(slots="hero,side,hero")

    assert answer.status_code == 200
    assert answer["Content-Type"] == "application/json"
    assert answer["Cache-Control"] == "private, no-store"
    body = answer.json()
    assert body["slots"]["hero"]["html"] == "Hi Ada"
    assert body["slots"]["side"] is None
    assert body["segments"] == ["vip"]
    assert body["customer"] == {"known": True, "recognised": False}


def test_nothing_personal_is_told_beside_the_content(asked):
    make_visitor(first_name="Ada", last_name="Byron", email="ada@example.com", country="GB")
    add(make_slot(), "Hi")

    text = asked().content.decode()

    for word in ("Ada", "Byron", "example.com", "GB"):
        assert word not in text


def test_pages_of_any_site_may_read_it_and_only_of_those_named(asked, client, settings):
    for answer in (asked(), asked(writeKey="wrong"), client.options(ADDRESS)):
        assert answer["Access-Control-Allow-Origin"] == "*"
        assert "Access-Control-Allow-Credentials" not in answer
        assert not answer.cookies
    settings.TRACKING_ORIGINS = ["https://shop.example"]

    assert "Access-Control-Allow-Origin" not in asked({"Origin": "https://evil.example"})
    mine = asked({"Origin": "https://shop.example"})
    assert mine["Access-Control-Allow-Origin"] == "https://shop.example"
    assert mine["Vary"] == "Origin"


@pytest.mark.parametrize("spelling", ["{}:", "{}"])
def test_the_key_may_come_as_basic_credentials(client, key, spelling):
    answer = client.get(ADDRESS, {"anonymousId": BROWSER}, headers=basic(spelling.format(key.key)))

    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("given", "headers", "status", "code"),
    [
        ({"writeKey": "wrong"}, {}, 401, "not_authenticated"),
        ({"writeKey": ""}, {}, 401, "not_authenticated"),
        ({"writeKey": "\x00"}, {}, 401, "not_authenticated"),
        ({"writeKey": ""}, {"Authorization": "Basic é"}, 401, "not_authenticated"),
        ({}, {"Authorization": "Api-Key a.b"}, 401, "not_authenticated"),
        ({"anonymousId": "short"}, {}, 400, "wrong_question"),
        ({"userId": "ada"}, {}, 403, "not_proven"),
        ({"customerId": "1"}, {}, 403, "not_proven"),
        ({"customerId": "one"}, {}, 400, "wrong_question"),
    ],
)
def test_what_is_refused_says_why(asked, given, headers, status, code):
    answer = asked(headers, **given)

    assert answer.status_code == status
    (error,) = answer.json()["errors"]
    assert error["code"] == code
    assert error["detail"]
    assert "slots" not in answer.json()


def test_a_key_that_was_switched_off_is_refused(asked, key):
    assert asked().status_code == 200
    write_keys.switch(key, is_active=False, user=None)

    assert asked().status_code == 401


def test_only_questions_are_taken(client, key):
    assert client.post(f"{ADDRESS}?writeKey={key.key}").status_code == 405


def test_a_signed_customer_is_answered_over_http(asked, key):
    make_segment("vip", [make_customer("ada")])

    body = asked(userId="ada", signature=decide.sign(key, "ada")).json()

    assert body["segments"] == ["vip"]
    assert body["pass"]


def test_a_program_with_the_scope_asks_for_any_customer(client):
    ada = make_customer("ada")
    make_segment("vip", [ada])
    allowed, other = program("decide:read"), program("customers:read")

    for given in ({"customerId": ada.pk}, {"userId": "ada", "source": "shop"}):
        assert client.get(ADDRESS, given, headers=allowed).json()["segments"] == ["vip"]
        assert client.get(ADDRESS, given, headers=other).status_code == 403


def test_a_visitor_who_asks_too_fast_is_told_to_wait(asked, settings):
    settings.DECIDE_RATE = 2

    answers = [asked() for _ in range(3)]

    assert [one.status_code for one in answers] == [200, 200, 429]
    assert 1 <= int(answers[2]["Retry-After"]) <= 60


def test_processes_count_together(asked, settings):
    settings.DECIDE_RATE = 30
    statuses = []
    for _process in range(4):
        endpoint._asked.clear()
        statuses += [asked().status_code for _ in range(endpoint.TOLD_EVERY)]

    assert statuses == [200] * 39 + [429]


def test_without_a_cache_each_process_counts_for_itself(asked, settings, monkeypatch):
    from redis.exceptions import ConnectionError

    def away(*_, **__):
        raise ConnectionError("away")

    monkeypatch.setattr(cache, "add", away)
    settings.DECIDE_RATE = 12

    assert [asked().status_code for _ in range(13)] == [200] * 12 + [429]


def test_a_warm_answer_over_http_takes_one_query(asked, django_assert_num_queries):
    make_visitor()
    add(make_slot())
    asked()

    with django_assert_num_queries(1):
        assert asked().json()["slots"]["hero"]["html"] == "<p>Hello</p>"
