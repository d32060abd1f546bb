"""A rule while somebody writes it: groups in brackets, rows with what was typed, and edits of both.

What was typed is kept as text, finished or not; `nodes` turns it into a rule and back.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from django.http import QueryDict

from segments.rules.values import MOST_DEPTH, MOST_NODES

ALL, ANY, NONE = "all", "any", "none"
KINDS = {ALL: "all of these", ANY: "any of these", NONE: "none of these"}
ROOT = "n1"

Given = dict[str, list[str]]


@dataclass
class Row:
    """One condition: what stands in its inputs, by their names."""

    id: str
    given: Given = field(default_factory=dict)
    lines: list[Given] = field(default_factory=list)  # what narrows it down
    kept: Any = None  # a node that no row can say; shown as a sentence

    def first(self, name: str) -> str:
        return (self.given.get(name) or [""])[0].strip()


@dataclass
class Group:
    """A pair of brackets: all, any or none of what stands in it."""

    id: str
    kind: str = ALL
    of: list["Row | Group"] = field(default_factory=list)


Part = Row | Group


@dataclass
class Draft:
    """The outermost group; every part has an id that lasts while it is edited."""

    root: Group

    def walk(self) -> Iterator[Part]:
        yield from _below(self.root)

    def find(self, part_id: str) -> Part | None:
        return next((part for part in self.walk() if part.id == part_id), None)

    def parent(self, part_id: str) -> Group | None:
        groups = (part for part in self.walk() if isinstance(part, Group))
        return next((g for g in groups if any(one.id == part_id for one in g.of)), None)

    def depth(self, part_id: str) -> int:
        """1 for the outermost group."""
        parent = self.parent(part_id)
        return 1 if parent is None else 1 + self.depth(parent.id)

    def fresh(self) -> str:
        taken = [int(part.id[1:]) for part in self.walk()]
        return f"n{max(taken, default=0) + 1}"

    def rows(self) -> list[Row]:
        return [part for part in self.walk() if isinstance(part, Row)]

    def structure(self) -> str:
        """Which part stands in which, for the form to send back."""
        return json.dumps(_shape(self.root))


def _below(part: Part) -> Iterator[Part]:
    yield part
    if isinstance(part, Group):
        for child in part.of:
            yield from _below(child)


def _shape(part: Part) -> Any:
    return [part.id, *map(_shape, part.of)] if isinstance(part, Group) else part.id


# --- from the form ----------------------------------------------------------------------------


def posted(form: QueryDict) -> Draft:
    """The draft that the form's fields mean; what cannot be read is no part of it."""
    try:
        shape = json.loads(form.get("tree", "[]"))
    except ValueError:
        shape = []
    seen: set[str] = set()
    root = _read(shape, form, seen, 1)
    return Draft(root if isinstance(root, Group) else Group(ROOT))


def _read(shape: Any, form: QueryDict, seen: set[str], depth: int) -> Part | None:
    is_group = isinstance(shape, list) and bool(shape)
    part_id = shape[0] if is_group else shape
    if not _is_id(part_id) or part_id in seen or depth > MOST_DEPTH or len(seen) >= MOST_NODES:
        return None
    seen.add(part_id)
    if not is_group:
        return _read_row(part_id, form)
    kind = form.get(f"{part_id}.kind", ALL)
    children = [_read(child, form, seen, depth + 1) for child in shape[1:]]
    return Group(part_id, kind if kind in KINDS else ALL, [one for one in children if one])


def _is_id(found: Any) -> bool:
    return isinstance(found, str) and len(found) < 8 and found[:1] == "n" and found[1:].isdecimal()


def _read_row(part_id: str, form: QueryDict) -> Row:
    row = Row(part_id)
    lines: dict[int, Given] = {}
    for name in form:
        if not name.startswith(f"{part_id}."):
            continue
        values = [str(one) for one in form.getlist(name)]
        key = name.removeprefix(f"{part_id}.")
        place, _, inner = key.partition(".")
        if inner and place[:1] == "w" and place[1:].isdecimal():
            lines.setdefault(int(place[1:]), {})[inner] = values
        elif key == "kept":
            row.kept = _json(values[0])
        else:
            row.given[key] = values
    row.lines = [lines[place] for place in sorted(lines)]
    return row


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


# --- edits ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Done:
    """What an edit did, in words for who cannot see it, and which part is to have the focus."""

    said: str
    focus: str = ""


def edit_draft(draft: Draft, do: str) -> Done:
    """Do what a button of the form says: a word and the part it is about.

    An edit that cannot be done changes nothing and says so.
    """
    word, _, rest = do.partition(" ")
    part_id, _, more = rest.partition(" ")
    part = draft.find(part_id)
    if word not in EDITS or part is None:
        return Done("")
    return EDITS[word](draft, part, more)


def _add(draft: Draft, part: Part, more: str) -> Done:
    if not isinstance(part, Group):
        return Done("")
    if len(list(draft.walk())) >= MOST_NODES:
        return Done(f"A rule has at most {MOST_NODES} parts.", part.id)
    if more in KINDS:
        return _add_group(draft, part, more)
    if more == "pair":
        return _add_pair(draft, part)
    row = Row(draft.fresh())
    part.of.append(row)
    return Done("A condition was added.", row.id)


