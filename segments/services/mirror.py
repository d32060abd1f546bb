"""Ask everybody at once, exactly: columns for orders, events and sequences, SQL for all the rest.

An answer is that of one snapshot.  Inside one REPEATABLE READ transaction the customers are found
whose facts changed in a transaction that the generation (`generations`) did not see; theirs are
read afresh and stand above it, layer by layer; and the light clauses are asked of PostgreSQL.
Writes nothing but generations.
"""

import logging
import threading
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import datetime
from os import cpu_count
from typing import Any, TypeVar

import numpy as np
from django.conf import settings
from django.db import connection, transaction

from customers.services import touches, wire
from customers.services.wire import POSTGRES_EPOCH
from segments.rules import columns, to_sql
from segments.rules import language as L
from segments.rules.columns import NEVER, Facts, LineFilter, Products, Reading
from segments.services import definitions, generations, packing
from segments.services.generations import Generation

log = logging.getLogger(__name__)

PART_CUSTOMERS = 32_768  # asked about at once: their facts stay in the processor's cache
STALE_SHARE = 0.1  # of the customers; above it a new generation is cheaper than reading theirs
FEW_CUSTOMERS = 50_000  # up to which PostgreSQL looks each up, instead of reading whole tables,
FEW_SHARE = 0.1  # or up to this share of the base
LAYERS_MOST = 8  # above a generation, before they are read again as one
WORK_MEMORY = "128MB"  # for the statement of the light clauses, over all customers

Found = TypeVar("Found")


@dataclass(frozen=True)
class Verdicts:
    """Who is in which segment as of a moment, and when time alone may next change an answer."""

    customer_ids: np.ndarray  # all who are not erased, ascending
    members: dict[int, np.ndarray]  # by segment id: customer ids, ascending
    due: np.ndarray  # of each customer, microseconds since 1970; `columns.NEVER`: never
    snapshot: str  # what was seen, as PostgreSQL writes it


@dataclass(frozen=True)
class Layer:
    """Facts of some customers, and for which of these no later layer has newer ones."""

    facts: Facts
    places: packing.Places
    is_newest: np.ndarray

    def without(self, ids: np.ndarray) -> "Layer":
        places = self.places.of(ids)
        is_newest = self.is_newest.copy()
        is_newest[places[places >= 0]] = False
        return Layer(self.facts, self.places, is_newest)


@dataclass(frozen=True)
class View:
    """All facts as one snapshot sees them: the generation's, and above it what came since."""

    generation: Generation
    layers: tuple[Layer, ...]  # the generation's first
    snapshot: str

    @property
    def properties(self) -> tuple[str, ...]:
        return self.generation.facts.properties

    @property
    def stale(self) -> int:
        return sum(int(layer.is_newest.sum()) for layer in self.layers[1:])


@dataclass(frozen=True)
class Light:
    """What PostgreSQL says of customers: who they are, and which light clauses hold."""

    ids: np.ndarray  # ascending
    due: np.ndarray
    is_known: np.ndarray  # to the shop, as of the moment
    holds: Mapping[L.Node, np.ndarray]


_views: dict[str, View] = {}  # one: of the generation in use, caught up as far as this process did
_catching_up = threading.Lock()
_draws: dict[tuple[str, int], Layer] = {}
_drawing = threading.Lock()


def verdicts(rules: Mapping[int, L.Rule], as_of: datetime) -> Verdicts:
    """Ask everybody about all rules; the same answers as `to_sql.verdicts`, for a large base.

    Makes a generation first where there is none, or too much changed since.  Inside a transaction,
    and for small bases, PostgreSQL answers alone.
    """
    found = with_view(lambda view: _verdicts(view, rules, as_of), now=as_of, may_build=True)
    return found or _by_sql(rules, as_of)


@dataclass(frozen=True)
class Answer:
    """What customers answer to several nodes as of a moment."""

    ids: np.ndarray  # ascending; none erased
    is_known: np.ndarray  # who can be in a segment at all
    holds: Sequence[np.ndarray]  # by node, in the order asked
    then: Sequence[int] = ()  # for how many of those for whom the first node holds these hold too


