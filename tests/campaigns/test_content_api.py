import io

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from rest_framework.test import APIClient

from campaigns.models import Campaign, Image, Template
from rapport.models import ApiKey
from tests.campaigns.test_images import bomb, drawn
from tests.campaigns.test_templates import HELLO
from tests.makers import make_campaign, make_cast, make_segment

pytestmark = pytest.mark.django_db


def program(*scopes):
    _key, secret = ApiKey.objects.create_key(name="test", scopes=list(scopes))
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Api-Key {secret}")
    return client


@pytest.fixture
def writer():
    return program("campaigns:read", "campaigns:write")


def test_templates_are_kept_changed_started_from_and_removed(writer):
    given = {"name": "Spring", "subject": "News", "blocks": HELLO}

    made = writer.post("/api/v1/templates/", given, format="json")
    address = f"/api/v1/templates/{made.data['id']}/"
    again = writer.post("/api/v1/templates/", given, format="json")
    bad = writer.patch(address, {"blocks": {"version": 1, "blocks": [{}]}}, format="json")
    writer.patch(address, {"subject": "Newer"}, format="json")
    started = writer.post(f"{address}start/", format="json")

    assert (made.status_code, again.status_code, bad.status_code) == (201, 400, 400)
    assert "blocks[0].kind" in str(bad.data)
    assert Campaign.objects.get(pk=started.data["id"]).subject == "Newer"
    assert writer.get("/api/v1/templates/?kind=snippet").data["results"] == []
    assert writer.delete(address).status_code == 204
    assert not Template.objects.exists()


def test_images_are_uploaded_and_bombs_are_not(writer):
    def upload(data):
        file = SimpleUploadedFile("mug.png", data, "image/png")
        return writer.post("/api/v1/images/", {"image": file}, format="multipart")

    kept = upload(drawn())

    assert kept.status_code == 201 and "/m/i/" in kept.data["url"]
    assert upload(bomb(30_000, 30_000)).status_code == 400
    assert Image.objects.count() == 1
    assert writer.get("/api/v1/images/").data["results"][0]["width"] == 40


def test_a_campaign_is_previewed_and_checked(writer):
    ada = make_cast()["ada"]
    campaign = make_campaign(
        make_segment("all", [ada]), subject="Hi {{ customer.first_name }}", blocks=HELLO
    )
    address = f"/api/v1/campaigns/{campaign.pk}/"

    shown = writer.get(f"{address}preview/?customer={ada.pk}")
    checks = writer.get(f"{address}checks/").data["checks"]
    Campaign.objects.update(subject="{{ nobody }}")

    assert shown.data["subject"] == "Hi Ada"
    assert {"missing", "unsubscribe"} <= {one["key"] for one in checks}
    assert writer.get(f"{address}preview/?customer={ada.pk}").status_code == 400
    assert writer.get(f"{address}preview/?customer=0").status_code == 404


def test_a_key_that_may_read_does_not_write():
    reader = program("campaigns:read")

    assert reader.post("/api/v1/templates/", {"name": "x"}, format="json").status_code == 403
    file = SimpleUploadedFile("mug.png", io.BytesIO(drawn()).getvalue(), "image/png")
    answer = reader.post("/api/v1/images/", {"image": file}, format="multipart")
    assert answer.status_code == 403
    assert program("customers:read").get("/api/v1/templates/").status_code == 403
