"""What a visitor's browser asks: to get notifications, and the messages that wait for her.

Who may ask about whom is decided as for ``/v1/decide``: a write key and an id nobody can guess, and
for a customer whom we know by name the word of the shop's server.
"""

import json
from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt

from campaigns.api import decide as asking
from campaigns.services import decide as service
from campaigns.services import in_app, pushes
from campaigns.services.decide import Question
from campaigns.services.in_app import Doing
from campaigns.services.pushes import Subscription
from rapport.errors import DomainError
from rapport.web.page import public

BODY_MOST = 8_192
Answer = dict[str, Any]


class Unreadable(DomainError):
    code = "unreadable"


@csrf_exempt
@public  # the key in the question says who asks; `decide.visitor` whether it may
def push(request: HttpRequest) -> HttpResponse:
    """GET: the key to subscribe with.  POST: keep a subscription, or end it."""
    return _answered(request, {"GET": _push_key, "POST": _push})


@csrf_exempt
@public  # the key in the question says who asks; `decide.visitor` whether it may
def inbox(request: HttpRequest) -> HttpResponse:
    """GET: her messages.  POST: what she did with one."""
    return _answered(request, {"GET": _messages, "POST": _did})


def _push_key(request: HttpRequest) -> Answer:
    asking.caller(request)
    return {"publicKey": pushes.public_key()}


def _push(request: HttpRequest) -> Answer:
    said = _body(request)
    customer_id = _visitor(request, said)
    given = said.get("subscription")
    keys = given.get("keys") if isinstance(given, dict) else None
    if not isinstance(given, dict) or not isinstance(keys, dict):
        raise Unreadable("Expected a subscription with endpoint and keys.")
    endpoint, now = _text(given, "endpoint"), timezone.now()
    if said.get("ended") is True:
        return {"ok": pushes.unsubscribe(customer_id, endpoint, now=now)}
    subscription = Subscription(
        endpoint,
        _text(keys, "p256dh"),
        _text(keys, "auth"),
        request.headers.get("User-Agent", ""),
    )
    words, page = _text(said, "words"), _text(said, "page")
    pushes.subscribe(customer_id, subscription, words=words, page=page, now=now)
    return {"ok": True}


def _messages(request: HttpRequest) -> Answer:
    customer_id = _visitor(request, request.GET.dict())
    return {"messages": in_app.waiting(customer_id, now=timezone.now())}


def _did(request: HttpRequest) -> Answer:
    said = _body(request)
    doing = Doing(_text(said, "id"), _text(said, "what"))
    in_app.did(_visitor(request, said), doing, now=timezone.now())
    return {"ok": True}


def _visitor(request: HttpRequest, said: dict[str, Any]) -> int:
    """The customer who asks, proven; raises `NotProven` where nobody is."""
    key = asking.caller(request, _text(said, "writeKey"))
    question = Question(
        key=key,
        anonymous_id=_text(said, "anonymousId"),
        user_id=_text(said, "userId"),
        signature=_text(said, "signature"),
        passed=_text(said, "pass"),
        customer_id=None,
        source=_text(said, "source"),
    )
    found = service.visitor(question)
    if found is None:
        raise service.NotProven("Nobody is known by this id, or it is not proven.")
    return found


def _answered(
    request: HttpRequest, methods: dict[str, Callable[[HttpRequest], Answer]]
) -> HttpResponse:
    if request.method == "OPTIONS":
        return asking.shared(request, HttpResponse(status=204))
    try:
        if request.method not in methods:
            expected = " or ".join(methods)
            raise asking.NotAllowed(f"The method is {request.method}, expected {expected}.")
        answer = asking.as_json(methods[request.method](request))
    except DomainError as error:
        shown = {"code": error.code, "detail": str(error), "attr": None}
        answer = asking.as_json({"type": "client_error", "errors": [shown]}, error.status)
    return asking.shared(request, answer)


def _body(request: HttpRequest) -> dict[str, Any]:
    """A small JSON object; as text/plain too, for which browsers ask no permission first."""
    if len(request.body) > BODY_MOST:
        raise Unreadable(f"The body is longer than {BODY_MOST:,} bytes.")
    try:
        said = json.loads(request.body or b"{}")
    except (ValueError, RecursionError):
        raise Unreadable("The body is not JSON.") from None
    if not isinstance(said, dict):
        raise Unreadable("Expected an object.")
    return said


def _text(said: dict[str, Any], name: str) -> str:
    value = said.get(name, "")
    if not isinstance(value, str) or "\x00" in value:
        raise Unreadable(f"{name} is not a text.")
    return value
