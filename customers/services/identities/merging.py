"""Let one profile become part of another, and take them apart again.  The only writer of ``Merge``
and ``MovedRows``, and of ``Customer.merged_into``.

The merged customer keeps the row, marked like an erased one, so that every count leaves it out and
its id leads to the survivor.  Rows that hang on it move, table by table as registered, and their
ids are kept so that they can go back.  A row that the survivor has already, by the table's unique
key, stays where it is, where nobody reads it: nothing is lost, and erasure finds it.
"""

import json
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.conf import settings
from django.db import connection, transaction

from customers.models import Customer, Merge, MovedRows
from customers.services.importing.counts import Counts, ring
from rapport import access
from rapport.errors import Conflict, NotFound

SWEPT_MINUTES = 15  # far longer than one transaction of an import takes
LOG_KEPT_DAYS = 730  # the log itself, without the lists; the ids lead to the survivor for ever
FORGOTTEN_AT_ONCE = 5_000
FILLED = ("phone", "first_name", "last_name", "language", "time_zone", "country", "birth_date")
FIELDS = ("id", "email", *FILLED, "traits", "happened_at")

HOLD = """
    SELECT id, erased_at IS NULL FROM customers_customer
    WHERE id = ANY(%s::bigint[]) ORDER BY id FOR {strength}
"""
LOG = """
    INSERT INTO customers_merge (survivor_id, merged_id, rule, reason, user_id, moved, fields,
        merged_at)
    SELECT g.survivor, g.merged, g.rule, g.reason, g.user_id, '{}', g.fields, %(now)s
    FROM unnest(%(survivor)s::bigint[], %(merged)s::bigint[], %(rule)s::text[],
        %(reason)s::text[], %(user_id)s::int[], %(fields)s::jsonb[])
        g(survivor, merged, rule, reason, user_id, fields)
    RETURNING merged_id, id
"""
# Whoever led to a merged one leads to the survivor.
MARK = """
    UPDATE customers_customer c SET merged_into_id = g.survivor,
        email = NULL, erased_at = coalesce(c.erased_at, %(now)s), changed_at = %(now)s
    FROM unnest(%(merged)s::bigint[], %(survivor)s::bigint[]) g(merged, survivor)
    WHERE c.id = g.merged OR c.merged_into_id = g.merged
"""
FILL = """
    UPDATE customers_customer c SET email = f.email, phone = f.phone, first_name = f.first_name,
        last_name = f.last_name, language = f.language, time_zone = f.time_zone,
        country = f.country, birth_date = f.birth_date, traits = f.traits,
        happened_at = f.happened_at, changed_at = %s
    FROM jsonb_to_recordset(%s::jsonb) f(id bigint, email text, phone text, first_name text,
        last_name text, language text, time_zone text, country text, birth_date date,
        traits jsonb, happened_at timestamptz)
    WHERE c.id = f.id
"""
KEEP_ADDRESSES = """
    WITH made AS (
        INSERT INTO customers_identity (customer_id, kind, source, value, recorded_at)
        SELECT g.survivor, 'email', '', g.value, %(now)s
        FROM unnest(%(merge)s::bigint[], %(survivor)s::bigint[], %(value)s::text[])
            g(merge_id, survivor, value)
        ORDER BY g.value
        ON CONFLICT (source, kind, value) DO NOTHING
        RETURNING id, value
    )
    INSERT INTO customers_movedrows (merge_id, table_name, ids, is_made)
    SELECT g.merge_id, 'customers_identity', jsonb_agg(m.id ORDER BY m.id), true
    FROM made m JOIN unnest(%(merge)s::bigint[], %(value)s::text[]) g(merge_id, value)
        ON g.value = m.value
    GROUP BY g.merge_id
"""
PAIRS = """
    WITH pairs AS (
        SELECT * FROM unnest(%(merge)s::bigint[], %(merged)s::bigint[], %(survivor)s::bigint[])
            p(merge_id, merged, survivor)
    ),"""
