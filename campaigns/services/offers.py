"""Create, change and remove offers, and fill their pools.  The only writer of ``Offer`` and of free
coupons; codes are given to people by `campaigns.services.coupons`.
"""

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection, transaction

from campaigns.models import Campaign, Coupon, Offer, OfferCandidate, SlotContent
from campaigns.offers import codes, limits, terms
from campaigns.services import offer_rows
from rapport.access import audit
from rapport.errors import Conflict, DomainError

TERMS = (
    "kind",
    "share",
    "amount",
    "currency",
    "code_prefix",
    "valid_days",
    "gift",
    "points",
    "codes",
    "static_code",
    "order_least",
)
# These may be changed while codes are out: no promise of a code depends on them.
LIMITS = (
    "given_most",
    "redeemed_most",
    "budget",
    "cost",
    "margin_share_least",
    "starts_at",
    "ends_at",
)
OTHER = ("is_stackable", "gift_product")
EDITABLE = Campaign.EDITABLE
NAME_LENGTH_MOST = 120
POOL_MOST = 1_000_000  # codes made at once
BATCH = 5_000
REFUSED_SHOWN = 100

ADD = """
    INSERT INTO campaigns_coupon (offer_id, code, is_shared, occasion, step, created_at)
    SELECT %s, code, false, 0, 0, %s FROM unnest(%s::text[]) AS code
    ON CONFLICT (code) WHERE NOT is_shared DO NOTHING"""


class OfferRefused(DomainError):
    """Terms that make no offer; `faults` has every reason."""

    code = "offer_refused"

    def __init__(self, faults: list[str]) -> None:
        super().__init__(" ".join(faults))
        self.faults = faults


@dataclass(frozen=True)
class PoolReport:
    """What became of codes that were to lie in a pool."""

    added: int
    known: int  # already somebody's, or in a pool
    refused: tuple[tuple[int, str, str], ...]  # line from 1, what stood there, why; the first ones
    refused_count: int


@transaction.atomic
def create(*, user: Any, now: datetime, name: str, kind: str, **given: Any) -> Offer:
    """Create an offer from its `TERMS`, `LIMITS` and `OTHER` fields."""
    tidy = _tidy({"kind": kind, **given})
    draft = Offer(name=name.strip(), created_at=now, **tidy)
    _check(draft, name)
    draft.save()
    audit(user, "offer.created", f"offer {draft.pk}", name=draft.name)
    return draft


@transaction.atomic
def edit(offer: Offer, *, user: Any, name: str | None = None, **given: Any) -> Offer:
    """Change an offer; once codes are out, its terms stay: a promise stays what it was.

    Its limits may be changed at any time; what is promised already counts against them.
    """
    current = Offer.objects.select_for_update().get(pk=offer.pk)
    before = offer_rows.terms_of(current)
    tidy = _tidy(given)
    for field, value in tidy.items():
        setattr(current, field, value)
    if name is not None:
        current.name = name.strip()
    _check(current, current.name)
    if offer_rows.terms_of(current) != before and is_given(current):
        raise Conflict(f"Codes of {current} are out: its terms stay. Create another offer.")
    current.save()
    audit(user, "offer.edited", f"offer {offer.pk}", changed=sorted(given))
    offer.refresh_from_db()
    return offer


@transaction.atomic
def delete(offer: Offer, *, user: Any) -> None:
    """Remove an offer that no campaign and no slot uses, with the free codes of its pool."""
    is_used = (
        Campaign.objects.filter(offer=offer).exists()
        or OfferCandidate.objects.filter(offer=offer).exists()
        or offer.variant_set.exists()
    )
    if is_used or is_given(offer):
        raise Conflict(f"{offer} belongs to a campaign: it cannot be deleted.")
    if SlotContent.objects.filter(offer=offer).exists():
        raise Conflict(f"{offer} is shown on the website: it cannot be deleted.")
    audit(user, "offer.deleted", f"offer {offer.pk}", name=offer.name)
    Coupon.objects.filter(offer=offer).delete()
    Offer.objects.filter(pk=offer.pk).delete()


def is_given(offer: Offer) -> bool:
    """Whether anybody holds a code of this offer."""
    return Coupon.objects.filter(offer=offer, given_at__isnull=False).exists()


