"""What campaigns tells the page of a segment: which of them write to it or leave it out."""

from django.db.models import Q
from django.urls import reverse

from campaigns.models import Campaign
from segments.web.uses import Use

SHOWN = 20


def campaigns(segment_id: int) -> list[Use]:
    asked = Q(included=segment_id) | Q(excluded=segment_id)
    found = Campaign.objects.filter(asked).distinct().order_by("-id")[:SHOWN]
    return [
        Use(one.name, "campaign", reverse("campaign", args=[one.pk]), one.get_state_display())
        for one in found
    ]
