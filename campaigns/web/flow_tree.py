"""A flow while somebody writes it: steps under one another, lanes beside one another, and edits.

A stored flow is a net of numbered steps.  Here it is a list in which a branch or a split holds its
lanes, and every lane ends where the list goes on after it; what no list can say, a way back or
across, is a step of its own: *go on at*.  Steps keep their numbers, for texts and the ledger know
them by these.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]
Given = dict[str, Any]  # a step's own fields, as its kind has them in the definition

BRANCH, SPLIT, UNTIL, EXIT, JUMP = "branch", "split", "wait_until", "exit", "jump"
LANES_FIRST = {BRANCH: 2, SPLIT: 2, UNTIL: 1}
STEPS_MOST = 100
ARMS_MOST = 10
DEPTH_MOST = 20
EDIT_LENGTH_MOST = 60
LETTERS = "ABCDEFGHIJ"


@dataclass
class Node:
    """One step, or a way to another."""

    number: int
    kind: str
    given: Given = field(default_factory=dict)
    lanes: list[list["Node"]] = field(default_factory=list)

    @property
    def id(self) -> str:
        return f"n{self.number}"


Seq = list[Node]


@dataclass
class Draft:
    """Head and steps; ``fresh`` is a number that no step of this flow ever had."""

    head: Given
    steps: Seq
    fresh: int

    def walk(self) -> Iterator[tuple[Node, Seq, Node | None]]:
        """Every node, the list it stands in, and the node whose lane that is."""
        yield from _walk(self.steps, None)

    def find(self, part_id: str) -> tuple[Node, Seq, Node | None] | None:
        return next((found for found in self.walk() if found[0].id == part_id), None)

    def make(self, kind: str) -> Node:
        number, self.fresh = self.fresh, self.fresh + 1
        lanes: list[Seq] = [[] for _ in range(LANES_FIRST.get(kind, 0))]
        return Node(number, kind, dict(NEW.get(kind, {})), lanes)


# What a new step begins with.
NEW: dict[str, Given] = {
    "wait": {"days": 1},
    UNTIL: {"order": True, "timeout": {"days": 3}},
    SPLIT: {"arms": [{"name": "A", "weight": 1}, {"name": "B", "weight": 1}]},
    "offer": {"offer": 0},
    "update_trait": {"trait": "", "value": ""},
}
WAYS = ("next", "then", "else", "arms")


def _walk(steps: Seq, owner: Node | None) -> Iterator[tuple[Node, Seq, Node | None]]:
    for node in list(steps):
        yield node, steps, owner
        for lane in node.lanes:
            yield from _walk(lane, node)


# --- from a net ---------------------------------------------------------------------------------


def from_definition(definition: Json, *, fresh: int = 1) -> Draft:
    """The list that a definition comes to; a definition that is no flow comes to an empty one."""
    raw = definition.get("steps")
    steps = {
        one["number"]: one
        for one in (raw if isinstance(raw, list) else [])
        if isinstance(one, dict) and isinstance(one.get("number"), int)
    }
    drawn = _Drawn(steps, max([fresh - 1, *steps]) + 1 if steps else max(fresh, 1))
    head = {key: value for key, value in definition.items() if key not in ("steps", "first")}
    listed = drawn.lay(definition.get("first"), None)
    return Draft(head, listed, drawn.fresh)


class _Drawn:
    def __init__(self, steps: dict[int, Json], fresh: int) -> None:
        self.steps, self.fresh = steps, fresh
        self.placed: set[int] = set()

    def number(self) -> int:
        self.fresh += 1
        return self.fresh - 1

    def lay(self, way: Any, stop: int | None) -> Seq:
        """The steps from ``way`` on, up to ``stop``, where the list goes on anyway."""
        listed: Seq = []
        while way is not None and way != stop and way in self.steps:
            if way in self.placed:
                return [*listed, Node(self.number(), JUMP, {"to": way})]
            self.placed.add(way)
            raw = self.steps[way]
            node = Node(way, raw["kind"], _own(raw))
            listed.append(node)
            if raw["kind"] == UNTIL:
                rest = self.lay(raw.get("next"), stop)
                otherwise = raw.get("else")
                follows = rest[0].number if rest else stop
                node.lanes = [[] if otherwise is None else self.lay(otherwise, follows)]
                return listed + rest
            if raw["kind"] in (BRANCH, SPLIT):
                ways = ways_of(raw)
                join = self.join([one for one in ways if one is not None], stop)
                node.lanes = [self.lay(one, join) for one in ways]
                way = join
            else:
                way = raw.get("next")
            if raw["kind"] == EXIT:
                return listed
        if way is None and stop is not None:
            listed.append(Node(self.number(), EXIT))
        return listed

    def join(self, ways: list[int], stop: int | None) -> int | None:
        """Where lanes that begin so meet again: the first step that all of them come to."""
        reached = [self.reach(way, stop) for way in ways]
        if len(reached) > 1:
            common = [one for one in reached[0] if all(one in other for other in reached)]
            if common:
                return common[0]
        return stop if any(stop in one for one in reached) else None

    def reach(self, way: int, stop: int | None) -> list[int]:
        """The steps one comes to from here, the nearest first, not beyond ``stop``."""
        found: list[int] = []
        todo = [way]
        while todo:
            here = todo.pop(0)
            if here in found or (here not in self.steps and here != stop):
                continue
            found.append(here)
            if here != stop:
                todo += [one for one in ways_of(self.steps[here]) if one is not None]
        return found


def ways_of(raw: Json) -> list[int | None]:
    """Where a stored step leads, in the order of its lanes."""
    if raw["kind"] == BRANCH:
        return [raw.get("then"), raw.get("else")]
    if raw["kind"] == SPLIT:
        return [arm.get("next") for arm in raw.get("arms", []) if isinstance(arm, dict)]
    ways = [raw.get("next")]
    return [*ways, raw["else"]] if raw["kind"] == UNTIL and raw.get("else") is not None else ways


def _own(raw: Json) -> Given:
    own = {key: value for key, value in raw.items() if key not in (*WAYS, "number", "kind")}
    if raw["kind"] == SPLIT:
        arms = [arm for arm in raw.get("arms", []) if isinstance(arm, dict)]
        own["arms"] = [{k: v for k, v in arm.items() if k != "next"} for arm in arms]
    return own


# --- into a net ---------------------------------------------------------------------------------


def to_definition(draft: Draft) -> Json:
    """The definition that a list means; unfinished fields are in it as they were typed."""
    steps: list[Json] = []
    first = _link(draft.steps, None, steps)
    places = {node.number: place for place, (node, _seq, _owner) in enumerate(draft.walk())}
    steps.sort(key=lambda one: places[one["number"]])
    return {"version": 1, **draft.head, "first": first or 0, "steps": steps}


def _link(listed: Seq, then: int | None, steps: list[Json]) -> int | None:
    """Write the steps of a list that goes on at ``then``; return where the list begins."""
    for node in reversed(listed):
        if node.kind == JUMP:
            then = node.given.get("to")
            continue
        raw: Json = {"number": node.number, "kind": node.kind, **node.given}
        if node.kind == BRANCH:
            raw["then"], raw["else"] = (_link(lane, then, steps) for lane in node.lanes)
        elif node.kind == SPLIT:
            named = zip(node.given.get("arms", []), node.lanes, strict=False)
            raw["arms"] = [{**arm, "next": _link(lane, then, steps)} for arm, lane in named]
        elif node.kind != EXIT:
            raw["next"] = then
            if node.lanes and node.lanes[0]:
                raw["else"] = _link(node.lanes[0], then, steps)
        steps.append(raw)
        then = node.number
    return then


# --- edits --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Done:
    """What an edit did, in words for who cannot see it, and which part is to have the focus."""

    said: str
    focus: str = ""


def edit(draft: Draft, do: str) -> Done:
    """Do what a button says; what cannot be done changes nothing and says so.

    ``add KIND PLACE``, where a place is ``end`` of the list, ``LANE`` of a step as in ``n3.1``, or
    ``before n3``; ``move n3 up|down``, ``into n3``, ``out n3``, ``copy n3``, ``drop n3``,
    ``arm n3``, ``unarm n3 1``.
    """
    word, _, rest = do[:EDIT_LENGTH_MOST].partition(" ")
    if word == "add":
        kind, _, place = rest.partition(" ")
        return _add(draft, kind, place)
    part_id, _, more = rest.partition(" ")
    found = draft.find(part_id)
    if word not in EDITS or found is None:
        return Done("")
    return EDITS[word](draft, *found, more)


KINDS = {
    "send": "Send a message",
    "wait": "Wait",
    UNTIL: "Wait until something happens",
    BRANCH: "Branch by a rule",
    SPLIT: "Split by chance (A/B)",
    "filter": "Go on only with some",
    "offer": "Give an offer",
    "update_trait": "Write a trait",
    "webhook": "Tell another system",
    EXIT: "Leave the flow",
    JUMP: "Go on at another step",
}


def _add(draft: Draft, kind: str, place: str) -> Done:
    if kind not in KINDS or sum(1 for _ in draft.walk()) >= STEPS_MOST:
        return Done(f"A flow has at most {STEPS_MOST} steps." if kind in KINDS else "")
    node = draft.make(kind)
    owner_id, _, lane = place.partition(".")
    if place.startswith("before "):
        found = draft.find(place.removeprefix("before "))
        if found is None:
            return Done("")
        found[1].insert(found[1].index(found[0]), node)
    elif lane.isdecimal() and (found := draft.find(owner_id)):
        if int(lane) >= len(found[0].lanes):
            return Done("")
        found[0].lanes[int(lane)].append(node)
    else:
        draft.steps.append(node)
    return Done(f"Added: {KINDS[kind]}.", node.id)


def _move(draft: Draft, node: Node, seq: Seq, owner: Node | None, more: str) -> Done:
    place = seq.index(node)
    step = -1 if more == "up" else 1
    if not 0 <= place + step < len(seq):
        return Done(f"It is the {'first' if step < 0 else 'last'} here already.", node.id)
    seq.insert(place + step, seq.pop(place))
    return Done(f"Moved {'up' if step < 0 else 'down'}.", node.id)


def _into(draft: Draft, node: Node, seq: Seq, owner: Node | None, more: str) -> Done:
    """Into the first lane of the step before it, at its end."""
    place = seq.index(node)
    before = seq[place - 1] if place else None
    if before is None or not before.lanes:
        return Done("There are no lanes before it to move into.", node.id)
    seq.pop(place)
    before.lanes[0].append(node)
    return Done("Moved into the first lane before it.", node.id)


def _out(draft: Draft, node: Node, seq: Seq, owner: Node | None, more: str) -> Done:
    """To the next lane beside it; from the last, out of the lanes to behind them."""
    if owner is None:
        return Done("It stands in no lane.", node.id)
    lane = next(at for at, one in enumerate(owner.lanes) if one is seq)
    seq.remove(node)
    if lane + 1 < len(owner.lanes):
        owner.lanes[lane + 1].append(node)
        return Done("Moved into the lane beside it.", node.id)
    found = draft.find(owner.id)
    assert found is not None
    found[1].insert(found[1].index(owner) + 1, node)
    return Done("Moved out of the lanes.", node.id)


def _copy(draft: Draft, node: Node, seq: Seq, owner: Node | None, more: str) -> Done:
    def again(one: Node) -> Node:
        made = draft.make(one.kind)
        made.given = dict(one.given)
        made.lanes = [[again(child) for child in lane] for lane in one.lanes]
        return made

    made = again(node)
    seq.insert(seq.index(node) + 1, made)
    return Done("Copied; what it says is to be written anew.", made.id)


def _drop(draft: Draft, node: Node, seq: Seq, owner: Node | None, more: str) -> Done:
    place = seq.index(node)
    seq.pop(place)
    gone = {one.number for one, _seq, _owner in _walk([node], None)}
    for other, listed, _owner in list(draft.walk()):
        if other.kind == JUMP and other.given.get("to") in gone:
            listed.remove(other)
    near = seq[place : place + 1] or seq[place - 1 : place]
    lanes = sum(len(lane) for lane in node.lanes)
    said = "Taken away." if not lanes else f"Taken away with the {lanes} in its lanes."
    return Done(said, near[0].id if near else owner.id if owner else "entry")


def _arm(draft: Draft, node: Node, seq: Seq, owner: Node | None, more: str) -> Done:
    if node.kind != SPLIT or len(node.lanes) >= ARMS_MOST:
        return Done(f"A split has at most {ARMS_MOST} ways.", node.id)
    arms = node.given.setdefault("arms", [])
    taken = {arm.get("name") for arm in arms}
    name = next((one for one in LETTERS if one not in taken), "")
    arms.append({"name": name, "weight": 1})
    node.lanes.append([])
    return Done(f"Another way: {name}.", node.id)


def _unarm(draft: Draft, node: Node, seq: Seq, owner: Node | None, more: str) -> Done:
    if node.kind != SPLIT or not more.isdecimal() or not len(node.lanes) > max(2, int(more)):
        return Done("A split needs two ways.", node.id)
    node.lanes.pop(int(more))
    node.given["arms"].pop(int(more))
    return Done("That way is taken away.", node.id)


EDITS = {
    "move": _move,
    "into": _into,
    "out": _out,
    "copy": _copy,
    "drop": _drop,
    "arm": _arm,
    "unarm": _unarm,
}
