"""Random definitions, as JSON, of every kind of node."""

from hypothesis import strategies as st

from segments.rules import language as L
from tests.segments.rules.people import BRANDS, CATEGORIES, DAYS, NAMES, TOTALS

days = st.sampled_from((*DAYS, 0.5))
window = st.one_of(st.none(), days)
texts = st.sampled_from(
    ("gold", "GOLD", "été", "12", "12.5", "fr", "A", "@shop", "true", "2026", "shop.example")
)
numbers = st.one_of(
    st.sampled_from((0, 1, 2, 3, 12, 12.5, 0.1, 0.7, -3, 20, 33.3333)),
    st.sampled_from(TOTALS).map(float),
)
dates = st.sampled_from(("2026-03-29", "2026-03-28", "2026-03-22", "2026-02-27", "1990-02-28"))


def node(kind, **more):
    return st.fixed_dictionaries({"type": st.just(kind), **more})


def optional(kind, needed, **more):
    return st.fixed_dictionaries({"type": st.just(kind), **needed}, optional=more)


def pair(values):
    return st.lists(values, min_size=2, max_size=2).map(sorted)


def some(values):
    return st.lists(st.sampled_from(values), min_size=1, max_size=2, unique=True)


def compared(ops, value):
    return st.fixed_dictionaries({"op": st.sampled_from(ops), "value": value})


present = st.fixed_dictionaries({"op": st.sampled_from(L.PRESENCE_OPS)})
listed = compared(("in", "not_in"), st.lists(texts, min_size=1, max_size=3))
as_text = compared(("=", "!=", "contains", "not_contains", "starts_with"), texts) | listed
as_number = compared(("=", "!=", ">", ">=", "<", "<="), numbers) | compared(
    ("between",), pair(numbers)
)
relative = compared(("more_than_days_ago", "less_than_days_ago"), days)
absolute = compared(("before", "since"), dates) | compared(("between",), pair(dates))
as_past = absolute | relative
as_moment = as_past | compared(("in_next_days",), days)
elements = compared(L.LIST_OPS, texts | st.sampled_from((12, 12.5, True)))
anniversaries = compared(L.ANNIVERSARY_OPS, st.sampled_from((0, 1, 7, 30, 365)))
as_day = absolute | compared(L.RELATIVE_OPS, st.sampled_from((0, *DAYS))) | anniversaries
flags = compared(("=", "!="), st.booleans())
anything = st.one_of(as_text, as_number, as_day, elements, flags, present)


def merged(left, right):
    return st.tuples(left, right).map(lambda parts: {**parts[0], **parts[1]})


def of_fields(reading, comparison):
    names = [name for name, found in L.FIELDS.items() if found == reading]
    return merged(node("field", field=st.sampled_from(names)), comparison | present)


