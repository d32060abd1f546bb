"""Offers: what is given, how much of it, and to whom which."""

from collections.abc import Iterator

from django.conf import settings
from django.contrib import messages
from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from campaigns.models import Campaign, Coupon, Offer
from campaigns.offers import terms
from campaigns.services import campaigns as campaign_service
from campaigns.services import offer_choice, offer_rows
from campaigns.services import offers as service
from campaigns.web.offer_forms import OfferForm, PoolForm, values_of
from rapport.access import audit
from rapport.errors import DomainError
from rapport.web import words
from rapport.web.csv_answer import streamed
from rapport.web.dashboard import Empty, Link, Number
from rapport.web.page import page, show

GIVEN = Count("coupons", filter=Q(coupons__given_at__isnull=False))
REDEEMED = Count("coupons", filter=Q(coupons__redeemed_at__isnull=False))
SHOWN_MOST = 200


@page("campaigns.view_offer")
def offers(request: HttpRequest) -> HttpResponse:
    asked = request.GET.get("q", "").strip()
    found = Offer.objects.annotate(given=GIVEN, redeemed=REDEEMED).order_by("-pk")
    if asked:
        found = found.filter(name__icontains=asked)
    rows = [(one, terms.words(offer_rows.terms_of(one))) for one in found[:SHOWN_MOST]]
    context = {
        "rows": rows,
        "asked": asked,
        "empty": Empty(
            "No offer yet. A campaign can carry one, with a code of their own for everybody.",
            Link("Make an offer", reverse("offer_new")),
        ),
    }
    lead = "What campaigns can give, and how much of it was used."
    return show(request, "campaigns/offers.html", title="Offers", lead=lead, context=context)


@page("campaigns.add_offer")
def new(request: HttpRequest) -> HttpResponse:
    form = OfferForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            made = service.create(**form.fields_given(), user=request.user, now=timezone.now())
        except DomainError as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, f"{made} can be given by campaigns now.")
            return redirect("offer", made.pk)
    return show(
        request,
        "campaigns/offer_form.html",
        title="New offer",
        lead="What it gives, with which code, and how much of it at most.",
        crumbs=[Link("Offers", reverse("offers"))],
        context={"form": form},
        status=400 if form.errors else 200,
    )


@page("campaigns.view_offer")
def offer(request: HttpRequest, offer_id: int) -> HttpResponse:
    """What was given and redeemed, what is left, and its pool."""
    found = get_object_or_404(Offer, pk=offer_id)
    now = timezone.now()
    said = terms.words(offer_rows.terms_of(found))
    context = {
        "offer": found,
        "currency": settings.CURRENCY,
        "numbers": _numbers(found, now),
        "may_change": request.user.has_perm("campaigns.change_offer"),
        "is_given": service.is_given(found),
        "pool": PoolForm() if found.codes == Offer.Codes.POOL else None,
        "campaigns": Campaign.objects.filter(
            Q(offer=found) | Q(offer_candidates__offer=found) | Q(variants__offer=found)
        ).distinct()[:SHOWN_MOST],
    }
    return show(
        request,
        "campaigns/offer.html",
        title=str(found),
        lead=f"{said}, valid for {words.plural(found.valid_days, 'day')}.",
        crumbs=[Link("Offers", reverse("offers"))],
        context=context,
    )


@page("campaigns.change_offer")
def edit(request: HttpRequest, offer_id: int) -> HttpResponse:
    found = get_object_or_404(Offer, pk=offer_id)
    form = OfferForm(request.POST or None, initial=values_of(found))
    if request.method == "POST" and form.is_valid():
        try:
            service.edit(found, **form.fields_given(), user=request.user)
        except DomainError as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, "Saved.")
            return redirect("offer", found.pk)
    lead = "Its limits can be changed at any time; its terms until codes are out."
    return show(
        request,
        "campaigns/offer_form.html",
        title=f"Change {found}",
        lead=lead,
        crumbs=[
            Link("Offers", reverse("offers")),
            Link(str(found), reverse("offer", args=[found.pk])),
        ],
        context={"form": form, "offer": found},
        status=400 if form.errors else 200,
    )


@page("campaigns.change_offer")
@require_POST
def pool(request: HttpRequest, offer_id: int) -> HttpResponse:
    """Fill a pool: good codes go in, bad ones are named with their line."""
    found = get_object_or_404(Offer, pk=offer_id)
    form = PoolForm(request.POST, request.FILES)
    try:
        if not form.is_valid():
            raise DomainError(" ".join(sum(form.errors.values(), [])))
        given, now = form.cleaned_data, timezone.now()
        if given["count"]:
            made = service.make_pool(found, given["count"], user=request.user, now=now)
            messages.success(
                request, f"{words.plural(made, 'code')} made; export them for the shop."
            )
        lines = _lines(given)
        if lines:
            _say_filled(request, service.fill_pool(found, lines, user=request.user, now=now))
    except (DomainError, UnicodeDecodeError) as error:
        said = str(error) if isinstance(error, DomainError) else "The file is no UTF-8 text."
        messages.error(request, said)
    return redirect("offer", found.pk)