REMEMBER = """
    INSERT INTO customers_movedrows (merge_id, table_name, ids, is_made)
    SELECT merge_id, %(table)s, jsonb_agg(id ORDER BY id), false FROM moved GROUP BY merge_id
    ON CONFLICT (merge_id, table_name, is_made)
        DO UPDATE SET ids = customers_movedrows.ids || excluded.ids
    RETURNING merge_id, jsonb_array_length(ids)
"""
MOVE = f"""{PAIRS}
    moved AS (
        UPDATE {{table}} t SET {{column}} = p.survivor FROM pairs p
        WHERE t.{{column}} = p.merged RETURNING p.merge_id, t.id
    ) {REMEMBER}"""
# Of two that would be the same for the survivor the first moves.
MOVE_UNIQUE = f"""{PAIRS}
    fits AS (
        SELECT t.id, p.survivor, p.merge_id, row_number() OVER (
            PARTITION BY p.survivor, {{unique}} ORDER BY p.merge_id, t.id) AS nth
        FROM {{table}} t JOIN pairs p ON t.{{column}} = p.merged
        WHERE NOT EXISTS (
            SELECT FROM {{table}} s WHERE s.{{column}} = p.survivor AND {{same}})
    ), moved AS (
        UPDATE {{table}} t SET {{column}} = f.survivor FROM fits f
        WHERE t.id = f.id AND f.nth = 1 RETURNING f.merge_id, t.id
    ) {REMEMBER}"""
TOLD = """
    UPDATE customers_merge m SET moved = m.moved || g.moved
    FROM unnest(%s::bigint[], %s::jsonb[]) g(id, moved) WHERE m.id = g.id
"""
GO_BACK = """
    UPDATE {table} SET {column} = %(merged)s
    WHERE {column} = ANY(%(side)s::bigint[]) AND id IN (
        SELECT jsonb_array_elements_text(ids)::bigint FROM customers_movedrows
        WHERE merge_id = %(merge)s AND table_name = %(table)s AND NOT is_made)
"""
UNMAKE = """
    DELETE FROM customers_identity WHERE customer_id = ANY(%(side)s::bigint[]) AND id IN (
        SELECT jsonb_array_elements_text(ids)::bigint FROM customers_movedrows
        WHERE merge_id = %(merge)s AND table_name = 'customers_identity' AND is_made)
"""
# What came since and carries a browser of hers is hers; all else stays with the survivor.
FOLLOW_BROWSERS = """
    UPDATE customers_event e SET customer_id = %(merged)s FROM customers_identity i
    WHERE i.customer_id = %(merged)s AND i.kind = 'anonymous' AND e.source = i.source
        AND e.anonymous_id = i.value AND e.customer_id = ANY(%(side)s::bigint[])
        AND e.recorded_at > %(since)s
"""
CHAIN = """
    SELECT merged_id, survivor_id FROM customers_merge
    WHERE undone_at IS NULL AND merged_id IN (
        SELECT id FROM customers_customer WHERE merged_into_id = %s)
"""
LEFT_BEHIND = """
    SELECT m.id, m.merged_id, c.merged_into_id
    FROM customers_merge m JOIN customers_customer c ON c.id = m.merged_id
    WHERE m.merged_at > %s AND m.undone_at IS NULL AND m.forgotten_at IS NULL
        AND c.merged_into_id IS NOT NULL
    ORDER BY m.id
"""


class MergeRefused(Conflict):
    """Two profiles that cannot become one."""

    code = "merge_refused"


class Pair(NamedTuple):
    """One profile that is to become part of another."""

    merged: int
    survivor: int
    rule: str
    reason: str = ""
    user_id: int | None = None


@dataclass(frozen=True)
class Mover:
    """Where one table names a customer, and which of its columns are unique with that one."""

    table: str
    column: str = "customer_id"
    unique: tuple[str, ...] = ()


_movers: dict[str, list[Mover]] = {}


