"""Show a campaign's message as one customer would get it, before anybody does."""

from dataclasses import replace
from datetime import datetime, timedelta

from campaigns.channels import chosen
from campaigns.channels.channel import ChannelAway, Verdict
from campaigns.messages import sms
from campaigns.messages.render import Rendered
from campaigns.messages.wire import AddressError
from campaigns.models import Campaign
from campaigns.services import short_links
from campaigns.services.composing import (
    Composer,
    Person,
    offer_values,
    person,
    shop_values,
    values_of,
)
from customers.models import Event
from rapport.errors import DomainError, NotFound

PLACEHOLDER_CODE = "YOUR-CODE"  # codes are given to people at launch, not before


class NotSent(DomainError):
    """A test message that did not leave; the message says why."""

    code = "test_not_sent"


def preview(
    campaign: Campaign,
    customer_id: int,
    *,
    now: datetime,
    step: int = 0,
    variant_id: int | None = None,
    language: str | None = None,
) -> Rendered:
    """What this customer would read.  Nothing is sent, counted or given.

    Without a ``language`` it is hers.  Raises `campaigns.messages.render.TemplateError` when the
    texts cannot be compiled, with every fault, and `RenderError` when they fail for this customer.
    """
    person = _as_planned(campaign, customer_id, now)
    language = person.language if language is None else language
    person = replace(person, step=step, variant_id=variant_id, language=language)
    return Composer(campaign).render(person, now=now)


def preview_text(campaign: Campaign, customer_id: int, *, now: datetime) -> tuple[str, sms.Size]:
    """The text that this customer would get on her phone, and how many segments it takes.

    Its links are as long as real ones, and lead nowhere.
    """
    text = sms.compile(campaign.text)
    offer, shop = offer_values(campaign.offer), shop_values(campaign.sender_name)
    values = values_of(_as_planned(campaign, customer_id, now), offer, shop, now=now)
    written = text.write(values, short_links.sample)
    return written, sms.size(written)


def test_send(campaign: Campaign, address: str, customer_id: int, *, now: datetime) -> None:
    """Send what this customer would read to somebody of the house.

    It carries nothing of hers that works: no tracking, no unsubscribing, a placeholder code.
    """
    composer = Composer(campaign)
    try:
        mail = composer.write_test(address, _as_planned(campaign, customer_id, now), now=now)
        with chosen.email(lambda: now).open() as session:
            (result,) = session.send([mail])
    except (AddressError, ChannelAway) as error:
        raise NotSent(f"The test to {address} was not sent: {error}") from error
    if result.verdict is not Verdict.ACCEPTED:
        raise NotSent(f"The test to {address} was not sent: {result.detail}")


def _as_planned(campaign: Campaign, customer_id: int, now: datetime) -> Person:
    found = person(customer_id)
    if found is None:
        raise NotFound(f"There is no customer {customer_id}.")
    found = replace(found, data=_last_event(campaign, customer_id))
    if campaign.offer is None:
        return found
    expires_at = now + timedelta(days=campaign.offer.valid_days)
    return replace(found, code=PLACEHOLDER_CODE, expires_at=expires_at)


def _last_event(campaign: Campaign, customer_id: int) -> dict:
    """What she did last of what sets the campaign off: the example that templates see."""
    name = (campaign.trigger or {}).get("event") or "Cart Viewed"
    last = Event.objects.filter(customer_id=customer_id, name=name).order_by("-happened_at").first()
    return last.properties if last else {}
