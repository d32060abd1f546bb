"""One error shape, ``{"type", "errors": [{"code", "detail", "attr"}]}``, domain errors too."""

from typing import Any

from drf_standardized_errors.handler import exception_handler
from rest_framework.response import Response

from rapport.errors import DomainError


def handle(exception: Exception, context: Any) -> Response | None:
    if isinstance(exception, DomainError):
        return Response(
            {
                "type": "client_error",
                "errors": [{"code": exception.code, "detail": str(exception), "attr": None}],
            },
            status=exception.status,
        )
    return exception_handler(exception, context)
