"""The pages of webhooks: an endpoint is made, tested, replayed, and its secret shown once."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from segments.models import WebhookDelivery, WebhookEndpoint
from segments.services import webhooks
from tests.makers import make_segment, make_staff

pytestmark = pytest.mark.django_db
FORM = {
    "name": "Shop",
    "url": "http://127.0.0.1:9/hook",
    "kinds": ["entered"],
    "which": "every",
}


@pytest.fixture
def admin(client, settings):
    settings.OUTGOING_ALLOWED_HOSTS = ["127.0.0.1"]
    client.force_login(make_staff("admin"))
    return client


@pytest.fixture
def endpoint(admin):
    fields = {"name": "Shop", "url": FORM["url"], "user": None}
    return webhooks.create(**fields, now=timezone.now())


def do(client, endpoint, word, **given):
    return client.post(reverse("webhook_do", args=[endpoint.pk, word]), given, follow=True)


def deliver(endpoint, state, **given):
    delivery = webhooks.test(endpoint, user=None, now=timezone.now())
    moment = {"delivered": {"delivered_at": timezone.now()}, "failed": {}}.get(state, {})
    WebhookDelivery.objects.filter(pk=delivery.pk).update(state=state, **moment, **given)
    return delivery


def test_the_empty_page_says_what_it_is_for(admin):
    page = admin.get("/webhooks/").content.decode()

    assert "Nobody is told yet" in page
    assert "Add an endpoint" in page


def test_an_endpoint_is_made_and_its_secret_shown_once(admin):
    page = admin.post("/webhooks/new/", FORM, follow=True)
    endpoint = WebhookEndpoint.objects.get()
    secret = webhooks.secret_of(endpoint)

    assert secret in page.content.decode()
    assert secret not in admin.get(f"/webhooks/{endpoint.pk}/").content.decode()
    assert (endpoint.wants_entered, endpoint.wants_exited) == (True, False)
    new = do(admin, endpoint, "rotate").content.decode()
    endpoint.refresh_from_db()
    assert webhooks.secret_of(endpoint) in new and secret not in new
    assert "signs along until" in new


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"url": "https://10.0.0.1/x"}, "open internet"),
        ({"url": "nonsense"}, "such as"),
        ({"kinds": []}, "This field is required"),
        ({"which": "chosen"}, "none is chosen"),
    ],
)
def test_what_cannot_work_is_named_and_what_was_typed_stays(admin, change, word):
    page = admin.post("/webhooks/new/", FORM | {"name": "Kept words"} | change)

    assert page.status_code == 400
    assert word in page.content.decode()
    assert "Kept words" in page.content.decode()
    assert not WebhookEndpoint.objects.exists()


def test_an_endpoint_is_changed_to_chosen_segments(admin, endpoint):
    segment = make_segment("loyal")
    given = FORM | {"name": "Other", "which": "chosen", "segments": [segment.pk]}
    page = admin.post(f"/webhooks/{endpoint.pk}/edit/", given, follow=True).content.decode()

    endpoint.refresh_from_db()
    assert not endpoint.wants_every_segment
    assert list(endpoint.segments.all()) == [segment]
    assert "entries of" in page and "loyal" in page


def test_a_test_is_planned_and_its_message_shown(admin, endpoint):
    do(admin, endpoint, "test")
    delivery = WebhookDelivery.objects.get()
    page = admin.get(f"/webhooks/{endpoint.pk}/messages/{delivery.pk}/").content.decode()

    assert delivery.kind == "test"
    assert delivery.message_id in page
    assert "It was not tried yet" in page


def test_one_or_all_that_failed_are_replayed(admin, endpoint):
    failed = [deliver(endpoint, "failed") for _ in range(2)]
    fine = deliver(endpoint, "delivered")
    page = admin.get(f"/webhooks/{endpoint.pk}/?state=failed").content.decode()
    assert "Replay all 2 that failed" in page

    do(admin, endpoint, "replay")
    address = f"/webhooks/{endpoint.pk}/messages/{fine.pk}/replay/"
    admin.post(address)
    again = admin.post(address, follow=True).content.decode()

    states = set(WebhookDelivery.objects.values_list("state", flat=True))
    assert states == {"planned"}
    assert len(failed) == 2
    assert "still on its way" in again


def test_a_stopped_endpoint_says_why_and_waits_on_the_home_page(admin, endpoint):
    notice = "No message arrived for 3 days; the last try: Answered 503."
    WebhookEndpoint.objects.update(state="failing", notice=notice, failing_since=timezone.now())

    assert notice in admin.get(f"/webhooks/{endpoint.pk}/").content.decode()
    assert "stopped" in admin.get("/webhooks/").content.decode()
    assert "Webhook “Shop” is stopped" in admin.get("/").content.decode()
    do(admin, endpoint, "resume")
    assert "is stopped" not in admin.get("/").content.decode()


def test_an_endpoint_is_paused_and_removed(admin, endpoint):
    assert "It is paused" in do(admin, endpoint, "pause").content.decode()
    do(admin, endpoint, "delete")

    assert not WebhookEndpoint.objects.exists()


def test_who_may_only_look_may_not_act(client, endpoint):
    client.force_login(make_staff("manager"))
    page = client.get(f"/webhooks/{endpoint.pk}/").content.decode()

    assert "Send a test</button>" not in page
    assert client.post(f"/webhooks/{endpoint.pk}/test/").status_code == 403
    assert client.get("/webhooks/new/").status_code == 403


def test_the_list_costs_the_same_for_many(admin, endpoint, django_assert_max_num_queries):
    for number in range(5):
        deliver(endpoint, "delivered", created_at=timezone.now() - timedelta(days=number))
    with django_assert_max_num_queries(15):
        admin.get("/webhooks/")
    with django_assert_max_num_queries(15):
        admin.get(f"/webhooks/{endpoint.pk}/")
