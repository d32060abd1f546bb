"""Pages and API of offers: limits, pools, the choice among several."""

from decimal import Decimal

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from campaigns.models import Coupon, Offer
from campaigns.services import offers, planning
from tests.makers import NOW, make_campaign, make_crowd, make_segment, make_staff

pytestmark = pytest.mark.django_db
FORM = {"name": "Spring", "kind": "percent", "percent": "15", "codes": "unique", "valid_days": "14"}


@pytest.fixture
def marketer(client):
    client.force_login(make_staff("manager"))
    return client


def pool_offer(**given):
    given = {"kind": "free_shipping", "codes": "pool", **given}
    return offers.create(user=None, now=NOW, name="Pool", **given)


def test_an_offer_is_made_with_its_limits_and_changed(marketer):
    answer = marketer.post(
        reverse("offer_new"), {**FORM, "budget": "500", "given_most": "50"}, follow=True
    )
    made = Offer.objects.get()

    assert (made.share, made.budget, made.given_most) == (Decimal("0.15"), 500, 50)
    assert b"15% off, valid for 14 days" in answer.content
    marketer.post(reverse("offer_edit", args=[made.pk]), {**FORM, "name": "Later"})
    made.refresh_from_db()
    assert (made.name, made.budget) == ("Later", None)
    assert b"Later" in marketer.get(reverse("offers"), {"q": "late"}).content
    assert b"No offer is called" in marketer.get(reverse("offers"), {"q": "nothing"}).content


def test_a_form_with_a_fault_names_it_and_keeps_the_rest(marketer):
    answer = marketer.post(
        reverse("offer_new"), {**FORM, "kind": "gift", "budget": "5", "name": "Mine"}
    )

    assert answer.status_code == 400 and b'value="Mine"' in answer.content
    assert b"A gift needs its name." in answer.content
    assert b"A budget needs the expected cost" in answer.content


def test_a_pool_is_filled_from_a_file_and_exported(marketer):
    offer = pool_offer()
    file = SimpleUploadedFile("codes.csv", b'\xef\xbb\xbf"ABC-1",x\nbad code\nABC-2;y\n')

    said = marketer.post(reverse("offer_pool", args=[offer.pk]), {"file": file}, follow=True)
    marketer.post(reverse("offer_pool", args=[offer.pk]), {"count": "3"})

    assert "2 codes added" in said.content.decode() and "line 2" in said.content.decode()
    assert Coupon.objects.filter(offer=offer, given_at=None).count() == 5
    exported = b"".join(marketer.get(reverse("offer_codes", args=[offer.pk])).streaming_content)
    assert exported.decode().splitlines()[:2] == [
        "code,given_at,expires_at,redeemed_at",
        "ABC-1,,,",
    ]
    nothing = marketer.post(reverse("offer_pool", args=[offer.pk]), {}, follow=True)
    assert "say how many to make" in nothing.content.decode()
    binary = SimpleUploadedFile("codes.bin", b"\xff\xfe\x00")
    bad = marketer.post(reverse("offer_pool", args=[offer.pk]), {"file": binary}, follow=True)
    assert "no UTF-8 text" in bad.content.decode()


def test_one_offer_of_several_is_chosen_for_each_and_said_beforehand(marketer):
    campaign = make_campaign(make_segment(members=make_crowd(12)))
    few, rest = pool_offer(codes="unique", given_most=4), pool_offer(codes="unique")
    page = reverse("campaign_offers", args=[campaign.pk])

    assert "at least two" in marketer.post(page, {"offer": [few.pk]}, follow=True).content.decode()
    shown = marketer.post(page, {"offer": [few.pk, rest.pk]}, follow=True).content.decode()

    assert "Choosing for each of 12 people" in shown and "No choice could bring more" in shown
    planning.launch(campaign, user=None, now=NOW)
    planning.plan(campaign.pk, now=NOW)
    assert "its offers stay" in marketer.post(page, {"offer": []}, follow=True).content.decode()


def test_a_viewer_changes_nothing(client):
    offer = pool_offer()
    client.force_login(make_staff("viewer"))

    assert client.get(reverse("offer", args=[offer.pk])).status_code == 200
    for name in ("offer_edit", "offer_pool", "offer_codes", "offer_delete"):
        assert client.post(reverse(name, args=[offer.pk])).status_code == 403


def test_the_api_makes_changes_fills_and_removes(marketer):
    made = marketer.post(
        "/api/v1/offers/",
        {"name": "A", "kind": "points", "points": 50, "codes": "pool", "given_most": 9},
        content_type="application/json",
    )
    assert made.status_code == 201 and made.json()["left"] == 9, made.content
    at = f"/api/v1/offers/{made.json()['id']}/"
    patched = marketer.patch(at, {"given_most": 5}, content_type="application/json")
    assert patched.json()["left"] == 5
    filled = marketer.post(
        f"{at}pool/", {"codes": ["X1", "no good"]}, content_type="application/json"
    )
    assert (filled.json()["added"], filled.json()["refused_count"]) == (1, 1)
    both = marketer.post(
        f"{at}pool/", {"codes": ["X2"], "count": 2}, content_type="application/json"
    )
    assert both.status_code == 400
    assert marketer.delete(at).status_code == 204 and not Offer.objects.exists()


def test_the_api_shows_what_a_choice_is_worth(marketer):
    campaign = make_campaign(make_segment(members=make_crowd(3)))
    ids = [pool_offer(codes="unique").pk for _ in range(2)]

    answer = marketer.put(
        f"/api/v1/campaigns/{campaign.pk}/offers/", {"offers": ids}, content_type="application/json"
    )

    assert answer.json()["offers"] == ids and answer.json()["expected"]["people"] == 3
