"""Create, change and remove offers.  The only writer of ``Offer``; codes are given by planning."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from django.db import transaction

from campaigns.models import Campaign, Coupon, Offer, SlotContent
from campaigns.offers import codes, terms
from campaigns.services import readiness
from rapport.access import audit
from rapport.errors import Conflict, DomainError

TERMS = ("kind", "share", "amount", "currency", "code_prefix", "valid_days")
NAME_LENGTH_MOST = 120


class OfferRefused(DomainError):
    """Terms that make no offer; `faults` has every reason."""

    code = "offer_refused"

    def __init__(self, faults: list[str]) -> None:
        super().__init__(" ".join(faults))
        self.faults = faults


@transaction.atomic
def create(*, user: Any, now: datetime, name: str, kind: str, **given: Any) -> Offer:
    """Create an offer from its `TERMS`."""
    wanted = _checked(name, terms.Terms(kind=kind, **_tidy(given)))
    offer = Offer.objects.create(name=name.strip(), created_at=now, **_columns(wanted))
    audit(user, "offer.created", f"offer {offer.pk}", name=offer.name)
    return offer


@transaction.atomic
def edit(offer: Offer, *, user: Any, name: str | None = None, **given: Any) -> Offer:
    """Change an offer; once codes are out, only its name: a promise stays what it was."""
    current = Offer.objects.select_for_update().get(pk=offer.pk)
    before = readiness.offer_terms(current)
    wanted = _checked(current.name if name is None else name, replace(before, **_tidy(given)))
    if wanted != before and is_given(current):
        raise Conflict(f"Codes of {current} are out: its terms stay. Create another offer.")
    columns = {"name": current.name if name is None else name.strip(), **_columns(wanted)}
    Offer.objects.filter(pk=offer.pk).update(**columns)
    audit(user, "offer.edited", f"offer {offer.pk}", changed=sorted(given))
    offer.refresh_from_db()
    return offer


@transaction.atomic
def delete(offer: Offer, *, user: Any) -> None:
    """Remove an offer that no campaign and no slot uses."""
    if Campaign.objects.filter(offer=offer).exists() or is_given(offer):
        raise Conflict(f"{offer} belongs to a campaign: it cannot be deleted.")
    if SlotContent.objects.filter(offer=offer).exists():
        raise Conflict(f"{offer} is shown on the website: it cannot be deleted.")
    audit(user, "offer.deleted", f"offer {offer.pk}", name=offer.name)
    Offer.objects.filter(pk=offer.pk).delete()


def is_given(offer: Offer) -> bool:
    """Whether anybody holds a code of this offer."""
    return Coupon.objects.filter(offer=offer).exists()


def _tidy(given: dict[str, Any]) -> dict[str, Any]:
    unknown = sorted(set(given) - set(TERMS))
    if unknown:
        raise OfferRefused([f"There is no field {name}." for name in unknown])
    tidy = dict(given)
    if "code_prefix" in tidy:
        tidy["code_prefix"] = codes.normalise(tidy["code_prefix"])
    if "currency" in tidy:
        tidy["currency"] = tidy["currency"].strip().upper()
    return tidy


def _checked(name: str, wanted: terms.Terms) -> terms.Terms:
    faults = list(terms.faults(wanted))
    if not 1 <= len(name.strip()) <= NAME_LENGTH_MOST:
        faults.append(f"An offer needs a name of up to {NAME_LENGTH_MOST} characters.")
    if faults:
        raise OfferRefused(faults)
    return wanted


def _columns(wanted: terms.Terms) -> dict[str, Any]:
    return {name: getattr(wanted, name) for name in TERMS}
