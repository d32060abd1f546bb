"""Rules as rows that a person fills in, and back: what the simple builder can say.

A rule is built from rows of two groups: those of which all (or any) must hold, and those of which
none may.  What cannot be said so stays as it is stored; the builder never guesses.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

from segments.rules import language, parse, rfm

MUST, NONE = "must", "none"
ALL, ANY = "all", "any"
ROWS_MOST = 40

Node = dict[str, Any]
Option = tuple[str, str]


@dataclass(frozen=True)
class Op:
    """One comparison of a subject: the word in the rule, how it is said, what is typed for it."""

    key: str
    label: str
    input: str  # number, days, percent, text, texts, day, choice or none
    extra: Node = field(default_factory=dict)  # keys of the node instead of ``op``
    unit: str = ""


@dataclass(frozen=True)
class Subject:
    """What a row is about, and where its parts stand in the node of the rule."""

    key: str
    group: str
    label: str
    node: Node
    ops: tuple[Op, ...]
    slot: str = "value"  # the node's key for what was typed
    is_list: bool = False
    has_op: bool = True
    has_window: bool = False
    name: str = ""  # what has to be named too: "event" or "trait"
    choices: tuple[Option, ...] = ()


NUMBERS = (
    Op(">=", "at least", "number"),
    Op("<=", "at most", "number"),
    Op("=", "exactly", "number"),
    Op(">", "more than", "number"),
    Op("<", "less than", "number"),
)
PAST = (
    Op("less_than_days_ago", "within the last", "days", unit="days"),
    Op("more_than_days_ago", "more than", "days", unit="days ago"),
    Op("since", "on or after", "day"),
    Op("before", "before", "day"),
)
TEXTS = (
    Op("=", "is", "text"),
    Op("!=", "is not", "text"),
    Op("in", "is one of", "texts"),
    Op("not_in", "is none of", "texts"),
    Op("contains", "contains", "text"),
    Op("starts_with", "starts with", "text"),
    Op("exists", "is known", "none"),
    Op("not_exists", "is not known", "none"),
)
TRAITS = (*TEXTS[:6], *(Op(one.key, one.label, "number") for one in NUMBERS[:2]), *TEXTS[6:])
IS = (Op("is", "is", "choice"),)


def _order(measure: str, label: str, ops: tuple[Op, ...]) -> Subject:
    node = {"type": "orders", "measure": measure}
    is_moment = measure in language.MOMENT_MEASURES
    return Subject(f"orders.{measure}", "Orders", label, node, ops, has_window=not is_moment)


def _field(name: str, label: str, ops: tuple[Op, ...]) -> Subject:
    return Subject(f"field.{name}", "Customer", label, {"type": "field", "field": name}, ops)


def _said(kind: str, label: str, ops: tuple[Op, ...], **node: str) -> Subject:
    key = ".".join((kind, *node.values()))
    return Subject(key, "Consent", label, {"type": kind, **node}, ops, has_op=False, slot="")


CONSENT = (
    Op("yes", "was given", "none", {"is_granted": True}),
    Op("no", "was not given", "none", {"is_granted": False}),
)
HOLDS = (Op("yes", "is so", "none"),)
BANDS = (("high", "high"), ("medium", "medium"), ("low", "low"))
SUBJECTS = (
    _order("count", "number of orders", NUMBERS),
    _order("revenue", "revenue", NUMBERS),
    _order("average", "revenue of an order", NUMBERS),
    _order("largest", "largest order", NUMBERS),
    _order("last", "last order", PAST),
    _order("first", "first order", PAST),
    Subject(
        "events.count", "Behaviour", "times they did", {"type": "events"}, NUMBERS,
        has_window=True, name="event",
    ),
    Subject(
        "events.last", "Behaviour", "last time they did", {"type": "events", "measure": "last"},
        PAST, name="event",
    ),
    _field("country", "country", TEXTS),
    _field("language", "language", TEXTS),
    _field("email", "e-mail address", TEXTS),
    _field("first_name", "first name", TEXTS),
    _field("happened_at", "first day with the shop", PAST),
    Subject("trait", "Customer", "trait", {"type": "field"}, TRAITS, name="trait"),
    Subject(
        "score.churn_band", "Expected", "risk of leaving",
        {"type": "score", "name": "churn_90d"}, (Op("band", "is", "choice"),),
        is_list=True, choices=BANDS,
    ),
    Subject(
        "score.clv_top", "Expected", "expected value", {"type": "score", "name": "clv_365d"},
        (Op("top_share", "is in the first", "percent", unit="% of all"), *NUMBERS),
    ),
    Subject(
        "rfm", "Groups", "RFM group", {"type": "rfm"}, IS, slot="groups", is_list=True,
        has_op=False, choices=tuple((group.key, group.name) for group in rfm.GROUPS),
    ),
    Subject("cluster", "Groups", "cluster", {"type": "cluster"}, IS, slot="key", has_op=False),
    Subject("segment", "Groups", "segment", {"type": "segment"}, IS, slot="key", has_op=False),
    _said("consent", "consent to marketing by e-mail", CONSENT, channel="email"),
    _said("consent", "consent to marketing by SMS", CONSENT, channel="sms"),
    _said("reachable", "there is an e-mail address that may be used", HOLDS, channel="email"),
)  # fmt: skip
BY_KEY = {subject.key: subject for subject in SUBJECTS}


class RowError(ValueError):
    """What is missing in rows; one message a row."""


def spec(*, clusters: Sequence[Option], segments: Sequence[Option]) -> list[dict[str, Any]]:
    """The subjects for the page's script; clusters and segments are those there are now."""
    now = {"cluster": tuple(clusters), "segment": tuple(segments)}
    told = []
    for subject in SUBJECTS:
        if subject.key in now and not now[subject.key]:
            continue
        row = asdict(subject)
        told.append({**row, "choices": now.get(subject.key, subject.choices)})
    return told