def register_mover(label: str, tables: Sequence[tuple[str, str, Sequence[str]]]) -> None:
    """Let the rows of an app's tables follow a merge: (table, column, unique columns) of each.

    Each table needs an ``id``.  What is computed from other facts need not be registered: both
    customers are touched.  Registering a label again replaces it (app reloads).
    """
    for table, column, unique in tables:
        for name in (table, column, *unique):
            if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
                raise ValueError(f"{name!r} is not the name of a table or a column")
    _movers[label] = [Mover(table, column, tuple(unique)) for table, column, unique in tables]


def movers() -> list[Mover]:
    return [mover for tables in _movers.values() for mover in tables]


register_mover(
    "customers",
    [
        ("customers_identity", "customer_id", ()),
        ("customers_order", "customer_id", ()),
        ("customers_event", "customer_id", ()),
        ("customers_review", "customer_id", ()),
        (
            "customers_consent",
            "customer_id",
            ("channel", "topic", "happened_at", "is_granted", "source"),
        ),
    ],
)


# --- who is left ------------------------------------------------------------------------------


def surviving(customer_id: int) -> int:
    """The customer that this id leads to today: itself, unless it was merged."""
    return surviving_ids([customer_id])[customer_id]


def surviving_ids(customer_ids: Collection[int]) -> dict[int, int]:
    """The same for many, in one statement."""
    merged = Customer.objects.filter(pk__in=list(customer_ids), merged_into__isnull=False)
    found = dict(merged.values_list("pk", "merged_into_id"))
    return {pk: found.get(pk) or pk for pk in customer_ids}


def merged_ids(customer_id: int) -> list[int]:
    """The ids of profiles that became part of this customer."""
    merged = Customer.objects.filter(merged_into_id=customer_id).order_by("pk")
    return list(merged.values_list("pk", flat=True))


def is_known(customer: Customer) -> bool:
    """Whether more than a browser is known of this customer."""
    if customer.email or customer.phone:
        return True
    return customer.identities.exclude(kind="anonymous").exists()


def is_later(one: int, other: int) -> bool:
    """Whether the first should become part of the second: a visitor of a known one, or the
    younger of two.
    """
    both = Customer.objects.in_bulk([one, other])
    missing = {one, other} - both.keys()
    if missing:
        raise NotFound(f"There is no customer {min(missing)}.")
    return _seniority(both[other]) < _seniority(both[one])


def _seniority(customer: Customer) -> tuple:
    return (not is_known(customer), customer.happened_at, customer.pk)


# --- merge ------------------------------------------------------------------------------------


def merge(
    survivor_id: int,
    merged_id: int,
    *,
    rule: str,
    now: datetime,
    user: Any = None,
    reason: str = "",
) -> Merge:
    """Let ``merged_id`` become part of ``survivor_id``, in one transaction.

    Ids that were merged before stand for whoever they lead to.  Safe beside writers of facts, who
    end first or find the survivor, and beside other merges.  Repeating it is refused.
    """
    if rule not in Merge.Rule.values:
        raise MergeRefused(f"The rule is {rule!r}, expected one of {', '.join(Merge.Rule.values)}.")
    with transaction.atomic():
        leads_to = surviving_ids([survivor_id, merged_id])
        survivor_id, merged_id = leads_to[survivor_id], leads_to[merged_id]
        user_id = user.pk if user is not None else None
        pair = Pair(merged_id, survivor_id, rule, reason.strip()[:300], user_id)
        (made,) = join([pair], now=now)
        access.audit(
            user,
            "customer.merged",
            f"customer {survivor_id}",
            merged=merged_id,
            rule=rule,
            reason=pair.reason,
        )
    return Merge.objects.get(pk=made)


def join(pairs: Sequence[Pair], *, now: datetime) -> list[int]:
    """Merge many pairs, in their order; returns the ids of the merges.

    Where nobody is merged twice or further, the number of statements does not grow with the pairs.
    """
    made: list[int] = []
    layer: list[Pair] = []
    for pair in pairs:
        merged, survivors = {p.merged for p in layer}, {p.survivor for p in layer}
        if pair.survivor in merged or pair.merged in survivors | merged:
            made += _join_layer(layer, now=now)
            layer = []
        layer.append(pair)
    return made + _join_layer(layer, now=now)


