"""Signing up: a form that anybody may send, and the page that confirms it.

The form says the same to everybody, whether the address is known or not.  Looking at the link of
the mail changes nothing; the button does.
"""

from django.core.cache import cache
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from campaigns.services import composing, opt_in, topics
from campaigns.web import public_words
from customers.services import consent
from rapport.errors import DomainError, NotFound
from rapport.web.page import public

ASKS_A_MINUTE = 10  # of one address of the net


@csrf_exempt  # the token is what a person needs
@public
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def confirm(request: HttpRequest, token: str) -> HttpResponse:
    """Show the button on GET, take the yes on POST."""
    try:
        asked = opt_in.find(token)
    except NotFound:
        raise Http404 from None
    now = timezone.now()
    language = public_words.chosen(asked.language, *public_words.asked(request))
    words = public_words.WORDS[language]
    is_done = asked.state == "confirmed"
    if request.method == "POST":
        is_done = opt_in.confirm(asked, now=now, ip=request.META.get("REMOTE_ADDR") or None)
    owner = asked.customer.merged_into or asked.customer
    shown = {
        "language": language,
        "words": words,
        "is_done": is_done,
        "is_open": opt_in.is_open(asked, now=now),
        "ask": words["opt_in_ask"].format(hint=consent.hint(owner.email or "")),
        "topics": _named(asked.topics, language),
    }
    return _quiet(render(request, "campaigns/public/opt_in.html", shown))


@csrf_exempt  # it changes nothing but who is asked, and any page may hold the form
@public
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def sign_up(request: HttpRequest) -> HttpResponse:
    """Ask for an address and topics; the answer comes by mail."""
    language = public_words.chosen(request.GET.get("language", ""), *public_words.asked(request))
    words = public_words.WORDS[language]
    offered = topics.offered()
    done = wrong = ""
    if request.method == "POST":
        wrong = _ask(request, language, words, [one.key for one in offered])
        done = "" if wrong else words["sign_up_done"]
    default = opt_in.default_keys()
    shown = {
        "language": language,
        "words": words,
        "done": done,
        "wrong": wrong,
        "email": request.POST.get("email", "")[:254] if wrong else "",
        "topics": [
            (one.key, *topics.words_of(one, language), one.key in default and len(offered) == 1)
            for one in offered
        ],
    }
    status = 400 if wrong else 200
    return _quiet(render(request, "campaigns/public/sign_up.html", shown, status=status))


def _ask(request: HttpRequest, language: str, words: dict[str, str], offered: list[str]) -> str:
    """Send the question; return what is wrong with what was typed."""
    if request.POST.get("website"):  # a field that no person sees
        return ""
    if _is_too_fast(request):
        return words["sign_up_slow"]
    keys = [key for key in request.POST.getlist("topic") if key in offered]
    if not keys:
        keys = opt_in.default_keys()
    names = ", ".join(_named(keys, language))
    try:
        opt_in.ask(
            keys=keys,
            email=request.POST.get("email", "")[:254],
            language=language,
            source="sign_up",
            proof_text=f"{words['sign_up_title']} {words['sign_up_lead']} {names}",
            proof_url=composing.public_url("signup", ""),
            proof_ip=request.META.get("REMOTE_ADDR") or None,
            words=public_words.opt_in_mail(language, until=timezone.now() + opt_in.VALID),
            now=timezone.now(),
        )
    except opt_in.OptInRefused:
        return words["sign_up_wrong"]
    except DomainError:
        return ""  # nobody learns who is known here
    return ""


def _named(keys: list[str], language: str) -> list[str]:
    named = topics.named(keys)
    return [topics.words_of(named[key], language)[0] if key in named else key for key in keys]


def _is_too_fast(request: HttpRequest) -> bool:
    key = f"sign_up:{request.META.get('REMOTE_ADDR', '')}"
    cache.add(key, 0, 60)
    try:
        return cache.incr(key) > ASKS_A_MINUTE
    except ValueError:  # it ran out between the two
        return False


def _quiet(response: HttpResponse) -> HttpResponse:
    response["X-Robots-Tag"] = "noindex"
    response["Referrer-Policy"] = "no-referrer"
    return response
