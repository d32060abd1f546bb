"""Why a customer is in a segment, and why not: any segment, clause by clause, with what changes."""

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone

from customers.models import Customer
from rapport.web.dashboard import Link
from rapport.web.page import page, show
from segments import querysets
from segments.models import Membership
from segments.services import why as asking


@page("segments.view_segment")
def why(request: HttpRequest, customer_id: int) -> HttpResponse:
    if not request.user.has_perm("customers.view_customer"):  # type: ignore[union-attr]
        raise PermissionDenied("This page needs the permission customers.view_customer.")
    person = get_object_or_404(Customer, pk=customer_id, erased_at=None)
    options = list(querysets.in_use().order_by("name", "pk"))
    inside = set(Membership.objects.filter(customer=person).values_list("segment_id", flat=True))
    asked = request.GET.get("segment", "")
    chosen = next((one for one in options if str(one.pk) == asked), None)
    context = {
        "person": person,
        "options": options,
        "chosen": chosen,
        "inside": [one for one in options if one.pk in inside],
        "outside": [one for one in options if one.pk not in inside],
    }
    lead = "Choose a segment to see every clause of its rule with what was found."
    if chosen is not None:
        context["why"] = answer = asking.why(chosen, person.pk, now=timezone.now())
        is_in = "in" if answer.is_member else "not in"
        lead = f"{person} is {is_in} “{chosen}”. {_because(answer)}"
    customers = Link("Customers", reverse("customers"))
    crumbs = (customers, Link(str(person), reverse("customer", args=[person.pk])))
    title = f"Why in, why not: {person}"
    return show(
        request, "segments/why.html", title=title, lead=lead, crumbs=crumbs, context=context
    )


def _because(answer: asking.Why) -> str:
    """The clauses that decide, where they are few enough to be said."""
    single = [one for one in answer.clauses if one.actual or one.depth == 0]
    failed = [one for one in single if not one.holds and one.actual]
    if answer.is_member or not failed:
        return ""
    first = failed[0]
    return f"What does not hold, among others: {first.words} (found: {first.actual})."
