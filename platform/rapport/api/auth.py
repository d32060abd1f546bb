"""Who calls the API: a key with scopes, or a signed-in person with permissions."""

from typing import Any

from django.utils import timezone
from rest_framework import exceptions, permissions
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.request import Request

from rapport.models import ApiKey


class ApiKeyAuthentication(BaseAuthentication):
    """``Authorization: Api-Key PREFIX.SECRET``; only the hash of the secret is stored."""

    keyword = "Api-Key"

    def authenticate(self, request):
        words = get_authorization_header(request).decode("latin-1").split()
        if not words or words[0].lower() != self.keyword.lower():
            return None
        if len(words) != 2:
            raise exceptions.AuthenticationFailed("Expected 'Authorization: Api-Key <key>'.")
        try:
            key: ApiKey = ApiKey.objects.get_from_key(words[1])  # type: ignore[assignment]
        except ApiKey.DoesNotExist:
            raise exceptions.AuthenticationFailed("This API key is not known.") from None
        if key.has_expired:
            raise exceptions.AuthenticationFailed("This API key has expired.")
        now = timezone.now()
        if key.last_used_at is None or (now - key.last_used_at).total_seconds() > 60:
            ApiKey.objects.filter(pk=key.pk).update(last_used_at=now)
        return KeyHolder(key), key

    def authenticate_header(self, request) -> str:
        return self.keyword


class KeyHolder:
    """The stand-in for a user where a program calls."""

    is_authenticated = True
    is_active = True
    is_staff = False
    pk = None

    def __init__(self, key: ApiKey) -> None:
        self.key = key

    def __str__(self) -> str:
        return f"key: {self.key.name}"

    def has_perm(self, *_: object) -> bool:
        return False


def person(request: Request) -> Any:
    """The signed-in person, or None where a key calls."""
    return request.user if request.user.pk else None


class HasScope(permissions.BasePermission):
    """A view names ``scopes = {"GET": "orders:read", …}`` and ``permissions`` for people likewise.

    A view that names nothing is closed to everybody.
    """

    def has_permission(self, request, view) -> bool:
        method = "GET" if request.method in ("HEAD", "OPTIONS") else request.method
        action = getattr(view, "action", None)
        if isinstance(request.auth, ApiKey):
            named = getattr(view, "scopes", {})
            scope = named.get(action) or named.get(method)
            return scope is not None and scope in request.auth.scopes
        named = getattr(view, "permissions", {})
        permission = named.get(action) or named.get(method)
        return bool(
            permission
            and request.user
            and request.user.is_authenticated
            and request.user.has_perm(permission)
        )


class IsStaffOrKey(permissions.BasePermission):
    """For the API's own description: any signed-in person or any key."""

    def has_permission(self, request, view) -> bool:
        return bool(request.user and request.user.is_authenticated)
