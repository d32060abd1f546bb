"""Lists: campaigns, and the ledger of one."""

from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone

from campaigns.models import Campaign, Message
from campaigns.services import asked_why
from customers.models import Customer
from rapport.web import keyset, words
from rapport.web.dashboard import Empty, Link
from rapport.web.page import page, show

SORTS = {
    "newest": ("Newest first", ("-id",)),
    "changed": ("Last changed first", ("-changed_at", "-id")),
    "name": ("By name", ("name", "id")),
}
KINDS = [(key, str(label).lower()) for key, label in Campaign.Kind.choices]
STATES = [(key, str(label).lower()) for key, label in Campaign.State.choices]


@page("campaigns.view_campaign")
def campaigns(request: HttpRequest) -> HttpResponse:
    """Every campaign, narrowed down by kind, state and name."""
    asked = {name: request.GET.get(name, "").strip() for name in ("kind", "state", "q", "sort")}
    found = Campaign.objects.prefetch_related("included")
    for name, choices in (("kind", Campaign.Kind), ("state", Campaign.State)):
        if asked[name] in choices.values:
            found = found.filter(**{name: asked[name]})
        else:
            asked[name] = ""
    if asked["q"]:
        found = found.filter(name__icontains=asked["q"])
    asked["sort"] = asked["sort"] if asked["sort"] in SORTS else "newest"
    pages = keyset.page(found, request.GET, by=SORTS[asked["sort"]][1], size=25)
    active = Campaign.objects.filter(state__in=["planning", "sending", "paused"]).count()
    lead = (
        f"{words.plural(active, 'campaign is', 'campaigns are')} under way."
        if active
        else "Nothing is being sent at the moment."
    )
    is_narrowed = bool(asked["kind"] or asked["state"] or asked["q"])
    context = {
        "pages": pages,
        "asked": asked,
        "sorts": [(key, label) for key, (label, _by) in SORTS.items()],
        "chips": [
            ("Kind", _chips(asked, "kind", KINDS)),
            ("State", _chips(asked, "state", STATES)),
        ],
        "empty": Empty("No campaign is like that.", Link("Show all", reverse("campaigns")))
        if is_narrowed
        else Empty(
            "No campaign yet. The first one takes a segment, a message and a holdout.",
            Link("Write a campaign", reverse("campaign_new")),
        ),
    }
    return show(request, "campaigns/campaigns.html", title="Campaigns", lead=lead, context=context)


def _chips(
    asked: dict[str, str], name: str, choices: list[tuple[str, str]]
) -> list[tuple[str, str, bool]]:
    """(words, address, is chosen) of each way to narrow the list down by this."""
    chips = []
    for key, label in [("", "all"), *choices]:
        given = {k: v for k, v in {**asked, name: key}.items() if v}
        chips.append((label, f"?{urlencode(given)}", asked[name] == key))
    return chips


@page("campaigns.view_message")
def of_customer(request: HttpRequest, customer_id: int) -> HttpResponse:
    """Why one person is, or is not, in each campaign that runs."""
    customer = get_object_or_404(Customer, pk=customer_id)
    found = asked_why.running(customer, now=timezone.now())
    inside = sum(one.is_in for one in found)
    return show(
        request,
        "campaigns/of_customer.html",
        title=f"{customer} and the campaigns that run",
        lead=f"In {inside} of {words.plural(len(found), 'campaign')} that run or are scheduled.",
        crumbs=(Link(str(customer), reverse("customer", args=[customer.pk])),),
        context={
            "found": found,
            "customer": customer,
            "empty": Empty("No campaign runs or is scheduled at the moment."),
        },
    )


@page("campaigns.view_message")
def messages(request: HttpRequest, campaign_id: int) -> HttpResponse:
    """The ledger: one row a person, with its state and the reason for it."""
    campaign = get_object_or_404(Campaign, pk=campaign_id)
    found = Message.objects.filter(campaign=campaign).select_related(
        "customer", "coupon", "variant"
    )
    state, reason = request.GET.get("state", ""), request.GET.get("reason", "")
    if state in Message.State.values:
        found = found.filter(state=state)
    if reason and reason in Message.Reason.values:
        found = found.filter(reason=reason)
    total = keyset.count(found)
    context = {
        "campaign": campaign,
        "pages": keyset.page(found, request.GET, by=("-id",)),
        "state": state,
        "reason": reason,
        "states": Message.State.choices,
        "reasons": [choice for choice in Message.Reason.choices if choice[0]],
        "empty": Empty("No message is like that."),
    }
    lead = f"{str(total).capitalize()} messages of {campaign}."
    title = f"{campaign}: messages"
    return show(request, "campaigns/messages.html", title=title, lead=lead, context=context)
