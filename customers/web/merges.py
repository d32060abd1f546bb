"""Who turned out to be one person: the merges that were made, making one, and undoing it."""

from datetime import datetime, timedelta

from django.apps import apps
from django.contrib import messages
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone

from customers import querysets
from customers.models import Customer, Merge, RefusedClaim
from customers.services import identity
from customers.services.identities import merging
from rapport.errors import DomainError
from rapport.web import keyset, words
from rapport.web.dashboard import Empty, Link
from rapport.web.page import page, show
from rapport.web.panels import Panel

FOUND_MOST = 20  # customers to choose from
SHOWN_MOST = 10  # merges on a customer's page
STATES = [("", "all"), ("standing", "standing"), ("undone", "undone")]


@page("customers.view_merge")
def merges(request: HttpRequest) -> HttpResponse:
    asked = {key: request.GET.get(key, "") for key in ("rule", "state")}
    found = _narrowed(Merge.objects.select_related("survivor", "merged", "user"), asked)
    pages = keyset.page(found, request.GET, by=("-merged_at", "-id"))
    total = keyset.count(found)
    last_day = Merge.objects.filter(merged_at__gt=timezone.now() - timedelta(days=1))
    context = {
        "pages": pages,
        "rows": [(merge, _told(merge.moved)) for merge in pages.rows],
        "rules": Merge.Rule.choices,
        "states": STATES,
        "asked": asked,
        "empty": Empty(
            "No two profiles were found to be one person."
            if not any(asked.values())
            else "No merge fits this.",
            Link("Show all", reverse("merges")) if any(asked.values()) else None,
        ),
    }
    noun = "merge" if total.n == 1 else "merges"
    lead = f"{str(total).capitalize()} {noun}, {keyset.count(last_day)} of them in the last day."
    return show(request, "customers/merges.html", title="Merges", lead=lead, context=context)


def _narrowed(found: QuerySet[Merge], asked: dict[str, str]) -> QuerySet[Merge]:
    if asked["rule"] in Merge.Rule.values:
        found = found.filter(rule=asked["rule"])
    if asked["state"] in ("standing", "undone"):
        found = found.filter(undone_at__isnull=asked["state"] == "standing")
    return found


@page("customers.view_refusedclaim")
def refused(request: HttpRequest) -> HttpResponse:
    """Handles that were claimed and not given: broken pages, shared devices, likely doubles."""
    reason = request.GET.get("reason", "")
    found = RefusedClaim.objects.select_related("customer", "holder")
    if reason in RefusedClaim.Reason.values:
        found = found.filter(reason=reason)
    pages = keyset.page(found, request.GET, by=("-last_at", "-id"))
    context = {
        "pages": pages,
        "reasons": RefusedClaim.Reason.choices,
        "reason": reason,
        "empty": Empty("Nothing was refused: every id, address and browser could be used."),
    }
    lead = "Ids, addresses and browsers that messages claimed and did not get, with the reason."
    crumbs = (Link("Merges", reverse("merges")),)
    return show(
        request,
        "customers/refused.html",
        title="Refused handles",
        lead=lead,
        crumbs=crumbs,
        context=context,
    )


@page("customers.view_merge")
def merge(request: HttpRequest, merge_id: int) -> HttpResponse:
    """One merge: who, why, what moved, and what undoing it would do."""
    found = get_object_or_404(
        Merge.objects.select_related("survivor", "merged", "user", "undone_by"), pk=merge_id
    )
    today = identity.surviving(found.survivor_id)
    context = {
        "merge": found,
        "moved": _told(found.moved),
        "today": Customer.objects.filter(pk=today).first() if today != found.survivor_id else None,
        "may_undo": found.is_undoable and request.user.has_perm("customers.change_merge"),
    }
    when = words.day(found.merged_at)
    lead = f"{_named(found.merged)} became part of {_named(found.survivor)} on {when}."
    if found.undone_at:
        lead = f"{lead[:-1]}, and was taken out again on {words.day(found.undone_at)}."
    crumbs = (Link("Merges", reverse("merges")),)
    return show(
        request,
        "customers/merge.html",
        title=f"Merge {found.pk}",
        lead=lead,
        crumbs=crumbs,
        context=context,
    )


