"""How far a running campaign is: done of total, how fast, how long it will take."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Min, Q

from campaigns.models import Campaign, Message
from rapport.web import words

State = Message.State
MOVING = (Campaign.State.PLANNING, Campaign.State.SENDING)
MEASURED = timedelta(seconds=60)  # the rate is that of the last minute


@dataclass(frozen=True)
class Progress:
    """Counts of what was planned, and what they say."""

    done: int
    total: int
    due: int  # waiting, and nothing but the sender keeps them
    later: int  # waiting for their hour
    next_at: datetime | None  # the earliest of these
    per_second: float

    @property
    def share(self) -> float:
        return self.done / (self.total or 1)

    @property
    def seconds_left(self) -> float | None:
        return self.due / self.per_second if self.per_second and self.due else None

    @property
    def sentence(self) -> str:
        said = []
        if self.per_second:
            rate = words.number(self.per_second, 0 if self.per_second >= 10 else 1)
            said.append(f"{rate} a second")
        if self.seconds_left is not None:
            said.append(f"about {words.duration(self.seconds_left)} left")
        elif self.due:
            said.append(f"{words.plural(self.due, 'message waits', 'messages wait')} for a sender")
        if self.later:
            at = words.clock(self.next_at)
            said.append(f"{words.number(self.later)} leave later, the first {at}")
        return "; ".join(said)


def progress(found: Campaign, *, now: datetime) -> Progress | None:
    """From one statement; None where nothing is on its way."""
    if found.state not in (*MOVING, Campaign.State.PAUSED):
        return None
    waiting = Q(state__in=(State.PLANNED, State.SENDING))
    later = Q(state=State.PLANNED, due_at__gt=now)
    counted = (
        Message.objects.filter(campaign=found)
        .exclude(state=State.SKIPPED)
        .aggregate(
            total=Count("pk"),
            waiting=Count("pk", filter=waiting),
            later=Count("pk", filter=later),
            next_at=Min("due_at", filter=later),
            lately=Count("pk", filter=Q(sent_at__gte=now - MEASURED)),
        )
    )
    return Progress(
        done=counted["total"] - counted["waiting"],
        total=counted["total"],
        due=counted["waiting"] - counted["later"],
        later=counted["later"],
        next_at=counted["next_at"],
        per_second=counted["lately"] / MEASURED.total_seconds(),
    )
