"""The pages of campaigns: who may open them, what they say, and that a launch happens once."""

import json
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from campaigns.models import Campaign, InboxMail, Message, Offer
from campaigns.services import campaigns, planning
from segments.models import Membership, Segment
from tests.makers import NOW, make_cast, make_staff

LISTS = ("campaigns", "campaign_new", "flows", "calendar", "offers", "offer_new", "lift", "inbox")
WIRE = (
    b"From: Shop <shop@example.com>\r\nTo: ada@example.com\r\nSubject: Hello\r\n"
    b"MIME-Version: 1.0\r\nContent-Type: text/html; charset=utf-8\r\n\r\n"
    b"<p>Hello Ada</p><script>alert(1)</script>\r\n"
)


@pytest.fixture
def cast(db):
    return make_cast()


@pytest.fixture
def everybody(cast):
    segment = Segment.objects.create(
        key="everybody",
        name="Everybody",
        rule={},
        created_at=NOW,
        changed_at=NOW,
        members_count=4,
        refreshed_at=NOW,
    )
    Membership.objects.bulk_create(
        Membership(segment=segment, customer=customer, entered_at=NOW, rule_version=1)
        for customer in cast.values()
    )
    return segment


@pytest.fixture
def draft(everybody):
    return campaigns.create(name="Hello", included=[everybody], holdout_share=0, user=None, now=NOW)


@pytest.fixture
def manager(client, db):
    client.force_login(make_staff("manager"))
    return client


def form_of(draft: Campaign, **changed):
    return {
        "name": draft.name,
        "objective": draft.objective,
        "included": [segment.pk for segment in draft.included.all()],
        "subject": draft.subject,
        "preheader": draft.preheader,
        "body": draft.body,
        "holdout_percent": "10",
        "attribution_days": "7",
        **changed,
    }


@pytest.mark.parametrize("name", LISTS)
def test_each_page_opens_on_an_empty_installation(manager, name):
    assert manager.get(reverse(name)).status_code == 200


@pytest.mark.parametrize("name", LISTS)
def test_a_stranger_sees_none_of_them(client, db, name):
    client.force_login(make_staff("stranger"))

    assert client.get(reverse(name)).status_code == 403


def test_a_draft_can_be_written_and_changed(manager, everybody):
    template = campaigns.create(name="Spring", included=[everybody], user=None, now=NOW)

    manager.post(reverse("campaign_new"), form_of(template, name="Summer"))
    made = Campaign.objects.get(name="Summer")
    manager.post(
        reverse("campaign_edit", args=[made.pk]), form_of(made, name="Autumn", holdout_percent="20")
    )

    made.refresh_from_db()
    assert (made.name, made.holdout_share) == ("Autumn", 0.2)
    assert list(made.included.all()) == [everybody]


def test_a_form_with_an_error_keeps_what_was_typed(manager, draft):
    answer = manager.post(
        reverse("campaign_edit", args=[draft.pk]), form_of(draft, subject="", name="Kept words")
    )

    assert answer.status_code == 400
    assert "Kept words" in answer.content.decode()
    assert "This field is required" in answer.content.decode()


def test_the_preview_shows_a_customer_what_she_would_get(manager, draft, cast):
    answer = manager.post(
        reverse("campaign_draft_preview"),
        form_of(draft, subject="For {{ customer.first_name }}", **{"as": "bob@example.com"}),
    ).json()

    assert answer["subject"] == "For Bob"
    assert "Hello Bob" in answer["html"] + answer["text"]
    assert Message.objects.count() == 0


def test_a_preview_of_a_broken_template_says_what_is_wrong(manager, draft):
    answer = manager.post(
        reverse("campaign_draft_preview"), form_of(draft, body="<mjml>{% if %}</mjml>")
    )

    assert answer.status_code == 200
    assert answer.json()["error"]


def test_launching_asks_first_and_then_happens_once(manager, draft):
    address = reverse("campaign_launch", args=[draft.pk])
    asked = manager.get(address).content.decode()
    assert "3 people will be written to" in asked
    assert not Message.objects.exists()

    first, second = manager.post(address), manager.post(address)

    draft.refresh_from_db()
    assert draft.state == Campaign.State.PLANNING
    assert first.status_code == second.status_code == 302
    planning.plan(draft.pk, now=NOW)
    assert Message.objects.filter(state="planned").count() == 3