@dataclass(frozen=True)
class Drawn(Answer):
    """The same of customers drawn at random."""

    ids_drawn: int = 0
    of: int = 0  # customers there are, erased ones among them


def answer(nodes: Sequence[L.Node], as_of: datetime, *, then: Sequence[L.Node] = ()) -> Answer:
    """Ask everybody about several nodes, as of one snapshot; makes no generation.

    ``then`` is asked of those for whom the first node holds: light nodes, which are dear to ask
    of everybody.
    """

    def from_view(view: View) -> Answer:
        light = ask(light_nodes(nodes, view.properties), as_of)
        return _then(_answer(view.layers, light, nodes, as_of), then, as_of)

    found = with_view(from_view, now=as_of, may_build=False)
    return found or _then(_answer_by_sql(nodes, as_of), then, as_of)


def draw(most: int, nodes: Sequence[L.Node], as_of: datetime) -> Drawn:
    """Ask customers drawn at random, the same ones while the base stays the same.

    From a mirror the draw is among the customers that its generation has.
    """

    def from_view(view: View) -> Drawn:
        generation = view.generation
        drawn = _drawn(generation, most)
        ids = drawn.facts.ids
        stale = np.array(touches.among(generation.snapshot, ids.tolist()), np.int64)
        layers = [drawn.without(stale)]
        if stale.size:
            layers.append(layer_of(packing.for_customers(stale, view.properties)))
        light = ask(light_nodes(nodes, view.properties), as_of, ids=ids.tolist())
        found = _answer(layers, light, nodes, as_of)
        of = int(generation.facts.ids.size)
        return Drawn(found.ids, found.is_known, found.holds, (), int(ids.size), of)

    found = with_view(from_view, now=as_of, may_build=False, catches_up=False)
    if found is not None:
        return found
    everybody = packing.customer_ids()
    ids = _choose(everybody, most)
    asked = _answer_by_sql(nodes, as_of, ids=ids.tolist())
    return Drawn(asked.ids, asked.is_known, asked.holds, (), int(ids.size), int(everybody.size))


def with_view(
    work: Callable[[View], Found], *, now: datetime, may_build: bool, catches_up: bool = True
) -> Found | None:
    """Do the work in a transaction whose snapshot the view shows; None where SQL must do it.

    Without ``catches_up`` the view is the generation alone, as of its own snapshot.
    """
    if connection.in_atomic_block or is_small():
        return None
    generation = generations.current()
    for is_second in (False, True):
        if generation is not None:
            with transaction.atomic():
                view = _view(generation, catches_up=catches_up)
                if view is not None:
                    return work(view)
        if is_second or not may_build:
            return None
        try:
            if generations.build(now=now, asked=_asked()) is None:
                return None
        except packing.TooLarge:
            return None
        generation = generations.current()
    return None


def is_small() -> bool:
    """Whether the base is so small that plain SQL is as quick."""
    least = settings.MIRROR_FROM_CUSTOMERS
    with connection.cursor() as cursor:
        cursor.execute("SELECT reltuples FROM pg_class WHERE oid = 'customers_customer'::regclass")
        (estimated,) = cursor.fetchone()
        if estimated < 0 or estimated < 2 * least:  # as of the last ANALYZE: perhaps long ago
            cursor.execute(
                "SELECT count(*) FROM (SELECT FROM customers_customer LIMIT %s) first", [least]
            )
            (estimated,) = cursor.fetchone()
    return bool(estimated < least)


def is_stale() -> bool:
    """Whether a new generation is due: none can be used, or too much changed since."""
    generation = generations.current()
    if generation is None:
        return True
    with transaction.atomic():
        if not generations.is_usable(generation):
            return True
        found = touches.since(generation.snapshot, most=_stale_most(generation))
        return found.is_everybody


def tick(*, now: datetime, is_night: bool = False) -> generations.Built | None:
    """Make a new generation where one is needed, every night too; and trim what none needs."""
    built = None
    if not is_small() and (is_night or is_stale()):
        try:
            built = generations.build(now=now, asked=_asked())
        except packing.TooLarge as error:
            log.warning("no mirror is made, and PostgreSQL answers: %s", error)
    touches.trim(now=now)
    return built