@transaction.atomic
def fill_pool(offer: Offer, lines: Iterable[str], *, user: Any, now: datetime) -> PoolReport:
    """Put the shop's own codes into an offer's pool, one a line.

    Good ones go in and bad ones are named; a code that is known stays whose it is.
    """
    _check_pool(offer)
    good: dict[str, None] = {}
    refused, seen = [], 0
    for number, line in enumerate(lines, start=1):
        code = codes.normalise(line.lstrip("\ufeff"))
        if not code:
            continue
        seen += 1
        if not codes.WRITTEN.fullmatch(code):
            refused.append((number, line.strip()[:60], f"expected {codes.WRITTEN_WORDS}"))
        elif code in good:
            refused.append((number, code, "stands here twice"))
        else:
            good[code] = None
    added = _add(offer, list(good), now=now)
    audit(user, "offer.pool_filled", f"offer {offer.pk}", added=added, refused=len(refused))
    return PoolReport(added, len(good) - added, tuple(refused[:REFUSED_SHOWN]), len(refused))


@transaction.atomic
def make_pool(offer: Offer, count: int, *, user: Any, now: datetime) -> int:
    """Make so many codes ahead, for the shop to take over before they are given to people."""
    _check_pool(offer)
    if not 1 <= count <= POOL_MOST:
        raise OfferRefused([f"A pool is made of 1 to {POOL_MOST:,} codes at once, found {count}."])
    made = 0
    while made < count:
        drawn = {
            codes.spell(secrets.randbits(codes.BITS * codes.LENGTH), prefix=offer.code_prefix)
            for _ in range(min(BATCH, count - made))
        }
        made += _add(offer, list(drawn), now=now)
    audit(user, "offer.pool_made", f"offer {offer.pk}", added=made)
    return made


@transaction.atomic
def choose_among(campaign: Campaign, offers: Sequence[Offer], *, user: Any, now: datetime) -> None:
    """Let each person of a campaign have the best of these offers; none: its own offer for all."""
    current = Campaign.objects.select_for_update().get(pk=campaign.pk)
    if current.state not in EDITABLE:
        raise Conflict(f"The campaign {current} is {current.state}: its offers stay.")
    wanted = {offer.pk for offer in offers}
    if len(wanted) == 1:
        raise OfferRefused(["To choose among offers takes at least two."])
    if wanted and current.offer_id is not None:
        raise Conflict(f"Everybody gets {current.offer}: take it out of the campaign first.")
    OfferCandidate.objects.filter(campaign=campaign).exclude(offer__in=wanted).delete()
    OfferCandidate.objects.bulk_create(
        [OfferCandidate(campaign=campaign, offer_id=pk) for pk in sorted(wanted)],
        ignore_conflicts=True,
    )
    # What a second person approved is another campaign now.
    Campaign.objects.filter(pk=campaign.pk).update(changed_at=now)
    audit(user, "campaign.offers_chosen", f"campaign {campaign.pk}", offers=sorted(wanted))


def _check_pool(offer: Offer) -> None:
    if offer.codes != Offer.Codes.POOL:
        raise Conflict(f"{offer} takes no codes from a pool: its codes are {offer.codes}.")


def _add(offer: Offer, found: list[str], *, now: datetime) -> int:
    added = 0
    with connection.cursor() as cursor:
        for start in range(0, len(found), BATCH):
            cursor.execute(ADD, [offer.pk, now, found[start : start + BATCH]])
            added += cursor.rowcount
    return added


def _tidy(given: dict[str, Any]) -> dict[str, Any]:
    unknown = sorted(set(given) - {*TERMS, *LIMITS, *OTHER})
    if unknown:
        raise OfferRefused([f"There is no field {name}." for name in unknown])
    tidy = dict(given)
    for name in ("code_prefix", "static_code"):
        if name in tidy:
            tidy[name] = codes.normalise(tidy[name])
    if "currency" in tidy:
        tidy["currency"] = tidy["currency"].strip().upper()
    return tidy


def _check(offer: Offer, name: str) -> None:
    wanted = offer_rows.terms_of(offer)
    faults = [*terms.faults(wanted), *limits.faults(wanted, offer_rows.limits_of(offer))]
    if not 1 <= len(name.strip()) <= NAME_LENGTH_MOST:
        faults.append(f"An offer needs a name of up to {NAME_LENGTH_MOST} characters.")
    if faults:
        raise OfferRefused(faults)