@pytest.mark.parametrize("role", ["viewer", "analyst", "marketer"])
def test_only_a_manager_launches(client, draft, role):
    client.force_login(make_staff(role))

    assert client.post(reverse("campaign_launch", args=[draft.pk])).status_code == 403
    assert client.post(reverse("campaign_move", args=[draft.pk])).status_code == 403


def test_a_campaign_says_who_got_nothing_and_why(manager, draft):
    planning.launch(draft, user=None, now=NOW)
    planning.plan(draft.pk, now=NOW)

    page = manager.get(reverse("campaign", args=[draft.pk])).content.decode()
    ledger = manager.get(reverse("campaign_messages", args=[draft.pk]) + "?reason=no_consent")

    assert "No consent" in page
    assert "Mallory" in ledger.content.decode()
    assert "Bob" not in ledger.content.decode()


def test_a_campaign_can_be_paused_and_resumed_on_its_page(manager, draft):
    planning.launch(draft, user=None, now=NOW)
    planning.plan(draft.pk, now=NOW)
    address = reverse("campaign_move", args=[draft.pk])

    manager.post(address, {"move": "pause", "reason": "Wrong code"})
    draft.refresh_from_db()
    assert (draft.state, draft.state_reason) == ("paused", "Wrong code")

    manager.post(address, {"move": "resume"})
    draft.refresh_from_db()
    assert draft.state == "sending"


def test_pages_of_a_campaign_cost_few_queries(manager, draft, django_assert_max_num_queries):
    planning.launch(draft, user=None, now=NOW)
    planning.plan(draft.pk, now=NOW)
    for address in (
        reverse("campaigns"),
        reverse("campaign", args=[draft.pk]),
        reverse("campaign_messages", args=[draft.pk]),
        reverse("lift"),
    ):
        with django_assert_max_num_queries(22):
            assert manager.get(address).status_code == 200


def test_an_offer_can_be_made(manager):
    manager.post(
        reverse("offer_new"),
        {
            "name": "Ten off",
            "kind": "percent",
            "percent": "10",
            "valid_days": "14",
            "codes": "unique",
        },  # fmt: skip
    )

    assert float(Offer.objects.get().share) == 0.1


def test_an_offer_without_its_figure_is_refused_in_words(manager):
    answer = manager.post(
        reverse("offer_new"), {"name": "None", "kind": "percent", "valid_days": "14"}
    )

    assert not Offer.objects.exists()
    assert 'role="alert"' in answer.content.decode()


def test_mail_is_shown_in_a_frame_that_runs_nothing(manager):
    mail = InboxMail.objects.create(
        sender="s", recipient="ada@example.com", subject="Hello", raw=WIRE, received_at=NOW
    )

    page = manager.get(reverse("inbox_mail", args=[mail.pk]))
    frame = manager.get(reverse("inbox_html", args=[mail.pk]))

    assert page.status_code == 200
    assert "Hello Ada" in frame.content.decode()
    assert frame["Content-Security-Policy"].startswith("sandbox")
    assert "script-src" not in frame["Content-Security-Policy"]
    assert "default-src 'none'" in frame["Content-Security-Policy"]


def test_home_and_a_customer_show_what_campaigns_know(manager, draft, cast):
    planning.launch(draft, user=None, now=NOW)
    planning.plan(draft.pk, now=NOW)

    home = manager.get(reverse("home")).content.decode()
    story = manager.get(reverse("customer", args=[cast["mallory"].pk])).content.decode()

    assert "What the last campaigns changed" in home
    assert "No consent" in story


def test_the_list_is_narrowed_down_by_chips_and_words(manager, draft):
    campaigns.create(name="Always", kind="recurring", user=None, now=NOW)

    def shown(**asked):
        page = manager.get(reverse("campaigns"), asked).content.decode()
        return [name for name in ("Hello", "Always") if f">{name}<" in page]

    assert shown() == ["Hello", "Always"]
    assert shown(kind="recurring") == ["Always"]
    assert shown(state="sending") == []
    assert shown(q="hel", sort="name") == ["Hello"]
    assert shown(kind="nonsense", sort="nonsense") == ["Hello", "Always"]


