"""Create, edit, copy and delete campaigns.  Their states are moved by planning and delivery."""

import secrets
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction

from campaigns.messages import starter
from campaigns.models import Campaign
from customers.models.consent import Channel
from rapport.access import audit
from rapport.errors import Conflict, DomainError
from segments.models import Segment

FIELDS = (
    "name",
    "objective",
    "channel",
    "topic",
    "offer",
    "subject",
    "preheader",
    "body",
    "sender_name",
    "sender_email",
    "holdout_share",
    "attribution_days",
)
SEGMENTS = ("included", "excluded")
EDITABLE = (Campaign.State.DRAFT, Campaign.State.SCHEDULED)
SALT_BYTES = 12
HOLDOUT_SHARE_MOST = 0.9
ATTRIBUTION_DAYS_MOST = 365


class CampaignRefused(DomainError):
    """Fields that make no campaign; `faults` has every reason."""

    code = "campaign_refused"

    def __init__(self, faults: list[str]) -> None:
        super().__init__(" ".join(faults))
        self.faults = faults


@transaction.atomic
def create(*, user: Any, now: datetime, **fields: Any) -> Campaign:
    """Create a draft, with a salt of its own and a message that is ready to be changed.

    ``fields`` are those of `FIELDS` and ``included``, ``excluded``: segments or their ids.
    """
    given = {
        "subject": starter.SUBJECT,
        "preheader": starter.PREHEADER,
        "body": starter.BODY,
        **fields,
    }
    campaign = Campaign(
        salt=secrets.token_hex(SALT_BYTES),
        created_by=user,
        created_at=now,
        changed_at=now,
        **_checked({"name": "", **given}),
    )
    _check_columns(campaign)
    campaign.save()
    _choose_segments(campaign, given)
    audit(user, "campaign.created", f"campaign {campaign.pk}", name=campaign.name)
    return campaign


@transaction.atomic
def edit(campaign: Campaign, *, user: Any, now: datetime, **fields: Any) -> Campaign:
    """Change a campaign that has not been launched; one that has been is refused.

    The row is locked, so that an edit cannot slip between a launch and its planning.  The draw may
    change with ``holdout_share``: nobody has been assigned yet.
    """
    current = Campaign.objects.select_for_update().get(pk=campaign.pk)
    if current.state not in EDITABLE:
        raise Conflict(
            f"The campaign {current} is {current.state}; it can be changed while it is "
            f"{' or '.join(EDITABLE)}. Duplicate it instead."
        )
    checked = _checked(fields)
    changed = [name for name, value in checked.items() if getattr(current, name) != value]
    for name, value in {**checked, "changed_at": now}.items():
        setattr(current, name, value)
        setattr(campaign, name, value)
    _check_columns(current)
    current.save(update_fields=[*checked, "changed_at"])
    changed += _choose_segments(current, fields)
    audit(user, "campaign.edited", f"campaign {campaign.pk}", changed=changed)
    return campaign


@transaction.atomic
def duplicate(campaign: Campaign, *, user: Any, now: datetime) -> Campaign:
    """Copy a campaign as a draft with a draw of its own."""
    fields = {name: getattr(campaign, name) for name in FIELDS}
    name_length_most = Campaign._meta.get_field("name").max_length or 0
    fields["name"] = f"Copy of {campaign.name}"[:name_length_most]
    return create(
        user=user,
        now=now,
        included=list(campaign.included.all()),
        excluded=list(campaign.excluded.all()),
        **fields,
    )


@transaction.atomic
def delete(campaign: Campaign, *, user: Any) -> None:
    """Remove a campaign that was never launched; what was sent stays on record."""
    current = Campaign.objects.select_for_update().get(pk=campaign.pk)
    if current.state not in EDITABLE:
        raise Conflict(
            f"The campaign {current} is {current.state}; only one that was never launched can be "
            "deleted."
        )
    audit(user, "campaign.deleted", f"campaign {current.pk}", name=current.name)
    current.delete()


def _checked(fields: dict[str, Any]) -> dict[str, Any]:
    """The plain columns among ``fields``; all faults are named at once."""
    unknown = sorted(set(fields) - set(FIELDS) - set(SEGMENTS))
    faults = [f"There is no field {name}." for name in unknown]
    if "name" in fields and not str(fields["name"]).strip():
        faults.append("A campaign needs a name.")
    if fields.get("channel", Channel.EMAIL) not in Channel.values:
        faults.append(f"There is no channel {fields['channel']}.")
    share = fields.get("holdout_share", 0)
    if not 0 <= share <= HOLDOUT_SHARE_MOST:
        faults.append(f"The holdout share must be 0 to {HOLDOUT_SHARE_MOST}, found {share}.")
    days = fields.get("attribution_days", 1)
    if not 1 <= days <= ATTRIBUTION_DAYS_MOST:
        faults.append(f"The window must be 1 to {ATTRIBUTION_DAYS_MOST} days, found {days}.")
    if faults:
        raise CampaignRefused(faults)
    return {name: fields[name] for name in FIELDS if name in fields}


def _check_columns(campaign: Campaign) -> None:
    """Lengths, choices and addresses, by what the columns themselves demand."""
    unfinished = [name for name in ("subject", "body") if not getattr(campaign, name)]
    try:
        campaign.clean_fields(exclude=unfinished)  # a draft may wait for its words
    except ValidationError as error:
        raise CampaignRefused(
            [f"{name}: {' '.join(words)}" for name, words in error.message_dict.items()]
        ) from error


def _choose_segments(campaign: Campaign, fields: dict[str, Any]) -> list[str]:
    """Set the segments that ``fields`` names; return which of the two were named."""
    named = [name for name in SEGMENTS if name in fields]
    for name in named:
        wanted = _ids(fields[name])
        missing = wanted - set(Segment.objects.filter(pk__in=wanted).values_list("pk", flat=True))
        if missing:
            raise CampaignRefused([f"There is no segment {pk}." for pk in sorted(missing)])
        getattr(campaign, name).set(wanted)
    return named


def _ids(segments: Iterable[Segment | int]) -> set[int]:
    return {one.pk if isinstance(one, Segment) else int(one) for one in segments}