@page("customers.change_merge")
def undo(request: HttpRequest, merge_id: int) -> HttpResponse:
    found = get_object_or_404(Merge, pk=merge_id)
    if request.method == "POST":
        try:
            identity.undo(found, now=timezone.now(), user=request.user)
        except DomainError as error:
            messages.error(request, f"Nothing was changed. {error}")
        else:
            messages.success(request, "Taken apart: each has again what was theirs.")
    return redirect("merge", merge_id=merge_id)


@page("customers.add_merge")
def merge_with(request: HttpRequest, customer_id: int) -> HttpResponse:
    """Choose the other profile of a person, see what will happen, and do it."""
    person = get_object_or_404(Customer, pk=customer_id, erased_at=None)
    other = _other(request, person)
    if request.method == "POST" and other is not None:
        survivor, merged = _in_order(person, other)
        reason = request.POST.get("reason", "").strip()
        try:
            made = identity.merge(
                survivor.pk,
                merged.pk,
                rule=Merge.Rule.PERSON,
                reason=reason,
                now=timezone.now(),
                user=request.user,
            )
        except DomainError as error:
            messages.error(request, f"Nothing was changed. {error}")
        else:
            messages.success(request, f"{merged} is part of this profile now.")
            return redirect("customer", customer_id=made.survivor_id)
    asked = request.GET.get("q", "").strip()
    context = {"customer": person, "asked": asked, "other": other}
    if other is not None:
        survivor, merged = _in_order(person, other)
        context |= {
            "survivor": survivor,
            "merged": merged,
            "moved": _told(merging.rows_of(merged.pk)),
            "reason": request.POST.get("reason", ""),
        }
    elif asked:
        found = querysets.customers(words=asked).exclude(pk=customer_id)
        context["found"] = list(found.order_by("-happened_at", "-id")[:FOUND_MOST])
    crumbs = (
        Link("Customers", reverse("customers")),
        Link(str(person), reverse("customer", args=[customer_id])),
    )
    title = f"Merge {person} with …" if other is None else f"Merge {person} and {other}?"
    lead = (
        "Find the other profile of the same person."
        if other is None
        else "They become one profile. It is logged, and can be undone."
    )
    return show(
        request, "customers/merge_with.html", title=title, lead=lead, crumbs=crumbs, context=context
    )


def _other(request: HttpRequest, person: Customer) -> Customer | None:
    given = request.POST.get("with") or request.GET.get("with", "")
    if not given.isdecimal() or len(given) > 18 or int(given) == person.pk:
        return None
    return Customer.objects.filter(pk=int(given), erased_at=None).first()


def _in_order(one: Customer, other: Customer) -> tuple[Customer, Customer]:
    """Who survives, and who becomes part of that one: the older known profile stays."""
    return (other, one) if merging.is_later(one.pk, other.pk) else (one, other)


def merged_from(request: HttpRequest, customer_id: int, *, now: datetime) -> Panel | None:
    """On a customer's page: which profiles are part of this one, and the way to join another."""
    person = getattr(request, "person", None)
    rows = []
    if person is None or person.is_survivor:
        mine = Q(survivor_id=customer_id) | Q(survivor__merged_into=customer_id)
        found = Merge.objects.filter(mine, undone_at=None).select_related("merged")
        rows = list(found.order_by("-merged_at", "-id")[: SHOWN_MOST + 1])
    erased = Customer.objects.filter(pk=customer_id, erased_at__isnull=False)
    is_erased = erased.exists() if person is None else person.erased_at is not None
    may_merge = request.user.has_perm("customers.add_merge") and not is_erased
    if not rows and not may_merge:
        return None
    context = {
        "rows": rows[:SHOWN_MOST],
        "has_more": len(rows) > SHOWN_MOST,
        "may_merge": may_merge,
        "customer_id": customer_id,
    }
    title = "Merged from" if rows else "One of two?"
    return Panel(title, "customers/_merged_from.html", context, side=True)


def _named(customer: Customer) -> str:
    return str(customer)


def _told(moved: dict[str, int]) -> list[str]:
    """Rows by table in words: 3 orders, 1 event."""
    nouns = {model._meta.db_table: model._meta for model in apps.get_models()}
    return [
        words.plural(rows, str(nouns[table].verbose_name), str(nouns[table].verbose_name_plural))
        for table, rows in sorted(moved.items())
        if table in nouns
    ]
