"""Read a flow's definition from JSON once, refusing it with every fault at once."""

from collections.abc import Callable
from typing import Any

from campaigns.flows import graph
from campaigns.flows import steps as S
from campaigns.flows.steps import Flow, to_json
from campaigns.flows.values import NUMBER_MOST, TIME, UNITS, WAIT_DAYS_MOST, FlowReader
from segments.rules import language as L
from segments.rules import parse as rules

__all__ = ["Fault", "Flow", "FlowError", "parse", "to_json"]

VERSION = 1
STEPS_MOST = 100
ARMS_MOST = 10
HOLDOUT_SHARE_MOST = 0.9
CHANNELS = ("email", "sms", "push", "in_app", "webhook")

Fault = L.Fault


class FlowError(ValueError):
    """A definition that cannot be read; ``faults`` has every fault found, with its path."""

    def __init__(self, faults: list[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(map(str, faults)))


def parse(definition: Any, *, zone: str = L.SHOP_ZONE) -> Flow:
    """The flow that a definition means.

    Parameters
    ----------
    definition : object
        What JSON gave: ``{"version": 1, "trigger": {…}, "reentry": …, "exit_on": …, "first": 1,
        "steps": […]}``.
    zone : str
        The shop's time zone, in which the days of rules begin.

    Returns
    -------
    Flow
        Frozen and sound.  `to_json` of it is read as an equal flow.

    Raises
    ------
    FlowError
        With one `Fault` for each thing that is wrong: unknown keys and kinds, values of the wrong
        type or out of range, rules that cannot be read, ways that lead nowhere, circles without
        a wait.

    Examples
    --------
    >>> flow = parse({"version": 1, "trigger": {"on": "event", "event": "signed_up"}, "first": 1,
    ...     "steps": [{"number": 1, "kind": "wait", "hours": 2, "next": 2},
    ...               {"number": 2, "kind": "send", "next": None}]})
    >>> flow.sends[0].number, str(flow.step(1).length)
    (2, '2:00:00')
    >>> parse({"version": 1, "trigger": {"on": "event"}, "first": 1,
    ...     "steps": [{"number": 1, "kind": "exit"}, {"number": 2, "kind": "send", "next": 7}]})
    Traceback (most recent call last):
    ...
    campaigns.flows.language.FlowError: trigger.event: is missing; steps[1]: leads to step 7, \
which there is not; steps[1]: no way leads to step 2
    """
    read = FlowReader(zone=zone)
    keys = ("version", "trigger", "reentry", "exit_on", "first", "steps")
    if not read.mapping(
        definition, "rule", keys=keys, required=("version", "trigger", "first", "steps")
    ):
        raise FlowError([Fault("definition", "is not an object")])
    version = definition.get("version")
    if "version" in definition and (version != VERSION or isinstance(version, bool)):
        read.fault("version", f"{version!r:.60} is not the version {VERSION} this reads")
    trigger = _trigger(read, definition.get("trigger"))
    reentry = _reentry(read, definition.get("reentry", S.AFTER_EXIT))
    exit_on = _exit_on(read, definition.get("exit_on"))
    first = read.whole(definition, "first", "", most=NUMBER_MOST) if "first" in definition else 0
    steps = _steps(read, definition.get("steps", []), first)
    if read.faults:
        raise FlowError(read.faults)
    return Flow(trigger, steps, first, reentry, exit_on)


def _trigger(read: FlowReader, raw: Any) -> S.Trigger:
    stand_in = S.Trigger(S.EVENT)
    if raw is None or not read.mapping(
        raw, "trigger", keys=("on", "segment", "event", "where", "present"), required=("on",)
    ):
        return stand_in
    on = read.choice(raw, "on", "trigger", S.TRIGGERS)
    if on == S.EVENT:
        event = read.name(raw, "event", "trigger")
        return S.Trigger(on, event=event, where=read.where(raw, "trigger"))
    is_present = read.flag(raw, "present", "trigger") if "present" in raw else False
    if is_present and on != S.ENTERED:
        read.fault("trigger.present", "goes with segment_entered alone")
    return S.Trigger(on, segment=read.name(raw, "segment", "trigger"), present=is_present)


def _reentry(read: FlowReader, raw: Any) -> S.Reentry:
    if raw in (S.NEVER, S.AFTER_EXIT):
        return S.Reentry(None if raw == S.NEVER else 0.0)
    if isinstance(raw, dict) and set(raw) == {"after_days"}:
        return S.Reentry(read.share(raw, "after_days", "reentry", most=10 * WAIT_DAYS_MOST))
    read.fault("reentry", f'{raw!r:.60} is not "never", "after_exit" or {{"after_days": n}}')
    return S.Reentry()


def _exit_on(read: FlowReader, raw: Any) -> S.ExitOn | None:
    if raw is None or not read.mapping(raw, "exit_on", keys=("order", "event")):
        return None
    found = S.ExitOn(
        order=read.flag(raw, "order", "exit_on") if "order" in raw else False,
        event=read.name(raw, "event", "exit_on") if raw.get("event") else "",
    )
    return found if found.order or found.event else None


def _steps(read: FlowReader, raw: Any, first: int) -> tuple[S.Step, ...]:
    if not isinstance(raw, list | tuple) or not 1 <= len(raw) <= STEPS_MOST:
        read.fault("steps", f"is not a list of 1 to {STEPS_MOST} steps")
        return ()
    by_number: dict[int, S.Step] = {}
    places: dict[int, int] = {}
    for place, one in enumerate(raw):
        path = f"steps[{place}]"
        step = _step(read, one, path)
        if step is None:
            continue
        if step.number in by_number:
            read.fault(f"{path}.number", f"there is a step {step.number} already")
        by_number.setdefault(step.number, step)
        places.setdefault(step.number, place)
    if len(by_number) == len(raw):  # else what is missing would be called a dead end
        for said in graph.faults(by_number, places, first):
            read.fault(*said.split(": ", 1))
    return tuple(by_number.values())


def _step(read: FlowReader, raw: Any, path: str) -> S.Step | None:
    if not isinstance(raw, dict):
        read.fault(path, f"{raw!r:.60} is not an object with a kind")
        return None
    kind = raw.get("kind")
    if not isinstance(kind, str) or kind not in READERS:
        read.fault(f"{path}.kind", f"{kind!r:.60} is not one of {', '.join(READERS)}")
        return None
    build, required, optional = READERS[kind]
    read.mapping(
        raw, path, keys=("number", "kind", *required, *optional), required=("number", *required)
    )
    number = read.whole(raw, "number", path, most=NUMBER_MOST)
    return build(read, raw, path, number)


def _send(read: FlowReader, raw: S.Json, path: str, number: int) -> S.Step:
    channel = read.choice(raw, "channel", path, ("", *CHANNELS)) if raw.get("channel") else ""
    window = raw.get("window")
    if window is not None:
        is_pair = isinstance(window, list | tuple) and len(window) == 2
        if not is_pair or not all(isinstance(one, str) and TIME.fullmatch(one) for one in window):
            read.fault(f"{path}.window", 'is not a pair of times such as ["09:00", "18:00"]')
            window = None
        elif window[0] == window[1]:
            read.fault(f"{path}.window", "is empty: it ends when it begins")
    pair = (window[0], window[1]) if window is not None else None
    return S.Send(number, channel, read.hour(raw, path), pair, read.way(raw, "next", path))


def _wait(read: FlowReader, raw: S.Json, path: str, number: int) -> S.Step:
    read.minutes(raw, path)
    most = WAIT_DAYS_MOST * UNITS["days"]
    lengths = (float(raw[u]) if _is_number(raw.get(u)) else 0.0 for u in UNITS)
    minutes, hours, days = (min(one, most) for one in lengths)
    return S.Wait(number, minutes, hours, days, read.way(raw, "next", path))


def _wait_until(read: FlowReader, raw: S.Json, path: str, number: int) -> S.Step:
    event = read.name(raw, "event", path) if raw.get("event") else ""
    order = read.flag(raw, "order", path) if "order" in raw else False
    hour, weekdays = read.hour(raw, path), raw.get("weekdays") or []
    if not isinstance(weekdays, list | tuple) or any(
        isinstance(one, bool) or one not in range(7) for one in weekdays
    ):
        read.fault(f"{path}.weekdays", "is not a list of days from 0 (Monday) to 6")
        weekdays = []
    has_clock = hour is not None or bool(weekdays)
    if sum((bool(event), order, has_clock)) != 1:
        read.fault(path, "needs one of event, order, or hour and weekdays")
    timeout = 0.0
    if event or order:
        given = raw.get("timeout")
        if read.mapping(given, f"{path}.timeout", keys=tuple(UNITS)):
            assert isinstance(given, dict)
            timeout = read.minutes(given, f"{path}.timeout")
    else:
        for key in ("timeout", "else", "where"):
            if raw.get(key) is not None:
                read.fault(f"{path}.{key}", "goes with an event or an order alone")
    return S.WaitUntil(
        number,
        event=event,
        where=read.where(raw, path) if event else (),
        order=order,
        timeout_minutes=timeout,
        hour=hour,
        weekdays=tuple(sorted(set(weekdays))),
        next=read.way(raw, "next", path),
        otherwise=read.way(raw, "else", path),
    )


def _rule(read: FlowReader, raw: S.Json, path: str) -> S.Json:
    try:
        if "rule" in raw:
            rules.parse(raw["rule"], zone=read.zone)
    except L.RuleError as error:
        read.inner(error, f"{path}.rule")
    found = raw.get("rule")
    return found if isinstance(found, dict) else {}


def _filter(read: FlowReader, raw: S.Json, path: str, number: int) -> S.Step:
    return S.Filter(number, _rule(read, raw, path), read.way(raw, "next", path))


def _branch(read: FlowReader, raw: S.Json, path: str, number: int) -> S.Step:
    then, otherwise = read.way(raw, "then", path), read.way(raw, "else", path)
    return S.Branch(number, _rule(read, raw, path), then, otherwise)


def _split(read: FlowReader, raw: S.Json, path: str, number: int) -> S.Step:
    share = read.share(raw, "holdout_share", path, most=HOLDOUT_SHARE_MOST)
    found, arms = raw.get("arms"), []
    if not isinstance(found, list | tuple) or not 1 <= len(found) <= ARMS_MOST:
        read.fault(f"{path}.arms", f"is not a list of 1 to {ARMS_MOST} arms")
        found = []
    for place, one in enumerate(found):
        here = f"{path}.arms[{place}]"
        if read.mapping(one, here, keys=("name", "weight", "next"), required=("name", "weight")):
            weight = read.share(one, "weight", here, most=1_000_000)
            arms.append(S.Arm(read.name(one, "name", here), weight, read.way(one, "next", here)))
    if arms and not sum(arm.weight for arm in arms):
        read.fault(f"{path}.arms", "weigh nothing together")
    if len({arm.name for arm in arms}) < len(arms):
        read.fault(f"{path}.arms", "have the same name twice")
    return S.Split(number, tuple(arms), share)


def _offer(read: FlowReader, raw: S.Json, path: str, number: int) -> S.Step:
    offer = read.whole(raw, "offer", path, most=2**31 - 1)
    return S.GiveOffer(number, offer, read.way(raw, "next", path))


def _webhook(read: FlowReader, raw: S.Json, path: str, number: int) -> S.Step:
    endpoint = read.whole(raw, "endpoint", path, least=1, most=2**31 - 1)
    return S.Webhook(number, endpoint, read.way(raw, "next", path))


def _update_trait(read: FlowReader, raw: S.Json, path: str, number: int) -> S.Step:
    value = raw.get("value")
    if value is not None and not isinstance(value, str | int | float | bool):
        read.fault(f"{path}.value", "is not a text, a number, true, false or null")
        value = None
    if isinstance(value, str) and len(value) > 1_000:
        read.fault(f"{path}.value", "is longer than 1000 characters")
    return S.UpdateTrait(number, read.name(raw, "trait", path), value, read.way(raw, "next", path))


def _exit(read: FlowReader, raw: S.Json, path: str, number: int) -> S.Step:
    return S.Exit(number)


def _is_number(found: Any) -> bool:
    return isinstance(found, int | float) and not isinstance(found, bool)


Build = Callable[[FlowReader, S.Json, str, int], S.Step]

# kind -> how to build it, the keys it must have, the keys it may have
READERS: dict[str, tuple[Build, tuple[str, ...], tuple[str, ...]]] = {
    "send": (_send, (), ("channel", "hour", "window", "next")),
    "wait": (_wait, (), ("minutes", "hours", "days", "next")),
    "wait_until": (
        _wait_until,
        (),
        ("event", "where", "order", "timeout", "hour", "weekdays", "next", "else"),
    ),
    "filter": (_filter, ("rule",), ("next",)),
    "branch": (_branch, ("rule",), ("then", "else")),
    "split": (_split, ("arms",), ("holdout_share",)),
    "offer": (_offer, ("offer",), ("next",)),
    "webhook": (_webhook, ("endpoint",), ("next",)),
    "update_trait": (_update_trait, ("trait", "value"), ("next",)),
    "exit": (_exit, (), ()),
}