def _asked() -> set[str]:
    """The properties of events that live rules ask about."""
    found = definitions.load(with_edits=True).readable
    return {name for one in found for name in columns.asked_properties(one.rule.where)}


def forget(customer_ids: Iterable[int]) -> None:
    """Blank what the mirror holds of erased customers, here and in this process."""
    generations.blank(list(customer_ids))
    with _catching_up:
        _views.clear()


# --- catching up ------------------------------------------------------------------------------


def _view(generation: Generation, *, catches_up: bool) -> View | None:
    """The view of the transaction that begins here; None where the generation cannot be used.

    One thread after the other, each with a snapshot taken later than those before: so what a view
    has seen, all later ones see.
    """
    with _catching_up if catches_up else nullcontext():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            cursor.execute("SET LOCAL jit = off; SET LOCAL work_mem = %s", [WORK_MEMORY])
            cursor.execute("SELECT pg_current_snapshot()::text")
            (snapshot,) = cursor.fetchone()
        if not generations.is_usable(generation):
            return None
        if not catches_up:
            return _untouched(generation)
        view = _views.get(generation.name) or _untouched(generation)
        touched = touches.since(view.snapshot, most=_stale_most(generation))
        if touched.is_everybody:
            return None
        try:
            view = _caught_up(view, np.array(touched.customer_ids, np.int64), snapshot)
        except packing.TooLarge:
            return None
        if view.stale > _stale_most(generation):
            return None
        _views.clear()
        _views[generation.name] = view
        return view


def layer_of(facts: Facts) -> Layer:
    """A layer that has the newest facts of all its customers."""
    return Layer(facts, packing.Places(facts.ids), np.ones(facts.ids.size, bool))


def _untouched(generation: Generation) -> View:
    everybody = np.ones(generation.facts.ids.size, bool)
    layer = Layer(generation.facts, generation.places, everybody)  # whose places are known
    return View(generation, (layer,), generation.snapshot)


def _caught_up(view: View, touched: np.ndarray, snapshot: str) -> View:
    if not touched.size:
        return View(view.generation, view.layers, snapshot)
    layers = view.layers
    if len(layers) > LAYERS_MOST:
        above = [layer.facts.ids[layer.is_newest] for layer in layers[1:]]
        touched = np.unique(np.concatenate([touched, *above]))
        layers = layers[:1]
    newest = layer_of(packing.for_customers(touched, view.properties))
    return View(view.generation, (*(layer.without(touched) for layer in layers), newest), snapshot)


def _stale_most(generation: Generation) -> int:
    return max(1_000, int(STALE_SHARE * generation.facts.ids.size))


# --- asking PostgreSQL ------------------------------------------------------------------------


def light_nodes(rules: Iterable[L.Node], properties: Collection[str] = ()) -> list[L.Node]:
    """The largest parts of rules in which there is nothing for the columns to say, each once.

    Of the properties of events they keep these.  Consent is a part of its own: see `ask`.
    """
    found: dict[L.Node, None] = {}

    def look(node: L.Node) -> None:
        if isinstance(node, L.Everybody):
            return
        if not (columns.leaves(node, properties) or (_is_group(node) and _has_consent(node))):
            found[node] = None
        elif isinstance(node, L.Every | L.Some):
            for child in node.of:
                look(child)
        elif isinstance(node, L.Not):
            look(node.of)

    for node in rules:
        look(node)
    return list(found)


def _is_group(node: L.Node) -> bool:
    return isinstance(node, L.Every | L.Some | L.Not)


def _has_consent(node: L.Node) -> bool:
    if isinstance(node, L.Every | L.Some):
        return any(_has_consent(child) for child in node.of)
    return _has_consent(node.of) if isinstance(node, L.Not) else isinstance(node, L.Consent)


