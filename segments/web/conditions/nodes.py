"""Rows as nodes of a rule, and nodes as rows.  What no row can say is kept as it is."""

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from re import fullmatch
from typing import Any

from segments.rules import language as L
from segments.rules import parse
from segments.web.conditions.draft import ALL, ANY, NONE, ROOT, Draft, Given, Group, Part, Row
from segments.web.conditions.subjects import (
    BY_KEY,
    NARROWINGS,
    PROPERTY_OPS,
    SUBJECTS,
    Node,
    Op,
    Subject,
)

DAYS = "days"  # the input of a window
OF_FIELDS = ("field.", "trait")  # subjects whose lists may be typed with commas
UNKNOWN = "choose what it is about"


@dataclass(frozen=True)
class Wrong:
    """What is missing or wrong in one input of a part of the draft."""

    part_id: str
    input: str  # "" for the part as a whole
    reason: str
    is_unfinished: bool = True  # not typed yet, as against typed wrongly


class Unfinished(ValueError):
    """An input that says nothing usable, and why."""

    def __init__(self, name: str, reason: str, *, is_unfinished: bool = True) -> None:
        self.wrong = (name, reason, is_unfinished)
        super().__init__(reason)


@dataclass
class Written:
    """The rule that a draft means as far as it is finished, and what is wrong with the rest."""

    rule: Node | None
    wrong: list[Wrong] = field(default_factory=list)
    places: dict[str, str] = field(default_factory=dict)  # path in the rule -> id of the part

    def part_at(self, path: str) -> str:
        """The part that the longest known beginning of this path belongs to."""
        known = [place for place in self.places if path == place or path.startswith(f"{place}.")]
        return self.places[max(known, key=len)] if known else ROOT

    def of(self, part_id: str) -> list[Wrong]:
        return [one for one in self.wrong if one.part_id == part_id]


def write(draft: Draft) -> Written:
    """The rule a draft means.  Unfinished conditions are left out of it and named in ``wrong``.

    What the parts say is parsed, so that a fault that only the language knows stands at its part.
    """
    out = Written(None)
    found = _written(draft.root, out)
    if found is None:
        if not out.wrong:
            reason = "add a condition: a segment of nobody in particular is no segment"
            out.wrong.append(Wrong(draft.root.id, "", reason))
        return out
    node, places = found
    out.rule = {"version": L.VERSION, "where": node}
    out.places = {f"where{path}": part_id for path, part_id in places.items()}
    try:
        parse.parse(out.rule)
    except L.RuleError as error:
        out.wrong += [_fault(fault, out) for fault in error.faults]
    return out


def _fault(fault: L.Fault, out: Written) -> Wrong:
    part_id = out.part_at(fault.path)
    place = next((p for p, one in out.places.items() if one == part_id), "")
    name = fault.path.removeprefix(place).lstrip(".").split("[")[0].split(".")[0]
    return Wrong(part_id, name, fault.reason, is_unfinished=False)


def _written(part: Part, out: Written) -> tuple[Node, dict[str, str]] | None:
    """The node of a part, and which path below it belongs to which part."""
    if isinstance(part, Group):
        return _written_group(part, out)
    try:
        return (part.kept if part.kept is not None else _node(part)), {"": part.id}
    except Unfinished as error:
        name, reason, is_unfinished = error.wrong
        out.wrong.append(Wrong(part.id, name, reason, is_unfinished))
        return None


def _written_group(group: Group, out: Written) -> tuple[Node, dict[str, str]] | None:
    """A group of one is written as that one; an empty one is a fault below the top."""
    if not group.of and group.id != ROOT:
        reason = "this group is empty: add a condition or take the group away"
        out.wrong.append(Wrong(group.id, "", reason))
    found = [one for part in group.of if (one := _written(part, out)) is not None]
    if not found:
        return None
    node, places = found[0]
    if len(found) > 1:
        node = {"type": "and" if group.kind == ALL else "or", "of": [one for one, _ in found]}
        places = {"": group.id}
        for at, (_one, below) in enumerate(found):
            places |= {f".of[{at}]{path}": part_id for path, part_id in below.items()}
    if group.kind == NONE:
        places = {"": group.id} | {f".of{path}": part_id for path, part_id in places.items()}
        node = {"type": "not", "of": node}
    return node, places


# --- a row as a node --------------------------------------------------------------------------


def _node(row: Row) -> Node:
    subject = BY_KEY.get(row.first("subject"))
    if subject is None:
        raise Unfinished("subject", UNKNOWN)
    op = op_of(row, subject.ops)
    node = dict(subject.node)
    _put_parts(node, row, subject)
    if op.op:
        node["op"] = op.op
    if op.input != "none":
        found = typed(op, row.given, subject.label, is_split=subject.key.startswith(OF_FIELDS))
        node[subject.slot] = _slotted(found, subject)
    node |= op.node
    days = row.first(DAYS)
    if subject.window and days:
        node["window_days"] = _number(days, DAYS, "the number of days")
    elif subject.window == "needed":
        raise Unfinished(DAYS, "type within how many days")
    if subject.lines == "filter" and row.lines:
        node["filter"] = _filter(row.lines)
    elif subject.lines == "properties" and row.lines:
        node["properties"] = [_property(line, at) for at, line in enumerate(row.lines)]
    return node


