"""One customer's page: what it tells, and what can be done from it."""

from datetime import timedelta

import pytest
from django.urls import reverse

from customers.models import Consent
from customers.services import consent
from rapport.models import AuditEntry
from rapport.web import panels
from rapport.web.panels import Moment, Panel
from tests.makers import (
    NOW,
    ago,
    make_cast,
    make_consent,
    make_customer,
    make_event,
    make_order,
    make_staff,
)

pytestmark = pytest.mark.django_db
OWN_QUERIES_MOST = 11  # leaves four of fifteen to the panels of other apps


@pytest.fixture
def cast():
    return make_cast()


@pytest.fixture
def viewer(client):
    client.force_login(make_staff("viewer"))
    return client


@pytest.fixture
def marketer(client):
    client.force_login(make_staff("marketer"))
    return client


@pytest.fixture
def manager(client):
    client.force_login(make_staff("manager"))
    return client


@pytest.fixture
def own_panels(monkeypatch):
    """Only what customers itself registers, in copies that a test may add to."""
    own = ("orders", "consents", "identities")
    kept = {key: entry for key, entry in panels._panels.items() if key in own}
    monkeypatch.setattr(panels, "_panels", kept)
    monkeypatch.setattr(panels, "_moments", {"facts": panels._moments["facts"]})


def page_of(client, customer, **query):
    return client.get(reverse("customer", args=[customer.pk]), query)


def text(answer) -> str:
    return answer.content.decode()


def told(answer) -> list[str]:
    return [moment.text for moment, _times in answer.context["moments"]]


def test_the_first_line_says_what_she_is_worth(viewer, cast):
    answer = page_of(viewer, cast["ada"])

    assert "5 orders for €300.00" in text(answer)


def test_somebody_without_orders_has_a_page_too(viewer):
    answer = page_of(viewer, make_customer("new"))

    assert "has not bought yet" in text(answer)
    assert "Never asked, which means no." in text(answer)
    assert "Nothing is known to have happened." in text(answer)


def test_several_currencies_are_never_summed(viewer, cast):
    make_order(cast["bob"], 10, currency="USD")

    assert "2 orders for €25.00 and $10.00" in text(page_of(viewer, cast["bob"]))


def test_the_story_is_told_newest_first(viewer, cast, own_panels):
    make_event(cast["bob"], "Product Viewed", days_ago=2, properties={"product_id": "mug"})
    make_event(cast["bob"], "Cart Left", days_ago=40)

    answer = page_of(viewer, cast["bob"])

    order = cast["bob"].orders.get().external_id
    assert told(answer) == [
        "Product Viewed",
        f"Order {order}: €25.00",
        "Cart Left",
        "Said yes to marketing by e-mail",
    ]
    assert answer.context["moments"][0][0].note == "mug"


def test_the_same_thing_again_on_one_day_is_told_once_with_its_count(viewer, own_panels):
    bob = make_customer("bob")
    for minutes in range(3):
        make_event(bob, "Page Viewed", happened_at=NOW - timedelta(minutes=minutes))
    make_event(bob, "Page Viewed", happened_at=ago(9))

    moments = page_of(viewer, bob).context["moments"]

    assert [times for _moment, times in moments] == [3, 1]


def test_a_long_story_is_shortened_until_asked_for(viewer, own_panels):
    bob = make_customer("bob")
    for number in range(40):
        make_event(bob, f"Event {number}", days_ago=number)

    short, whole = page_of(viewer, bob), page_of(viewer, bob, story="all")

    assert len(told(short)) == 25
    assert "Show more of the story" in text(short)
    assert len(told(whole)) == 40


def test_a_page_with_everything_keeps_to_its_queries(
    viewer, cast, own_panels, django_assert_max_num_queries
):
    ada = cast["ada"]
    for number in range(30):
        make_event(ada, f"Event {number}", days_ago=number)

    with django_assert_max_num_queries(OWN_QUERIES_MOST):
        page_of(viewer, ada)


