"""What a condition can be about and how it compares, read from the words of the rule language.

Fields, measures, operators, groups and channels come from `segments.rules.language`: a word that is
new there shows here by itself, under a plain label until it gets a better one.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from segments.rules import explain, rfm
from segments.rules import language as L

Node = dict[str, Any]
Option = tuple[str, str]


@dataclass(frozen=True)
class Op:
    """One comparison: its key in the form, how it is said, and what is typed for it."""

    key: str
    label: str
    input: str  # number, numbers, days, percent, text, texts, day, span, choice, choices or none
    op: str = ""  # the word in the rule, where the node has one
    unit: str = ""  # said after what is typed
    node: Node = field(default_factory=dict)  # keys of the node that this comparison fixes


@dataclass(frozen=True)
class Part:
    """One thing besides the comparison that a condition names: an event, a channel, a topic."""

    key: str
    label: str
    input: str  # text, texts, choice, flag or number
    slot: str  # the node's key for it
    suggest: str = ""  # which values of the data complete it
    choices: tuple[Option, ...] = ()
    before: str = ""  # words before the control
    after: str = ""
    default: str = ""
    is_needed: bool = True
    is_after: bool = False  # stands after what is compared with


@dataclass(frozen=True)
class Subject:
    """What a condition is about, and where its parts stand in the node of the rule."""

    key: str
    group: str
    label: str
    node: Node
    ops: tuple[Op, ...]
    parts: tuple[Part, ...] = ()
    slot: str = "value"  # the node's key for what is compared with
    suggest: str = ""  # which values of the data complete that
    choices: tuple[Option, ...] = ()
    window: str = ""  # "maybe", "needed" or "" for none
    lines: str = ""  # what narrows it: "filter" of orders, "properties" of events
    is_listed: bool = False  # the slot holds a list even of one


@dataclass(frozen=True)
class Narrowing:
    """One thing by which the orders that count are narrowed down."""

    key: str
    label: str
    input: str
    suggest: str = ""
    choices: tuple[Option, ...] = ()
    ops: tuple[Op, ...] = ()  # where it compares instead of naming


TEXT_LABELS = {
    "=": "is", "!=": "is not", "contains": "contains", "not_contains": "does not contain",
    "starts_with": "starts with", "in": "is one of", "not_in": "is none of",
}  # fmt: skip
LIST_LABELS = {"includes": "includes", "not_includes": "does not include"}
NUMBER_LABELS = {
    ">=": "at least", "<=": "at most", "=": "exactly", "!=": "not exactly",
    ">": "more than", "<": "less than", "between": "between",
}  # fmt: skip
DATE_LABELS = {
    "less_than_days_ago": ("within the last", "days"),
    "more_than_days_ago": ("more than", "days ago"),
    "in_next_days": ("within the next", "days"),
    "since": ("on or after", ""),
    "before": ("before", ""),
    "between": ("from", "both days included"),
    "anniversary_in_next_days": ("has its day within the next", "days"),
    "anniversary_in_last_days": ("had its day within the last", "days"),
    "anniversary_in_days": ("has its day in exactly", "days"),
}
PRESENCE_LABELS = {"exists": "is known", "not_exists": "is not known"}
FIELD_LABELS = {
    **explain.FIELD_WORDS, "source": "storefront or source",
    "birth_date": "date of birth, birthday",
}  # fmt: skip
MEASURE_LABELS = {
    "count": "number of orders", "revenue": "spent in all", "average": "spent on an order, average",
    "largest": "largest order", "items": "units bought", "first": "first order",
    "last": "last order",
}  # fmt: skip
EVENT_LABELS = {"count": "did", "first": "first did", "last": "last did"}
SUGGESTED_FIELDS = ("country", "language", "source", "time_zone")
CHOICES_OF = {"kind": L.ORDER_KINDS, "status": L.ORDER_STATUSES}
NARROWING_LABELS = {
    "product": "product", "category": "category", "brand": "brand", "coupon": "coupon",
    "has_coupon": "a coupon was used", "source": "source", "currency": "currency",
    "status": "status", "kind": "kind of document", "price": "unit price",
}  # fmt: skip


def _known_first(labels: Iterable[str], words: Sequence[str]) -> list[str]:
    """The language's words, those with a label first and in the order of the labels."""
    labelled = [word for word in labels if word in words]
    return labelled + [word for word in words if word not in labelled]


def _plain(word: str) -> str:
    return word.replace("_", " ")