def _slotted(found: Any, subject: Subject) -> Any:
    if subject.key == "cluster":
        return int(found) if str(found).isdecimal() else found
    return [found] if subject.is_listed and not isinstance(found, list) else found


def _put_parts(node: Node, row: Row, subject: Subject) -> None:
    for part in subject.parts:
        values = [one.strip() for one in row.given.get(part.key, []) if one.strip()]
        if part.input == "flag":
            if values:
                node[part.slot] = True
        elif not values and part.default and part.key not in row.given:
            node[part.slot] = part.default
        elif not values:
            if part.is_needed:
                raise Unfinished(part.key, f"say which {part.label}")
        elif part.input == "texts":
            node[part.slot] = values
        elif part.input == "number":
            node[part.slot] = _number(values[0], part.key, part.label)
        else:
            node[part.slot] = values[0]
    if subject.key == "trait":
        node["field"] = f"{L.TRAIT}{node['field']}"
    if subject.key == "sequence" and not (node.get("unless") or node.get("unless_order")):
        raise Unfinished("unless", "say what did not follow: an event, or an order")


def op_of(row: Row, ops: tuple[Op, ...]) -> Op:
    """The comparison a row has chosen; the first until it has."""
    chosen = row.first("op")
    return next((one for one in ops if one.key == chosen), ops[0])


def typed(op: Op, given: Given, what: str, *, is_split: bool = False) -> Any:
    """What was typed for a comparison, in the type the rule wants."""
    values = [one.strip() for one in given.get("value", [])]
    full = [one for one in values if one]
    if op.input in ("numbers", "span"):
        pair = [*values, "", ""][:2]
        if not all(pair):
            raise Unfinished("value", f"type both ends of “{what}”")
        return [_number(one, "value", what) for one in pair] if op.input == "numbers" else pair
    if not full:
        word = "choose" if op.input in ("choice", "choices") else "type"
        raise Unfinished("value", f"{word} what “{what}” is compared with")
    if op.input in ("number", "days"):
        return _number(full[0], "value", f"“{what}”")
    if op.input == "percent":
        return float(Decimal(str(_number(full[0], "value", f"“{what}”"))) / 100)
    if op.input == "texts":
        split = [part.strip() for one in full for part in one.split(",")] if is_split else full
        return [one for one in split if one]
    return full if op.input == "choices" else full[0]


def _filter(lines: list[Given]) -> Node:
    found: Node = {}
    for at, line in enumerate(lines):
        key = (line.get("key") or [""])[0]
        one = NARROWINGS.get(key)
        if one is None:
            raise Unfinished(f"w{at}.key", "choose by what it is narrowed down")
        try:
            op = Op("=", "", one.input)
            if one.ops:
                chosen = (line.get("op") or [""])[0]
                op = next((each for each in one.ops if each.key == chosen), one.ops[0])
            value = typed(op, line, one.label)
        except Unfinished as error:
            raise Unfinished(f"w{at}.value", *error.wrong[1:2]) from None
        if one.ops:
            found[key] = {"op": op.op, "value": value}
        elif one.input == "choice":
            found[key] = value == "yes"
        else:
            found[key] = [*found.get(key, []), *value]
    return found


def _property(line: Given, at: int) -> Node:
    name = (line.get("key") or [""])[0].strip()
    if not name:
        raise Unfinished(f"w{at}.key", "type the name of the property")
    chosen = (line.get("op") or [""])[0]
    op = PROPERTY_OPS.get(chosen, next(iter(PROPERTY_OPS.values())))
    node = {"name": name, "op": op.op}
    if op.input != "none":
        try:
            node["value"] = typed(op, line, name, is_split=True)
        except Unfinished as error:
            raise Unfinished(f"w{at}.value", *error.wrong[1:2]) from None
    return node


def _number(text: str, name: str, what: str) -> int | float:
    """A number as people type it; a comma that may mean either is asked about."""
    if fullmatch(r"-?[1-9]\d{0,2},\d{3}", text):
        plain, point = text.replace(",", ""), text.replace(",", ".")
        reason = f"“{text}” may mean {plain} or {point}: write the one that is meant"
        raise Unfinished(name, reason, is_unfinished=False)
    try:
        found = Decimal(text.replace(" ", "").replace(",", "."))
    except InvalidOperation:
        found = Decimal("NaN")
    if not found.is_finite():
        reason = f"{what} needs a number, found “{text:.20}”"
        raise Unfinished(name, reason, is_unfinished=False)
    return int(found) if found == found.to_integral_value() else float(found)


# --- a rule as a draft ------------------------------------------------------------------------


def draft_of(rule: Any) -> Draft:
    """The draft that means this rule, whatever it is: what no row can say becomes a kept row."""
    number = 0

    def fresh() -> str:
        nonlocal number
        number += 1
        return f"n{number}"

    where = rule.get("where") if isinstance(rule, dict) else None
    root = Group(fresh())
    if isinstance(where, dict):
        kind, children = _opened(where)
        root.kind = kind
        root.of = [_part(child, fresh) for child in children]
    return Draft(root)


