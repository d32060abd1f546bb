"""What the steps of a campaign say, and the versions of an A/B test.  The only module that writes
Variant rows.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError

from campaigns.models import Campaign, Message, Variant
from campaigns.services import plans
from campaigns.services.plans import CampaignRefused, Faults

FIELDS = (
    "step",
    "name",
    "weight",
    "channel",
    "subject",
    "preheader",
    "body",
    "blocks",
    "text",
    "translations",
    "offer",
    "local_hour",
)
WEIGHT_MOST = 1_000
VARIANTS_MOST = 60


def choose(campaign: Campaign, wanted: Sequence[dict[str, Any]], *, now: datetime) -> list[Variant]:
    """Make these the variants of a campaign; the caller holds the campaign's row.

    One of the same step and name keeps its row, and so what was assigned to it and sent of it.  A
    variant that is not wanted any more is removed, or, when something was sent of it, stays with
    the weight 0.
    """
    rows = [_filled(one) for one in wanted]
    refused = faults(rows)
    if refused:
        raise CampaignRefused.of([("variants", fault) for _place, fault in refused])
    kept = {(one.step, one.name): one for one in campaign.variants.all()}
    made = [_write(campaign, kept.pop((row["step"], row["name"]), None), row, now) for row in rows]
    _drop(list(kept.values()), now)
    return made


def faults(rows: Sequence[dict[str, Any]]) -> Faults:
    """What is wrong with these variants, by their place in the list."""
    found: Faults = []
    if len(rows) > VARIANTS_MOST:
        found.append(("", f"A campaign has at most {VARIANTS_MOST} variants."))
    seen: set[tuple[int, str]] = set()
    for place, row in enumerate(rows):
        key = row.get("step", 0), str(row.get("name", "")).strip()
        called = f"Variant {key[1] or place + 1}"
        said = _faults_of(row)
        if key in seen:
            said.append("there is another of this name; give it a name of its own.")
        seen.add(key)
        found += [(str(place), f"{called}: {one}") for one in said]
    for step in sorted({step for step, _name in seen if isinstance(step, int)}):
        weights = [row.get("weight", 1.0) for row in rows if row.get("step", 0) == step]
        if all(isinstance(one, int | float) for one in weights) and not sum(weights) > 0:
            found.append(("0", "At least one variant must have a weight above 0."))
    return found


def as_fields(variant: Variant) -> dict[str, Any]:
    """A variant as `choose` takes it."""
    return {name: getattr(variant, name) for name in FIELDS}


def _faults_of(row: dict[str, Any]) -> list[str]:
    found = [f"there is no field {name}." for name in sorted(set(row) - set(FIELDS))]
    if not str(row.get("name", "")).strip():
        found.append("it needs a name, such as A.")
    step, weight = row.get("step", 0), row.get("weight", 1.0)
    if not isinstance(step, int) or isinstance(step, bool) or not 0 <= step <= 1_000:
        found.append(f"the step must be 0 to 1000, found {step}.")
    if not isinstance(weight, int | float) or not 0 <= weight <= WEIGHT_MOST:
        found.append(f"the weight must be 0 to {WEIGHT_MOST}, found {weight}.")
    if not row.get("channel"):
        row = {name: value for name, value in row.items() if name != "channel"}
    checked = {name: row[name] for name in plans.CHECKS if name in row and name != "name"}
    return found + [fault for _field, fault in plans.faults(checked)]


def _filled(row: dict[str, Any]) -> dict[str, Any]:
    plain: dict[str, Any] = {"step": 0, "weight": 1.0}
    filled = {**plain, **{name: value for name, value in row.items() if value is not None}}
    return {**filled, "name": str(filled.get("name", "")).strip()}


def _write(campaign: Campaign, kept: Variant | None, row: dict[str, Any], now: datetime) -> Variant:
    variant = kept or Variant(campaign=campaign, created_at=now)
    for field in Variant._meta.concrete_fields:
        if field.name in FIELDS:
            setattr(variant, field.name, row.get(field.name, field.get_default()))
    variant.changed_at = now
    try:
        variant.clean_fields(exclude=["campaign"])
    except ValidationError as error:
        said = [
            ("variants", f"Variant {variant.name}: {name}: {' '.join(words)}")
            for name, words in error.message_dict.items()
        ]
        raise CampaignRefused.of(said) from error
    variant.save()
    return variant


def _drop(unwanted: list[Variant], now: datetime) -> None:
    ids = [one.pk for one in unwanted]
    told = Message.objects.filter(variant__in=ids).order_by()
    sent = set(told.values_list("variant", flat=True).distinct())
    Variant.objects.filter(pk__in=sent).update(weight=0, changed_at=now)
    Variant.objects.filter(pk__in=set(ids) - sent).delete()