def ask(nodes: list[L.Node], as_of: datetime, *, ids: list[int] | None = None) -> Light:
    """Ask PostgreSQL about these nodes, of everybody or of these ids.

    All in one statement; only the words of everybody's consent are read as they are, for sorting
    them takes PostgreSQL longer than all the rest.
    """
    if ids is not None:
        return _ask(nodes, as_of, ids=ids)
    found = _ask([node for node in nodes if not isinstance(node, L.Consent)], as_of)
    holds, due = dict(found.holds), found.due
    kinds: dict[tuple[str, str], list[L.Consent]] = {}
    for node in nodes:
        if isinstance(node, L.Consent):
            kinds.setdefault((node.channel, node.topic), []).append(node)
    places = packing.Places(found.ids) if kinds else None
    for (channel, topic), asked in kinds.items():
        assert places is not None
        granted, soonest = _consent(channel, topic, places, as_of)
        due = np.where(found.is_known, np.minimum(due, soonest), due)
        for node in asked:
            holds[node] = (granted if node.is_granted else ~granted) & found.is_known
    return replace(found, holds=holds, due=due)


def _consent(
    channel: str, topic: str, places: packing.Places, as_of: datetime
) -> tuple[np.ndarray, np.ndarray]:
    """Whose latest word is yes, and when the next word that is there already will be seen."""
    wanted = (
        wire.Column("customer_id", "int8send", "f.customer_id"),
        wire.Column("id", "int8send", "f.id"),
        wire.Column("at", "timestamptz_send", "f.happened_at"),
        wire.Column("recorded", "timestamptz_send", "f.recorded_at"),
        wire.Column("is_granted", "boolsend", "f.is_granted"),
    )
    where = ["f.channel = %(channel)s", "f.topic = %(topic)s"]
    given = {"channel": channel, "topic": topic}
    rows = wire.Query("customers_consent", wanted, where, given).copy()
    whose = places.of(rows["customer_id"])
    at, recorded = rows["at"].view(np.int64), rows["recorded"].view(np.int64)
    seen_at = np.maximum(at, recorded)
    is_seen = seen_at <= columns.micros(as_of)
    granted = np.zeros(places.ids.size, bool)
    soonest = np.full(places.ids.size, NEVER)
    later = np.flatnonzero(~is_seen & (whose >= 0))
    np.minimum.at(soonest, whose[later], seen_at[later])
    kept = np.flatnonzero(is_seen & (whose >= 0))
    whose, at, recorded = whose[kept], at[kept], recorded[kept]
    is_granted, number = rows["is_granted"][kept], rows["id"][kept]
    if np.bincount(whose, minlength=1).max() > 1:  # the last of each is written last
        order = np.lexsort((number, recorded, at, whose))
        whose, is_granted = whose[order], is_granted[order]
        is_last = np.append(whose[1:] != whose[:-1], True)
        whose, is_granted = whose[is_last], is_granted[is_last]
    granted[whose] = is_granted
    return granted, soonest


def _ask(nodes: list[L.Node], as_of: datetime, *, ids: list[int] | None = None) -> Light:
    query = to_sql.verdicts(
        {number: L.Rule(node) for number, node in enumerate([L.Everybody(), *nodes])},
        has_ids=ids is not None,
    )
    receiver = _Receiver()
    params = {**query.params, "as_of": as_of, **({} if ids is None else {"ids": ids})}
    # Packed by thousands: a million rows one by one would cost more than to find them.
    packed = (
        "SELECT string_agg(int8send(v.customer_id) || coalesce(timestamptz_send(v.due_at),"
        " timestamptz_send('infinity')) || int4send(cardinality(v.segment_ids)), ''),"
        " string_agg(substring(array_send(v.segment_ids) FROM 21), '')"
        f" FROM ({query.text}) v GROUP BY v.customer_id >> 14"
    )
    with connection.cursor() as cursor:
        wanted = cursor.mogrify(packed, params).decode()
        cursor.copy_expert(f"COPY ({wanted}) TO STDOUT (FORMAT binary)", receiver)
    return receiver.light(nodes)


