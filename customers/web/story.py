"""One customer's page: who she is, what happened, and the way to stop e-mail."""

from datetime import datetime

from django.contrib import messages
from django.db.models import Exists, OuterRef
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from customers import querysets
from customers.models import Consent, Customer, Identity
from customers.querysets import Happening, Value
from customers.services import consent, privacy
from rapport import access
from rapport.web import panels, words
from rapport.web.dashboard import Link, Number
from rapport.web.page import page, show
from rapport.web.panels import Moment, Panel

MOMENTS, MOMENTS_MORE = 25, 500
ORDERS_SHOWN = 10


@page("customers.view_customer")
def customer(request: HttpRequest, customer_id: int) -> HttpResponse:
    now = timezone.now()
    parts = Customer.objects.filter(merged_into=OuterRef("pk"))
    known = Customer.objects.annotate(is_survivor=Exists(parts))
    person = get_object_or_404(known, pk=customer_id)
    request.person = person  # type: ignore[attr-defined]  # panels need not ask for it again
    if person.merged_into_id:  # links and bookmarks lead on
        messages.info(request, f"Customer {customer_id} is part of this profile now.")
        return redirect("customer", customer_id=person.merged_into_id)
    bought = querysets.values_of([customer_id]).get(customer_id, [])
    limit = MOMENTS_MORE if request.GET.get("story") == "all" else MOMENTS
    shown = list(panels.panels(request, customer_id, now=now))
    moments = panels.moments(request, customer_id, limit=limit + 1)
    context = {
        "customer": person,
        "numbers": _numbers(person, bought, now=now),
        "moments": _folded(moments[:limit]),
        "has_more": len(moments) > limit and limit == MOMENTS,
        "side": [panel for panel in shown if panel.side],
        "main": [panel for panel in shown if not panel.side],
        "charts": any(panel.charts for panel in shown),
    }
    lead = _lead(person, bought, now=now)
    crumbs = (Link("Customers", reverse("customers")),)
    return show(
        request,
        "customers/customer.html",
        title=str(person),
        lead=lead,
        crumbs=crumbs,
        context=context,
    )


def _lead(person: Customer, bought: list[Value], *, now: datetime) -> str:
    if person.erased_at:
        return f"Erased on {words.day(person.erased_at)}; the orders stay without a person."
    if not bought:
        return f"Known since {words.day(person.happened_at)}, has not bought yet."
    orders = words.plural(sum(value.orders for value in bought), "order")
    worth = " and ".join(words.money(value.amount, value.currency) for value in bought)
    last = max((v.last_order_at for v in bought if v.last_order_at), default=None)
    when = f", the last {words.ago(last, now=now)}" if last else ""
    return f"{orders} for {worth}{when}; known since {words.day(person.happened_at)}."


def _numbers(person: Customer, bought: list[Value], *, now: datetime) -> tuple[Number, ...]:
    as_of = f"as of {words.clock(now)}"
    worth = " + ".join(words.money(value.amount, value.currency) for value in bought)
    orders = sum(value.orders for value in bought)
    last = max((v.last_order_at for v in bought if v.last_order_at), default=None)
    mean = words.money(bought[0].amount / bought[0].orders, bought[0].currency) if orders else ""
    return (
        Number("Value so far", worth or words.NOTHING, note=f"paid less refunds, {as_of}"),
        Number("Orders", words.number(orders), note=f"{mean} each on average" if mean else ""),
        Number("Last order", words.ago(last, now=now), note=words.day(last) if last else ""),
        Number("Known for", words.ago(person.happened_at, now=now).removesuffix(" ago")),
    )


def _folded(moments: list[Moment]) -> list[tuple[Moment, int]]:
    """Moments with the same words on the same day, one after the other, told once with a count."""
    folded: list[tuple[Moment, int]] = []
    for moment in moments:
        first, times = folded[-1] if folded else (None, 0)
        is_same = first and (first.kind, first.text, first.note) == (
            moment.kind,
            moment.text,
            moment.note,
        )
        if first and is_same and words.day(first.at) == words.day(moment.at):
            folded[-1] = (first, times + 1)
        else:
            folded.append((moment, 1))
    return folded


# --- what customers itself tells --------------------------------------------------------------


def facts(customer_id: int, *, limit: int) -> list[Moment]:
    """Orders, events, consents and reviews for the timeline."""
    return [_told(happening) for happening in querysets.story(customer_id, limit=limit)]


def _told(happening: Happening) -> Moment:
    kind, text, note = happening.kind, happening.words, ""
    if kind == "order":
        number, what, state = text.rsplit(" ", 2)
        noun = {"sale": "Order", "refund": "Refund", "adjustment": "Correction"}[what]
        text = f"{noun} {number}: {words.money(happening.figure, happening.currency)}"
        note = "" if state == "paid" else state
    elif kind == "consent":
        channel, _, topic = text.partition(" ")
        said = "Said yes to" if happening.figure else "Said no to"
        text, note = f"{said} {topic} by {_spelt(channel)}", f"told by {happening.currency}"
    elif kind == "review":
        stars = f"{happening.figure:.0f} of 5 stars" if happening.figure else "Review"
        text = f"{stars}: {text}" if text else stars
        note = (happening.detail or {}).get("text", "")[:200]
    else:
        note = _event_note(happening.detail or {})
    return Moment(at=happening.happened_at, kind=kind, text=text, note=note)


