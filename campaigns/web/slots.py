"""The website: slots, what may stand in them, what they showed, and the script to install."""

from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from campaigns.messages import pieces
from campaigns.messages.render import RenderError, TemplateError
from campaigns.models import Offer, Slot, SlotContent
from campaigns.services import decide
from campaigns.services import slots as service
from campaigns.web.slot_forms import ContentForm, SlotForm
from campaigns.web.viewers import viewer
from customers.models import Customer, WriteKey
from rapport.errors import DomainError
from rapport.web import words
from rapport.web.dashboard import Empty, Link
from rapport.web.page import page, show
from segments.models import Segment

SEEN_DAYS = 28
KEYS_SHOWN = 20
PEOPLE_SHOWN = 8
STRANGER = "nobody"  # in the preview: a visitor of whom nothing is known


@page("campaigns.view_slot")
def website(request: HttpRequest) -> HttpResponse:
    found = list(
        Slot.objects.annotate(
            live=Count("contents", filter=Q(contents__state="live")),
            personal=Count("contents", filter=Q(contents__segment__isnull=False)),
        )
    )
    seen = service.visitors([one.key for one in found], days=SEEN_DAYS, now=timezone.now())
    rows = [{"slot": one, "views": seen.get(one.key, (0, 0))} for one in found]
    context = {
        "rows": rows,
        "days": SEEN_DAYS,
        "keys": WriteKey.objects.filter(is_active=True, kind=WriteKey.Kind.BROWSER)[:KEYS_SHOWN],
        "script": request.build_absolute_uri(reverse("snippet")),
        "secrets": _secrets(request),
        "empty": Empty(
            "No slot yet. A slot is a marked place on your pages that shows each visitor the "
            "first content that fits her.",
            Link("Make a slot", reverse("slot_new")) if _may(request, "add") else None,
        ),
    }
    lead = (
        f"{words.plural(len(found), 'slot')} on your pages; see what each showed, and to how many."
    )
    if not found:
        lead = "Show visitors of your site what fits them."
    return show(request, "campaigns/slots.html", title="Website", lead=lead, context=context)


@page("campaigns.add_slot")
def new(request: HttpRequest) -> HttpResponse:
    form = SlotForm(request.POST or None, initial={"state": "live", "holdout_percent": 0})
    if request.method == "POST" and form.is_valid():
        try:
            made = service.create(**form.fields_given(), user=request.user, now=timezone.now())
        except DomainError as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, "The slot is there. Now say what it shows.")
            return redirect("slot", made.pk)
    return show(
        request,
        "campaigns/slots_new.html",
        title="New slot",
        lead="A marked place on your pages.",
        crumbs=[Link("Website", reverse("website"))],
        context={"form": form},
        status=400 if form.errors else 200,
    )


@page("campaigns.view_slot")
def slot(request: HttpRequest, slot_id: int) -> HttpResponse:
    found = get_object_or_404(Slot, pk=slot_id)
    form = SlotForm(
        request.POST or None,
        initial={
            "key": found.key,
            "name": found.name,
            "state": found.state,
            "holdout_percent": round(found.holdout_share * 100, 1),
        },
    )
    if request.method == "POST":
        if not _may(request, "change"):
            messages.error(request, "Changing a slot needs the permission to change slots.")
            return redirect("slot", found.pk)
        if form.is_valid():
            try:
                service.edit(found, **form.fields_given(), user=request.user, now=timezone.now())
            except DomainError as error:
                form.add_error(None, str(error))
            else:
                messages.success(request, "Saved; visitors see it at once.")
                return redirect("slot", found.pk)
    contents = list(found.contents.select_related("segment", "offer").order_by("priority", "id"))
    context = {
        "slot": found,
        "form": form,
        "contents": _with_views(found, contents),
        "days": SEEN_DAYS,
        "empty": Empty("It shows nothing yet: pages keep what their own HTML says."),
    }
    return show(
        request,
        "campaigns/slots_slot.html",
        title=found.name,
        lead=_said(found, contents),
        crumbs=[Link("Website", reverse("website"))],
        context=context,
        status=400 if form.errors else 200,
    )


@page("campaigns.delete_slot")
@require_POST
def delete(request: HttpRequest, slot_id: int) -> HttpResponse:
    found = get_object_or_404(Slot, pk=slot_id)
    service.delete(found, user=request.user)
    messages.success(request, f"{found} is deleted; pages show their own words again.")
    return redirect("website")


@page("campaigns.change_slot")
def content_new(request: HttpRequest, slot_id: int) -> HttpResponse:
    found = get_object_or_404(Slot, pk=slot_id)
    last = found.contents.order_by("-priority").first()
    start = {"state": "live", "priority": last.priority + 10 if last else 10}
    form = ContentForm(request.POST or None, initial=start)
    if request.method == "POST" and form.is_valid():
        try:
            service.add_content(found, **form.fields_given(), user=request.user, now=timezone.now())
        except DomainError as error:
            form.add_error(None, str(error))
        else:
            return _kept(request, found, form)
    return _content(request, form, found, None)


@page("campaigns.change_slot")
def content(request: HttpRequest, content_id: int) -> HttpResponse:
    found = get_object_or_404(SlotContent.objects.select_related("slot"), pk=content_id)
    form = ContentForm(request.POST or None, initial=ContentForm.values_of(found))
    if request.method == "POST" and form.is_valid():
        try:
            service.edit_content(
                found, **form.fields_given(), user=request.user, now=timezone.now()
            )
        except DomainError as error:
            form.add_error(None, str(error))
        else:
            return _kept(request, found.slot, form)
    return _content(request, form, found.slot, found)