def rule_of(match: str, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The rule that the rows mean; `RowError` names what is missing in which row."""
    faults: list[str] = []
    must: list[Node] = []
    none: list[Node] = []
    for number, row in enumerate(rows[:ROWS_MOST], 1):
        try:
            (none if row.get("group") == NONE else must).append(_node(row))
        except RowError as error:
            faults.append(f"Condition {number}: {error}.")
    if not rows:
        faults.append("Add a condition: a segment of nobody in particular is no segment.")
    if faults:
        raise RowError(" ".join(faults))
    parts: list[Node] = []
    if must:
        is_any = match == ANY and len(must) > 1
        parts += [{"type": "or", "of": must}] if is_any else must
    if none:
        inside = none[0] if len(none) == 1 else {"type": "or", "of": none}
        parts.append({"type": "not", "of": inside})
    where = parts[0] if len(parts) == 1 else {"type": "and", "of": parts}
    return {"version": language.VERSION, "where": where}


def rows_of(rule: Any) -> tuple[str, list[dict[str, Any]]] | None:
    """All or any, and the rows that mean this rule; None where the builder cannot say it."""
    try:
        parsed = parse.parse(rule)
        match, must, none = _groups(rule["where"])
        rows = [{**_row(node), "group": MUST} for node in must]
        rows += [{**_row(node), "group": NONE} for node in none]
        return (match, rows) if parse.parse(rule_of(match, rows)) == parsed else None
    except (RowError, language.RuleError):
        return None


def _groups(where: Node) -> tuple[str, list[Node], list[Node]]:
    parts = where["of"] if where["type"] == "and" else [where]
    none: list[Node] = []
    if parts[-1]["type"] == "not":
        inside = parts[-1]["of"]
        none = inside["of"] if inside["type"] == "or" else [inside]
        parts = parts[:-1]
    if len(parts) == 1 and parts[0]["type"] == "or":
        return ANY, parts[0]["of"], none
    return ALL, list(parts), none


def _node(row: dict[str, Any]) -> Node:
    """One row as a node of the rule."""
    subject = BY_KEY.get(str(row.get("subject", "")))
    if subject is None:
        raise RowError("choose what it is about")
    op = next((one for one in subject.ops if one.key == row.get("op")), None)
    if op is None:
        raise RowError(f"choose how “{subject.label}” compares")
    node = {**subject.node, **op.extra}
    if subject.name:
        _put_name(node, subject, str(row.get("name", "")).strip())
    if subject.has_op:
        node["op"] = op.key
    if op.input != "none":
        found = _typed(op, subject, str(row.get("value", "")).strip())
        node[subject.slot] = [found] if subject.is_list and op.input == "choice" else found
    days = str(row.get("days", "")).strip()
    if subject.has_window and days:
        node["window_days"] = _number(days, "the number of days")
    return node


def _put_name(node: Node, subject: Subject, name: str) -> None:
    if not name:
        raise RowError(f"type the name of the {subject.name}")
    if subject.name == "event":
        node["names"] = [name]
    else:
        node["field"] = f"{language.TRAIT}{name}"


def _typed(op: Op, subject: Subject, text: str) -> Any:
    if not text:
        raise RowError(f"type what “{subject.label}” is compared with")
    if op.input in ("number", "days"):
        return _number(text, f"“{subject.label}”")
    if op.input == "percent":
        return _number(text, f"“{subject.label}”") / 100
    if op.input == "texts":
        return [one.strip() for one in text.split(",") if one.strip()]
    if subject.key == "cluster":
        return _number(text, "the cluster")
    return text


def _number(text: str, what: str) -> int | float:
    try:
        found = Decimal(text.replace(",", "."))
    except InvalidOperation:
        raise RowError(f"{what} needs a number, found “{text:.20}”") from None
    if not found.is_finite():
        raise RowError(f"{what} needs a number, found “{text:.20}”")
    return int(found) if found == found.to_integral_value() else float(found)


def _row(node: Node) -> dict[str, Any]:
    """The row that means this node; its caller checks that it does."""
    for subject in SUBJECTS:
        op = _op_of(subject, node)
        if op is None:
            continue
        row = {"subject": subject.key, "op": op.key, "name": _name_of(subject, node)}
        row["value"] = _shown(op, subject, node)
        row["days"] = _text(node.get("window_days"))
        return row
    raise RowError("the builder has no row for this")


def _op_of(subject: Subject, node: Node) -> Op | None:
    """The comparison of this subject that the node is, if it is about this subject at all."""
    is_trait = str(node.get("field", "")).startswith(language.TRAIT)
    if subject.name == "trait" and not is_trait:
        return None
    if any(node.get(key) != value for key, value in subject.node.items()):
        return None
    if subject.key == "events.count" and node.get("measure", "count") != "count":
        return None
    for op in subject.ops:
        said = {"is_granted": node.get("is_granted", True)} if op.extra else {}
        fits = node.get("op") == op.key if subject.has_op else said == op.extra
        if fits and _is_typed_so(op, node.get(subject.slot)):
            return op
    return None


def _is_typed_so(op: Op, value: Any) -> bool:
    """Among comparisons of one word, the one for a value of this type."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if op.input == "text":
        return isinstance(value, str)
    return is_number if op.input in ("number", "days", "percent") else True


def _name_of(subject: Subject, node: Node) -> str:
    if subject.name == "event":
        names = node.get("names", [])
        return names[0] if len(names) == 1 else ""
    return node["field"].removeprefix(language.TRAIT) if subject.name == "trait" else ""


def _shown(op: Op, subject: Subject, node: Node) -> str:
    value = node.get(subject.slot)
    if op.input == "none" or value is None:
        return ""
    if op.input == "percent":
        return _text(round(100 * value, 6))
    if isinstance(value, list):
        if op.input != "texts" and len(value) != 1:
            raise RowError("the builder has one choice a row")
        return ", ".join(_text(one) for one in value)
    return _text(value)


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value)
