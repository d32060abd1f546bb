"""Show a campaign's message as one customer would get it, before anybody does."""

from dataclasses import replace
from datetime import datetime, timedelta

from campaigns.channels import chosen
from campaigns.channels.channel import ChannelAway, Verdict
from campaigns.messages.render import Rendered
from campaigns.messages.wire import AddressError
from campaigns.models import Campaign
from campaigns.services.composing import Composer, Person, person
from rapport.errors import DomainError, NotFound

PLACEHOLDER_CODE = "YOUR-CODE"  # codes are given to people at launch, not before


class NotSent(DomainError):
    """A test message that did not leave; the message says why."""

    code = "test_not_sent"


def preview(campaign: Campaign, customer_id: int, *, now: datetime) -> Rendered:
    """What this customer would read.  Nothing is sent, counted or given.

    Raises `campaigns.messages.render.TemplateError` when the texts cannot be compiled, with every
    fault, and `RenderError` when they fail for this customer.
    """
    return Composer(campaign).render(_as_planned(campaign, customer_id, now), now=now)


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
    if campaign.offer is None:
        return found
    expires_at = now + timedelta(days=campaign.offer.valid_days)
    return replace(found, code=PLACEHOLDER_CODE, expires_at=expires_at)
