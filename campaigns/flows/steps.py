"""What a flow is made of, as frozen data: its trigger, its rules of entry and exit, its steps."""

from dataclasses import dataclass, fields
from datetime import timedelta
from typing import Any, ClassVar

Json = dict[str, Any]

ENTERED, EXITED, EVENT = "segment_entered", "segment_exited", "event"
TRIGGERS = (ENTERED, EXITED, EVENT)
NEVER, AFTER_EXIT = "never", "after_exit"


@dataclass(frozen=True)
class Trigger:
    """What lets a customer in.

    ``where`` are conditions on the event's properties, each ``{"name": …, "op": …, "value": …}``
    as in the rules of segments.  With ``present`` those already in the segment at the launch
    enter too.
    """

    on: str  # of TRIGGERS
    segment: str = ""  # key
    event: str = ""  # name
    where: tuple[Json, ...] = ()
    present: bool = False


@dataclass(frozen=True)
class Reentry:
    """Whether somebody who was in may come in again: so many days after the last exit, or never."""

    after_days: float | None = 0.0  # None: never; 0: as soon as she is out


@dataclass(frozen=True)
class ExitOn:
    """What ends a journey wherever it is: an order, or an event."""

    order: bool = False
    event: str = ""


@dataclass(frozen=True)
class Step:
    """One step; its number is its name, in links between steps and in the ledger."""

    kind: ClassVar[str] = ""
    number: int

    @property
    def ways(self) -> tuple[int | None, ...]:
        """Where it may lead; None is the end of the flow."""
        return (getattr(self, "next", None),)


@dataclass(frozen=True)
class Send(Step):
    """Plan a message: one of the variants of this step's number.

    ``channel`` empty means the variant's, or the campaign's.  With ``hour`` the journey waits for
    that hour of the person's clock, with ``window`` for a moment inside it.
    """

    kind: ClassVar[str] = "send"
    channel: str = ""
    hour: int | None = None
    window: tuple[str, str] | None = None  # ("09:00", "18:00")
    next: int | None = None


@dataclass(frozen=True)
class Wait(Step):
    """Wait so long."""

    kind: ClassVar[str] = "wait"
    minutes: float = 0.0
    hours: float = 0.0
    days: float = 0.0  # of 24 hours
    next: int | None = None

    @property
    def length(self) -> timedelta:
        return timedelta(days=self.days, hours=self.hours, minutes=self.minutes)


@dataclass(frozen=True)
class WaitUntil(Step):
    """Wait for an event, an order, or an hour or weekday of the person's clock.

    An event that does not come within the timeout leads to ``otherwise``, or to ``next`` where
    there is none.
    """

    kind: ClassVar[str] = "wait_until"
    event: str = ""
    where: tuple[Json, ...] = ()
    order: bool = False
    timeout_minutes: float = 0.0
    hour: int | None = None  # 0 to 23
    weekdays: tuple[int, ...] = ()  # 0 is Monday; empty: any
    next: int | None = None
    otherwise: int | None = None

    @property
    def hears(self) -> bool:
        """Whether it waits for something the person does."""
        return bool(self.event or self.order)

    @property
    def timeout(self) -> timedelta:
        return timedelta(minutes=self.timeout_minutes)

    @property
    def on_timeout(self) -> int | None:
        return self.next if self.otherwise is None else self.otherwise

    @property
    def ways(self) -> tuple[int | None, ...]:
        return (self.next, self.otherwise) if self.otherwise is not None else (self.next,)


@dataclass(frozen=True)
class Filter(Step):
    """Go on only with those for whom a rule of the segments' language holds; others leave."""

    kind: ClassVar[str] = "filter"
    rule: Json
    next: int | None = None


@dataclass(frozen=True)
class Branch(Step):
    """Go one way where a rule holds, the other where not."""

    kind: ClassVar[str] = "branch"
    rule: Json
    then: int | None = None
    otherwise: int | None = None

    @property
    def ways(self) -> tuple[int | None, ...]:
        return (self.then, self.otherwise)


@dataclass(frozen=True)
class Arm:
    """One way of a split, with its share: weight / sum of weights."""

    name: str
    weight: float
    next: int | None = None


@dataclass(frozen=True)
class Split(Step):
    """Send each person one of several ways by lot; a share is left alone from here on."""

    kind: ClassVar[str] = "split"
    arms: tuple[Arm, ...]
    holdout_share: float = 0.0

    @property
    def ways(self) -> tuple[int | None, ...]:
        return tuple(arm.next for arm in self.arms)


@dataclass(frozen=True)
class GiveOffer(Step):
    """Have the next sends carry this offer; 0 means the campaign's own again."""

    kind: ClassVar[str] = "offer"
    offer: int
    next: int | None = None


@dataclass(frozen=True)
class Webhook(Step):
    """Tell another system: a signed message to one of the webhook endpoints."""

    kind: ClassVar[str] = "webhook"
    endpoint: int
    next: int | None = None


@dataclass(frozen=True)
class UpdateTrait(Step):
    """Write a trait of the person; null removes it."""

    kind: ClassVar[str] = "update_trait"
    trait: str
    value: str | float | bool | None = None
    next: int | None = None


@dataclass(frozen=True)
class Exit(Step):
    """Leave the flow here."""

    kind: ClassVar[str] = "exit"

    @property
    def ways(self) -> tuple[int | None, ...]:
        return ()


@dataclass(frozen=True)
class Flow:
    """A whole flow, known to be sound: every way leads to a step, and no circle goes unwaited."""

    trigger: Trigger
    steps: tuple[Step, ...]
    first: int
    reentry: Reentry = Reentry()
    exit_on: ExitOn | None = None

    def step(self, number: int | None) -> Step | None:
        """The step of this number; None where there is none, as behind the last."""
        return next((one for one in self.steps if one.number == number), None)

    @property
    def sends(self) -> tuple[Send, ...]:
        return tuple(one for one in self.steps if isinstance(one, Send))


CLASSES: dict[str, type[Step]] = {
    one.kind: one
    for one in (
        Send,
        Wait,
        WaitUntil,
        Filter,
        Branch,
        Split,
        GiveOffer,
        Webhook,
        UpdateTrait,
        Exit,
    )
}


def to_json(flow: Flow) -> Json:
    """The definition that `language.parse` reads as this flow; what is as usual is left out."""
    return {
        "version": 1,
        "trigger": _given(flow.trigger),
        "reentry": _reentry(flow.reentry),
        "exit_on": _given(flow.exit_on) if flow.exit_on else None,
        "first": flow.first,
        "steps": [{"kind": one.kind, **_given(one)} for one in flow.steps],
    }


def _reentry(reentry: Reentry) -> str | Json:
    if reentry.after_days is None:
        return NEVER
    return {"after_days": reentry.after_days} if reentry.after_days else AFTER_EXIT


def _given(found: Any) -> Json:
    """The fields that are not as usual; ways out are always said."""
    given: Json = {}
    for field in fields(found):
        value = getattr(found, field.name)
        name = "else" if field.name == "otherwise" else field.name
        is_way = name in ("next", "then") or (name == "else" and isinstance(found, Branch))
        if is_way or value != field.default:
            given[name] = _plain(value)
    if isinstance(found, WaitUntil) and "timeout_minutes" in given:
        given["timeout"] = {"minutes": given.pop("timeout_minutes")}
    return given


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    return _given(value) if isinstance(value, Arm) else value
