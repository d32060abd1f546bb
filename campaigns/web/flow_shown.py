"""A flow's draft as the page shows it: each step with its inputs, lanes, faults and counts."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from campaigns.flows import steps as S
from campaigns.flows.language import Fault
from campaigns.models import Variant
from campaigns.web import flow_fields as fields
from campaigns.web import flow_tree as tree
from campaigns.web.flow_tree import Draft, Json, Node
from customers.models.consent import Channel
from segments.web.conditions import controls as rule_controls
from segments.web.conditions.controls import Control
from segments.web.conditions.subjects import Option

UNITS: tuple[Option, ...] = (("minutes", "minutes"), ("hours", "hours"), ("days", "days"))
WEEKDAYS: tuple[Option, ...] = tuple(
    (str(at), name) for at, name in enumerate(("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"))
)
ICONS = {
    "send": "mail", "wait": "schedule", tree.UNTIL: "hourglass_top", tree.BRANCH: "call_split",
    tree.SPLIT: "shuffle", "filter": "filter_alt", "offer": "sell", "update_trait": "edit_note",
    "webhook": "webhook", tree.EXIT: "logout", tree.JUMP: "redo",
}  # fmt: skip
LANES = {tree.BRANCH: ("If it holds", "If not"), tree.UNTIL: ("If it has not come in time",)}
TRIGGERS: tuple[Option, ...] = (
    (S.ENTERED, "somebody enters the segment"),
    (S.EXITED, "somebody leaves the segment"),
    (S.EVENT, "the event happens"),
)
OPS: tuple[Option, ...] = (
    ("=", "is"), ("!=", "is not"), ("contains", "has in it"), (">", "is above"),
    (">=", "is at least"), ("<", "is below"), ("<=", "is at most"),
)  # fmt: skip
REENTRY: tuple[Option, ...] = (
    (S.AFTER_EXIT, "again as soon as they are out"),
    ("after_days", "again so many days after they are out"),
    (S.NEVER, "once only"),
)


@dataclass(frozen=True)
class Choices:
    """What there is to choose from at the moment."""

    segments: Sequence[Option]
    offers: Sequence[Option]
    endpoints: Sequence[Option]


@dataclass
class Lane:
    label: str
    place: str  # where a step is added: n3.1
    steps: list["Shown"]
    controls: tuple[Control, ...] = ()
    drop: str = ""
    share: str = ""


@dataclass
class Shown:
    """One step of the list."""

    id: str
    number: int
    kind: str
    title: str
    icon: str
    controls: list[tuple[Control, ...]] = field(default_factory=list)  # by line
    lanes: list[Lane] = field(default_factory=list)
    told: list[tuple[str, bool]] = field(default_factory=list)
    hidden: dict[str, str] = field(default_factory=dict)
    sentence: str = ""
    says: Sequence[Variant] = ()
    passes: str = ""


@dataclass(frozen=True)
class Around:
    """What the steps are shown with."""

    choices: Choices
    faults: Mapping[str, list[str]]  # by part id
    says: Mapping[int, list[Variant]]  # by step
    passes: Mapping[int, str]
    steps: Sequence[Option]  # to go on at


def head(draft: Draft, around: Around) -> list[tuple[Control, ...]]:
    """Who enters, whether again, and what ends it."""
    trigger = draft.head.get("trigger") or {}
    on = trigger.get("on") or S.ENTERED
    lines = [_trigger(trigger, on, around.choices)]
    if on == S.EVENT:
        lines += _where("entry", trigger)
    reentry = draft.head.get("reentry", S.AFTER_EXIT)
    is_days = isinstance(reentry, dict)
    again = [_select("entry.reentry", "Whether they may enter again",
                     "after_days" if is_days else reentry, REENTRY, before="They may enter",
                     redraws=True)]  # fmt: skip
    if is_days:
        days = reentry.get("after_days", "")
        again.append(_input("entry.after_days", "Days until they may enter again", days,
                            after="days", is_short=True))  # fmt: skip
    exit_on = draft.head.get("exit_on") or {}
    ends = (
        Control("flag", "entry.exit_order", "an order", ("yes",) if exit_on.get("order") else (),
                before="It ends wherever they are with"),
        _input("entry.exit_event", "the event that ends it", exit_on.get("event", ""),
               suggest="event", before="or the event"),
    )  # fmt: skip
    return [*lines, tuple(again), ends]


def kept_where(given: Json) -> dict[str, str]:
    """Conditions on an event that have no inputs here; the form carries them as they are."""
    kept = [one for one in given.get("where") or [] if not fields.is_plain(one)]
    return {"kept_where": json.dumps(kept)} if kept else {}


def shown(steps: tree.Seq, around: Around, place: str = "") -> list[Shown]:
    return [
        _step(node, around, f"{place}.{at}" if place else str(at))
        for at, node in enumerate(steps, 1)
    ]


def by_part(found: Sequence[Fault], definition: Json) -> dict[str, list[str]]:
    """The faults of a definition by the part of the form where they are to be mended."""
    steps = definition.get("steps", [])
    told: dict[str, list[str]] = {}
    for fault in found:
        part, said = "entry", fault.reason
        path = fault.path
        if path.startswith("steps["):
            place, _, rest = path.removeprefix("steps[").partition("]")
            step = steps[int(place)] if place.isdecimal() and int(place) < len(steps) else {}
            part, path = f"n{step.get('number', 0)}", rest.lstrip(".")
        elif path == "steps":
            said = "It needs at least one step."
        elif path == "first":
            continue  # without steps; said already
        said = f"{NAMES.get(path.split('.')[0], path)}: {said}" if path in NAMES else said
        told.setdefault(part, []).append(f"{said[:1].upper()}{said[1:]}.".replace("..", "."))
    return told


NAMES = {
    "rule": "the rule", "event": "the event", "segment": "the segment", "endpoint": "the system",
    "trigger.segment": "the segment", "trigger.event": "the event", "trait": "the trait",
    "window": "the window", "hour": "the hour", "timeout": "the time to wait",
}  # fmt: skip


def _step(node: Node, around: Around, place: str) -> Shown:
    made = Shown(
        node.id,
        node.number,
        node.kind,
        f"step {place}: {tree.KINDS[node.kind]}",
        ICONS[node.kind],
        passes=around.passes.get(node.number, ""),
        told=[(said, False) for said in around.faults.get(node.id, ())],
    )
    made.controls = _controls(node, around)
    made.hidden = kept_where(node.given)
    made.lanes = [_lane(node, at, lane, around, place) for at, lane in enumerate(node.lanes)]
    if node.kind == "send":
        made.says = around.says.get(node.number, ())
    if node.kind in ("filter", tree.BRANCH):
        rule = node.given.get("rule")
        if isinstance(rule, dict) and not fields.segment_of(rule)[0]:
            made.hidden |= {"rule": json.dumps(rule)}
            made.sentence = rule_controls.said(rule.get("where"))
    return made


def _lane(node: Node, at: int, lane: tree.Seq, around: Around, place: str) -> Lane:
    steps = shown(lane, around, f"{place}{tree.LETTERS[at].lower()}")
    if node.kind != tree.SPLIT:
        return Lane(LANES[node.kind][at], f"{node.id}.{at}", steps)
    arm = node.given["arms"][at]
    weights = [one["weight"] for one in node.given["arms"]]
    plain = all(isinstance(one, int | float) for one in weights)
    share = f"{arm['weight'] / sum(weights):.0%}" if plain and sum(weights) > 0 else ""
    inputs = (
        _input(f"{node.id}.arm", f"Name of way {at + 1}", arm["name"], is_short=True),
        _input(f"{node.id}.weight", f"Weight of way {at + 1}", arm["weight"], is_short=True,
               before="weight"),
    )  # fmt: skip
    drop = f"unarm {node.id} {at}" if len(node.lanes) > 2 else ""
    return Lane(f"Way {arm['name']}", f"{node.id}.{at}", steps, inputs, drop, share)


def _controls(node: Node, around: Around) -> list[tuple[Control, ...]]:
    given, at, choices = node.given, node.id, around.choices
    if node.kind == "send":
        window = given.get("window") or ["", ""]
        return [(
            _select(f"{at}.channel", "Channel", given.get("channel", ""),
                    (("", "the campaign's channel"), *Channel.choices), before="by"),
            _input(f"{at}.hour", "Hour of their clock", given.get("hour", ""), is_short=True,
                   before="at hour", place="any"),
            _input(f"{at}.from", "Not before", window[0], is_short=True, before="between",
                   place="09:00"),
            _input(f"{at}.to", "Not after", window[1], is_short=True, before="and", place="20:00"),
        )]  # fmt: skip
    if node.kind == "wait":
        return [_length(at, given, "")]
    if node.kind == tree.UNTIL:
        return _until(at, given)
    if node.kind in ("filter", tree.BRANCH):
        return [_rule(at, given, choices)]
    if node.kind == tree.SPLIT:
        share = given.get("holdout_share", 0)
        percent = f"{share * 100:g}" if isinstance(share, int | float) else share
        return [(_input(f"{at}.holdout_percent", "Left alone from here on, in percent", percent,
                        is_short=True, before="Leave alone, to measure,", after="%"),)]  # fmt: skip
    if node.kind == "offer":
        offers = (("0", "the campaign's own again"), *choices.offers)
        return [(_select(f"{at}.offer", "Offer", str(given.get("offer", 0)), offers,
                         before="The next messages carry"),)]  # fmt: skip
    if node.kind == "webhook":
        there = (("", "choose …"), *choices.endpoints)
        return [(_select(f"{at}.endpoint", "System", str(given.get("endpoint", "")), there),)]
    if node.kind == "update_trait":
        value = given.get("value")
        return [(
            _input(f"{at}.trait", "Trait", given.get("trait", ""), suggest="trait", before="Set"),
            _input(f"{at}.value", "Value", "" if value is None else _typed(value), before="to"),
            Control("flag", f"{at}.removes", "take it away", ("yes",) if value is None else ()),
        )]  # fmt: skip
    if node.kind == tree.JUMP:
        there = (("", "choose …"), *around.steps)
        return [(_select(f"{at}.to", "Step", str(given.get("to", "")), there, before="at"),)]
    return []


def _trigger(trigger: Json, on: str, choices: Choices) -> tuple[Control, ...]:
    found = [_select("entry.on", "What starts it", on, TRIGGERS, before="When", redraws=True)]
    if on == S.EVENT:
        event = trigger.get("event", "")
        return (*found, _input("entry.event", "Event", event, suggest="event"))
    there = choices.segments
    key = trigger.get("segment", "")
    if key not in dict(there):
        there = ((key if key else "", key or "choose …"), *there)
    found.append(_select("entry.segment", "Segment", key, tuple(there)))
    if on == S.ENTERED:
        present = ("yes",) if trigger.get("present") else ()
        found.append(Control("flag", "entry.present", "also those in it at the launch", present))
    return tuple(found)


def _until(at: str, given: Json) -> list[tuple[Control, ...]]:
    what = "event" if "event" in given else "order" if given.get("order") else "clock"
    kinds = (("order", "an order"), ("event", "an event"), ("clock", "an hour or a day of theirs"))
    first = _select(f"{at}.what", "What it waits for", what, kinds, redraws=True)
    if what == "clock":
        days = tuple(str(one) for one in given.get("weekdays", ()))
        return [
            (first, _input(f"{at}.hour", "Hour of their clock", given.get("hour", ""),
                           is_short=True, before="at hour", place="any")),
            (Control("checks", f"{at}.weekdays", "On", days, (("", WEEKDAYS),)),),
        ]  # fmt: skip
    for_most = _length(at, given.get("timeout") or {}, "for at most")
    if what == "order":
        return [(first, *for_most)]
    event = _input(f"{at}.event", "Event", given.get("event", ""), suggest="event")
    return [(first, event, *for_most), *_where(at, given)]


def _where(at: str, given: Json) -> list[tuple[Control, ...]]:
    """What the event's properties must be; the last line is empty, for one more."""
    plain = [one for one in given.get("where") or [] if fields.is_plain(one)]
    lines = []
    for place, one in enumerate([*plain, {}][: fields.WHERE_MOST]):
        first = _input(
            f"{at}.w{place}.name", f"Property {place + 1}", one.get("name", ""), suggest="property",
            of=f"{at}.event", before="and where" if place else "only where", place="any property",
        )  # fmt: skip
        op = _select(
            f"{at}.w{place}.op", f"How property {place + 1} compares", one.get("op", "="), OPS
        )
        value = _input(
            f"{at}.w{place}.value", f"Value of property {place + 1}", one.get("value", "")
        )
        lines.append((first, op, value))
    return lines