fields = st.one_of(
    of_fields(L.TEXT, as_text),
    of_fields(L.DAY, as_day),
    of_fields(L.MOMENT, as_moment | anniversaries),
    merged(
        node("field", field=st.sampled_from(("traits.plan", "traits.points", "traits.b'c"))),
        anything,
    ),
)
filters = st.fixed_dictionaries(
    {},
    optional={
        "kind": some(L.ORDER_KINDS),
        "status": some(L.ORDER_STATUSES),
        "source": some(("shop", "outlet")),
        "currency": some(("EUR", "gbp")),
        "coupon": some(("SAVE10", "none")),
        "has_coupon": st.booleans(),
        "product": some(("p0", "p1", "P2")),
        "category": some([one for one in CATEGORIES if one]),
        "brand": some([one for one in BRANDS if one]),
        "price": as_number,
        "total": as_number,
    },
)
orders = st.one_of(
    merged(
        optional(
            "orders",
            {"measure": st.sampled_from(L.NUMBER_MEASURES)},
            window_days=window,
            filter=filters,
        ),
        as_number,
    ),
    merged(
        optional(
            "orders",
            {"measure": st.sampled_from(L.MOMENT_MEASURES)},
            window_days=window,
            filter=filters,
        ),
        as_past,
    ),
)
properties = st.lists(
    merged(st.fixed_dictionaries({"name": st.just("category")}), anything), max_size=1
)
events = st.one_of(
    merged(
        optional("events", {"names": some(NAMES)}, window_days=window, properties=properties),
        as_number,
    ),
    merged(
        optional(
            "events",
            {"names": some(NAMES), "measure": st.sampled_from(L.MOMENT_MEASURES)},
            window_days=window,
            properties=properties,
        ),
        as_past,
    ),
)
sequences = st.fixed_dictionaries(
    {
        "type": st.just("sequence"),
        "names": some(NAMES[:3]),
        "window_days": days,
        "unless_order": st.just(True),
    },
    optional={
        "properties": properties,
        "at_least_minutes_ago": st.sampled_from((0, 60, 1440)),
        "unless": some(NAMES),
    },
)
score_names = st.sampled_from(("churn_90d", "clv_365d", "unknown"))
scores = st.one_of(
    merged(node("score", name=score_names), as_number | present),
    node("score", name=score_names, op=st.just("band"), value=some(("low", "high"))),
    node(
        "score",
        name=score_names,
        op=st.just("top_share"),
        value=st.sampled_from((0.01, 0.1, 0.25, 0.5, 1)),
    ),
)
leaves = st.one_of(
    fields,
    orders,
    events,
    sequences,
    scores,
    node("cluster", key=st.sampled_from((0, 1, 3))),
    node("rfm", groups=some(("champions", "loyal", "recent", "at_risk", "inactive"))),
    optional(
        "consent",
        {"channel": st.sampled_from(("email", "sms"))},
        topic=st.sampled_from(("marketing", "news")),
        is_granted=st.booleans(),
    ),
    node("reachable", channel=st.sampled_from(L.CHANNELS)),
    node("suppressed", channel=st.sampled_from(L.CHANNELS)),
    node("list", key=st.sampled_from(("guests", "staff", "unknown"))),
    node("share", share=st.sampled_from((0, 0.1, 0.5, 1)), salt=st.sampled_from(("a", "b"))),
    node("everybody"),
)
groups = st.recursive(
    leaves,
    lambda children: (
        node(
            "and",
            of=st.lists(children, min_size=1, max_size=3),
        )
        | node("or", of=st.lists(children, min_size=1, max_size=3))
        | node("not", of=children)
    ),
    max_leaves=6,
)
definitions = st.fixed_dictionaries({"version": st.just(1), "where": groups})


def every_operator() -> list[dict]:
    """Each operator with each kind of value on each kind of subject, which chance may miss."""
    texts_said = ("gold", "GOLD", "12", "12.5", "old", "@shop", "person", "true", "2026")
    numbers_said = (0, 1, 2, 12, 12.5, 0.7, -3, 33.3333)
    days_said = ("2026-03-29", "2026-03-28", "2026-03-22", "1990-02-28", "2024-02-29")
    subjects = [
        *({"type": "field", "field": f"traits.{name}"} for name in ("plan", "points")),
        {"type": "events", "names": list(NAMES[:2]), "op": ">=", "value": 1},
    ]
    of_text = [{"type": "field", "field": name} for name in ("email", "first_name", "country")]
    single = [op for op in L.TEXT_OPS if op not in ("in", "not_in")]
    as_texts = [{"op": op, "value": one} for op in single for one in texts_said]
    as_texts += [{"op": op, "value": ["gold", "fr", "ada"]} for op in ("in", "not_in")]
    single = [op for op in L.NUMBER_OPS if op != "between"]
    as_numbers = [{"op": op, "value": one} for op in single for one in numbers_said]
    as_numbers += [{"op": "between", "value": pair} for pair in ([0, 1], [1, 12], [12, 12.5])]
    as_days = [{"op": op, "value": one} for op in ("before", "since") for one in days_said]
    as_days += [{"op": "between", "value": ["2026-03-22", day]} for day in days_said[:3]]
    as_past = [
        *as_days,
        *({"op": op, "value": n} for op in L.RELATIVE_OPS[:2] for n in (0, 1, 7, 30, 365)),
    ]
    ahead = [
        *({"op": "in_next_days", "value": n} for n in (0, 1, 7, 30)),
        *({"op": op, "value": n} for op in L.ANNIVERSARY_OPS for n in (0, 1, 7, 365)),
    ]
    is_there = [{"op": op} for op in L.PRESENCE_OPS]
    of_lists = [{"op": op, "value": one} for op in L.LIST_OPS for one in ("gold", 12, 12.5, True)]
    open_to_all = [*as_texts, *as_numbers, *as_past, *ahead, *is_there, *of_lists]
    measures = [("orders", {"measure": one}) for one in L.NUMBER_MEASURES]
    measures += [("events", {"names": [NAMES[1]]}), ("score", {"name": "churn_90d"})]
    moments = [("orders", {"measure": one}) for one in L.MOMENT_MEASURES]
    moments += [("events", {"names": [NAMES[1]], "measure": one}) for one in L.MOMENT_MEASURES]
    found = [{**one, **op} for one in of_text for op in (*as_texts, *is_there)]
    found += [{**one, **op} for one in subjects[:2] for op in open_to_all]
    found += [{**subjects[2], "properties": [{"name": "category", **op}]} for op in open_to_all]
    found += [{"type": kind, **more, **op} for kind, more in measures for op in as_numbers]
    found += [{"type": kind, **more, **op} for kind, more in moments for op in as_past]
    found += [
        {"type": "field", "field": name, **op}
        for name in ("birth_date", "happened_at")
        for op in (*as_past, *ahead, *is_there)
    ]
    found += [
        {"type": "orders", "measure": "revenue", "op": ">", "value": 0, "filter": {key: op}}
        for key in ("price", "total")
        for op in as_numbers
    ]
    return [{"version": 1, "where": one} for one in found]


