"""The API describes itself, and its page loads nothing from elsewhere."""

import os

import pytest
from django.core.management import call_command
from rest_framework.test import APIClient

from tests.makers import make_staff


@pytest.fixture
def schema(program):
    return program().get("/api/v1/schema/?format=json").json()


def test_every_noun_is_described(schema):
    for noun in ("customers", "orders", "events", "consent", "segments", "scores", "campaigns"):
        assert f"/api/v1/{noun}/" in schema["paths"]


def test_writing_is_described_with_its_answer(schema):
    post = schema["paths"]["/api/v1/orders/"]["post"]
    assert "requestBody" in post
    assert "200" in post["responses"]


def test_the_page_comes_from_the_package(db):
    client = APIClient()
    client.force_login(make_staff("viewer"))
    page = client.get("/api/v1/docs/").content.decode()

    assert "swagger-ui" in page
    assert "http://" not in page.replace("http://testserver", "")
    assert "https://" not in page


def test_the_schema_is_sound(capsys):
    call_command("spectacular", "--validate", "--file", os.devnull)
    assert capsys.readouterr().err == ""