def _join_layer(pairs: Sequence[Pair], *, now: datetime) -> list[int]:
    if not pairs:
        return []
    _hold_both(pairs)
    columns: dict[str, list[Any]] = {
        name: list(values)
        for name, values in zip(Pair._fields, zip(*pairs, strict=True), strict=True)
    }
    people = {row["id"]: row for row in _rows([*columns["merged"], *columns["survivor"]])}
    changes = [_fill(people[pair.survivor], people[pair.merged]) for pair in pairs]
    columns["fields"] = [_json(change) for change in changes]
    with connection.cursor() as cursor:
        cursor.execute(LOG, {**columns, "now": now})
        logged = dict(cursor.fetchall())
        columns["merge"] = [logged[pair.merged] for pair in pairs]
        cursor.execute(MARK, {**columns, "now": now})
        filled = [
            people[pk] for pk in {p.survivor for p, c in zip(pairs, changes, strict=True) if c}
        ]
        if filled:
            cursor.execute(FILL, [now, _json(filled)])
    _move(columns)
    _keep_addresses(pairs, columns["merge"], changes, now=now)
    _touch([*columns["merged"], *columns["survivor"]], now=now)
    return columns["merge"]


def _hold_both(pairs: Sequence[Pair]) -> None:
    """Wait for whoever writes for the merged ones, and keep the survivors from being merged."""
    merged, survivors = {p.merged for p in pairs}, {p.survivor for p in pairs}
    if merged & survivors:
        raise MergeRefused(f"Customer {min(merged & survivors)} is one profile already.")
    alive: dict[int, bool] = {}
    with connection.cursor() as cursor:
        for ids, strength in ((merged, "UPDATE"), (survivors, "NO KEY UPDATE")):
            cursor.execute(HOLD.format(strength=strength), [sorted(ids)])
            alive |= dict(cursor.fetchall())
    missing = (merged | survivors) - alive.keys()
    if missing:
        raise NotFound(f"There is no customer {min(missing)}.")
    gone = [pk for pk, is_alive in alive.items() if not is_alive]
    if gone:
        raise MergeRefused(f"Customer {min(gone)} is erased or merged already.")


def _rows(ids: Iterable[int]) -> list[dict[str, Any]]:
    return list(Customer.objects.filter(pk__in=set(ids)).values(*FIELDS))


def _fill(survivor: dict[str, Any], merged: dict[str, Any]) -> dict[str, Any]:
    """Fill what the survivor lacks, in place; returns each field before and after.

    The address of the merged one is noted in any case, for only one row may have it.
    """
    changed: dict[str, Any] = {}
    for name in ("email", *FILLED):
        if not survivor[name] and merged[name]:
            changed[name] = [survivor[name], merged[name]]
            survivor[name] = merged[name]
    traits = {**merged["traits"], **survivor["traits"]}
    if traits != survivor["traits"]:
        changed["traits"] = [survivor["traits"], traits]
        survivor["traits"] = traits
    if merged["happened_at"] < survivor["happened_at"]:
        changed["happened_at"] = [survivor["happened_at"], merged["happened_at"]]
        survivor["happened_at"] = merged["happened_at"]
    if merged["email"]:
        changed["merged_email"] = merged["email"]
        changed["survivor_email"] = survivor["email"]
    return changed


def _move(columns: dict[str, list[Any]]) -> set[int]:
    """Move the rows of all registered tables; returns the merges for which something moved."""
    counts: dict[int, dict[str, int]] = {}
    with connection.cursor() as cursor:
        for mover in movers():
            statement = MOVE_UNIQUE if mover.unique else MOVE
            text = statement.format(
                table=mover.table,
                column=mover.column,
                unique=", ".join(f"t.{name}" for name in mover.unique),
                same=" AND ".join(f"s.{name} = t.{name}" for name in mover.unique),
            )
            cursor.execute(text, {**columns, "table": mover.table})
            for merge_id, rows in cursor.fetchall():
                counts.setdefault(merge_id, {})[mover.table] = rows
        if counts:
            cursor.execute(TOLD, [list(counts), [json.dumps(one) for one in counts.values()]])
    return set(counts)