def _spelt(channel: str) -> str:
    return {"email": "e-mail", "sms": "SMS", "in_app": "message in the app"}.get(channel, channel)


def _event_note(properties: dict) -> str:
    """The few properties of an event that say what it was about."""
    known = ("name", "product_name", "product_id", "title", "url", "campaign", "subject", "query")
    return next((str(properties[key])[:120] for key in known if properties.get(key)), "")


def orders(request: HttpRequest, customer_id: int, *, now: datetime) -> Panel | None:
    found = list(querysets.orders_of(customer_id, limit=ORDERS_SHOWN + 1))
    if not found:
        return None
    more = len(found) > ORDERS_SHOWN
    title = f"The last {ORDERS_SHOWN} orders" if more else words.plural(len(found), "order")
    return Panel(title, "customers/_orders.html", {"orders": found[:ORDERS_SHOWN]})


def consents(request: HttpRequest, customer_id: int, *, now: datetime) -> Panel | None:
    """What she said, word for word, and what counts now."""
    said = Consent.objects.filter(customer_id=customer_id)
    ledger = list(said.order_by("-happened_at", "-recorded_at", "-id"))
    latest: dict[tuple[str, str], Consent] = {}
    for word in ledger:
        latest.setdefault((word.channel, word.topic), word)
    emails = [word for (channel, _topic), word in latest.items() if channel == "email"]
    may_email = any(word.is_granted for word in emails)
    title = "May be written to by e-mail" if may_email else "Must not be written to by e-mail"
    context = {
        "latest": [(word, _spelt(word.channel)) for word in latest.values()],
        "ledger": [(word, _spelt(word.channel)) for word in ledger],
        "may_email": may_email,
    }
    return Panel(title, "customers/_consents.html", context, side=True)


def identities(request: HttpRequest, customer_id: int, *, now: datetime) -> Panel | None:
    found = list(Identity.objects.filter(customer_id=customer_id).order_by("kind", "value")[:50])
    if not found:
        return None
    spelt = {"external": "number in", "anonymous": "browser or device of"}
    known = [(f"{spelt[i.kind]} {i.source}" if i.kind in spelt else i.kind, i.value) for i in found]
    return Panel("Known as", "customers/_identities.html", {"known": known}, side=True)


@page("customers.add_consent")
@require_POST
def stop_email(request: HttpRequest, customer_id: int) -> HttpResponse:
    """Record a no for every topic by e-mail that this customer has a yes for."""
    get_object_or_404(Customer, pk=customer_id, erased_at=None)
    now = timezone.now()
    said = Consent.objects.filter(customer_id=customer_id, channel="email")
    topics = {"marketing", *said.values_list("topic", flat=True)}
    reason = request.POST.get("reason", "").strip()[:500] or "Stopped by staff on request."
    for topic in sorted(topics):
        consent.record(
            customer_id,
            channel="email",
            topic=topic,
            is_granted=False,
            source="staff",
            now=now,
            proof_text=reason,
        )
    access.audit(request.user, "consent.stopped", f"customer {customer_id}", reason=reason)
    messages.success(request, "E-mail is stopped: no campaign will write to this customer again.")
    return redirect("customer", customer_id=customer_id)


# --- her rights -------------------------------------------------------------------------------


@page("customers.export_customer")
def export_person(request: HttpRequest, customer_id: int) -> HttpResponse:
    """Everything all apps know about one customer, as a JSON file to hand to her."""
    get_object_or_404(Customer, pk=customer_id)
    found = privacy.export(customer_id)
    access.audit(request.user, "customer.exported", f"customer {customer_id}")
    answer = JsonResponse(found, json_dumps_params={"indent": 2, "ensure_ascii": False})
    answer["Content-Disposition"] = f'attachment; filename="customer-{customer_id}.json"'
    return answer


@page("customers.erase_customer")
def erase_person(request: HttpRequest, customer_id: int) -> HttpResponse:
    """Ask once, in words, and then erase; afterwards the certificate is shown."""
    person = get_object_or_404(Customer, pk=customer_id)
    certificate = None
    if request.method == "POST":
        certificate = privacy.erase(customer_id, user=request.user, now=timezone.now())
    crumbs = [Link("Customers", reverse("customers"))]
    if certificate:
        title, lead = "Erased", f"Customer {customer_id} is erased; this is the certificate."
    else:
        title = f"Erase {person}?"
        lead = "This cannot be undone. Hand out the data first, if she asked for it."
        crumbs.append(Link(str(person), reverse("customer", args=[customer_id])))
    context = {"customer": person, "certificate": certificate}
    return show(
        request, "customers/erase.html", title=title, lead=lead, crumbs=crumbs, context=context
    )