@page("campaigns.change_slot")
@require_POST
def content_delete(request: HttpRequest, content_id: int) -> HttpResponse:
    found = get_object_or_404(SlotContent.objects.select_related("slot"), pk=content_id)
    service.delete_content(found, user=request.user, now=timezone.now())
    messages.success(request, f"{found} is deleted.")
    return redirect("slot", found.slot_id)


@page("campaigns.view_slot")
@require_POST
def preview(request: HttpRequest) -> JsonResponse:
    """What stands in the form, saved or not, as one customer would see it."""
    asked = request.POST.get("as", "").strip()
    customer = None if asked.lower() == STRANGER else viewer(asked)
    if customer is None and asked.lower() != STRANGER:
        customer = Customer.objects.filter(erased_at=None).order_by("-pk").first()
        if asked or customer is None:
            text = "No customer is like that. Try a name, an address or “nobody”."
            return JsonResponse({"error": text})
    offer = request.POST.get("offer", "")
    draft = SlotContent(
        title=request.POST.get("title", ""),
        body=request.POST.get("body", ""),
        offer=Offer.objects.filter(pk=int(offer)).first() if offer.isdecimal() else None,
    )
    try:
        shown = decide.preview(draft, customer.pk if customer else None, now=timezone.now())
    except (DomainError, TemplateError, RenderError) as error:
        return JsonResponse({"error": str(error)})
    lost = pieces.lost(draft.body)
    note = f" Taken out: {', '.join(f'<{tag}>' for tag in lost)}." if lost else ""
    return JsonResponse(
        {
            "as": str(customer) if customer else "a visitor nobody knows",
            "subject": "",
            "html": shown.html,
            "note": note,
        }
    )


def _content(
    request: HttpRequest, form: ContentForm, slot: Slot, content: SlotContent | None
) -> HttpResponse:
    context: dict[str, Any] = {"form": form, "slot": slot, "content": content}
    members = Customer.objects.filter(erased_at=None)
    if content and content.segment_id:
        members = members.filter(memberships__segment=content.segment_id)
    context["people"] = members.order_by("-pk")[:PEOPLE_SHOWN]
    return show(
        request,
        "campaigns/slots_content.html",
        title=str(content) if content else "New content",
        lead=f"Shown in {slot.name} to those it is for, unless one before it fits.",
        crumbs=[
            Link("Website", reverse("website")),
            Link(slot.name, reverse("slot", args=[slot.pk])),
        ],
        context=context,
        status=400 if form.errors else 200,
    )


def _kept(request: HttpRequest, slot: Slot, form: ContentForm) -> HttpResponse:
    lost = pieces.lost(form.cleaned_data["body"])
    if lost:
        messages.warning(
            request, f"Saved. Visitors will not get {', '.join(f'<{tag}>' for tag in lost)}."
        )
    else:
        messages.success(request, "Saved; visitors see it at once.")
    return redirect("slot", slot.pk)


def _with_views(slot: Slot, contents: list[SlotContent]) -> list[dict[str, Any]]:
    """Each content with what the pages told; those no longer there are left out."""
    now = timezone.now()
    since = now - timedelta(days=SEEN_DAYS)
    seen: dict[int | None, dict[str, int]] = {}
    for row in service.views([slot.key], since=since, now=now):
        told = seen.setdefault(row["content"], {"views": 0, "visitors": 0})
        told["views"] += row["views"]
        told["visitors"] += row["visitors"]
    rows = []
    for one in contents:
        told = seen.get(one.pk, {"views": 0, "visitors": 0})
        state = one.get_state_display()
        if one.state == SlotContent.State.LIVE and one.ends_at and one.ends_at <= now:
            state = "Over"
        elif one.state == SlotContent.State.LIVE and one.starts_at and one.starts_at > now:
            state = "To come"
        elif one.segment and one.segment.state != Segment.State.LIVE:
            state = "Segment is not live"
        rows.append({"content": one, "state": state, **told})
    return rows


def _said(slot: Slot, contents: list[SlotContent]) -> str:
    if slot.state == Slot.State.PAUSED:
        return "Paused: pages show their own words."
    live = [one for one in contents if one.state == SlotContent.State.LIVE]
    if not live:
        return "It shows nothing yet: pages keep their own words."
    if any(one.segment_id is None for one in live):
        return "Each visitor sees the first content that fits her; others the one for everybody."
    return "Members see the first content that fits them; others keep the page's own words."


def _secrets(request: HttpRequest) -> list[tuple[WriteKey, str]]:
    """Only for those who may see API keys: with it one can ask about any customer."""
    if not request.user.has_perm("rapport.view_apikey"):
        return []
    keys = WriteKey.objects.filter(is_active=True, kind=WriteKey.Kind.BROWSER)[:KEYS_SHOWN]
    return [(key, decide.signing_secret(key)) for key in keys]


def _browser_keys() -> QuerySet[WriteKey]:
    """The keys that may stand in a page; a server's is a secret, and never shown here."""
    return WriteKey.objects.filter(is_active=True, kind=WriteKey.Kind.BROWSER)[:KEYS_SHOWN]


def _may(request: HttpRequest, verb: str) -> bool:
    return bool(request.user.has_perm(f"campaigns.{verb}_slot"))
