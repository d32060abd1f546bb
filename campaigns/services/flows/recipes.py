"""Make a draft of a flow from a recipe, with everything it needs.

For the page: `RECIPES` of `campaigns.flows.recipes` has key, title, sentence and objective.
"""

from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import transaction

from campaigns.flows.recipes import RECIPES, Needed, Recipe
from campaigns.models import Campaign, Offer
from campaigns.services import campaigns, offers
from campaigns.services.flows import definitions
from rapport.errors import NotFound
from segments.models import Segment
from segments.services import segments

OFFER_DAYS = 14


@transaction.atomic
def create(
    recipe: str,
    *,
    name: str = "",
    offer: Offer | None = None,
    user: Any,
    now: datetime,
    **fields: Any,
) -> Campaign:
    """A draft with its steps, words, segment, and an offer where the recipe gives one.

    A segment of the recipe's key is taken as it is; without ``offer`` one is made.  ``fields`` are
    those of a campaign, such as ``holdout_share`` or ``channel``.  Nothing is launched.
    """
    found = RECIPES.get(recipe)
    if found is None:
        raise NotFound(f"There is no recipe {recipe}; there are {', '.join(RECIPES)}.")
    _segment(found.segment, user=user, now=now)
    gift = offer or (_offer(found, user=user, now=now) if found.offer_steps else None)
    first = found.texts[min(found.texts)]
    words = {part: first[part] for part in ("subject", "preheader", "body")}
    variants = [{"step": step, "name": "A", **texts} for step, texts in found.texts.items()]
    given = {
        "name": name or found.title,
        "kind": Campaign.Kind.FLOW,
        "objective": found.objective,
        "metric": found.metric,
        **words,
        "variants": variants,
        **fields,
    }
    campaign = campaigns.create(user=user, now=now, **given)
    definition = found.definition(offer=gift.pk if gift else None)
    definitions.keep(campaign, definition, user=user, now=now, note=f"Recipe: {found.title}")
    return campaign


def _segment(needed: Needed, *, user: Any, now: datetime) -> None:
    if not Segment.objects.filter(key=needed.key).exists():
        segments.create(
            key=needed.key,
            name=needed.name,
            description=needed.description,
            rule=needed.rule,
            user=user,
            now=now,
        )


def _offer(recipe: Recipe, *, user: Any, now: datetime) -> Offer:
    return offers.create(
        name=f"{recipe.offer_share:.0%} off",
        kind=Offer.Kind.PERCENT,
        share=Decimal(str(recipe.offer_share)),
        valid_days=OFFER_DAYS,
        user=user,
        now=now,
    )