def _keep_addresses(
    pairs: Sequence[Pair], merges: Sequence[int], changes: Sequence[dict], *, now: datetime
) -> None:
    """Make both addresses handles of the survivor, for only one of them is on the row."""
    rows = [
        (merge, pair.survivor, change[name].lower())
        for pair, merge, change in zip(pairs, merges, changes, strict=True)
        for name in ("merged_email", "survivor_email")
        if change.get(name)
    ]
    if rows:
        unique = {value: (merge, survivor, value) for merge, survivor, value in reversed(rows)}
        names = ("merge", "survivor", "value")
        given = dict(zip(names, map(list, zip(*unique.values(), strict=True)), strict=True))
        with connection.cursor() as cursor:
            cursor.execute(KEEP_ADDRESSES, {**given, "now": now})


def _touch(ids: Iterable[int], *, now: datetime) -> None:
    counts = Counts()
    counts.touch(ids)
    ring(counts, cause="edit", now=now)


def rows_of(customer_id: int) -> dict[str, int]:
    """How many rows of each registered table a merge of this customer would move, at most."""
    parts = [
        f"SELECT '{mover.table}', count(*) FROM {mover.table} WHERE {mover.column} = %(id)s"
        for mover in movers()
    ]
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(parts), {"id": customer_id})
        return {table: rows for table, rows in cursor.fetchall() if rows}


# --- undo -------------------------------------------------------------------------------------


def undo(merge: Merge, *, now: datetime, user: Any) -> Merge:
    """Take two profiles apart again, in one transaction.

    What moved goes back, also from whom the survivor was merged into since.  What came since stays,
    except events that carry a browser of hers.  The rules will not join the two again.
    """
    with transaction.atomic():
        merge = Merge.objects.select_for_update().get(pk=merge.pk)
        if not merge.is_undoable:
            raise Conflict(
                "This merge was undone already."
                if merge.undone_at
                else "What this merge moved is not known any more, so it cannot be undone."
            )
        today = surviving(merge.survivor_id)
        _hold_for_undo(today, merge.merged_id)
        back, side = _sides(merge, today)
        given: dict[str, Any] = {
            "merge": merge.pk,
            "merged": merge.merged_id,
            "side": side,
            "since": merge.merged_at,
        }
        _give_back_fields(merge, side, now=now)
        Customer.objects.filter(pk=merge.merged_id).update(
            merged_into=None, erased_at=None, changed_at=now
        )
        Customer.objects.filter(pk__in=back).update(merged_into=merge.merged_id)
        with connection.cursor() as cursor:
            cursor.execute(UNMAKE, given)
            for mover in movers():
                text = GO_BACK.format(table=mover.table, column=mover.column)
                cursor.execute(text, {**given, "table": mover.table})
            cursor.execute(FOLLOW_BROWSERS, given)
        MovedRows.objects.filter(merge=merge).delete()
        merge.undone_at = now
        merge.undone_by = user if user is not None and user.pk else None
        merge.save(update_fields=["undone_at", "undone_by"])
        _touch({merge.merged_id, merge.survivor_id, today}, now=now)
        access.audit(
            user,
            "customer.unmerged",
            f"customer {today}",
            merged=merge.merged_id,
            merge=merge.pk,
        )
    return merge