def text_ops(prefix: str = "") -> tuple[Op, ...]:
    """Comparisons of texts, lists of texts among them."""
    found = []
    for word in _known_first(TEXT_LABELS, L.TEXT_OPS):
        kind = "texts" if word in ("in", "not_in") else "text"
        found.append(Op(f"{prefix}{word}", TEXT_LABELS.get(word, _plain(word)), kind, word))
    return tuple(found)


def list_ops(prefix: str = "") -> tuple[Op, ...]:
    """Comparisons of values that are lists themselves, of texts or of numbers."""
    words = _known_first(LIST_LABELS, L.LIST_OPS)
    labels = {word: LIST_LABELS.get(word, _plain(word)) for word in words}
    texts = (Op(f"{prefix}{word}", labels[word], "text", word) for word in words)
    numbers = (
        Op(f"{prefix}#{word}", f"{labels[word]} the number", "number", word) for word in words
    )
    return (*texts, *numbers)


def number_ops(prefix: str = "", unit: str = "") -> tuple[Op, ...]:
    return tuple(
        Op(
            f"{prefix}{word}",
            NUMBER_LABELS.get(word, _plain(word)),
            "numbers" if word == "between" else "number",
            word,
            unit,
        )
        for word in _known_first(NUMBER_LABELS, L.NUMBER_OPS)
    )


def date_ops(words: Sequence[str], prefix: str = "") -> tuple[Op, ...]:
    found = []
    for word in _known_first(DATE_LABELS, words):
        label, unit = DATE_LABELS.get(word, (_plain(word), ""))
        if word == "between":
            kind = "span"
        elif word in ("since", "before"):
            kind = "day"
        else:
            kind = "days"
        found.append(Op(f"{prefix}{word}", label, kind, word, unit))
    return tuple(found)


def presence_ops(prefix: str = "") -> tuple[Op, ...]:
    return tuple(
        Op(f"{prefix}{word}", PRESENCE_LABELS.get(word, _plain(word)), "none", word)
        for word in L.PRESENCE_OPS
    )


def open_ops() -> tuple[Op, ...]:
    """Comparisons of a value whose type only the comparison tells: a trait, a property.

    One word may compare texts and numbers alike, so the keys say which.
    """
    return (
        *text_ops("text:"),
        *list_ops("list:"),
        *number_ops("number:"),
        *date_ops(L.DATE_OPS, "day:"),
        *presence_ops(),
    )


def _fields() -> Iterable[Subject]:
    for name, reading in L.FIELDS.items():
        is_text = reading == L.TEXT
        ops = text_ops() if is_text else date_ops(L.DATE_OPS)
        yield Subject(
            f"field.{name}",
            "Customer",
            FIELD_LABELS.get(name, _plain(name)),
            {"type": "field", "field": name},
            (*ops, *presence_ops()),
            suggest=name if name in SUGGESTED_FIELDS else "",
        )


def _orders() -> Iterable[Subject]:
    yes = Op("yes", "at least once", "none", ">=", node={"value": 1})
    no = Op("no", "never", "none", "=", node={"value": 0})
    node = {"type": "orders", "measure": "count"}
    yield Subject(
        "orders.bought", "Orders", "bought", node, (yes, no), window="maybe", lines="filter"
    )
    for measure in _known_first(MEASURE_LABELS, L.ORDER_MEASURES):
        is_moment = measure in L.MOMENT_MEASURES
        yield Subject(
            f"orders.{measure}",
            "Orders",
            MEASURE_LABELS.get(measure, _plain(measure)),
            {"type": "orders", "measure": measure},
            date_ops(L.PAST_OPS) if is_moment else number_ops(),
            window="rarely" if is_moment else "maybe",
            lines="filter",
        )


def _events() -> Iterable[Subject]:
    names = Part("names", "event", "texts", "names", suggest="event")
    for measure in _known_first(EVENT_LABELS, L.EVENT_MEASURES):
        is_moment = measure in L.MOMENT_MEASURES
        yield Subject(
            f"events.{measure}",
            "Behaviour",
            EVENT_LABELS.get(measure, _plain(measure)),
            {"type": "events"} if measure == "count" else {"type": "events", "measure": measure},
            date_ops(L.PAST_OPS) if is_moment else number_ops(unit="times"),
            (names,),
            window="rarely" if is_moment else "maybe",
            lines="properties",
        )
    minutes = "at_least_minutes_ago"
    yield Subject(
        "sequence",
        "Behaviour",
        "did, and then not",
        {"type": "sequence"},
        (Op("yes", "", "none"),),
        (
            names,
            Part("minutes", "minutes ago, at least", "number", minutes, before="at least",
                 after="minutes ago", is_needed=False),
            Part("unless", "event that did not follow", "texts", "unless", suggest="event",
                 before="and since then no", is_needed=False),
            Part("unless_order", "nor an order", "flag", "unless_order", is_needed=False),
        ),
        slot="",
        window="needed",
        lines="properties",
    )  # fmt: skip


