"""The pages of the website: making a slot, looking as a customer, what each showed, the secret."""

import re

import pytest
from django.urls import reverse
from django.utils import timezone

from campaigns.models import Slot, SlotContent
from campaigns.services import decide
from customers.services import write_keys
from rapport.web.navigation import SIDEBAR
from tests.campaigns.decide.asking import add, make_key, make_slot
from tests.makers import NOW, make_cast, make_customer, make_event, make_segment, make_staff

pytestmark = pytest.mark.django_db


@pytest.fixture
def marketer(client):
    client.force_login(make_staff("marketer"))
    return client


def content_form(**changed):
    return {"name": "Hello", "priority": "10", "state": "live", "body": "<p>Hi</p>", **changed}


def test_the_way_there_is_in_the_sidebar():
    assert ("Website", "web", "website", "campaigns.view_slot") in dict(SIDEBAR)["Engage"]


def test_a_slot_is_made_filled_changed_and_removed(marketer):
    vip = make_segment("vip")
    marketer.post(
        reverse("slot_new"),
        {"name": "Hero", "key": "hero", "state": "live", "holdout_percent": "10"},
    )
    slot = Slot.objects.get(key="hero")
    assert slot.holdout_share == 0.1

    marketer.post(
        reverse("slot_content_new", args=[slot.pk]), content_form(segment=vip.pk, title="Dear")
    )
    content = SlotContent.objects.get()
    assert (content.segment, content.title) == (vip, "Dear")
    marketer.post(reverse("slot_content", args=[content.pk]), content_form(body="<b>New</b>"))
    content.refresh_from_db()
    assert (content.segment, content.body, content.version) == (None, "<b>New</b>", 2)

    marketer.post(reverse("slot_content_delete", args=[content.pk]))
    marketer.post(reverse("slot_delete", args=[slot.pk]))
    assert not Slot.objects.exists() and not SlotContent.objects.exists()


def test_what_is_wrong_is_said_and_what_was_typed_is_kept(marketer):
    slot = make_slot()

    answer = marketer.post(
        reverse("slot_content_new", args=[slot.pk]),
        content_form(body="<p>{{ customer.email }}</p>kept words"),
    )

    text = answer.content.decode()
    assert answer.status_code == 400
    assert "customer.email" in text and "kept words" in text
    answer = marketer.post(reverse("slot_new"), {"name": "x", "key": "Not A Key"})
    assert "Small letters" in answer.content.decode()


def test_the_preview_is_of_a_chosen_customer_or_of_nobody(marketer):
    make_customer("ada")
    address = reverse("slot_preview")
    words = content_form(body="Hi {{ customer.first_name | default: 'you' }}<script>x</script>")

    seen = marketer.post(address, {**words, "as": "ada@example.com"}).json()
    assert (seen["html"], seen["as"]) == ("Hi Ada", "Ada")
    assert "<script>" in seen["note"]
    assert marketer.post(address, {**words, "as": "nobody"}).json()["html"] == "Hi you"
    assert "like that" in marketer.post(address, {**words, "as": "x@y.z"}).json()["error"]
    broken = marketer.post(address, {**words, "body": "{% if %}"}).json()
    assert "cannot be read" in broken["error"]


def test_pages_say_what_each_content_showed_to_how_many(marketer, django_assert_max_num_queries):
    slot, cast = make_slot(), make_cast()
    content = add(slot, name="Gold", segment=make_segment("vip"))
    for who in ("ada", "ada", "bob"):
        make_event(
            cast[who],
            "Slot Viewed",
            happened_at=timezone.now(),
            properties={"slot": "hero", "content": content.pk},
        )
    address = reverse("slot", args=[slot.pk])

    with django_assert_max_num_queries(15):
        page = marketer.get(address).content.decode()
    with django_assert_max_num_queries(15):
        assert marketer.get(reverse("website")).status_code == 200

    cells = re.sub(r"\s*<[^>]+>\s*", " ", page[page.index("Gold") :])
    assert re.match(r"Gold +100 +vip +Always +Live +2 +3 ", cells), cells[:200]


def test_the_code_to_install_has_the_key_and_the_secret_is_for_admins(client):
    key = make_key()
    server = write_keys.create(source="shop", name="S", user=None, now=NOW, kind="server")
    for role, may in (("viewer", False), ("manager", False), ("admin", True)):
        client.force_login(make_staff(role))
        page = client.get(reverse("website")).content.decode()

        assert key.key in page
        assert server.key not in page
        assert "http://testserver/v1/rapport.js" in page
        assert (decide.signing_secret(key) in page) is may, role


def test_a_viewer_sees_and_changes_nothing(client):
    slot = make_slot()
    content = add(slot)
    client.force_login(make_staff("viewer"))

    assert client.get(reverse("slot", args=[slot.pk])).status_code == 200
    client.post(
        reverse("slot", args=[slot.pk]),
        {"name": "Mine", "key": "mine", "state": "live", "holdout_percent": "0"},
    )
    assert client.post(reverse("slot_delete", args=[slot.pk])).status_code == 403
    assert client.get(reverse("slot_content", args=[content.pk])).status_code == 403
    slot.refresh_from_db()
    assert slot.key == "hero"