@page("campaigns.export_coupons")
def export(request: HttpRequest, offer_id: int) -> StreamingHttpResponse:
    """Every code of an offer, for the shop to know them."""
    found = get_object_or_404(Offer, pk=offer_id)
    audit(request.user, "offer.codes_exported", f"offer {found.pk}")
    return streamed(_rows(found), name=f"codes-{found.pk}.csv")


@page("campaigns.delete_offer")
@require_POST
def delete(request: HttpRequest, offer_id: int) -> HttpResponse:
    found = get_object_or_404(Offer, pk=offer_id)
    try:
        service.delete(found, user=request.user)
    except DomainError as error:
        messages.error(request, str(error))
        return redirect("offer", found.pk)
    messages.success(request, f"{found} is deleted.")
    return redirect("offers")


@page("campaigns.view_campaign")
def campaign_offers(request: HttpRequest, campaign_id: int) -> HttpResponse:
    """Let each person have the best of several offers, and see what that is worth beforehand."""
    campaign = get_object_or_404(Campaign.objects.select_related("offer"), pk=campaign_id)
    if request.method == "POST":
        return _choose(request, campaign)
    report = offer_choice.rehearse(campaign, now=timezone.now())
    candidates = set(campaign.offer_candidates.values_list("offer_id", flat=True))
    rows = [
        (one, terms.words(offer_rows.terms_of(one)), one.pk in candidates)
        for one in Offer.objects.order_by("-pk")[:SHOWN_MOST]
    ]
    may = request.user.has_perm("campaigns.change_campaign")
    context = {
        "campaign": campaign,
        "currency": settings.CURRENCY,
        "rows": rows,
        "report": report,
        "may_change": may and campaign.state in campaign_service.EDITABLE,
    }
    return show(
        request,
        "campaigns/offer_choice.html",
        title="Which offer for whom",
        lead=_choice_lead(campaign, report),
        crumbs=[Link(str(campaign), reverse("campaign", args=[campaign.pk]))],
        context=context,
    )


def _choose(request: HttpRequest, campaign: Campaign) -> HttpResponse:
    if not request.user.has_perm("campaigns.change_campaign"):
        messages.error(request, "Choosing offers needs the permission to change campaigns.")
        return redirect("campaign_offers", campaign.pk)
    ids = [one for one in request.POST.getlist("offer") if one.isdigit()]
    try:
        service.choose_among(
            campaign, list(Offer.objects.filter(pk__in=ids)), user=request.user, now=timezone.now()
        )
    except DomainError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, "Saved.")
    return redirect("campaign_offers", campaign.pk)


def _choice_lead(campaign: Campaign, report: offer_choice.ChoiceReport | None) -> str:
    if report is None and campaign.offer is not None:
        return f"Everybody gets {campaign.offer}; take it away to choose for each person."
    if report is None:
        return "Choose at least two offers; each person then gets the one of most expected margin."
    gain = words.money(report.gain, settings.CURRENCY)
    return (
        f"Choosing for each of {words.plural(report.people, 'person', 'people')} is expected to "
        f"leave {gain} more than the best single offer for all."
    )


def _numbers(found: Offer, now) -> tuple[Number, ...]:
    used = offer_rows.used([found], now=now)[found.pk]
    mean, n = offer_rows.basket(now=now)
    cost = offer_rows.cost_of(found, basket=mean)
    left = offer_rows.left(found, now=now)
    as_of = f"as of {words.clock(now)}"
    numbers = [
        Number("Given", words.number(used.given), note=as_of),
        Number("Still open", words.number(used.open), note="neither redeemed nor expired"),
        Number(
            "Redeemed",
            words.part(used.redeemed, used.given) if used.given else words.NOTHING,
            note=f"n = {words.number(used.given)}",
        ),
        Number("Left to give", words.number(left) if left is not None else "no limit"),
    ]
    if cost is not None and n:
        note = (
            f"expected, each {words.money(cost, settings.CURRENCY)}; of {words.plural(n, 'order')}"
        )
        numbers.append(
            Number("Cost so far", words.money(cost * used.redeemed, settings.CURRENCY), note=note)
        )
    return tuple(numbers)


def _lines(given: dict) -> list[str]:
    lines = given["pasted"].splitlines()
    if given["file"]:
        text = given["file"].read().decode("utf-8-sig")
        lines += [line.split(",")[0].split(";")[0].strip('"') for line in text.splitlines()]
    return lines


def _say_filled(request: HttpRequest, report: service.PoolReport) -> None:
    said = f"{words.plural(report.added, 'code')} added"
    if report.known:
        said += f", {words.number(report.known)} known already"
    messages.success(request, f"{said}.")
    if report.refused_count:
        shown = "; ".join(f"line {line}: {code!r} {why}" for line, code, why in report.refused[:5])
        messages.warning(request, f"{report.refused_count:,} refused. {shown}.")


def _rows(found: Offer) -> Iterator[list[str]]:
    """Codes hold no sign that a spreadsheet takes for a formula (`campaigns.offers.codes`)."""
    yield ["code", "given_at", "expires_at", "redeemed_at"]
    rows = Coupon.objects.filter(offer=found).order_by("pk")
    for row in rows.values_list("code", "given_at", "expires_at", "redeemed_at").iterator(5_000):
        yield [row[0], *("" if at is None else at.isoformat() for at in row[1:])]
