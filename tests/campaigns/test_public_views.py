import re
from datetime import date, timedelta
from email import message_from_bytes, policy

import pytest
from django.test import Client
from django.utils import timezone

from campaigns.messages import links
from campaigns.models import Message, Outcome
from campaigns.services import composing, visits
from campaigns.web import public_views
from customers.models import Consent
from customers.services import consent
from tests.campaigns.ledger import make_sending
from tests.makers import NOW, make_cast

pytestmark = pytest.mark.django_db

PERSON = {"HTTP_USER_AGENT": "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0"}
ONE_CLICK = {"List-Unsubscribe": "One-Click"}
DAY = date(2026, 6, 1)


@pytest.fixture
def sent() -> Message:
    """Ada's message, sent."""
    make_sending([make_cast()["ada"]])
    Message.objects.update(state="sent", sent_at=NOW)
    return Message.objects.get()


def token(purpose: str, message: Message, *, day: date | None = None, address: str = "") -> str:
    return links.write(
        composing.key(),
        purpose,
        message.pk,
        day=day or date.today(),  # noqa: DTZ011
        number=2 if address else 0,
        address=address,
    )


def outcomes() -> list[tuple]:
    visits.settle(now=timezone.now() + timedelta(minutes=1))
    return list(Outcome.objects.values_list("kind", "key", "is_machine", "url"))


def test_opening_is_counted_once_and_answered_with_a_dot_nobody_may_keep(client, sent):
    for _again in range(2):
        response = client.get(f"/m/o/{token('o', sent)}", **PERSON)

    assert response["Content-Type"] == "image/gif" and response.content[:6] == b"GIF89a"
    assert "no-store" in response["Cache-Control"]
    assert outcomes() == [("open", "", False, "")]


@pytest.mark.parametrize(
    "headers",
    [
        {"HTTP_USER_AGENT": ""},
        {"HTTP_USER_AGENT": "Mozilla/5.0"},
        {"HTTP_USER_AGENT": "Barracuda Sentinel (EE)"},
        {"HTTP_USER_AGENT": "python-requests/2.32"},
        {"HTTP_USER_AGENT": "Googlebot/2.1"},
        {**PERSON, "HTTP_SEC_PURPOSE": "prefetch;prerender"},
    ],
)
def test_programs_are_counted_apart(client, sent, headers):
    client.get(f"/m/o/{token('o', sent)}", **headers)

    assert outcomes() == [("open", "", True, "")]


def test_a_click_is_counted_and_leads_on(client, sent):
    address = "https://shop.example/sale?a=1&b=ü"

    response = client.get(f"/m/c/{token('c', sent, address=address)}", **PERSON)

    assert response.status_code == 302
    assert response["Location"] == "https://shop.example/sale?a=1&b=%C3%BC"
    assert outcomes() == [("click", "2", False, address)]


def test_a_head_request_is_a_program(client, sent):
    client.head(f"/m/c/{token('c', sent, address='https://shop.example/')}", **PERSON)

    assert outcomes() == [("click", "2", True, "https://shop.example/")]


def test_a_link_leads_on_though_its_message_is_gone(client, sent):
    link = f"/m/c/{token('c', sent, address='https://shop.example/')}"
    sent.campaign.delete()

    assert client.get(link, **PERSON).status_code == 302


@pytest.mark.parametrize("address", ["javascript:alert(1)", "//evil.example", "ftp://a.example/x"])
def test_not_even_a_signed_link_leads_to_a_program(client, sent, address):
    assert client.get(f"/m/c/{token('c', sent, address=address)}").status_code == 404
    assert outcomes() == []


@pytest.mark.parametrize("kind", ["o", "c", "u"])
def test_a_forged_token_finds_nothing_and_leaves_no_trace(client, sent, kind):
    mine = token(kind, sent, address="https://shop.example/" if kind == "c" else "")
    swapped = {"o": "u", "c": "o", "u": "c"}[kind]

    for forged in ("x", mine[:-1], mine[::-1], f"{mine}A", "A" * 5_000):
        assert client.get(f"/m/{kind}/{forged}").status_code == 404
        assert client.post(f"/m/{kind}/{forged}").status_code in (404, 405)
    assert client.get(f"/m/{swapped}/{mine}").status_code == 404
    assert outcomes() == []


def test_old_links_end_but_the_way_out_does_not(client, sent):
    old = date(2021, 1, 1)

    assert client.get(f"/m/o/{token('o', sent, day=old)}").status_code == 404
    assert (
        client.get(f"/m/c/{token('c', sent, day=old, address='https://a.example/')}").status_code
        == 404
    )
    assert client.get(f"/m/u/{token('u', sent, day=old)}").status_code == 200


def test_looking_at_the_unsubscribe_page_changes_nothing(client, sent):
    response = client.get(f"/m/u/{token('u', sent)}")

    assert '<form method="post">' in response.content.decode()
    assert consent.allows(sent.customer_id, "email", "marketing")
    assert outcomes() == []
    assert not response.cookies


@pytest.mark.parametrize("body", [ONE_CLICK, {}], ids=["one click", "the button"])
def test_posting_unsubscribes_without_login_or_csrf_token(sent, body):
    client = Client(enforce_csrf_checks=True)

    response = client.post(f"/m/u/{token('u', sent)}", body)
    client.post(f"/m/u/{token('u', sent)}", body)

    assert response.status_code == 200 and b"You are unsubscribed" in response.content
    assert not consent.allows(sent.customer_id, "email", "marketing")
    assert Consent.objects.filter(customer_id=sent.customer_id, is_granted=False).count() == 1


def test_one_click_is_understood_in_both_encodings(client, sent):
    address = f"/m/u/{token('u', sent)}"
    client.post(address, "List-Unsubscribe=One-Click", "application/x-www-form-urlencoded")

    assert "one_click" in Consent.objects.get(is_granted=False).proof_text


def test_the_links_in_a_real_message_work(client, sent):
    person = composing.person(sent.customer_id)
    mail = composing.Composer(sent.campaign).write(sent.pk, person, now=NOW)

    html = message_from_bytes(mail.data, policy=policy.default).get_body(("html",)).get_content()
    paths = re.findall(r'(?:href|src)="http://127.0.0.1:8000(/m/[^"]+)"', html)

    assert [path[:4] for path in paths] == ["/m/c", "/m/u", "/m/o"]
    assert client.get(paths[0], **PERSON)["Location"] == "https://shop.example/sale"
    assert client.get(paths[1]).status_code == 200
    assert client.get(paths[2], **PERSON)["Content-Type"] == "image/gif"


def test_the_public_views_are_marked_as_public():
    for view in (public_views.opened, public_views.clicked, public_views.unsubscribe):
        assert view.permission is None
