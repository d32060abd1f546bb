"""Sources and live events: a key is made, sends, is seen to fail, and is stopped."""

import pytest
from django.urls import reverse

from customers.models import WriteKey
from customers.services.tracking import pulse
from rapport.models import AuditEntry
from tests.customers.tracking.calls import make_key, send, track
from tests.makers import make_staff

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin(client):
    client.force_login(make_staff("admin"))
    return client


def text(answer) -> str:
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


def test_a_source_is_made_and_shows_how_to_send(admin):
    empty = text(admin.get(reverse("sources")))
    answer = admin.post(
        reverse("source_new"), {"name": "Shop, French site", "source": "shop-fr", "kind": "browser"}
    )

    key = WriteKey.objects.get()
    page = text(admin.get(answer["Location"]))
    assert "No site or shop sends yet" in empty
    assert key.created_by.username == "admin"
    assert page.count(key.key) >= 4
    assert "Nothing has come from it yet." in page
    assert AuditEntry.objects.filter(action="write_key.created").exists()


def test_the_key_of_a_server_is_shown_only_to_who_may_make_keys(admin, client):
    form = {"name": "Shop", "source": "shop", "kind": "server"}
    made = admin.post(reverse("source_new"), form)["Location"]
    key = WriteKey.objects.get()

    shown = text(admin.get(made))
    client.force_login(make_staff("analyst"))
    hidden = text(client.get(made)) + text(client.get(reverse("sources")))

    assert key.kind == "server"
    assert key.key in shown
    assert key.key not in hidden


def test_a_source_that_is_no_word_is_refused_beside_its_field(admin):
    page = text(
        admin.post(reverse("source_new"), {"name": "Shop", "source": "the shop", "kind": "browser"})
    )

    assert "Use letters, digits" in page
    assert not WriteKey.objects.exists()


def test_what_came_and_what_was_rejected_is_seen(admin):
    key = make_key()
    track(key, "Product Viewed", {"product_id": "mug", "note": "<b>blue</b>"})
    track(key, "Product Viewed", messageId="m1")
    track(key, "Product Viewed", messageId="m1")
    send(key, "track", {"userId": "u1", "properties": {"secret": "sauce"}})

    listed = text(admin.get(reverse("sources")))
    page = text(admin.get(reverse("source", args=[key.pk])))
    live = text(admin.get(reverse("live_events")))
    rejected = text(admin.get(reverse("live_events"), {"only": "rejected", "source": key.pk}))

    assert "2 messages today, 1 could not be stored" in listed
    assert "event is missing; expected the name of an event." in page
    assert "sauce" in page
    assert live.count("Product Viewed") >= 3
    assert "&lt;b&gt;blue" in live
    assert "<b>blue" not in live
    assert "sauce" in rejected
    assert "mug" not in rejected


def test_a_source_is_stopped_and_sends_again(admin):
    key = make_key()

    for to, status in (("stopped", 401), ("active", 200)):
        admin.post(reverse("source_switch", args=[key.pk]), {"to": to})
        assert track(key, "e").status_code == status


def test_who_may_look_may_not_change(client):
    key = make_key()
    client.force_login(make_staff("viewer"))

    assert "Stop it" not in text(client.get(reverse("source", args=[key.pk])))
    for address in (reverse("source_new"), reverse("source_switch", args=[key.pk])):
        assert client.post(address, {"to": "stopped"}).status_code == 403
    assert WriteKey.objects.get().is_active


def test_pages_stand_without_redis(admin, settings):
    key = make_key()
    settings.CACHES = {"default": {"LOCATION": "redis://127.0.0.1:1/0"}}
    pulse._redis.cache_clear()

    answer = track(key, "e")
    page = text(admin.get(reverse("source", args=[key.pk])))

    assert answer.status_code == 200
    assert "Last message" in page
    assert "Nothing came in" in text(admin.get(reverse("live_events")))
