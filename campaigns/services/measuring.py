"""Decide, before anything is sent, how a campaign will be judged.  The only writer of Measuring."""

from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction

from campaigns.models import Campaign, Measuring
from rapport.access import audit
from rapport.errors import Conflict, DomainError

FIELDS = (
    "is_adjusted",
    "looks",
    "spending",
    "customers_planned",
    "unsubscribe_rate_most",
    "complaint_rate_most",
    "bounce_rate_most",
)
LOOKS_MOST = 50
EDITABLE = Campaign.EDITABLE
CUSTOMERS_PLANNED = 10_000  # of what goes on and is looked at several times, unless said otherwise


class MeasuringRefused(DomainError):
    """Fields that make no plan; `faults` has every reason."""

    code = "measuring_refused"

    def __init__(self, faults: list[str]) -> None:
        super().__init__(" ".join(faults))
        self.faults = faults


def of(campaign: Campaign) -> Measuring:
    """What was decided for this campaign; the defaults, unsaved, where nobody decided anything."""
    found = Measuring.objects.filter(campaign=campaign).first()
    return found or Measuring(campaign=campaign)


@transaction.atomic
def decide(campaign: Campaign, *, user: Any, now: datetime, **fields: Any) -> Measuring:
    """Say how a campaign will be judged; refused once it was launched.

    Whoever knows the first results could choose the rule that likes them.  The campaign's row is
    locked, so that this cannot slip behind a launch.
    """
    current = Campaign.objects.select_for_update(of=("self",)).get(pk=campaign.pk)
    if current.state not in EDITABLE:
        raise Conflict(
            f"The campaign {current} is {current.state}: how it is judged was settled when it was "
            "launched."
        )
    measuring = of(current)
    faults = _faults(fields)
    for name, value in fields.items():
        if name in FIELDS:
            setattr(measuring, name, value)
    measuring.changed_at = now
    try:
        measuring.clean_fields(exclude=["campaign"])
    except ValidationError as error:
        faults += [f"{name}: {' '.join(words)}" for name, words in error.message_dict.items()]
    if faults:
        raise MeasuringRefused(faults)
    measuring.save()
    audit(user, "campaign.measuring", f"campaign {campaign.pk}", **fields)
    return measuring


def _faults(fields: dict[str, Any]) -> list[str]:
    found = [f"There is no field {name}." for name in sorted(set(fields) - set(FIELDS))]
    looks = fields.get("looks", 1)
    if not isinstance(looks, int) or not 1 <= looks <= LOOKS_MOST:
        found.append(f"The looks must be 1 to {LOOKS_MOST}, found {looks}.")
    planned = fields.get("customers_planned")
    if planned is not None and planned < 1:
        found.append(f"The customers planned must be 1 or more, found {planned}.")
    for name in ("unsubscribe_rate_most", "complaint_rate_most", "bounce_rate_most"):
        rate = fields.get(name, 0.01)
        if not isinstance(rate, int | float) or not 0 < rate < 1:
            found.append(f"{name} must lie between 0 and 1, found {rate}.")
    return found