def _opened(node: Node) -> tuple[str, list[Node]]:
    """A node as the kind of a group and its children; of a single condition, all of that one."""
    of = node.get("of")
    if node.get("type") in ("and", "or") and isinstance(of, list):
        return (ALL if node["type"] == "and" else ANY), of
    if node.get("type") == "not" and isinstance(of, dict):
        inner = of.get("of")
        return NONE, inner if of.get("type") == "or" and isinstance(inner, list) else [of]
    return ALL, [node]


def _part(node: Node, fresh: Callable[[], str]) -> Part:
    is_group = isinstance(node, dict) and node.get("type") in ("and", "or", "not")
    if not is_group:
        return row_of(node, fresh())
    part_id = fresh()
    kind, children = _opened(node)
    return Group(part_id, kind, [_part(child, fresh) for child in children])


def row_of(node: Any, part_id: str) -> Row:
    """The row that means this node; one that keeps the node where no row does."""
    for subject in SUBJECTS:
        row = _read(node, subject, part_id) if isinstance(node, dict) else None
        if row is not None and _means(row, node):
            return row
    return Row(part_id, kept=node)


def _means(row: Row, node: Node) -> bool:
    try:
        return _parsed(_node(row)) == _parsed(node)
    except (Unfinished, L.RuleError):
        return False


def _parsed(node: Node) -> L.Rule:
    """Yes and no are compared as texts by the language itself."""

    def plain(found: Any) -> Any:
        if isinstance(found, list):
            return [plain(one) for one in found]
        if not isinstance(found, dict):
            return found
        told = {key: plain(value) for key, value in found.items()}
        if isinstance(told.get("value"), bool) and told.get("op") not in L.LIST_OPS:
            told["value"] = str(told["value"]).lower()
        return told

    return parse.parse({"version": L.VERSION, "where": plain(node)})


def _read(node: Node, subject: Subject, part_id: str) -> Row | None:
    """The row of this subject that may mean the node; `_means` decides whether it does."""
    fixed = subject.node.items()
    if subject.key == "trait":
        if not str(node.get("field", "")).startswith(L.TRAIT):
            return None
        node = {**node, "field": node["field"].removeprefix(L.TRAIT)}
    if any(node.get(key) != value for key, value in fixed):
        return None
    value = node.get(subject.slot)
    op = next((one for one in subject.ops if _fits(one, node, value)), None)
    if op is None:
        return None
    row = Row(part_id, {"subject": [subject.key], "op": [op.key]})
    if op.input != "none":
        row.given["value"] = texts_of(op, value)
    for part in subject.parts:
        found = node.get(part.slot)
        if part.input == "flag":
            row.given[part.key] = ["yes"] if found else []
        else:
            row.given[part.key] = _texts(part.default if found is None else found)
    if node.get("window_days") is not None:
        row.given[DAYS] = _texts(node["window_days"])
    row.lines = _lines(node, subject)
    return row


def _fits(op: Op, node: Node, value: Any) -> bool:
    if op.op and node.get("op") != op.op:
        return False
    defaults = {"is_granted": True}
    if any(node.get(key, defaults.get(key)) != wanted for key, wanted in op.node.items()):
        return False
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    items = value if isinstance(value, list) else []
    if op.input in ("text", "day"):
        return isinstance(value, str | bool)
    if op.input in ("number", "days", "percent"):
        return is_number
    if op.input == "span":
        return all(isinstance(one, str) for one in items)
    return op.input != "numbers" or all(not isinstance(one, str) for one in items)


def texts_of(op: Op, value: Any) -> list[str]:
    if op.input == "percent":
        return _texts(round(100 * value, 6))
    return _texts(value)


def _texts(value: Any) -> list[str]:
    if value is None:
        return []
    if isinstance(value, list):
        return [text for one in value for text in _texts(one)]
    if isinstance(value, bool):
        return ["true" if value else "false"]
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return [str(value)]


def _lines(node: Node, subject: Subject) -> list[Given]:
    if subject.lines == "filter":
        return [_filter_line(key, value) for key, value in (node.get("filter") or {}).items()]
    if subject.lines != "properties":
        return []
    lines = []
    for one in node.get("properties", []):
        value = one.get("value")
        op = next((op for op in PROPERTY_OPS.values() if _fits(op, one, value)), None)
        if op is None:
            continue  # the caller finds that the row does not mean the node
        texts = texts_of(op, value) if op.input != "none" else []
        lines.append({"key": [str(one.get("name"))], "op": [op.key], "value": texts})
    return lines


def _filter_line(key: str, value: Any) -> Given:
    one = NARROWINGS.get(key)
    if one is not None and one.ops and isinstance(value, dict):
        op = next((op for op in one.ops if _fits(op, value, value.get("value"))), one.ops[0])
        return {"key": [key], "op": [op.key], "value": texts_of(op, value.get("value"))}
    if one is not None and one.input == "choice":
        return {"key": [key], "value": ["yes" if value else "no"]}
    return {"key": [key], "value": _texts(value)}
