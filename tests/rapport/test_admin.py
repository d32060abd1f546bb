"""The operators' desk: who opens it, keys shown once, and nobody raised by themselves."""

import re

import pytest
from django.contrib.auth.models import Group, User

from rapport.models import ApiKey, AuditEntry
from tests.makers import make_cast, make_staff

pytestmark = pytest.mark.django_db
TABLES = (
    "/admin/auth/user/",
    "/admin/auth/group/",
    "/admin/rapport/apikey/",
    "/admin/rapport/auditentry/",
    "/admin/rapport/run/",
    "/admin/customers/customer/",
    "/admin/customers/identity/",
    "/admin/customers/product/",
    "/admin/customers/order/",
    "/admin/customers/orderline/",
    "/admin/customers/event/",
    "/admin/customers/review/",
    "/admin/customers/consent/",
    "/admin/customers/suppression/",
)


@pytest.fixture
def admin(client):
    client.force_login(make_staff("admin"))
    return client


@pytest.fixture
def superuser(client):
    client.force_login(User.objects.create_superuser("root", password="secret-word-7"))
    return client


def text(answer) -> str:
    return answer.content.decode()


@pytest.mark.parametrize("address", TABLES)
def test_every_table_opens_and_is_searched(superuser, address, django_assert_max_num_queries):
    make_cast()

    with django_assert_max_num_queries(15):
        assert superuser.get(address).status_code == 200
    assert superuser.get(address, {"q": "ada@example.com"}).status_code == 200


@pytest.mark.parametrize("address", [table for table in TABLES if "customers" in table])
def test_facts_are_read_only_even_for_superusers(superuser, address):
    assert superuser.get(f"{address}add/").status_code == 403


def test_a_manager_opens_no_admin_page(client):
    client.force_login(make_staff("manager"))

    assert client.get("/admin/auth/user/").status_code == 302


def test_a_key_is_shown_once_and_only_its_hash_is_kept(admin):
    given = {"name": "shop", "scopes": ["orders:read", "events:write"]}

    page = text(admin.post("/admin/rapport/apikey/add/", given, follow=True))

    (shown,) = re.findall(r"<code>(\w{8}\.\w+)</code>", page)
    key = ApiKey.objects.get_from_key(shown)
    assert (key.name, key.scopes) == ("shop", ["orders:read", "events:write"])
    assert str(key.created_by) == "admin"
    assert shown.split(".")[1] not in key.hashed_key
    assert shown not in text(admin.get("/admin/rapport/apikey/"))
    entry = AuditEntry.objects.get(action="api_key.created")
    assert shown.split(".")[1] not in str(entry.details)


def test_a_key_takes_only_scopes_that_exist(admin):
    answer = admin.post("/admin/rapport/apikey/add/", {"name": "x", "scopes": ["all:everything"]})

    assert "Select a valid choice" in text(answer)
    assert not ApiKey.objects.exists()


def test_a_key_is_revoked_for_good(admin):
    key, _secret = ApiKey.objects.create_key(name="old", scopes=["orders:read"])
    address = f"/admin/rapport/apikey/{key.pk}/change/"

    admin.post(address, {"name": "old", "scopes": ["orders:read"], "revoked": "on"})
    admin.post(address, {"name": "old", "scopes": ["orders:read"]})

    key.refresh_from_db()
    assert key.revoked


def change(person: User, **more) -> dict:
    given = {"username": person.username, "is_active": "on"}
    given["groups"] = list(person.groups.values_list("pk", flat=True))
    return {**given, **more}


def test_an_admin_gives_roles_but_makes_no_superuser(admin):
    person = make_staff("viewer")
    manager = Group.objects.get(name="manager")

    answer = admin.post(
        f"/admin/auth/user/{person.pk}/change/",
        change(person, groups=[manager.pk], is_superuser="on"),
    )

    person.refresh_from_db()
    assert answer.status_code == 302
    assert [group.name for group in person.groups.all()] == ["manager"]
    assert not person.is_superuser
    assert AuditEntry.objects.filter(action="user.changed", actor="admin").exists()


def test_an_admin_cannot_touch_a_superuser(admin):
    boss = User.objects.create_superuser("boss", password="secret-word-7")

    changed = admin.post(f"/admin/auth/user/{boss.pk}/change/", change(boss, is_active=""))
    password = admin.post(
        f"/admin/auth/user/{boss.pk}/password/",
        {"password1": "taken-over-9", "password2": "taken-over-9"},
    )
    deleted = admin.post(f"/admin/auth/user/{boss.pk}/delete/", {"post": "yes"})

    boss.refresh_from_db()
    assert {changed.status_code, password.status_code, deleted.status_code} == {403}
    assert boss.is_active
    assert boss.check_password("secret-word-7")


def test_an_admin_cannot_delete_superusers_in_bulk(admin):
    boss = User.objects.create_superuser("boss", password="secret-word-7")

    admin.post(
        "/admin/auth/user/",
        {"action": "delete_selected", "_selected_action": [boss.pk], "post": "yes"},
    )

    assert User.objects.filter(pk=boss.pk).exists()


def test_roles_are_shown_and_not_edited(superuser):
    group = Group.objects.get(name="viewer")

    assert superuser.get(f"/admin/auth/group/{group.pk}/change/").status_code == 200
    assert superuser.post(f"/admin/auth/group/{group.pk}/change/", {"name": "x"}).status_code == 403


def test_operators_pages_have_the_same_sidebar(admin):
    page = text(admin.get("/admin/auth/user/"))

    assert 'aria-label="Main"' in page
    assert 'action="/logout/"' in page
