"""A segment for advertising: by consent alone, as the platforms want it, and audited."""

import csv
import hashlib
import io

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse
from rest_framework.test import APIClient

from campaigns.experiments.assignment import draw
from campaigns.models import SendingPolicy
from campaigns.services import ad_export
from customers.models import Customer
from customers.services import consent
from rapport.models import ApiKey, AuditEntry
from tests.makers import NOW, ago, make_consent, make_customer, make_segment, make_staff

pytestmark = pytest.mark.django_db


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def agree(customer: Customer, is_granted: bool = True, **given) -> Customer:
    make_consent(customer, is_granted, **{"topic": "advertising", **given})
    return customer


@pytest.fixture
def segment():
    people = [
        agree(make_customer("ada", email=" Ada@Example.com", phone="+33612345678")),
        agree(make_customer("bob", email="b.o.b+shop@gmail.com")),
        agree(make_customer("tel", email=None, phone="+4915112345678")),
        make_customer("mallory"),  # agreed to marketing by e-mail at most
        agree(make_customer("eve"), is_granted=False),
        agree(make_customer("gone", email=None, erased_at=NOW)),
    ]
    make_consent(people[3])
    return make_segment("loyal", people)


def lines(segment, platform="meta") -> list[list[str]]:
    return list(ad_export.rows(segment, platform=platform, user=None))


def test_meta_gets_lower_case_and_numbers_without_plus(segment):
    assert lines(segment) == [
        ["email", "phone"],
        [sha("ada@example.com"), sha("33612345678")],
        [sha("b.o.b+shop@gmail.com"), ""],
        ["", sha("4915112345678")],
    ]


def test_google_gets_its_own_addresses_without_dots_and_numbers_with_plus(segment):
    assert lines(segment, "google") == [
        ["Email", "Phone"],
        [sha("ada@example.com"), sha("+33612345678")],
        [sha("bob@gmail.com"), ""],
        ["", sha("+4915112345678")],
    ]


def test_the_last_word_on_whatever_channel_counts(segment):
    ada, bob = (Customer.objects.get(first_name=name) for name in ("Ada", "Bob"))
    agree(ada, is_granted=False, channel="sms", happened_at=ago(1))
    agree(bob, is_granted=False, channel="sms", happened_at=ago(400))

    found = [email for email, _phone in lines(segment)[1:]]

    assert sha("ada@example.com") not in found
    assert sha("b.o.b+shop@gmail.com") in found


def test_a_suppressed_address_stays_while_the_number_goes(segment):
    consent.suppress("ada@example.com", channel="email", reason="complaint", source="t", now=NOW)
    consent.suppress("+4915112345678", channel="sms", reason="manual", source="t", now=NOW)

    assert lines(segment)[1:] == [
        ["", sha("33612345678")],
        [sha("b.o.b+shop@gmail.com"), ""],
    ]


def test_whom_all_marketing_leaves_alone_is_left_alone_here_too(segment):
    SendingPolicy.objects.create(pk=1, holdout_salt="s", holdout_share=0.5, changed_at=NOW)
    agreed = Customer.objects.filter(first_name__in=["Ada", "Bob", "Tel"]).order_by("id")

    written_to = [one for one in agreed if draw("s", one.pk) >= 0.5]

    assert ad_export.size(segment).chosen == len(written_to)
    assert len(lines(segment)) == 1 + len(written_to)


def test_the_export_is_audited_with_its_size(segment):
    lines(segment)

    entry = AuditEntry.objects.get(action="segment.exported_for_advertising")
    assert entry.details == {"platform": "meta", "members": 6, "exported": 3}


def test_the_command_the_page_and_the_api_give_the_same(client, segment):
    expected = lines(segment)
    said = io.StringIO()
    call_command("ad_export", "loyal", stdout=said)
    client.force_login(make_staff("manager"))
    where = reverse("ad_export", args=[segment.pk])
    page = client.get(where)
    from_page = b"".join(client.post(where, {"platform": "meta"}).streaming_content).decode()
    _key, secret = ApiKey.objects.create_key(name="ads", scopes=["customers:export"])
    api = APIClient()
    api.credentials(HTTP_AUTHORIZATION=f"Api-Key {secret}")
    answer = api.post("/api/v1/segments/loyal/advertising/?platform=meta")

    assert "3 members can be handed out" in page.content.decode()
    for text in (said.getvalue(), from_page, b"".join(answer.streaming_content).decode()):
        assert list(csv.reader(io.StringIO(text))) == expected


def test_who_may_not_export_does_not(client, segment):
    client.force_login(make_staff("marketer"))
    assert client.post(reverse("ad_export", args=[segment.pk])).status_code == 403
    _key, secret = ApiKey.objects.create_key(name="ads", scopes=["segments:read"])
    api = APIClient()
    api.credentials(HTTP_AUTHORIZATION=f"Api-Key {secret}")
    assert api.post("/api/v1/segments/loyal/advertising/").status_code == 403
    assert not AuditEntry.objects.filter(action__contains="advertising").exists()


def test_what_is_wrong_is_said(client, segment):
    with pytest.raises(CommandError, match="no segment 'nobody'"):
        call_command("ad_export", "nobody")
    with pytest.raises(ad_export.ExportRefused, match="expected meta or google"):
        lines(segment, "fax")
    client.force_login(make_staff("manager"))
    where = reverse("ad_export", args=[segment.pk])
    assert "expected meta or google" in client.post(where, {}, follow=True).content.decode()
