"""What the block editor asks for while somebody writes: previews, values, products, images."""

from typing import Any

from django.db.models import Q
from django.http import HttpRequest, JsonResponse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from campaigns.messages.render import TemplateError
from campaigns.models import Campaign, Image, Offer, Template
from campaigns.services import documents, fields, images, previews
from campaigns.web.content_json import read_json, with_blocks
from campaigns.web.viewers import viewer
from customers.models import Customer, Product
from rapport.errors import DomainError
from rapport.web.page import page

SHOWN = 8
IMAGES_SHOWN = 24
TEXTS = ("subject", "preheader", "body", "text", "sender_name")


@page("campaigns.view_campaign")
@require_POST
def preview(request: HttpRequest) -> JsonResponse:
    """The message as one customer would get it, from what stands in the form."""
    customer = viewer(request.POST.get("as", ""))
    if customer is None:
        return JsonResponse({"error": "No customer is like that. Try a name or an address."})
    try:
        campaign = draft(request)
    except ValueError as error:
        return JsonResponse({"error": str(error)})
    answer: dict[str, Any] = {"as": f"{customer}"}
    now = timezone.now()
    try:
        if campaign.text and request.POST.get("part") == "text":
            text, size = previews.preview_text(campaign, customer.pk, now=now)
            answer |= {"text": text, "size": vars(size)}
        else:
            language = request.POST.get("language") or None
            found = previews.preview(campaign, customer.pk, now=now, language=language)
            answer |= {"subject": found.subject, "html": found.html, "text": found.text}
    except TemplateError as error:
        return JsonResponse({"error": str(error), "faults": list(error.faults)})
    except (DomainError, ValueError) as error:
        return JsonResponse({"error": f"{customer}: {error}"})
    return JsonResponse(answer)


def draft(request: HttpRequest) -> Campaign:
    """A campaign of the texts in a form; raises `ValueError` for blocks that are no JSON."""
    said = {name: request.POST.get(name, "") for name in TEXTS}
    offer = request.POST.get("offer", "")
    translations = read_json(request.POST.get("translations", "")) or {}
    return Campaign(
        name="Preview",
        salt="preview",
        blocks=read_json(request.POST.get("blocks", "")),
        translations=with_blocks(
            translations, read_json(request.POST.get("translated_blocks", ""))
        ),
        offer=Offer.objects.filter(pk=int(offer)).first() if offer.isdigit() else None,
        **said,
    )


@page("campaigns.view_campaign")
@require_safe
def values(request: HttpRequest) -> JsonResponse:
    """What a text may say, with how many people have no value for it, and the snippets."""
    number = request.GET.get("campaign", "")
    campaign = Campaign.objects.filter(pk=int(number)).first() if number.isdigit() else None
    n, found = fields.counted(fields.known(), fields.audience(campaign))
    snippets = Template.objects.filter(kind=Template.Kind.SNIPPET).values("id", "name")
    return JsonResponse(
        {"people": n, "fields": [vars(one) for one in found], "snippets": list(snippets)}
    )


@page("customers.view_customer")
@require_safe
def people(request: HttpRequest) -> JsonResponse:
    """Customers by the beginning of a name or an address."""
    words = request.GET.get("q", "").strip()
    known = Customer.objects.filter(erased_at=None)
    if words.isdigit():
        known = known.filter(pk=int(words))
    elif words:
        first, _space, last = words.partition(" ")
        named = Q(first_name__istartswith=first) & Q(last_name__istartswith=last)
        if not last:
            named |= Q(last_name__istartswith=first) | Q(email__istartswith=first)
        known = known.filter(named)
    found = known.order_by("-pk")[:SHOWN]
    return JsonResponse({"people": [{"id": one.pk, "name": f"{one}"} for one in found]})


@page("customers.view_product")
@require_safe
def products(request: HttpRequest) -> JsonResponse:
    """Products for sale by their numbers, or by the words of their names."""
    found = Product.objects.filter(is_available=True, kind=Product.Kind.GOODS)
    numbers = [int(one) for one in request.GET.get("ids", "").split(",") if one.isdigit()]
    if numbers:
        found = found.filter(pk__in=numbers)
    else:
        for word in request.GET.get("q", "").split()[:5]:
            found = found.filter(Q(name__icontains=word) | Q(external_id__iexact=word))
    shown = found.order_by("name")[: max(SHOWN, len(numbers))]
    return JsonResponse({"products": [{"id": one.pk, **documents.item(one)} for one in shown]})


@page("campaigns.view_image")
@require_safe
def stored_images(request: HttpRequest) -> JsonResponse:
    """The images that are kept, the newest first."""
    found = Image.objects.defer("data").order_by("-pk")[:IMAGES_SHOWN]
    return JsonResponse({"images": [_shown(one) for one in found]})


@page("campaigns.add_image")
@require_POST
def upload(request: HttpRequest) -> JsonResponse:
    """Keep one image; the answer has its public address."""
    file = request.FILES.get("image")
    if file is None:
        return JsonResponse({"error": "Choose an image."}, status=400)
    if (file.size or 0) > images.BYTES_MOST:
        return JsonResponse({"error": "The file is too large; at most 5 MB."}, status=400)
    try:
        kept = images.keep(file.read(), name=file.name or "", user=request.user, now=timezone.now())
    except DomainError as error:
        return JsonResponse({"error": str(error)}, status=400)
    return JsonResponse(_shown(kept))


def _shown(image: Image) -> dict[str, Any]:
    return {
        "url": images.url(image),
        "name": image.name,
        "width": image.width,
        "height": image.height,
        "size": image.size,
    }