def _hold_for_undo(today: int, merged: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(HOLD.format(strength="UPDATE"), [sorted({today, merged})])
        alive = dict(cursor.fetchall())
    if not alive.get(today):
        raise Conflict(f"Customer {today} is erased, and with it what could be undone.")


def _sides(merge: Merge, today: int) -> tuple[list[int], list[int]]:
    """Ids that lead to the merged one again, and those that stay with the survivor of today."""
    with connection.cursor() as cursor:
        cursor.execute(CHAIN, [today])
        chain = dict(cursor.fetchall())
    chain.pop(merge.merged_id, None)
    back: list[int] = []
    stay: list[int] = [today]
    for pk in chain:
        last = pk
        while last in chain:
            last = chain[last]
        (back if last == merge.merged_id else stay).append(pk)
    return back, stay


def _give_back_fields(merge: Merge, side: list[int], *, now: datetime) -> None:
    """Take from the survivor what the merge filled and nobody changed since."""
    fields = dict(merge.fields)
    survivor = Customer.objects.get(pk=merge.survivor_id)
    address = fields.pop("merged_email", None)
    fields.pop("survivor_email", None)
    changed = ["changed_at"]
    for name, (before, after) in fields.items():
        current = getattr(survivor, name)
        if name == "traits":
            added = {key: value for key, value in after.items() if key not in before}
            left = {
                key: value
                for key, value in current.items()
                if key not in added or value != added[key]
            }
            survivor.traits = left
            changed.append(name)
        elif _as_json(current) == after:
            field: Any = Customer._meta.get_field(name)
            setattr(survivor, name, field.to_python(before))
            changed.append(name)
    survivor.changed_at = now
    survivor.save(update_fields=changed)
    if address:
        holder = Customer.objects.filter(email__iexact=address).first()
        if holder is not None and holder.pk in side:
            Customer.objects.filter(pk=holder.pk).update(email=None, changed_at=now)
            holder = None
        if holder is None:
            Customer.objects.filter(pk=merge.merged_id).update(email=address)


def _json(value: Any) -> str:
    """JSON with moments to the microsecond, which Django's own encoder cuts."""
    return json.dumps(value, default=lambda moment: moment.isoformat())


def _as_json(value: Any) -> Any:
    return json.loads(_json(value))


# --- afterwards -------------------------------------------------------------------------------


def sweep(*, now: datetime, since: datetime | None = None) -> int:
    """Move rows that slow writers, such as imports, wrote for somebody merged meanwhile.

    Looks at merges ``since`` then, by default of the last `SWEPT_MINUTES`.  Returns for how many
    there were any.
    """
    since = since or now - timedelta(minutes=SWEPT_MINUTES)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(LEFT_BEHIND, [since])
        found = cursor.fetchall()
        if not found:
            return 0
        names = ("merge", "merged", "survivor")
        columns = dict(zip(names, map(list, zip(*found, strict=True)), strict=True))
        moved = _move(columns)
        _touch({pk for merge, _merged, pk in found if merge in moved}, now=now)
    return len(moved)


def forget(*, now: datetime) -> int:
    """Drop the lists of merges older than `IDENTITY_UNDO_DAYS`, and what the merged one's row held.

    From then on the merge stands.  Returns how many were forgotten.
    """
    until = now - timedelta(days=settings.IDENTITY_UNDO_DAYS)
    with transaction.atomic():
        old = Merge.objects.filter(merged_at__lt=until, forgotten_at=None).order_by("merged_at")
        merges = list(old[:FORGOTTEN_AT_ONCE].values_list("pk", "merged_id", "undone_at"))
        MovedRows.objects.filter(merge__in=[pk for pk, _merged, _undone in merges]).delete()
        Merge.objects.filter(pk__in=[pk for pk, _merged, _undone in merges]).update(
            fields={}, forgotten_at=now
        )
        gone = [merged for _pk, merged, undone in merges if undone is None]
        Customer.objects.filter(pk__in=gone, merged_into__isnull=False).update(
            email=None, phone=None, first_name="", last_name="", language="", time_zone="",
            country="", birth_date=None, traits={},
        )  # fmt: skip
        Merge.objects.filter(merged_at__lt=now - timedelta(days=LOG_KEPT_DAYS)).delete()
    return len(merges)
