"""The preference centre: what a person hears of, by topic and channel, a pause, a language.

Whoever holds a message's link may use it, as with unsubscribing; so it shows a hint of the address
and no more.  A GET changes nothing, for scanners follow every link.
"""

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from campaigns.messages import links
from campaigns.models import Message
from campaigns.services import composing, preferences, visits
from campaigns.services.preferences import PAUSE_DAYS, Pair, Preferences, Proof
from campaigns.web import public_words
from customers.models import Customer
from customers.services import profiles
from rapport.web.page import public

WORDS_MOST = 400  # of one form; nobody has so many topics


@csrf_exempt  # no login and no cookie: the token is what a person needs
@public
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def centre(request: HttpRequest, token: str) -> HttpResponse:
    """Show on GET, change on POST."""
    message, customer = _read(token)
    now = timezone.now()
    done = ""
    if request.method == "POST":
        done = _change(request, customer, message, now)
        customer.refresh_from_db()
    else:
        visits.looked(message.pk, "preferences", now=now)
    language = _language(request, customer)
    return _shown(request, preferences.read(customer, language=language), done)


def _change(request: HttpRequest, customer: Customer, message: Message, now) -> str:
    language = _language(request, customer)
    words = public_words.WORDS[language]
    act = request.POST.get("act", "save")
    proof = Proof(composing.public_url("p", ""), _ip(request), words["preferences_title"])
    known = preferences.read(customer, language=language)
    if act == "pause":
        days = request.POST.get("days", "")
        if days in map(str, PAUSE_DAYS):
            said = f"{words['pause_title']}: {words['pause_days'].format(days=days)}"
            preferences.pause(
                customer.pk, days=int(days), proof=Proof(proof.url, proof.ip, said), now=now
            )
    elif act == "resume":
        preferences.resume(customer.pk, now=now)
    elif act == "all":
        proof = Proof(proof.url, proof.ip, words["all_button"])
        none = dict.fromkeys(known.pairs(), False)
        preferences.keep(customer, none, proof=proof, now=now, message=message)
    else:
        _save(request, customer, message, known, words, proof, now)
    return "" if act in ("pause", "resume") else words["saved"]


def _save(request, customer, message, known: Preferences, words, proof: Proof, now) -> None:
    """Each topic with a proof of its own: what stood beside the box."""
    ticked = _pairs(request.POST.getlist("wish")[:WORDS_MOST])
    shown = _pairs(request.POST.getlist("shown")[:WORDS_MOST]) & known.pairs()
    for wish in known.wishes:
        for channel, is_granted in wish.channels:
            pair = channel, wish.key
            is_yes = pair in ticked
            if pair not in shown or is_yes == is_granted:
                continue
            name = f"{wish.name} – {words[f'channel_{channel}']}"
            said = words["proof" if is_yes else "proof_no"].format(name=name)
            said = f"{said} {wish.description}".strip()
            preferences.keep(
                customer, {pair: is_yes}, proof=Proof(proof.url, proof.ip, said), now=now,
                message=message,
            )  # fmt: skip
    wished = request.POST.get("language", "")
    if wished in public_words.LANGUAGES and wished != customer.language[:2]:
        profiles.speak(customer.pk, wished, now=now)


def _shown(request: HttpRequest, found: Preferences, done: str) -> HttpResponse:
    words = public_words.WORDS[found.language]
    until = found.paused_until
    shown = {
        "language": found.language,
        "words": words,
        "lead": words["preferences_lead"].format(hint=found.hint),
        "done": done,
        "wishes": [
            (wish, [(channel, words[f"channel_{channel}"], on) for channel, on in wish.channels])
            for wish in found.wishes
        ],
        "paused": until and words["paused"].format(day=public_words.day(until, found.language)),
        "pauses": [(days, words["pause_days"].format(days=days)) for days in PAUSE_DAYS],
        "languages": public_words.LANGUAGES.items(),
    }
    response = render(request, "campaigns/public/preferences.html", shown)
    response["X-Robots-Tag"] = "noindex"
    response["Referrer-Policy"] = "no-referrer"
    return response


def _read(token: str) -> tuple[Message, Customer]:
    try:
        found = links.read(composing.key(), links.PREFERENCES, token)
    except links.BadToken:
        raise Http404 from None
    messages = Message.objects.select_related("campaign", "customer__merged_into")
    message = messages.filter(pk=found.message_id).first()
    if message is None:
        raise Http404
    customer = Customer.objects.filter(pk=message.customer_id).first()
    if customer is not None and customer.merged_into is not None:
        customer = customer.merged_into
    if customer is None or customer.erased_at is not None:
        raise Http404
    return message, customer


def _language(request: HttpRequest, customer: Customer) -> str:
    return public_words.chosen(customer.language, *public_words.asked(request))


def _pairs(given: list[str]) -> set[Pair]:
    pairs = set()
    for one in given:
        channel, _colon, key = one.partition(":")
        pairs.add((channel, key))
    return pairs


def _ip(request: HttpRequest) -> str | None:
    return request.META.get("REMOTE_ADDR") or None
