"""A draft as the page shows it: brackets, and the inputs of every condition in the order they read.

The templates only walk what is built here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from segments.rules import explain, language, parse
from segments.services import suggest as completion
from segments.web.conditions import nodes
from segments.web.conditions.draft import KINDS, Draft, Given, Part, Row
from segments.web.conditions.nodes import DAYS, Wrong
from segments.web.conditions.subjects import (
    BY_KEY,
    NARROWINGS,
    PROPERTY_OPS,
    SUBJECTS,
    Op,
    Option,
    Subject,
)
from segments.web.conditions.subjects import Part as SubjectPart

LIVE = ("cluster", "segment", "list")  # subjects whose choices are those there are now


@dataclass(frozen=True)
class Control:
    """One input of a condition."""

    kind: str  # select, input, day, chips, checks or flag
    name: str  # in the form
    label: str  # for who cannot see where it stands
    values: tuple[str, ...] = ()
    options: tuple[tuple[str, tuple[Option, ...]], ...] = ()  # by group; the group may be ""
    suggest: str = ""
    of: str = ""  # the input that says whose names are suggested
    before: str = ""
    after: str = ""
    place: str = ""  # what stands in it while it is empty
    is_short: bool = False
    redraws: bool = False  # what is chosen here changes which inputs there are
    drop: str = ""  # the edit that takes one of its values away
    called: tuple[tuple[str, str], ...] = ()  # chips: value and how it is called

    @property
    def id(self) -> str:
        return f"s-{self.name.replace('.', '-')}"

    @property
    def value(self) -> str:
        return self.values[0] if self.values else ""


@dataclass(frozen=True)
class Line:
    """One thing that narrows a condition down, and the edit that takes it away."""

    controls: tuple[Control, ...]
    drop: str


@dataclass
class Shown:
    """A part of the draft as the page shows it."""

    id: str
    title: str  # how a screen reader names it
    wrong: list[Wrong] = field(default_factory=list)
    kind: str = ""  # of a group
    controls: tuple[Control, ...] = ()
    lines: tuple[Line, ...] = ()
    more: str = ""  # the words of the button that narrows it down
    parts: list["Shown"] = field(default_factory=list)
    told: list[tuple[str, bool]] = field(default_factory=list)  # what is wrong; is it unfinished?
    sentence: str = ""  # of a kept node
    kept: Any = None
    kept_json: str = ""
    depth: int = 1
    place: str = ""  # 2.1: the first part of the second

    @property
    def is_group(self) -> bool:
        return bool(self.kind)

    @property
    def is_root(self) -> bool:
        return self.depth == 1

    @property
    def kinds(self) -> list[Option]:
        return list(KINDS.items())


@dataclass(frozen=True)
class Now:
    """What the data offer at the moment: clusters, segments, lists, and names of products."""

    choices: Mapping[str, Sequence[Option]]
    products: Mapping[str, str] = field(default_factory=dict)

    def has(self, subject: Subject) -> bool:
        return subject.key not in LIVE or bool(self.choices.get(subject.key))


def products(draft: Draft) -> set[str]:
    """The products that a draft names, whose names the page wants to show."""
    lines = [line for row in draft.rows() for line in row.lines]
    chosen = [line for line in lines if line.get("key") == ["product"]]
    return {value for line in chosen for value in line.get("value", []) if value}


def shown(draft: Draft, now: Now, wrong: Sequence[Wrong] = ()) -> Shown:
    """The whole draft, with what is wrong at the part where it is."""
    return _part(draft.root, now, wrong, 1, "")


def _part(part: Part, now: Now, wrong: Sequence[Wrong], depth: int, place: str) -> Shown:
    mine = [one for one in wrong if one.part_id == part.id]
    if isinstance(part, Row):
        return _row(part, now, mine, depth, place)
    number = f" {place}" if place else ""
    below = [
        _part(child, now, wrong, depth + 1, f"{place}.{at}" if place else str(at))
        for at, child in enumerate(part.of, 1)
    ]
    title = f"group{number}: {KINDS[part.kind]}"
    return Shown(part.id, title, mine, kind=part.kind, parts=below, depth=depth, place=place)


def _row(row: Row, now: Now, wrong: list[Wrong], depth: int, place: str) -> Shown:
    subject = BY_KEY.get(row.first("subject"))
    found = Shown(row.id, f"condition {place}", wrong, depth=depth, place=place)
    if row.kept is not None:
        found.kept, found.sentence = row.kept, said(row.kept)
        return found
    found.controls = (_about(row, subject, now),)
    if subject is None:
        return found
    found.title = f"condition {place}: {subject.label}"
    found.controls += tuple(_controls(row, subject, now))
    if subject.lines:
        make = _narrowed if subject.lines == "filter" else _property
        lines = enumerate(row.lines)
        found.lines = tuple(
            Line(make(row, at, line, now), f"line {row.id} {at}") for at, line in lines
        )
        found.more = "Only orders …" if subject.lines == "filter" else "Only where …"
    return found


def said(node: Any) -> str:
    """A node in words; of one that cannot be read, what is wrong with it."""
    try:
        rule = parse.parse({"version": language.VERSION, "where": node})
        return f"Customers {explain.words(rule.where)}"
    except language.RuleError as error:
        return f"A condition that cannot be read ({error})"


def _about(row: Row, subject: Subject | None, now: Now) -> Control:
    groups: dict[str, list[Option]] = {}
    for one in SUBJECTS:
        if now.has(one) or one is subject:
            groups.setdefault(one.group, []).append((one.key, one.label))
    options = [(name, tuple(found)) for name, found in groups.items()]
    if subject is None:
        options.insert(0, ("", (("", "choose …"),)))
    values = (subject.key,) if subject else ("",)
    name = f"{row.id}.subject"
    return Control("select", name, "What it is about", values, tuple(options), redraws=True)


def _controls(row: Row, subject: Subject, now: Now) -> list[Control]:
    op = nodes.op_of(row, subject.ops)
    parts = [_named(row, part) for part in subject.parts if not part.is_after]
    found = [*parts]
    window = _window(row, subject)
    if subject.window == "needed":
        found[1:1] = window
    if len(subject.ops) > 1:
        found.append(_op(f"{row.id}.op", op, subject.ops))
    choices = tuple(now.choices.get(subject.key, subject.choices))
    value = _value(row.id, row.given, op, subject.label, subject.suggest, choices, now)
    if subject.key == "trait":
        value = tuple(replace(one, of=f"{row.id}.name") if one.suggest else one for one in value)
    found += value
    if subject.window != "needed":
        found += window
    return found + [_named(row, part) for part in subject.parts if part.is_after]


def _window(row: Row, subject: Subject) -> list[Control]:
    days = row.first(DAYS)
    if not subject.window or (subject.window == "rarely" and not days):
        return []
    return [
        Control(
            "input", f"{row.id}.{DAYS}", "in the last so many days, empty for ever",
            (days,), before="in the last", after="days", is_short=True,
            place="" if subject.window == "needed" else "ever",
        )
    ]  # fmt: skip


def _named(row: Row, part: SubjectPart) -> Control:
    name = f"{row.id}.{part.key}"
    values = tuple(row.given.get(part.key, [part.default] if part.default else []))
    about = {"before": part.before, "after": part.after}
    if part.input == "choice":
        return Control("select", name, part.label, values, (("", part.choices),), **about)
    if part.input == "flag":
        return Control("flag", name, part.label, values, **about)
    if part.input == "texts":
        return _chips(row.id, part.key, part.label, values, part.suggest, (), **about)
    is_short = part.input == "number"
    return Control(
        "input", name, part.label, values, suggest=part.suggest,
        place="" if is_short else part.label, is_short=is_short, **about,
    )  # fmt: skip


def _op(name: str, op: Op, ops: Sequence[Op]) -> Control:
    """The comparisons; where several read alike, in groups by what they compare."""
    groups: dict[str, list[Option]] = {}
    for one in ops:
        kind, colon, _ = one.key.partition(":")
        label = {"text": "as a text", "list": "as a list", "number": "as a number",
                 "day": "as a date"}.get(kind, "") if colon else ""  # fmt: skip
        groups.setdefault(label, []).append((one.key, one.label))
    options = tuple((label, tuple(found)) for label, found in groups.items())
    return Control("select", name, "How it compares", (op.key,), options, redraws=True)


def _value(
    row_id: str, given: Given, op: Op, what: str, suggest: str, choices: tuple[Option, ...],
    now: Now, prefix: str = "",
) -> tuple[Control, ...]:  # fmt: skip
    """The inputs of what is compared with, as the comparison needs them."""
    name = f"{row_id}.{prefix}value"
    values = tuple(given.get("value", ()))
    label = f"{what} {op.label}".strip()
    if op.input == "none":
        return ()
    if op.input == "choice":
        first = () if values and values[0] else (("", "choose …"),)
        return (Control("select", name, label, values, (("", (*first, *choices)),)),)
    if op.input == "choices":
        return (Control("checks", name, label, values, (("", choices),)),)
    if op.input == "texts":
        called = tuple((value, _called(value, suggest, now)) for value in values)
        return (_chips(row_id, f"{prefix}value", label, values, suggest, called),)
    if op.input in ("numbers", "span"):
        kind = "input" if op.input == "numbers" else "day"
        low, high = [*values, "", ""][:2]
        joined = "and" if op.input == "numbers" else "to"
        return (
            Control(kind, name, f"{label}, lower", (low,), is_short=True),
            Control(kind, name, f"{label}, upper", (high,), before=joined, is_short=True,
                    after=op.unit),
        )  # fmt: skip
    if op.input == "day":
        return (Control("day", name, label, values[:1], after=op.unit),)
    is_short = op.input in ("number", "days", "percent")
    about: dict[str, Any] = {"after": op.unit, "is_short": is_short}
    return (
        Control("input", name, label, values[:1], suggest="" if is_short else suggest, **about),
    )


def _called(value: str, kind: str, now: Now) -> str:
    if kind == "product" and value in now.products:
        return f"{now.products[value]} ({value})"
    if kind == "country":
        name = completion.country_name(value)
        return f"{name} ({value})" if name else value
    return value


def _chips(
    row_id: str, key: str, label: str, values: tuple[str, ...], suggest: str,
    called: tuple[tuple[str, str], ...], **about: Any,
) -> Control:  # fmt: skip
    full = tuple(value for value in values if value.strip())
    return Control(
        "chips", f"{row_id}.{key}", label, full, suggest=suggest, place=f"add: {label}"[:40],
        drop=f"unvalue {row_id} {key}",
        called=tuple(pair for pair in called if pair[0].strip()) or tuple(zip(full, full)),  # noqa: B905
        **about,
    )  # fmt: skip


# --- what narrows a condition down ------------------------------------------------------------


def _narrowed(row: Row, at: int, line: Given, now: Now) -> tuple[Control, ...]:
    key = (line.get("key") or [""])[0]
    one = NARROWINGS.get(key)
    options: tuple[Option, ...] = tuple((n.key, n.label) for n in NARROWINGS.values())
    if one is None:
        options = (("", "choose …"), *options)
    about = Control(
        "select", f"{row.id}.w{at}.key", "Narrowed down by", (key,), (("", options),),
        before="only those by" if at == 0 else "and by", redraws=True,
    )  # fmt: skip
    if one is None:
        return (about,)
    prefix = f"w{at}."
    if one.ops:
        chosen = (line.get("op") or [""])[0]
        op = next((each for each in one.ops if each.key == chosen), one.ops[0])
        compared = _op(f"{row.id}.{prefix}op", op, one.ops)
        return (about, compared, *_value(row.id, line, op, one.label, "", (), now, prefix))
    op = Op("=", "is one of" if one.input == "texts" else "is", one.input)
    value = _value(row.id, line, op, one.label, one.suggest, one.choices, now, prefix)
    return (about, *value)


def _property(row: Row, at: int, line: Given, now: Now) -> tuple[Control, ...]:
    key = (line.get("key") or [""])[0]
    chosen = (line.get("op") or [""])[0]
    op = PROPERTY_OPS.get(chosen, next(iter(PROPERTY_OPS.values())))
    prefix = f"w{at}."
    named = Control(
        "input", f"{row.id}.{prefix}key", "name of the property", (key,), suggest="property",
        of=f"{row.id}.names", before="where" if at == 0 else "and where", place="property",
    )  # fmt: skip
    compared = _op(f"{row.id}.{prefix}op", op, tuple(PROPERTY_OPS.values()))
    value = _value(row.id, line, op, key or "property", "", (), now, prefix)
    return (named, compared, *value)
