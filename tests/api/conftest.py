"""A program with a key, and people in their roles."""

import pytest
from rest_framework.test import APIClient

from rapport.access import SCOPES
from rapport.models import ApiKey


@pytest.fixture
def program(db):
    """Make a client that calls with a key of the given scopes; none given means all."""

    def make(*scopes: str) -> APIClient:
        _key, secret = ApiKey.objects.create_key(name="test", scopes=list(scopes or SCOPES))
        client = APIClient()
        client.credentials(HTTP_AUTHORIZATION=f"Api-Key {secret}")
        return client

    return make
