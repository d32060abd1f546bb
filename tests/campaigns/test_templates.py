import json

import pytest
from django.urls import reverse

from campaigns.models import Campaign, Template
from campaigns.services import templates
from campaigns.services.templates import TemplateRefused
from rapport.access import create_roles
from rapport.errors import Conflict
from tests.makers import NOW, make_campaign, make_cast, make_staff

pytestmark = pytest.mark.django_db
HELLO = {
    "version": 1,
    "blocks": [{"kind": "text", "html": "<p>Hello {{ customer.first_name }}</p>"}],
}


def make(name="Spring", **given):
    return templates.create(user=None, now=NOW, name=name, **{"blocks": HELLO, **given})


def naming(snippet):
    return {"version": 1, "blocks": [{"kind": "snippet", "snippet": snippet.pk}]}


def test_a_campaign_starts_from_a_template_and_goes_its_own_way():
    template = make(subject="News", translations={"fr": {"subject": "Nouvelles"}})

    campaign = templates.start(template, user=None, now=NOW)
    templates.edit(template, user=None, now=NOW, subject="Other")

    kept = Campaign.objects.get(pk=campaign.pk)
    assert (kept.subject, kept.blocks, kept.translations) == (
        "News", HELLO, {"fr": {"subject": "Nouvelles"}},
    )  # fmt: skip
    assert kept.state == "draft"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"name": " "}, "needs a name"),
        ({"name": "x" * 121}, "name"),
        ({"glow": 1}, "no field glow"),
        ({"channel": "pigeon"}, "no channel pigeon"),
        ({"blocks": {"version": 1, "blocks": [{"kind": "poem"}]}}, r"blocks\[0\]\.kind"),
        ({"translations": {"fr": {"blocks": {"version": 9}}}}, r"translations\.fr\.version"),
    ],
)
def test_what_makes_no_template_is_refused_and_leaves_nothing(given, words):
    with pytest.raises(TemplateRefused, match=words):
        make(**given)
    assert not Template.objects.exists()


def test_a_name_is_taken_once():
    make()
    with pytest.raises(TemplateRefused, match="already"):
        make()
    make(kind="snippet")
    copy = templates.duplicate(Template.objects.get(kind="template"), user=None, now=NOW)
    assert copy.name == "Copy of Spring"


def test_a_snippet_cannot_come_to_hold_itself():
    one = make("One", kind="snippet")
    two = make("Two", kind="snippet", blocks=naming(one))

    with pytest.raises(TemplateRefused, match="holds itself"):
        templates.edit(one, user=None, now=NOW, blocks=naming(two))
    one.refresh_from_db()
    assert one.blocks == HELLO


def test_a_snippet_in_use_stays():
    foot = make("Foot", kind="snippet")
    other = make("Other", kind="snippet")
    campaign = make_campaign(subject="S", translations={"fr": {"blocks": naming(foot)}})

    with pytest.raises(Conflict, match="campaign “Spring”"):
        templates.delete(foot, user=None)
    with pytest.raises(Conflict, match="a snippet"):
        templates.start(foot, user=None, now=NOW)
    templates.delete(other, user=None)
    campaign.delete()
    templates.delete(foot, user=None)


@pytest.fixture
def marketer(client):
    create_roles()
    client.force_login(make_staff("marketer"))
    return client


def test_templates_are_written_listed_and_started_from(marketer):
    given = {"name": "Spring", "channel": "email", "subject": "News", "blocks": json.dumps(HELLO)}

    answer = marketer.post(reverse("template_new"), given, follow=True)
    template = Template.objects.get()

    assert b"The template is saved." in answer.content
    assert template.blocks == HELLO
    assert b"Spring" in marketer.get(reverse("templates")).content
    page = marketer.get(reverse("template", args=[template.pk])).content.decode()
    assert "data-blocks-field" in page and "&quot;version&quot;: 1" in page
    marketer.post(reverse("template_copy", args=[template.pk]))
    started = marketer.post(reverse("template_start", args=[template.pk]))
    assert started["Location"] == reverse("campaign_edit", args=[Campaign.objects.get().pk])
    marketer.post(reverse("template_delete", args=[template.pk]))
    assert [one.name for one in Template.objects.all()] == ["Copy of Spring"]


@pytest.mark.parametrize("blocks", ["{", "[]", "7", "[" * 100_000, '{"version": 2}'])
def test_a_field_that_was_tampered_with_is_refused(marketer, blocks):
    given = {"name": "Spring", "channel": "email", "blocks": blocks}

    assert marketer.post(reverse("template_new"), given).status_code == 400
    assert not Template.objects.exists()


def test_viewers_look_and_do_not_touch(client):
    create_roles()
    client.force_login(make_staff("viewer"))
    template = make()

    assert client.get(reverse("template", args=[template.pk])).status_code == 200
    assert client.post(
        reverse("template", args=[template.pk]), {"name": "Mine", "channel": "email"}
    ).status_code == 400  # fmt: skip
    assert client.get(reverse("template_new")).status_code == 403
    for name in ("template_copy", "template_start", "template_delete"):
        assert client.post(reverse(name, args=[template.pk])).status_code == 403


def test_the_editor_gets_previews_values_and_people(marketer):
    ada = make_cast()["ada"]
    draft = {"subject": "Hi {{ customer.first_name }}", "blocks": json.dumps(HELLO), "as": ada.pk}

    answer = marketer.post(reverse("content_preview"), draft).json()
    broken = marketer.post(
        reverse("content_preview"), {**draft, "blocks": '{"version": 1, "blocks": [{}]}'}
    ).json()
    text = marketer.post(
        reverse("content_preview"),
        {
            "text": "Hi {{ customer.first_name }}: https://shop.example/sale",
            "part": "text",
            "as": ada.pk,
        },
    ).json()
    values = marketer.get(reverse("content_values")).json()
    people = marketer.get(reverse("content_people"), {"q": "ad"}).json()["people"]

    assert answer["subject"] == "Hi Ada" and "Hello Ada" in answer["html"]
    assert broken["faults"] == ["blocks[0].kind: There is no block “None”."]
    assert text["size"]["segments"] == 1 and "/m/s/xxxxxxxxxxxxxxx" in text["text"]
    counted = {one["path"]: one["missing"] for one in values["fields"]}
    assert counted["customer.first_name"] == 0 and counted["shop.name"] is None
    assert [one["id"] for one in people] == [ada.pk]
