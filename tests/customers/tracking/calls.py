"""Calls of the tracking API as a site makes them."""

import json
from typing import Any

from django.http import HttpResponse
from django.test import Client

from customers.models import WriteKey
from customers.services import write_keys
from tests.makers import NOW


def make_key(source: str = "shop", **fields: Any) -> WriteKey:
    return write_keys.create(source=source, name=f"The {source}", user=None, now=NOW, **fields)


def send(key: WriteKey | None, path: str, body: dict[str, Any], **extra: Any) -> HttpResponse:
    """POST one call; ``extra`` are headers and the like of Django's client."""
    if key is not None:
        body = {"writeKey": key.key, **body}
    return Client().post(f"/v1/{path}", json.dumps(body), content_type="application/json", **extra)


def track(key: WriteKey, event: str, properties: dict | None = None, **fields: Any) -> HttpResponse:
    """One event of u1, unless it says of whom."""
    if "anonymousId" not in fields:
        fields.setdefault("userId", "u1")
    return send(key, "track", {"event": event, "properties": properties or {}, **fields})