def _rule(at: str, given: Json, choices: Choices) -> tuple[Control, ...]:
    rule = given.get("rule")
    key, is_in = fields.segment_of(rule)
    how = fields.OWN if rule and not key else fields.IN if is_in else fields.NOT_IN
    kinds = (
        (fields.IN, "is in the segment"),
        (fields.NOT_IN, "is not in the segment"),
        (fields.OWN, "fulfils conditions of its own"),
    )
    first = _select(f"{at}.how", "Who", how, kinds, before="Whoever", redraws=True)
    if how == fields.OWN:
        return (first,)
    there = choices.segments if key else (("", "choose …"), *choices.segments)
    return (first, _select(f"{at}.segment", "Segment", key, tuple(there)))


def _length(at: str, given: Json, before: str) -> tuple[Control, ...]:
    text, unit = fields.length(given)
    return (
        _input(f"{at}.length", "How long", text, is_short=True, before=before),
        _select(f"{at}.unit", "Unit of time", unit, UNITS),
    )


def _select(name: str, label: str, value: str, options: Sequence[Option], **more: Any) -> Control:
    return Control("select", name, label, (value,), (("", tuple(options)),), **more)


def _input(name: str, label: str, value: Any, **more: Any) -> Control:
    return Control("input", name, label, (_typed(value),), **more)


def _typed(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)