def every_clock() -> list[dict]:
    """Clauses that time alone changes, of every kind, near the numbers that people have."""
    counts = [
        {"op": op, "value": n} for op, n in ((">=", 1), (">=", 2), ("=", 1), ("<", 3), ("!=", 2))
    ]
    amounts = [{"op": ">", "value": 20}, {"op": "between", "value": [20, 60]}]
    past = [{"op": op, "value": n} for op in L.RELATIVE_OPS[:2] for n in (7, 60)]
    of_days = [{"op": op, "value": n} for op in L.ANNIVERSARY_OPS for n in (0, 7)]
    of_days += [{"op": op, "value": n} for op in L.RELATIVE_OPS for n in (0, 7)]
    bought = [{"measure": "count", **op} for op in counts]
    bought += [
        {"measure": measure, **op}
        for measure in ("revenue", "average", "largest", "items")
        for op in amounts
    ]
    bought += [{"measure": measure, **op} for measure in L.MOMENT_MEASURES for op in past]
    views = {"type": "events", "names": list(NAMES[:2])}
    found = [{"type": "orders", **one, "window_days": days} for one in bought for days in (30, 90)]
    found += [{**views, **op, "window_days": days} for op in counts for days in (7, 90)]
    found += [{**views, "measure": one, **op} for one in L.MOMENT_MEASURES for op in past]
    found += [
        {"type": "sequence", "names": list(NAMES[:2]), "window_days": days,
         "at_least_minutes_ago": wait, "unless_order": True}
        for days in (2, 90)
        for wait in (0, 1440, 10 * 1440)
    ]  # fmt: skip
    found += [
        {"type": "field", "field": name, **op}
        for name in ("birth_date", "happened_at", "traits.plan")
        for op in of_days
    ]
    found += [
        {**views, "op": ">=", "value": 1, "properties": [{"name": "category", **op}]}
        for op in of_days
    ]
    found += [{"type": "consent", "channel": "email"}, {"type": "reachable", "channel": "email"}]
    found += [
        {"type": "score", "name": "churn_90d", **amounts[0]},
        {"type": "list", "key": "staff"},
    ]
    found += [{"type": "rfm", "groups": [one]} for one in ("champions", "needs_attention")]
    country = {"type": "field", "field": "country", "op": "=", "value": "FR"}
    found += [{"type": kind, "of": [country, found[0]]} for kind in ("and", "or")]
    return [{"version": 1, "where": one} for one in found]
