"""`Idempotency-Key`: the same write sent twice is done once and answered twice.

The key, the caller and the path make one row, written in the same transaction as the work, so a
crash leaves neither; a second call that arrives meanwhile waits for the first and gets its answer.
Draft: The Idempotency-Key HTTP Header Field, draft-ietf-httpapi-idempotency-key-header.
"""

import functools
import hashlib
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db import transaction
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from rapport.errors import Conflict, DomainError
from rapport.models import RememberedAnswer

HEADER = "Idempotency-Key"
KEY_LENGTH_MOST = 200
KEEP_DAYS = 7


class KeyReused(Conflict):
    """The key came before with another body."""

    status = 422
    code = "idempotency_key_reused"


class BadKey(DomainError):
    code = "idempotency_key_too_long"


def idempotent(handler: Callable[..., Response]) -> Callable[..., Response]:
    """Make a writing method of an APIView answer repeated calls from memory."""

    @functools.wraps(handler)
    def once(view: Any, request: Request, *args: Any, **kwargs: Any) -> Response:
        key = request.headers.get(HEADER, "")
        if not key:
            return handler(view, request, *args, **kwargs)
        if len(key) > KEY_LENGTH_MOST:
            raise BadKey(f"{HEADER} has {len(key)} characters; at most {KEY_LENGTH_MOST} are kept.")
        said = hashlib.sha256(request.method.encode() + b"\0" + request.body).hexdigest()
        with transaction.atomic():
            row, is_new = RememberedAnswer.objects.get_or_create(
                api_key=str(request.user),
                path=request.path[:300],
                key=key,
                defaults={"request_sha256": said, "created_at": timezone.now()},
            )
            if not is_new:
                return _again(row, said)
            answer = handler(view, request, *args, **kwargs)
            row.status = answer.status_code
            row.body = json.loads(json.dumps(answer.data, cls=DjangoJSONEncoder))
            row.save(update_fields=["status", "body"])
            return answer

    return once


def forget_old(*, now: Any) -> int:
    """Remove answers older than ``KEEP_DAYS``; return how many."""
    old = RememberedAnswer.objects.filter(created_at__lt=now - timedelta(days=KEEP_DAYS))
    return old.delete()[0]


def _again(row: RememberedAnswer, said: str) -> Response:
    if row.request_sha256 != said:
        raise KeyReused(f"{HEADER} {row.key!r} was used before with another request.")
    return Response(row.body, status=row.status, headers={"Idempotent-Replayed": "true"})