def test_other_apps_add_panels_and_moments(viewer, cast, own_panels):
    def scored(request, customer_id, *, now):
        return Panel("At high risk", "customers/_identities.html", {"known": [("churn", "0.8")]})

    def nothing(request, customer_id, *, now):
        return None

    def sent(customer_id, *, limit):
        return [Moment(at=NOW, kind="message", text="We miss you")]

    permission = "customers.view_customer"
    panels.register(scored, key="scores", order=5, permission=permission)
    panels.register(nothing, key="segments", order=6, permission=permission)
    panels.register(scored, key="secret", order=7, permission="auth.add_user")
    panels.register_moments(sent, key="messages", permission=permission)

    answer = page_of(viewer, cast["ada"])

    assert text(answer).count("At high risk</h2>") == 1
    assert told(answer)[0] == "We miss you"


def test_consent_is_shown_with_its_proof(viewer, cast):
    page = text(page_of(viewer, cast["ada"]))

    assert "May be written to by e-mail" in page
    assert "Yes, send me news and offers." in page


def test_what_customers_write_is_never_markup(viewer):
    evil = make_customer("evil", first_name="<script>alert(1)</script>")
    make_event(evil, "<img src=x onerror=alert(2)>", properties={"title": "<b>x</b>"})
    make_consent(evil, proof_text="<script>alert(3)</script>")

    page = text(page_of(viewer, evil))

    assert "<script>alert" not in page
    assert "<img src=x" not in page


def test_a_marketer_stops_e_mail_and_the_reason_is_the_proof(marketer, cast):
    ada = cast["ada"]
    make_consent(ada, topic="news")

    answer = marketer.post(
        reverse("customer_stop_email", args=[ada.pk]), {"reason": "Asked by phone"}, follow=True
    )

    assert "E-mail is stopped" in text(answer)
    assert not consent.allows(ada.pk, "email", "marketing")
    assert not consent.allows(ada.pk, "email", "news")
    no = Consent.objects.get(customer=ada, topic="news", is_granted=False)
    assert (no.source, no.proof_text) == ("staff", "Asked by phone")
    assert AuditEntry.objects.filter(action="consent.stopped", actor="marketer").exists()
    assert "Must not be written to by e-mail" in text(answer)


def test_a_viewer_cannot_stop_e_mail(viewer, cast):
    answer = viewer.post(reverse("customer_stop_email", args=[cast["ada"].pk]))

    assert answer.status_code == 403
    assert "Stop e-mail" not in text(page_of(viewer, cast["ada"]))
    assert consent.allows(cast["ada"].pk, "email", "marketing")


def test_stopping_e_mail_needs_a_post_and_a_customer(marketer, cast):
    assert marketer.get(reverse("customer_stop_email", args=[cast["ada"].pk])).status_code == 405
    assert marketer.post(reverse("customer_stop_email", args=[10**9])).status_code == 404


def test_a_manager_hands_out_what_is_known(manager, cast):
    answer = manager.get(reverse("customer_data", args=[cast["ada"].pk]))

    assert answer.json()["person"]["email"] == "ada@example.com"
    assert "attachment" in answer["Content-Disposition"]
    assert AuditEntry.objects.filter(action="customer.exported").exists()


def test_erasing_asks_once_and_leaves_a_certificate(manager, cast):
    ada, address = cast["ada"], reverse("customer_erase", args=[cast["ada"].pk])

    asked = text(manager.get(address))
    ada.refresh_from_db()
    assert "This cannot be undone." in asked
    assert ada.email == "ada@example.com"

    done = text(manager.post(address))
    ada.refresh_from_db()
    assert "this is the certificate" in done
    assert "ada@example.com" not in done
    assert ada.email is None


def test_the_page_of_somebody_erased_says_so(manager, cast):
    manager.post(reverse("customer_erase", args=[cast["ada"].pk]))

    page = text(page_of(manager, cast["ada"]))

    assert "Erased on" in page
    assert "ada@example.com" not in page


def test_nobody_has_this_number(viewer):
    assert viewer.get(reverse("customer", args=[10**9])).status_code == 404
