"""Send again what failed, because a person says so: the only way back from *failed* or *unknown*.

failed(reason) --retry--> planned
unknown(reason) --retry, although it may have arrived--> planned
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Count, Max

from campaigns.models import Campaign, Message
from campaigns.services import senders
from rapport.access import audit
from rapport.errors import Conflict, DomainError

State, Reason = Message.State, Message.Reason
# Each certainly did not leave.
FAILED = (Reason.TRIES_EXHAUSTED, Reason.REFUSED, Reason.RENDER_ERROR)
# Each may have left; to send it again may be to send it twice.
UNKNOWN = (Reason.CRASHED, Reason.CONNECTION_LOST)
REMEDIES: dict[str, str] = {
    Reason.TRIES_EXHAUSTED: "Retry once the server answers again.",
    Reason.REFUSED: "Look at the server's words first; a refused address refuses again.",
    Reason.RENDER_ERROR: "Correct what the template lacks, then retry.",
    Reason.CRASHED: "Look whether it arrived; only you can know.",
    Reason.CONNECTION_LOST: "Look whether it arrived; only you can know.",
}


class RetryRefused(DomainError):
    code = "retry_refused"


@dataclass(frozen=True)
class Failure:
    """The messages of a campaign that ended for one reason."""

    reason: str
    label: str
    state: str
    count: int
    example: str  # what the server or the template said of one of them
    remedy: str

    @property
    def may_have_arrived(self) -> bool:
        return self.state == State.UNKNOWN


def failures(campaign: Campaign) -> list[Failure]:
    """What failed or may not have arrived, by reason, the most frequent first."""
    found = (
        Message.objects.filter(campaign=campaign, state__in=(State.FAILED, State.UNKNOWN))
        .values("state", "reason")
        .annotate(n=Count("pk"), example=Max("detail"))
        .order_by("-n", "reason")
    )
    labels = dict(Reason.choices)
    return [
        Failure(
            row["reason"],
            str(labels.get(row["reason"], row["reason"])),
            row["state"],
            row["n"],
            row["example"],
            REMEDIES.get(row["reason"], ""),
        )
        for row in found
    ]


@transaction.atomic
def retry(
    campaign: Campaign,
    *,
    reason: str,
    user: Any,
    now: datetime,
    although_it_may_have_arrived: bool = False,
) -> int:
    """Plan again what ended for this reason; return how many.

    One conditional update: of two who ask at once the second finds none.  Everybody is judged again
    when the message is claimed, and a finished campaign runs again until they are through.  What
    may have left is planned only with ``although_it_may_have_arrived``.
    """
    current = Campaign.objects.select_for_update().get(pk=campaign.pk)
    state = _state_of(reason, although_it_may_have_arrived)
    running = (Campaign.State.SENDING, Campaign.State.PAUSED)
    if current.state not in (*running, Campaign.State.FINISHED):
        raise Conflict(f"The campaign {current} is {current.state}; it sends nothing again.")
    found = Message.objects.filter(campaign=current, state=state, reason=reason)
    planned = found.update(
        state=State.PLANNED,
        reason="",
        detail="",
        tries=0,
        due_at=now,
        finished_at=None,
        sending_since=None,
        claimed_by="",
    )
    if not planned:
        raise Conflict("There is nothing left to send again for this reason.")
    if current.state == Campaign.State.FINISHED:
        Campaign.objects.filter(pk=current.pk).update(
            state=Campaign.State.SENDING, finished_at=None, changed_at=now
        )
    audit(
        user,
        "campaign.retried",
        f"campaign {current.pk}",
        reason=reason,
        messages=planned,
        may_have_arrived=state == State.UNKNOWN,
    )
    campaign.refresh_from_db(fields=["state", "finished_at", "changed_at"])
    if current.state != Campaign.State.PAUSED:
        senders.call(current.pk)
    return planned


def _state_of(reason: str, is_confirmed: bool) -> Message.State:
    if reason in FAILED:
        return State.FAILED
    if reason not in UNKNOWN:
        raise RetryRefused(
            f"Messages that ended as “{reason}” are not sent again; possible are: "
            f"{', '.join([*FAILED, *UNKNOWN])}."
        )
    if not is_confirmed:
        raise RetryRefused(
            "These messages may have arrived. Confirm that they are to be sent again although "
            "somebody may then get one twice."
        )
    return State.UNKNOWN
