"""The pages and the API of sending rules, approvals, pilots and dry runs."""

import pytest
from django.urls import reverse
from rest_framework.test import APIClient

from campaigns.models import Approval, SendingPolicy
from campaigns.services import approving, planning, policy
from tests.api.conftest import program  # noqa: F401
from tests.makers import NOW, make_campaign, make_crowd, make_segment, make_staff

pytestmark = pytest.mark.django_db
RULES = "/api/v1/sending-rules/"


@pytest.fixture
def manager(client):
    client.force_login(make_staff("manager"))
    return client


@pytest.fixture
def campaign():
    crowd = make_crowd(30)
    return make_campaign(make_segment(members=crowd, members_count=30), holdout_share=0.1)


def rules(**changed):
    return {
        "version": 1, "holdout": "5", "approval_above": "20", "small_people": "50",
        "small_segments_most": "2", "from_email": "22:00", "to_email": "07:30", "cost_sms": "0.05",
        "most_0": "3", "days_0": "7", "on_0": "", "most_1": "1", "days_1": "0.5", "on_1": "sms",
        **changed,
    }  # fmt: skip


def test_rules_are_changed_in_the_form_and_shown_again(manager):
    assert manager.post(reverse("sending_rules"), rules()).status_code == 302

    found = SendingPolicy.objects.get()
    assert found.quiet_hours == {"email": ["22:00", "07:30"]}
    assert found.caps == [
        {"channel": "", "most": 3, "days": 7.0}, {"channel": "sms", "most": 1, "days": 0.5}
    ]  # fmt: skip
    assert (found.holdout_share, found.approval_above) == (0.05, 20)
    page = manager.get(reverse("sending_rules")).content.decode()
    assert 'value="07:30"' in page and "Quiet hours hold for E-mail; 2 caps; 5%" in page
    assert "quiet_hours" in page  # what was changed


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        ({"to_email": ""}, "Quiet hours need both"),
        ({"days_0": ""}, "A cap needs both"),
        ({"days_0": "0"}, "days are 0"),
        ({"holdout": "60"}, "less than or equal to 50"),
        ({"version": "7"}, "you were looking at 7"),
    ],
)
def test_what_is_wrong_is_told_and_what_was_typed_stays(manager, wrong, word):
    page = manager.post(reverse("sending_rules"), rules(**wrong)).content.decode()

    assert word in page and 'value="0.05"' in page
    assert not SendingPolicy.objects.exists()


def test_who_may_not_change_the_rules_may_read_them(client):
    client.force_login(make_staff("marketer"))

    assert "Managers may change" in client.get(reverse("sending_rules")).content.decode()
    assert client.post(reverse("sending_rules"), rules()).status_code == 403


def test_a_dry_run_says_who_when_and_why_not(manager, campaign):
    policy.change(user=None, now=NOW, approval_above=20, costs={"email": "0.01"})

    page = manager.get(reverse("campaign_dry_run", args=[campaign.pk])).content.decode()
    people = manager.get(reverse("campaign_dry_run", args=[campaign.pk]) + "?reason=holdout")

    assert "would be written to, all of it gone by" in page and "nobody was asked yet" in page
    assert "@example.com" in people.content.decode() and "@example.com" not in page


def test_a_question_is_asked_and_answered_by_somebody_else(client, campaign):
    policy.change(user=None, now=NOW, approval_above=20)
    asker, boss = make_staff("marketer"), make_staff("manager")
    client.force_login(asker)
    page = client.get(reverse("campaign_approval", args=[campaign.pk])).content.decode()
    assert "somebody else must approve it" in page
    client.post(reverse("campaign_approval_ask", args=[campaign.pk]))
    decide = reverse("campaign_approval_decide", args=[campaign.pk, Approval.objects.get().pk])
    assert client.post(decide, {"verdict": "approve"}).status_code == 403

    client.force_login(boss)
    assert "Spring may reach 30 people" in client.get("/").content.decode()
    page = client.get(reverse("campaign_approval", args=[campaign.pk])).content.decode()
    assert "Approve for 30 people" in page
    client.post(decide, {"verdict": "approve", "note": "<b>Fine</b>"})

    page = client.get(reverse("campaign_approval", args=[campaign.pk])).content.decode()
    assert "manager approved it as it is now" in page and "&lt;b&gt;Fine" in page
    assert "wait for approval" not in client.get("/").content.decode()
    assert planning.launch(campaign, user=boss, now=NOW)


def test_nobody_sees_their_own_question_as_waiting_for_them(manager, campaign):
    boss = make_staff("admin")
    approving.ask(campaign, user=boss, now=NOW)

    page = manager.get(reverse("campaign_approval", args=[campaign.pk])).content.decode()
    assert "Approve for" in page
    manager.force_login(boss)
    page = manager.get(reverse("campaign_approval", args=[campaign.pk])).content.decode()
    assert "You asked, so somebody else decides" in page and "Approve for" not in page
    assert "waits for approval" not in manager.get("/").content.decode()


def test_the_rest_follows_a_pilot_by_one_button(manager, campaign):
    campaign.pilot_share = 0.4
    campaign.save(update_fields=["pilot_share"])
    planning.launch(campaign, user=None, now=NOW)
    planning.plan(campaign.pk, now=NOW)
    scale = reverse("campaign_scale", args=[campaign.pk])

    assert manager.get(scale).status_code == 405
    manager.post(scale)
    manager.post(scale)

    campaign.refresh_from_db()
    assert campaign.state == "planning" and campaign.scaled_at
    assert "The rest of Spring was added" in manager.get("/").content.decode()


def test_the_api_does_the_same(program, campaign):  # noqa: F811
    client = program("campaigns:read", "campaigns:write", "campaigns:launch")

    told = client.patch(RULES, {"approval_above": 20, "caps": []}, format="json")
    wrong = client.patch(RULES, {"caps": [{"most": -1}]}, format="json")

    assert (told.status_code, told.json()["approval_above"]) == (200, 20)
    assert wrong.status_code == 400 and "Cap 1" in str(wrong.json())
    assert client.get(RULES).json()["version"] == 1
    assert client.get("/api/v1/approvals/").json()["results"] == []
    approval = f"/api/v1/campaigns/{campaign.pk}/approval/"
    assert client.get(approval).status_code == 404
    assert client.post(approval).status_code == 400  # a key is no person
    dry = client.get(f"/api/v1/campaigns/{campaign.pk}/dry-run/").json()
    assert dry["planned"] + dry["holdout"] == 30 and dry["rates"]["email"]["per_hour"] == 50_000
    assert client.post(f"/api/v1/campaigns/{campaign.pk}/scale/").status_code == 409


def test_people_ask_and_decide_by_api(campaign):
    policy.change(user=None, now=NOW, approval_above=20)
    address = f"/api/v1/campaigns/{campaign.pk}/approval/"
    asker, boss = APIClient(), APIClient()
    asker.force_login(make_staff("marketer"))
    boss.force_login(make_staff("manager"))

    assert asker.post(address).status_code == 201
    assert asker.post(f"{address}decide/", {"is_approved": True}, format="json").status_code == 403
    answer = boss.post(f"{address}decide/", {"is_approved": True, "note": "Fine."}, format="json")

    assert answer.json()["verdict"] == "approved"
    assert asker.get(address).json()["decided_by"] == "manager"
