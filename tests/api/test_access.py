"""Nobody calls without a right, and every endpoint names the right it needs."""

import pytest
from django.urls import URLPattern, URLResolver, get_resolver
from rest_framework.test import APIClient

from rapport.access import ROLES, SCOPES
from rapport.models import ApiKey
from tests.makers import make_customer, make_staff

ABOUT_ITSELF = {"schema", "docs"}  # guarded by IsStaffOrKey


def endpoints(resolver=None, prefix="") -> list[tuple[str, URLPattern]]:
    found = []
    for pattern in (resolver or get_resolver()).url_patterns:
        path = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            found += endpoints(pattern, path)
        elif path.startswith("api/v1/"):
            found.append((path, pattern))
    return found


def test_there_are_endpoints():
    assert len(endpoints()) > 25


@pytest.mark.parametrize(("path", "pattern"), endpoints(), ids=lambda given: str(given)[:60])
def test_each_endpoint_names_known_scopes_and_permissions(path, pattern):
    if pattern.name in ABOUT_ITSELF:
        return
    view = pattern.callback.view_class
    words = {word for more in ROLES.values() for word in more}
    methods = {method.upper() for method in view.http_method_names if hasattr(view, method)}

    assert methods - {"OPTIONS", "HEAD"} == set(view.scopes) == set(view.permissions)
    assert set(view.scopes.values()) <= SCOPES.keys()
    assert {permission.split(".")[1] for permission in view.permissions.values()} <= words


@pytest.mark.django_db
@pytest.mark.parametrize(
    "path", ["customers/", "segments/", "campaigns/", "jobs/", "schema/?format=json"]
)
def test_without_a_key_nothing_is_told(path):
    answer = APIClient().get(f"/api/v1/{path}")

    assert answer.status_code == 401
    assert answer.json()["errors"][0]["code"] == "not_authenticated"


@pytest.mark.parametrize("secret", ["", "nonsense", "abc.def", "a b"])
def test_a_wrong_key_is_refused(db, secret):
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Api-Key {secret}")

    assert client.get("/api/v1/customers/").status_code == 401


def test_a_revoked_key_is_refused(program):
    client = program("customers:read")
    ApiKey.objects.update(revoked=True)

    assert client.get("/api/v1/customers/").status_code == 401


def test_a_key_may_do_what_its_scopes_say_and_no_more(program):
    client = program("customers:read")

    assert client.get("/api/v1/customers/").status_code == 200
    assert client.get("/api/v1/orders/").status_code == 403
    assert client.post("/api/v1/customers/", {}, format="json").status_code == 403


@pytest.mark.parametrize(
    ("role", "status"), [("stranger", 403), ("viewer", 403), ("marketer", 403), ("manager", 200)]
)
def test_people_need_the_permission_too(db, role, status):
    client = APIClient()
    client.force_login(make_staff(role))
    ada = make_customer()

    assert client.get(f"/api/v1/customers/{ada.pk}/export/").status_code == status


def test_the_secret_of_a_key_is_not_stored(program):
    program()
    key = ApiKey.objects.get()

    assert key.hashed_key.startswith("sha512$$")
