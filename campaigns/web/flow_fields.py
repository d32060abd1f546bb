"""The fields of a flow's steps as people type them, to and from what the definition says."""

import json
import math
from collections.abc import Callable
from typing import Any

from django.http import QueryDict

from campaigns.flows import steps as S
from campaigns.web import flow_tree as tree
from campaigns.web.flow_tree import Draft, Given, Node

MINUTES = {"minutes": 1, "hours": 60, "days": 1440}
IN, NOT_IN, OWN = "in", "not_in", "own"
WHERE_MOST = 8
WEEKDAYS = tuple("0123456")
PLAIN_OPS = ("=", "!=", "contains", ">", ">=", "<", "<=")


class Typed:
    """What was typed for one part of the form."""

    def __init__(self, form: QueryDict, part_id: str) -> None:
        self.form, self.part_id = form, part_id

    def one(self, name: str) -> str:
        return str(self.form.get(f"{self.part_id}.{name}", "")).strip()

    def all(self, name: str) -> list[str]:
        return [str(one) for one in self.form.getlist(f"{self.part_id}.{name}")]

    def json(self, name: str) -> Any:
        try:
            return json.loads(self.one(name))
        except (ValueError, RecursionError):
            return None


def posted(form: QueryDict) -> Draft:
    """The draft that the form's fields mean; what cannot be read is no part of it."""
    try:
        shape = json.loads(form.get("tree", ""))
    except (ValueError, RecursionError):
        shape = {}
    shape = shape if isinstance(shape, dict) else {}
    fresh = shape.get("fresh")
    seen: set[int] = set()
    steps = _seq(shape.get("steps"), form, seen, 1)
    least = max(seen, default=0) + 1
    return Draft(_head(Typed(form, "entry")), steps, max(fresh if type(fresh) is int else 1, least))


def structure(draft: Draft) -> str:
    """Which step stands in which lane, for the form to send back."""
    return json.dumps({"fresh": draft.fresh, "steps": _shape(draft.steps)})


def _shape(steps: tree.Seq) -> list[Any]:
    return [[one.number, one.kind, [_shape(lane) for lane in one.lanes]] for one in steps]


def _seq(shape: Any, form: QueryDict, seen: set[int], depth: int) -> tree.Seq:
    found: tree.Seq = []
    if not isinstance(shape, list) or depth > tree.DEPTH_MOST:
        return found
    for one in shape:
        if not (isinstance(one, list) and len(one) == 3) or len(seen) >= tree.STEPS_MOST:
            continue
        number, kind, lanes = one
        if type(number) is not int or number in seen or kind not in list(tree.KINDS):
            continue
        seen.add(number)
        lanes = lanes if isinstance(lanes, list) else []
        most = tree.ARMS_MOST if kind == tree.SPLIT else tree.LANES_FIRST.get(kind, 0)
        inner = [_seq(lane, form, seen, depth + 1) for lane in lanes[:most]]
        node = Node(number, kind, lanes=inner)
        node.given = READERS.get(kind, _nothing)(Typed(form, node.id), node)
        found.append(node)
    return found


# --- the head -----------------------------------------------------------------------------------


def _head(typed: Typed) -> Given:
    on = typed.one("on")
    trigger: Given = {"on": on}
    if on == S.EVENT:
        trigger |= {"event": typed.one("event"), **_where(typed)}
    else:
        trigger["segment"] = typed.one("segment")
        if on == S.ENTERED and typed.one("present"):
            trigger["present"] = True
    reentry: Any = typed.one("reentry") or S.AFTER_EXIT
    if reentry == "after_days":
        reentry = {"after_days": number(typed.one("after_days"))}
    exit_on: Given = {"order": True} if typed.one("exit_order") else {}
    if typed.one("exit_event"):
        exit_on["event"] = typed.one("exit_event")
    return {"trigger": trigger, "reentry": reentry, "exit_on": exit_on or None}


def number(text: str) -> Any:
    """A number where it is one, or else what was typed, which the language then refuses."""
    try:
        found = float(text.replace(",", "."))
    except ValueError:
        return text
    if not math.isfinite(found):
        return text
    return int(found) if found.is_integer() else found


def _value(text: str) -> Any:
    """What a property or a trait is compared with: a number, yes or no, or a text."""
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    return number(text)


def _where(typed: Typed) -> Given:
    lines = [
        [typed.one(f"w{place}.{part}") for part in ("name", "op", "value")]
        for place in range(WHERE_MOST)
    ]
    found = [{"name": name, "op": op, "value": _value(value)} for name, op, value in lines if name]
    kept = typed.json("kept_where")
    found += kept if isinstance(kept, list) else []
    return {"where": found} if found else {}


