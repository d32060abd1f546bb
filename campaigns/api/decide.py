"""``GET /v1/decide``: the segments, scores and slots of one visitor, for every page view.

A plain Django view: it is asked with each page of the shop, and REST framework would be half of
its time.
"""

import base64
import json
import logging
from time import time
from typing import Any

from django.conf import settings
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from redis.exceptions import RedisError
from rest_framework.exceptions import AuthenticationFailed

from campaigns.services import decide as service
from customers.models import WriteKey
from customers.services import write_keys
from rapport.api.auth import ApiKeyAuthentication
from rapport.errors import DomainError
from rapport.web.page import public

log = logging.getLogger(__name__)

SCOPE = "decide:read"
MINUTE = 60
PROGRAMS_TIMES = 50  # a program asks for many visitors
TOLD_EVERY = 10
ASKERS_MOST = 50_000  # so many addresses are remembered, for a minute
PREFLIGHT_SECONDS = "86400"

_minute = 0
_asked: dict[str, tuple[int, int]] = {}  # who: questions here and elsewhere, in this minute


class Refused(DomainError):
    status = 401
    code = "not_authenticated"


class NotAllowed(DomainError):
    status = 405
    code = "method_not_allowed"


class TooFast(DomainError):
    status = 429
    code = "throttled"


@csrf_exempt
@public  # the key in the question says who asks; `service.answer` says what they may learn
def decide(request: HttpRequest) -> HttpResponse:
    """Answer one visitor's question."""
    if request.method == "OPTIONS":
        return shared(request, HttpResponse(status=204))
    try:
        if request.method not in ("GET", "HEAD"):
            raise NotAllowed(f"The method is {request.method}, expected GET.")
        answer = as_json(service.answer(_question(request), now=timezone.now()))
    except DomainError as error:
        error_shown = {"code": error.code, "detail": str(error), "attr": None}
        answer = as_json({"type": "client_error", "errors": [error_shown]}, error.status)
        if isinstance(error, TooFast):
            answer["Retry-After"] = str(MINUTE - int(time()) % MINUTE)
    return shared(request, answer)


def _question(request: HttpRequest) -> service.Question:
    given = request.GET
    key = caller(request)
    customer_id = given.get("customerId", "")
    if customer_id and not (customer_id.isdecimal() and len(customer_id) < 19):
        raise service.WrongQuestion(f"customerId is {customer_id[:40]!r}, expected a number.")
    return service.Question(
        key=key,
        anonymous_id=given.get("anonymousId", ""),
        user_id=given.get("userId", ""),
        signature=given.get("signature", ""),
        passed=given.get("pass", ""),
        customer_id=int(customer_id) if customer_id else None,
        source=given.get("source", ""),
        slots=tuple(dict.fromkeys(name for name in given.get("slots", "").split(",") if name)),
    )


def caller(request: HttpRequest, spelt: str = "") -> WriteKey | None:
    """The write key of a page, or None for a program with an API key that may ask.

    ``spelt`` is the key where it came in the body.
    """
    scheme, _space, credentials = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == ApiKeyAuthentication.keyword.lower():
        try:
            found = ApiKeyAuthentication().authenticate(request)
        except AuthenticationFailed as error:
            raise Refused(str(error.detail)) from None
        if found is None or SCOPE not in found[1].scopes:
            raise service.NotProven(f"This API key lacks the scope {SCOPE}.")
        _check_pace(f"key:{found[1].pk}", settings.DECIDE_RATE * PROGRAMS_TIMES)
        return None
    spelt = spelt or request.GET.get("writeKey", "")
    if not spelt and scheme.lower() == "basic":
        try:
            spelt = base64.b64decode(credentials, validate=True).decode().partition(":")[0]
        except ValueError:  # neither base64 nor text
            raise Refused("The Basic credentials cannot be read.") from None
    _check_pace(f"address:{_address(request)}", settings.DECIDE_RATE)
    key = write_keys.find(spelt) if spelt and "\x00" not in spelt else None
    if key is None:
        raise Refused(
            "Expected a known writeKey, as a parameter or as the name of Basic credentials, or "
            "an API key."
        )
    return key


def _check_pace(who: str, most: int) -> None:
    """Count this question against its minute; without a cache each process counts for itself.

    Processes tell each other only every `TOLD_EVERY` questions: two trips to the cache would be
    half the time of an answer.  So the limit may be passed by that many times the processes.
    """
    global _minute
    minute = int(time()) // MINUTE
    if minute != _minute or len(_asked) > ASKERS_MOST:
        _asked.clear()
        _minute = minute
    here, elsewhere = _asked.get(who, (0, 0))
    here += 1
    if here % TOLD_EVERY == 0:
        elsewhere = max(_tell(f"decide:{who}:{minute}") - here, 0)
    _asked[who] = (here, elsewhere)
    if here + elsewhere > most:
        raise TooFast(f"More than {most:,} questions in a minute.")


def _tell(name: str) -> int:
    """Add this process's latest questions to those of all; returns all, 0 where nobody knows."""
    try:
        cache.add(name, 0, timeout=2 * MINUTE)
        return cache.incr(name, TOLD_EVERY)
    except (RedisError, ValueError) as error:
        log.warning("questions cannot be counted together: %s", error)
        return 0


def _address(request: HttpRequest) -> str:
    """Where the visitor is; behind our own proxy, what the proxy saw."""
    if settings.SECURE_PROXY_SSL_HEADER:
        forwarded = request.headers.get("X-Forwarded-For", "").rpartition(",")[2].strip()
        if forwarded:
            return forwarded[:60]
    return str(request.META.get("REMOTE_ADDR", ""))


def as_json(body: dict[str, Any], status: int = 200) -> HttpResponse:
    text = json.dumps(body, separators=(",", ":"), ensure_ascii=False)
    answer = HttpResponse(text.encode("utf-8", "replace"), "application/json", status)
    answer["Cache-Control"] = "private, no-store"
    return answer


def shared(request: HttpRequest, answer: HttpResponse) -> HttpResponse:
    """Let pages of the allowed sites read it.  No cookie is looked at, so none is lent to them."""
    allowed, origin = settings.TRACKING_ORIGINS, request.headers.get("Origin", "")
    if "*" in allowed or origin in allowed:
        answer["Access-Control-Allow-Origin"] = "*" if "*" in allowed else origin
        answer["Access-Control-Allow-Methods"] = "GET, HEAD, OPTIONS"
        answer["Access-Control-Allow-Headers"] = "authorization, content-type"
        answer["Access-Control-Expose-Headers"] = "Retry-After"
        answer["Access-Control-Max-Age"] = PREFLIGHT_SECONDS
    if "*" not in allowed:
        answer["Vary"] = "Origin"
    return answer