class _Receiver(packing.Receiver):
    """The receiving end of `ask`: records of customers, and the numbers of what holds for them."""

    RECORD = np.dtype([("id", ">i8"), ("due", ">i8"), ("holding", ">i4")])
    ELEMENT = np.dtype([("width", ">i4"), ("number", ">i8")])  # of an array, as it is sent

    def __init__(self) -> None:
        self.rows: list[np.ndarray] = [np.empty(0, self.RECORD)]
        self.elements: list[np.ndarray] = [np.empty(0, self.ELEMENT)]
        self._skip = self.HEADER_BYTES

    def _take(self, values: list) -> None:
        self.rows.append(np.frombuffer(values[0], self.RECORD))
        self.elements.append(np.frombuffer(values[1], self.ELEMENT))

    def light(self, nodes: list[L.Node]) -> Light:
        rows, elements = np.concatenate(self.rows), np.concatenate(self.elements)
        ids, due = rows["id"].astype(np.int64), rows["due"].astype(np.int64)
        due = np.where(due == NEVER, NEVER, np.where(due == NEVER, 0, due) + POSTGRES_EPOCH)
        order = np.argsort(ids)
        place = np.empty(ids.size, np.int64)
        place[order] = np.arange(ids.size)
        holds = np.zeros((1 + len(nodes), ids.size), bool)
        whose = np.repeat(place, rows["holding"].astype(np.int64))
        holds[elements["number"].astype(np.int64), whose] = True
        return Light(ids[order], due[order], holds[0], dict(zip(nodes, holds[1:], strict=True)))


def _by_sql(rules: Mapping[int, L.Rule], as_of: datetime) -> Verdicts:
    """The same from PostgreSQL alone."""
    whole = {key: L.Every((rule.where,)) for key, rule in rules.items()}
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_current_snapshot()::text")
        (snapshot,) = cursor.fetchone()
        light = _ask(list(dict.fromkeys(whole.values())), as_of)
    members = {key: light.ids[light.holds[node]] for key, node in whole.items()}
    return Verdicts(light.ids, members, light.due, snapshot)


def _answer_by_sql(
    nodes: Sequence[L.Node], as_of: datetime, *, ids: list[int] | None = None
) -> Answer:
    light = _ask(list(dict.fromkeys(nodes)), as_of, ids=ids)
    return Answer(light.ids, light.is_known, [light.holds[node] for node in nodes])


# --- putting it together ----------------------------------------------------------------------


def _verdicts(view: View, rules: Mapping[int, L.Rule], as_of: datetime) -> Verdicts:
    wheres = {key: rule.where for key, rule in rules.items()}
    light = ask(light_nodes(wheres.values(), view.properties), as_of)
    nodes = list(dict.fromkeys(wheres.values()))
    holds, due = decide(view.layers, light, nodes, as_of)
    by_node = dict(zip(nodes, holds, strict=True))
    members = {key: light.ids[by_node[where]] for key, where in wheres.items()}
    return Verdicts(light.ids, members, due, view.snapshot)


def _answer(
    layers: Iterable[Layer], light: Light, nodes: Sequence[L.Node], as_of: datetime
) -> Answer:
    different = list(dict.fromkeys(nodes))
    holds, _due = decide(layers, light, different, as_of)
    by_node = dict(zip(different, holds, strict=True))
    return Answer(light.ids, light.is_known, [by_node[node] for node in nodes])


def _then(found: Answer, nodes: Sequence[L.Node], as_of: datetime) -> Answer:
    if not nodes:
        return found
    ids = found.ids[found.holds[0]]
    is_few = ids.size <= max(FEW_CUSTOMERS, FEW_SHARE * found.ids.size)
    light = ask(list(dict.fromkeys(nodes)), as_of, ids=ids.tolist() if is_few else None)
    asked = np.isin(light.ids, ids, assume_unique=True)
    counts = [int((light.holds[node] & asked).sum()) for node in nodes]
    return replace(found, then=counts)


def _drawn(generation: Generation, most: int) -> Layer:
    """The facts of customers drawn from a generation, picked once a process."""
    with _drawing:
        found = _draws.get((generation.name, most))
        if found is None:
            ids = generation.facts.ids
            found = layer_of(generation.facts.picked(generation.places.of(_choose(ids, most))))
            _draws.clear()
            _draws[generation.name, most] = found
        return found


def _choose(ids: np.ndarray, most: int) -> np.ndarray:
    if ids.size <= most:
        return ids
    return np.sort(np.random.default_rng(most).choice(ids, most, replace=False))


