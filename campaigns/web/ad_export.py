"""A segment for an advertising platform: how many, by which rule, and the file."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse

from campaigns.services import ad_export as service
from rapport.errors import DomainError
from rapport.web import words
from rapport.web.csv_answer import streamed
from rapport.web.dashboard import Link, Number
from rapport.web.page import page, show
from segments.models import Segment
from segments.web.uses import Use


@page("customers.export_customer")
def ad_export(request: HttpRequest, segment_id: int) -> HttpResponseBase:
    """Say who would be in it on GET; hand it out, audited, on POST."""
    segment = get_object_or_404(Segment, pk=segment_id)
    if request.method == "POST":
        try:
            return answer(segment, request.POST.get("platform", ""), user=request.user)
        except DomainError as error:
            messages.error(request, str(error))
            return redirect("ad_export", segment_id)
    return _shown(request, segment)


def answer(segment: Segment, platform: str, *, user) -> StreamingHttpResponse:
    """The file, as it is read."""
    rows = service.rows(segment, platform=platform, user=user)
    return streamed(rows, name=f"{segment.key}-{platform}.csv", lineterminator="\n")


def uses(segment_id: int) -> list[Use]:
    return [Use("Audience for advertising", "export", reverse("ad_export", args=[segment_id]))]


def _shown(request: HttpRequest, segment: Segment) -> HttpResponse:
    found = service.size(segment)
    left = found.members - found.chosen
    lead = (
        f"{words.plural(found.chosen, 'member')} can be handed out, as fingerprints; "
        f"{words.number(left)} cannot."
    )
    return show(
        request,
        "campaigns/ad_export.html",
        title=f"{segment}: audience for advertising",
        lead=lead,
        crumbs=[Link(str(segment), reverse("segment", args=[segment.pk]))],
        context={
            "segment": segment,
            "topic": service.TOPIC,
            "platforms": [(key, one.name) for key, one in service.PLATFORMS.items()],
            "numbers": (
                Number("Members", words.number(found.members)),
                Number("Agreed and reachable", words.number(found.chosen)),
            ),
            "can_export": found.chosen > 0,
        },
    )