def test_a_recurring_campaign_is_written_in_words(manager, everybody):
    template = campaigns.create(name="Spring", included=[everybody], user=None, now=NOW)
    given = form_of(template, name="News", kind="recurring", every="weekly", at="08:30")

    manager.post(reverse("campaign_new"), {**given, "weekdays": ["1", "4"]})
    wrong = manager.post(reverse("campaign_new"), {**given, "weekdays": []})

    assert Campaign.objects.get(name="News").recurrence == "30 8 * * 1,4"
    assert "Choose at least one day" in wrong.content.decode()
    page = manager.get(reverse("campaign", args=[Campaign.objects.get(name="News").pk]))
    assert "Mondays, Thursdays at 08:30" in page.content.decode()


def test_versions_and_languages_are_written_beside_the_message(manager, draft):
    document = {"version": 1, "blocks": []}
    rows = {
        "variants-TOTAL_FORMS": "2",
        "variants-INITIAL_FORMS": "0",
        "variants-0-name": "A",
        "variants-0-weight": "1",
        "variants-1-name": "B",
        "variants-1-weight": "1",
        "variants-1-subject": "Other",
        "languages-TOTAL_FORMS": "1",
        "languages-INITIAL_FORMS": "0",
        "languages-0-language": "fr",
        "languages-0-subject": "Bonjour",
        "translated_blocks": json.dumps({"fr": document, "de": document}),
    }
    address = reverse("campaign_edit", args=[draft.pk])

    assert manager.post(address, form_of(draft, **rows)).status_code == 302
    draft.refresh_from_db()
    assert draft.translations == {
        "fr": {"subject": "Bonjour", "blocks": document},
        "de": {"blocks": document},
    }
    assert [one.name for one in draft.variants.all()] == ["A", "B"]

    manager.post(
        address,
        form_of(draft, **{**rows, "variants-INITIAL_FORMS": "2", "variants-0-DELETE": "on"}),
    )
    assert [one.name for one in draft.variants.all()] == ["B"]
    wrong = manager.post(address, form_of(draft, **{**rows, "languages-0-language": "French!"}))
    assert wrong.status_code == 400


def test_what_failed_is_retried_on_the_page(manager, draft):
    planning.launch(draft, user=None, now=NOW)
    planning.plan(draft.pk, now=NOW)
    Message.objects.filter(state="planned").update(
        state="failed", reason="refused", detail="550 No", finished_at=NOW
    )
    page = manager.get(reverse("campaign", args=[draft.pk])).content.decode()
    assert "550 No" in page

    manager.post(reverse("campaign_retry", args=[draft.pk]), {"reason": "refused"})

    assert Message.objects.filter(state="planned").count() == 3


def test_the_size_of_an_experiment_is_told_in_words(manager, everybody):
    answer = manager.get(
        reverse("campaign_sizing"), {"included": everybody.pk, "holdout_percent": "10"}
    ).json()

    assert "too few" in answer["text"]


def test_the_calendar_shows_what_left_and_what_is_to_come(manager, draft, everybody):
    now = timezone.now()
    planning.launch(draft, user=None, now=now)
    planning.plan(draft.pk, now=now)
    weekly = campaigns.create(
        name="Weekly", kind="recurring", recurrence="0 9 * * *", included=[everybody],
        user=None, now=now,
    )  # fmt: skip
    Campaign.objects.filter(pk=weekly.pk).update(state="sending", launched_at=now)
    after = (now + timedelta(days=32)).strftime("%Y-%m")

    page = manager.get(reverse("calendar")).content.decode()
    later = manager.get(reverse("calendar"), {"month": after}).content.decode()

    assert "Hello" in page
    assert "Weekly" in later
    assert manager.get(reverse("calendar"), {"month": "nonsense"}).status_code == 200


def test_somebody_learns_why_she_is_in_no_campaign(manager, draft, cast):
    planning.schedule(draft, at=timezone.now() + timedelta(days=1), user=None, now=timezone.now())

    def why(name):
        address = reverse("customer_campaigns", args=[cast[name].pk])
        return manager.get(address).content.decode()

    assert "no consent" in why("mallory")
    assert "Would be written to when it leaves" in why("bob")