def decide(
    layers: Iterable[Layer], light: Light, nodes: list[L.Node], as_of: datetime
) -> tuple[np.ndarray, np.ndarray]:
    """For each node and customer of ``light`` whether it holds, and each customer's next moment.

    Customers whom no layer has have no facts.
    """
    holds = np.zeros((len(nodes), light.ids.size), bool)
    due = light.due.copy()
    layers, filters = list(layers), columns.line_filters(nodes)
    goods, passing = _products(nodes, filters)
    is_left = np.ones(light.ids.size, bool)
    work: list[tuple[Facts, Products, np.ndarray, np.ndarray]] = []
    for layer in layers:
        place = layer.places.of(light.ids)
        rows = np.flatnonzero((place >= 0) & layer.is_newest[np.maximum(place, 0)])
        is_left[rows] = False
        work += _parts(layer.facts, rows, place[rows], goods, passing)
    rows = np.flatnonzero(is_left)
    if rows.size:
        properties = layers[0].facts.properties if layers else ()
        facts = packing.no_facts(light.ids[rows], properties)
        work += _parts(facts, rows, np.arange(rows.size), goods, passing)

    def one(part: tuple[Facts, Products, np.ndarray, np.ndarray]) -> None:
        facts, products, rows, place = part
        reading = Reading(facts, as_of, products)
        is_known = light.is_known[rows]

        def others(node: L.Node) -> np.ndarray | None:
            found = light.holds.get(node)
            if found is None:
                return None
            spread = np.zeros(reading.size, bool)
            spread[place] = found[rows]
            return spread

        for number, node in enumerate(nodes):
            holds[number, rows] = reading.holds(node, others)[place] & is_known
        ours = np.minimum(due[rows], reading.due(nodes, others)[place])
        due[rows] = np.where(is_known, ours, due[rows])

    if len(work) == 1:
        one(work[0])
    else:
        with ThreadPoolExecutor(min(4, cpu_count() or 1)) as pool:  # numpy lets others work
            list(pool.map(one, work))
    return holds, due


def _parts(
    facts: Facts,
    rows: np.ndarray,
    place: np.ndarray,
    goods: np.ndarray,
    passing: Mapping[LineFilter, np.ndarray],
) -> list[tuple[Facts, Products, np.ndarray, np.ndarray]]:
    """Cut a layer into parts; rows are those of the customers asked about, place theirs in it."""
    ids = facts.product_ids
    products = Products(np.isin(ids, goods), {key: np.isin(ids, p) for key, p in passing.items()})
    parts = []
    for start in range(0, facts.ids.size, PART_CUSTOMERS):
        end = min(start + PART_CUSTOMERS, facts.ids.size)
        first, after = np.searchsorted(place, (start, end))
        if first < after:
            within = place[first:after] - start
            parts.append((facts.part(start, end), products, rows[first:after], within))
    return parts


def _products(
    nodes: Iterable[L.Node], filters: Iterable[LineFilter]
) -> tuple[np.ndarray, dict[LineFilter, np.ndarray]]:
    """Which products are goods, and which pass each filter, as they are now."""
    leaves = [leaf for node in nodes for leaf in columns.leaves(node)]
    if not any(isinstance(leaf, L.Orders) and leaf.measure == "items" for leaf in leaves):
        goods = np.empty(0, np.int64)
    else:
        goods = _product_ids("kind = 'goods'", {})
    return goods, {key: _passing(key) for key in filters}


def _passing(wanted: LineFilter) -> np.ndarray:
    conditions, params = [], {}
    for column, texts in zip(("external_id", "category", "brand"), wanted, strict=True):
        if texts:
            conditions.append(f'lower({column} COLLATE "C") = ANY(%({column})s)')
            params[column] = [L.folded(text) for text in texts]
    return _product_ids(" AND ".join(conditions), params)


def _product_ids(where: str, params: dict[str, Any]) -> np.ndarray:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT id FROM customers_product WHERE {where}", params)
        return np.array([pk for (pk,) in cursor.fetchall()], np.int64)
