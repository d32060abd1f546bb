"""A write key stands in every page: it must not read anybody but the browser that asks."""

from datetime import timedelta

import pytest

from campaigns.services import decide
from customers.models import Identity
from customers.services import identity
from rapport.errors import NotFound
from tests.campaigns.decide.asking import (
    BROWSER,
    STRANGER,
    add,
    ask,
    key,
    make_browser,
    make_key,
    make_slot,
    make_visitor,
    shown,
)
from tests.makers import NOW, make_customer, make_segment

pytestmark = pytest.mark.django_db
__all__ = ["key"]


@pytest.fixture
def ada():
    """A customer the shop knows, in a segment, with a slot that greets her."""
    ada = make_customer("ada")
    add(make_slot(), "Ada", segment=make_segment("vip", [ada]), priority=1)
    return ada


def test_a_browser_is_answered_for_what_it_told_itself(key):
    visitor = make_visitor()
    add(make_slot(), "mine", segment=make_segment("lookers", [visitor]))

    assert shown(key)["html"] == "mine"


@pytest.mark.parametrize("asked", ["ada", "1", "ada@example.com"])
def test_a_write_key_alone_reads_nobody_by_an_id_that_can_be_guessed(key, ada, asked):
    with pytest.raises(decide.NotProven, match="signature"):
        ask(key, user_id=asked)
    with pytest.raises(decide.WrongQuestion, match="at least 16"):
        ask(key, anonymous_id=asked)


def test_a_write_key_never_asks_by_our_own_number(key, ada):
    with pytest.raises(decide.NotProven, match="API key"):
        ask(key, customer_id=ada.pk)


def test_calling_oneself_somebody_opens_nothing(key, ada):
    """Anybody with the public key may say that a browser is hers; it must not show her."""
    make_browser(ada)

    found = ask(key, anonymous_id=BROWSER)

    assert found["segments"] == found["scores"] == []
    assert found["slots"] == {"hero": None}
    assert found["customer"] == {"known": False, "recognised": True}


def test_a_signature_of_the_shop_s_server_opens_its_customer(key, ada):
    found = ask(key, user_id="ada", signature=decide.sign(key, "ada"))

    assert found["segments"] == ["vip"]
    assert found["customer"] == {"known": True, "recognised": True}


@pytest.mark.parametrize(
    "forged",
    [
        lambda key: decide.sign(key, "bob"),
        lambda key: decide.sign(make_key("elsewhere"), "ada"),
        lambda key: "0" * 64,
        lambda key: "é",
    ],
)
def test_another_signature_opens_nothing(key, ada, forged):
    with pytest.raises(decide.NotProven, match="does not belong"):
        ask(key, user_id="ada", signature=forged(key))


def test_a_signed_visit_gives_the_browser_a_pass_for_later(key, ada):
    signed = ask(key, user_id="ada", signature=decide.sign(key, "ada"), anonymous_id=BROWSER)
    make_browser(ada)

    later = ask(key, anonymous_id=BROWSER, passed=signed["pass"])

    assert later["segments"] == ["vip"]
    assert "pass" not in later


def test_a_pass_is_of_one_browser_one_customer_and_one_year(key, ada, monkeypatch):
    signed = ask(key, user_id="ada", signature=decide.sign(key, "ada"), anonymous_id=BROWSER)
    given = signed["pass"]
    make_browser(ada)
    make_browser(ada, STRANGER)

    assert not ask(key, anonymous_id=STRANGER, passed=given)["segments"]
    Identity.objects.filter(value=BROWSER).update(customer=make_customer("bob"))
    assert not ask(key, anonymous_id=BROWSER, passed=given)["customer"]["known"]
    Identity.objects.filter(value=BROWSER).update(customer=ada)
    assert ask(key, anonymous_id=BROWSER, passed=given)["segments"]
    late = NOW.timestamp() + timedelta(days=decide.PASS_DAYS + 10_000).total_seconds()
    monkeypatch.setattr("django.core.signing.time.time", lambda: late)
    assert not ask(key, anonymous_id=BROWSER, passed=given)["segments"]


def test_signing_needs_a_secret_that_no_page_holds(key):
    assert key.key not in decide.signing_secret(key)
    assert decide.signing_secret(key) != decide.signing_secret(make_key())


def test_a_program_asks_by_any_one_id(ada):
    make_browser(ada)

    for given in ({"customer_id": ada.pk}, {"user_id": "ada"}, {"anonymous_id": BROWSER}):
        assert ask(None, **given)["segments"] == ["vip"]
    for given in ({}, {"user_id": "ada", "customer_id": ada.pk}):
        with pytest.raises(decide.WrongQuestion, match="one of"):
            ask(None, **given)


def test_a_program_names_the_source_where_two_know_the_id(ada):
    other = make_customer("other", email="o@example.com")
    Identity.objects.create(
        customer=other, kind="external", source="elsewhere", value="ada", recorded_at=NOW
    )

    with pytest.raises(decide.WrongQuestion, match="elsewhere, shop"):
        ask(None, user_id="ada")
    assert ask(None, user_id="ada", source="shop")["customer"]["id"] == ada.pk
    assert ask(None, user_id="ada", source="elsewhere")["customer"]["id"] == other.pk


def test_nobody_is_answered_for_the_erased(key, ada):
    ada.erased_at = NOW
    ada.save()

    found = ask(None, customer_id=ada.pk)

    assert (found["customer"]["known"], found["segments"]) == (False, [])


def test_preview_of_nobody_is_refused(ada):
    content = add(make_slot("side"))
    with pytest.raises(NotFound):
        decide.preview(content, 0, now=NOW)


@pytest.mark.parametrize("given", [{"anonymous_id": "x" * 300}, {"anonymous_id": BROWSER + "\x00"}])
def test_an_id_that_is_none_is_refused(key, given):
    with pytest.raises(decide.WrongQuestion, match="not an id"):
        ask(key, **given)


def test_too_many_slots_are_refused(key):
    with pytest.raises(decide.WrongQuestion, match="at most 20"):
        ask(key, anonymous_id=BROWSER, slots=tuple(map(str, range(21))))


def test_a_program_may_ask_by_the_number_of_a_customer_who_was_merged(ada):
    other = make_customer("other", email="o@example.com")
    identity.merge(ada.pk, other.pk, rule="person", now=NOW)

    found = ask(None, customer_id=other.pk)

    assert (found["customer"]["id"], found["segments"]) == (ada.pk, ["vip"])