def _expected() -> Iterable[Subject]:
    name = Part("name", "score", "text", "name", suggest="score")
    yield Subject(
        "score",
        "Expected",
        "score",
        {"type": "score"},
        (
            Op("band", "is in the band", "texts", "band"),
            Op("top_share", "is among the highest", "percent", "top_share", "% of all"),
            *number_ops(),
            *presence_ops(),
        ),
        (name,),
        suggest="band",
    )


def _channels(words: Sequence[str]) -> tuple[Option, ...]:
    return tuple((word, explain.CHANNEL_WORDS.get(word, _plain(word))) for word in words)


def _groups() -> Iterable[Subject]:
    is_in = (Op("is", "is", "choice"),)
    groups = tuple((group.key, group.name) for group in rfm.GROUPS)
    yield Subject(
        "rfm", "Groups", "RFM group", {"type": "rfm"}, (Op("is", "is one of", "choices"),),
        slot="groups", choices=groups, is_listed=True,
    )  # fmt: skip
    yield Subject("cluster", "Groups", "cluster", {"type": "cluster"}, is_in, slot="key")
    yield Subject("segment", "Groups", "in the segment", {"type": "segment"}, is_in, slot="key")
    yield Subject("list", "Groups", "on the list", {"type": "list"}, is_in, slot="key")
    draw = Part(
        "salt", "name of the draw", "text", "salt", before="drawn as", default="pilot",
        is_after=True,
    )  # fmt: skip
    percent = Op("is", "is in a random", "percent", unit="% of all")
    yield Subject(
        "share", "Groups", "random share", {"type": "share"}, (percent,), (draw,), slot="share"
    )
    yield Subject(
        "everybody", "Groups", "everybody", {"type": "everybody"}, (Op("yes", "", "none"),), slot=""
    )


def _consent() -> Iterable[Subject]:
    word = Op("yes", "was given", "none", node={"is_granted": True})
    no_word = Op("no", "was not given", "none", node={"is_granted": False})
    channel = Part("channel", "channel", "choice", "channel", before="by")
    topic = Part(
        "topic", "topic", "text", "topic", suggest="topic", before="for", default="marketing"
    )
    said = Part(
        **{**channel.__dict__, "choices": _channels(L.CONSENT_CHANNELS)}  # every channel may be
    )
    yield Subject(
        "consent", "Consent", "consent", {"type": "consent"}, (word, no_word), (said, topic),
        slot="",
    )  # fmt: skip
    reached = Part(**{**channel.__dict__, "choices": _channels(L.CHANNELS)})
    holds = (Op("yes", "", "none"),)
    for kind, label in (("reachable", "can be reached"), ("suppressed", "must not be written to")):
        yield Subject(kind, "Consent", label, {"type": kind}, holds, (reached,), slot="")


TRAIT = Subject(
    "trait",
    "Customer",
    "trait",
    {"type": "field"},
    open_ops(),
    (Part("name", "name of the trait", "text", "field", suggest="trait"),),
    suggest="trait_value",
)
SUBJECTS: tuple[Subject, ...] = (
    *_orders(), *_events(), *_fields(), TRAIT, *_expected(), *_groups(), *_consent(),
)  # fmt: skip
BY_KEY = {subject.key: subject for subject in SUBJECTS}


def narrowings() -> tuple[Narrowing, ...]:
    """What an order filter of the language can name, in the order of the labels."""
    found = []
    keys = list(L.OrderFilter.__dataclass_fields__)
    for key in _known_first(NARROWING_LABELS, keys):
        label = NARROWING_LABELS.get(key, _plain(key))
        kind = str(L.OrderFilter.__dataclass_fields__[key].type)
        if key in CHOICES_OF:
            choices = tuple((word, word) for word in CHOICES_OF[key])
            found.append(Narrowing(key, label, "choices", choices=choices))
        elif "bool" in kind:
            found.append(Narrowing(key, label, "choice", choices=(("yes", "yes"), ("no", "no"))))
        elif "Comparison" in kind:
            found.append(Narrowing(key, label, "number", ops=number_ops()))
        elif "str" in kind:
            found.append(Narrowing(key, label, "texts", suggest=key))
    return tuple(found)


NARROWINGS = {one.key: one for one in narrowings()}
PROPERTY_OPS = {op.key: op for op in open_ops()}
