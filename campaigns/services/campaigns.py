"""Create, edit, copy and delete campaigns.  Their states are moved by planning and delivery."""

import secrets
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction

from campaigns.messages import starter
from campaigns.models import Campaign
from campaigns.services import plans
from campaigns.services import variants as variant_rows
from campaigns.services.plans import CampaignRefused
from rapport.access import audit
from rapport.errors import Conflict
from segments.models import Segment

FIELDS = plans.FIELDS
SEGMENTS = ("included", "excluded")
EDITABLE = Campaign.EDITABLE
OVER = (Campaign.State.FINISHED, Campaign.State.CANCELLED)
SALT_BYTES = 12


@transaction.atomic
def create(*, user: Any, now: datetime, **fields: Any) -> Campaign:
    """Create a draft, with a salt of its own and a message that is ready to be changed.

    ``fields`` are those of `FIELDS`; ``included`` and ``excluded``, segments or their ids; and
    ``variants``, dictionaries of the fields of `campaigns.services.variants`.
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
    _choose_variants(campaign, given, now=now)
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
    changed += _choose_variants(current, fields, now=now)
    audit(user, "campaign.edited", f"campaign {campaign.pk}", changed=changed)
    return campaign


@transaction.atomic
def word_step(
    campaign: Campaign, step: int, rows: list[dict[str, Any]], *, user: Any, now: datetime
) -> None:
    """Say otherwise what one step of a flow says; one that runs says it from its next message on.

    What stands in other steps stays.
    """
    current = Campaign.objects.select_for_update().get(pk=campaign.pk)
    if current.kind != Campaign.Kind.FLOW or current.state in OVER:
        raise Conflict(f"The campaign {current} is {current.state}; its words stay as they are.")
    others = [variant_rows.as_fields(one) for one in current.variants.exclude(step=step)]
    mine = [{**one, "step": step} for one in rows]
    variant_rows.choose(current, [*others, *mine], now=now)
    audit(user, "flow.worded", f"campaign {current.pk}", step=step)


@transaction.atomic
def duplicate(campaign: Campaign, *, user: Any, now: datetime) -> Campaign:
    """Copy a campaign as a draft with a draw of its own, and what its variants say."""
    fields = {name: getattr(campaign, name) for name in FIELDS}
    fields["variants"] = [variant_rows.as_fields(one) for one in campaign.variants.all()]
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
    unknown = sorted(set(fields) - {*FIELDS, *SEGMENTS, "variants"})
    found = [("", f"There is no field {name}.") for name in unknown] + plans.faults(fields)
    found += _trigger_faults(fields.get("trigger"))
    if found:
        raise CampaignRefused.of(found)
    return {name: fields[name] for name in FIELDS if name in fields}


def _trigger_faults(trigger: dict[str, Any] | None) -> plans.Faults:
    if not isinstance(trigger, dict) or not isinstance(key := trigger.get("segment"), str):
        return []
    known = Segment.objects.exclude(state=Segment.State.ARCHIVED).filter(key=key)
    return [] if known.exists() else [("trigger", f"There is no segment {key} in use.")]


def _check_columns(campaign: Campaign) -> None:
    """Lengths, choices and addresses, by what the columns themselves demand, and how they go
    together."""
    unfinished = [name for name in ("subject", "body") if not getattr(campaign, name)]
    found = plans.faults_together(campaign)
    try:
        campaign.clean_fields(exclude=unfinished)  # a draft may wait for its words
    except ValidationError as error:
        found += [(name, " ".join(words)) for name, words in error.message_dict.items()]
    if found:
        raise CampaignRefused(
            [f"{name}: {fault}" for name, fault in found], CampaignRefused.of(found).by_field
        )


def _choose_segments(campaign: Campaign, fields: dict[str, Any]) -> list[str]:
    """Set the segments that ``fields`` names; return which of the two were named."""
    named = [name for name in SEGMENTS if name in fields]
    for name in named:
        wanted = _ids(fields[name])
        missing = wanted - set(Segment.objects.filter(pk__in=wanted).values_list("pk", flat=True))
        if missing:
            raise CampaignRefused.of([(name, f"There is no segment {pk}.") for pk in missing])
        getattr(campaign, name).set(wanted)
    return named


def _choose_variants(campaign: Campaign, fields: dict[str, Any], *, now: datetime) -> list[str]:
    if "variants" not in fields:
        return []
    before = [variant_rows.as_fields(one) for one in campaign.variants.all()]
    made = variant_rows.choose(campaign, fields["variants"], now=now)
    return ["variants"] if [variant_rows.as_fields(one) for one in made] != before else []


def _ids(segments: Iterable[Segment | int]) -> set[int]:
    return {one.pk if isinstance(one, Segment) else int(one) for one in segments}