def _add_group(draft: Draft, part: Group, kind: str) -> Done:
    if draft.depth(part.id) + 1 >= MOST_DEPTH:
        return Done(f"Groups nest at most {MOST_DEPTH} deep.", part.id)
    group = Group(draft.fresh(), kind)
    part.of.append(group)
    row = Row(draft.fresh())
    group.of.append(row)
    return Done(f"A group was added: {KINDS[kind]}.", row.id)


def _add_pair(draft: Draft, part: Group) -> Done:
    """Bought this and never that."""
    into = part
    if part.kind != ALL:
        into = Group(draft.fresh(), ALL)
        part.of.append(into)
    first = ""
    for op in ("yes", "no"):
        row = Row(draft.fresh(), {"subject": ["orders.bought"], "op": [op]}, [{"key": ["product"]}])
        into.of.append(row)
        first = first or row.id
    return Done("Two conditions were added: bought, and never bought.", first)


def _drop(draft: Draft, part: Part, more: str) -> Done:
    parent = draft.parent(part.id)
    if parent is None:
        assert isinstance(part, Group)
        part.of.clear()
        return Done("All conditions were taken away.", part.id)
    place = parent.of.index(part)
    parent.of.pop(place)
    neighbours = parent.of[place : place + 1] or parent.of[place - 1 : place] or [parent]
    return Done("Taken away.", neighbours[0].id)


def _move(draft: Draft, part: Part, more: str) -> Done:
    """Up or down among its neighbours; at the edge of its group, out of it."""
    parent = draft.parent(part.id)
    if parent is None:
        return Done("", part.id)
    place = parent.of.index(part)
    step = -1 if more == "up" else 1
    if not 0 <= place + step < len(parent.of):
        return Done(f"It is {'first' if step < 0 else 'last'} in its group already.", part.id)
    parent.of.insert(place + step, parent.of.pop(place))
    return Done(f"Moved to place {place + step + 1} of {len(parent.of)}.", part.id)


def _into(draft: Draft, part: Part, more: str) -> Done:
    """Into the group before it; without one, into a new pair of brackets."""
    parent = draft.parent(part.id)
    if parent is None or draft.depth(part.id) + _height(part) >= MOST_DEPTH:
        return Done("It cannot be moved deeper.", part.id)
    place = parent.of.index(part)
    before = parent.of[place - 1] if place else None
    if isinstance(before, Group):
        parent.of.pop(place)
        before.of.append(part)
        return Done(f"Moved into the group before it: {KINDS[before.kind]}.", part.id)
    kind = ANY if parent.kind == ALL else ALL
    parent.of[place] = Group(draft.fresh(), kind, [part])
    return Done(f"Put into brackets: {KINDS[kind]}.", part.id)


def _height(part: Part) -> int:
    below = [_height(child) for child in part.of] if isinstance(part, Group) else []
    return 1 + max(below, default=0)


def _out(draft: Draft, part: Part, more: str) -> Done:
    """Out of its group, to the place after it; a group left empty goes."""
    parent = draft.parent(part.id)
    above = draft.parent(parent.id) if parent else None
    if parent is None or above is None:
        return Done("It is in the outermost group already.", part.id)
    parent.of.remove(part)
    place = above.of.index(parent)
    above.of.insert(place + 1, part)
    if not parent.of:
        above.of.remove(parent)
    return Done(f"Moved out of its group, into: {KINDS[above.kind]}.", part.id)


def _copy(draft: Draft, part: Part, more: str) -> Done:
    parent = draft.parent(part.id)
    if parent is None or len(list(draft.walk())) + len(list(_below(part))) > MOST_NODES:
        return Done("It cannot be copied.", part.id)
    number = int(draft.fresh()[1:])

    def again(one: Part) -> Part:
        nonlocal number
        new_id, number = f"n{number}", number + 1
        if isinstance(one, Group):
            return Group(new_id, one.kind, [again(child) for child in one.of])
        given = {name: list(values) for name, values in one.given.items()}
        lines = [{name: list(values) for name, values in line.items()} for line in one.lines]
        return Row(new_id, given, lines, one.kept)

    made = again(part)
    parent.of.insert(parent.of.index(part) + 1, made)
    return Done("Copied.", made.id)


def _line(draft: Draft, part: Part, more: str) -> Done:
    """One more line that narrows a condition down, or one less."""
    if not isinstance(part, Row):
        return Done("")
    if more.isdecimal() and int(more) < len(part.lines):
        part.lines.pop(int(more))
        return Done("No longer narrowed down by that.", part.id)
    part.lines.append({})
    return Done("Narrow it down: choose by what.", f"{part.id}.w{len(part.lines) - 1}.key")


def _unvalue(draft: Draft, part: Part, more: str) -> Done:
    """Take one of several values out of an input: its name, and the value's place."""
    name, _, place = more.rpartition(" ")
    given = part.given if isinstance(part, Row) else {}
    key, line = name, name.split(".", 1)
    if isinstance(part, Row) and len(line) == 2 and line[0][1:].isdecimal():
        number, key = int(line[0][1:]), line[1]
        given = part.lines[number] if number < len(part.lines) else {}
    values = given.get(key, [])
    if not place.isdecimal() or int(place) >= len(values):
        return Done("")
    gone = values.pop(int(place))
    return Done(f"“{gone}” was taken away.", f"{part.id}.{name}")


EDITS = {
    "add": _add,
    "drop": _drop,
    "move": _move,
    "into": _into,
    "out": _out,
    "copy": _copy,
    "line": _line,
    "unvalue": _unvalue,
}