def is_plain(condition: Any) -> bool:
    """Whether a condition on a property is one of a name, a comparison and a value."""
    is_one = isinstance(condition, dict) and set(condition) == {"name", "op", "value"}
    return is_one and condition["op"] in PLAIN_OPS and not isinstance(condition["value"], list)


# --- the steps ----------------------------------------------------------------------------------


def _nothing(typed: Typed, node: Node) -> Given:
    return {}


def _send(typed: Typed, node: Node) -> Given:
    given: Given = {}
    if typed.one("channel"):
        given["channel"] = typed.one("channel")
    if typed.one("hour"):
        given["hour"] = number(typed.one("hour"))
    window = [typed.one("from"), typed.one("to")]
    return {**given, "window": window} if any(window) else given


def _length(typed: Typed) -> Given:
    unit = typed.one("unit")
    return {unit if unit in MINUTES else "days": number(typed.one("length"))}


def _wait(typed: Typed, node: Node) -> Given:
    return _length(typed)


def _until(typed: Typed, node: Node) -> Given:
    what = typed.one("what")
    if what == "clock":
        given: Given = {}
        if typed.one("hour"):
            given["hour"] = number(typed.one("hour"))
        days = [int(one) for one in typed.all("weekdays") if one in WEEKDAYS]
        return {**given, "weekdays": days} if days else given
    given = {"timeout": _length(typed)}
    if what == "event":
        return {**given, "event": typed.one("event"), **_where(typed)}
    return {**given, "order": True}


def _rule(typed: Typed, node: Node) -> Given:
    how, key = typed.one("how"), typed.one("segment")
    if how in (IN, NOT_IN):
        return {"rule": in_segment(key, is_in=how == IN)} if key else {}
    kept = typed.json("rule")
    return {"rule": kept} if isinstance(kept, dict) else {}


def in_segment(key: str, *, is_in: bool) -> Given:
    where: Given = {"type": "segment", "key": key}
    return {"version": 1, "where": where if is_in else {"type": "not", "of": where}}


def segment_of(rule: Any) -> tuple[str, bool]:
    """The segment that a rule asks for alone, and whether to be in it; empty for other rules."""
    where = rule.get("where") if isinstance(rule, dict) else None
    if not isinstance(where, dict):
        return "", True
    is_in = where.get("type") != "not"
    inner = where if is_in else where.get("of")
    if isinstance(inner, dict) and inner.get("type") == "segment" and set(inner) == {"type", "key"}:
        return str(inner["key"]), is_in
    return "", True


def _split(typed: Typed, node: Node) -> Given:
    names, weights = typed.all("arm"), typed.all("weight")
    arms = [
        {"name": name.strip(), "weight": number(weight)}
        for name, weight in zip(names, weights, strict=False)
    ][: len(node.lanes)]
    while len(arms) < len(node.lanes):
        arms.append({"name": tree.LETTERS[len(arms)], "weight": 1})
    given: Given = {"arms": arms}
    share = number(typed.one("holdout_percent") or "0")
    if share:
        given["holdout_share"] = share / 100 if isinstance(share, int | float) else share
    return given


def _offer(typed: Typed, node: Node) -> Given:
    return {"offer": number(typed.one("offer") or "0")}


def _webhook(typed: Typed, node: Node) -> Given:
    return {"endpoint": number(typed.one("endpoint"))}


def _update_trait(typed: Typed, node: Node) -> Given:
    text = typed.one("value")
    value = None if typed.one("removes") else _value(text)
    return {"trait": typed.one("trait"), "value": value}


def _jump(typed: Typed, node: Node) -> Given:
    to = number(typed.one("to"))
    return {"to": to} if isinstance(to, int) else {}


READERS: dict[str, Callable[[Typed, Node], Given]] = {
    "send": _send,
    "wait": _wait,
    tree.UNTIL: _until,
    "filter": _rule,
    tree.BRANCH: _rule,
    tree.SPLIT: _split,
    "offer": _offer,
    "webhook": _webhook,
    "update_trait": _update_trait,
    tree.JUMP: _jump,
}


def length(given: Given) -> tuple[str, str]:
    """A length of time in the one unit that says it shortest."""
    odd = next((one for u in MINUTES if isinstance(one := given.get(u), str)), None)
    if odd is not None:
        return odd, next(u for u in MINUTES if given.get(u) == odd)
    minutes = sum(times * (given.get(unit) or 0) for unit, times in MINUTES.items())
    unit = next((u for u in reversed(MINUTES) if minutes and not minutes % MINUTES[u]), "minutes")
    shown = minutes / MINUTES[unit]
    return (f"{shown:g}" if minutes else ""), unit if minutes else "days"
