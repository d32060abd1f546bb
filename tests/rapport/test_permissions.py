"""Every address says who may open it, and keeps to it."""

import pytest
from django.urls import URLPattern, URLResolver, get_resolver

from tests.makers import make_staff

# Addresses that guard themselves otherwise, and how.
BY_RULE = {
    "admin/": "the admin asks for staff status and each table's permissions",
    "api/v1/": "the API asks for a scope or a permission, and has a test of its own",
    "static/": "files without secrets",
}
BY_NAME = {"login": "the door itself", "logout": "the way out"}
ARGUMENTS = {"int": "1", "slug": "0" * 24, "str": "x", "uuid": "0" * 8, "path": "x"}


def addresses(patterns=None, prefix: str = "") -> list[tuple[str, URLPattern]]:
    """Every address with its pattern, those that are guarded by rule left out."""
    found = []
    for pattern in patterns if patterns is not None else get_resolver().url_patterns:
        route = prefix + str(pattern.pattern)
        if any(route.startswith(rule) for rule in BY_RULE):
            continue
        if isinstance(pattern, URLResolver):
            found += addresses(pattern.url_patterns, route)
        elif pattern.name not in BY_NAME:
            found.append((route, pattern))
    return found


def guarded() -> list[tuple[str, str]]:
    """Concrete addresses of pages, with the permission each needs."""
    return [
        (concrete(route, pattern), pattern.callback.permission)
        for route, pattern in addresses()
        if getattr(pattern.callback, "permission", None)
    ]


def concrete(route: str, pattern: URLPattern) -> str:
    for name, converter in pattern.pattern.converters.items():
        kind = type(converter).__name__.removesuffix("Converter").lower().replace("string", "str")
        for spelt in (f"<{kind}:{name}>", f"<{name}>"):
            route = route.replace(spelt, ARGUMENTS[kind])
    return f"/{route}"


def test_every_view_says_who_may_open_it():
    unmarked = [r for r, pattern in addresses() if not hasattr(pattern.callback, "permission")]

    assert not unmarked, f"without @page or @public: {unmarked}"


def test_an_unmarked_view_would_be_seen():
    def bare(request):
        return None

    planted = [URLPattern(get_resolver().url_patterns[0].pattern, bare)]

    assert [p for _r, p in addresses(planted, "planted/") if not hasattr(p.callback, "permission")]


@pytest.mark.django_db
def test_permissions_named_by_pages_exist():
    from django.contrib.auth.models import Permission

    known = {
        f"{app}.{word}"
        for app, word in Permission.objects.values_list("content_type__app_label", "codename")
    }

    assert {permission for _address, permission in guarded()} <= known


@pytest.mark.django_db
def test_nobody_logged_in_is_sent_to_the_login(client):
    for address, _permission in guarded():
        for method in (client.get, client.post):
            answer = method(address)
            assert answer.status_code == 302, address
            assert answer["Location"].startswith("/login/?next="), address


@pytest.mark.django_db
def test_a_stranger_is_refused_everywhere(client):
    client.force_login(make_staff("stranger"))

    for address, permission in guarded():
        for method in (client.get, client.post):
            assert method(address).status_code == 403, f"{address} needs {permission}"


@pytest.mark.django_db
@pytest.mark.parametrize("role", ["viewer", "analyst", "marketer", "manager", "admin"])
def test_each_role_opens_what_its_permissions_open_and_nothing_else(client, role):
    person = make_staff(role)
    client.force_login(person)

    for address, permission in guarded():
        refused = client.get(address).status_code == 403
        assert refused is not person.has_perm(permission), f"{role} at {address}"
