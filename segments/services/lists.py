"""Keep lists of customers: make them, put people on and take them off, bring them in with a file.
The only writer of CustomerList and ListMember, but for erasure and merges.

Whoever comes or goes is noted and rung for in the same transaction, so that segments whose rules
name the list follow within a second, and a lost bell loses nothing.
"""

import contextlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from django.db import connection, transaction
from django.db.models import F, QuerySet
from django.utils.text import slugify

from customers.collect import uploads
from customers.collect.csv_rows import CsvRows
from customers.collect.files import FileRefused, Lines
from customers.collect.rows import Fault, shown
from customers.collect.uploads import Upload
from customers.models import Customer
from customers.services.importing import rejects
from customers.services.importing.counts import Counts, ring
from rapport import access, bells, runs
from rapport.errors import Conflict, DomainError, NotFound
from rapport.models import Run
from segments.models import CustomerList, ListMember, Segment
from segments.rules import language, parse

ROWS_MOST = 1_000  # of one call
# What a person can be named by, and the column names that mean it.
HANDLES: dict[str, tuple[str, ...]] = {
    "id": ("id", "rapport_id"),
    "external_id": ("external_id", "customer_id", "customer"),
    "email": ("email", "e_mail", "email_address"),
    "phone": ("phone",),
}
WORDS = {
    "id": "no customer has this number",
    "external_id": "no customer of this source has this number",
    "email": "no customer has this e-mail address",
    "phone": "no customer has this phone number",
}

GIVEN = """CREATE TEMP TABLE list_given (
    place bigserial, id text, external_id text, email text, phone text
) ON COMMIT DROP"""
# The first handle that a row gives decides; a row never falls back to a second one, which may be
# of somebody else.
MATCH = """CREATE TEMP TABLE list_found ON COMMIT DROP AS
SELECT g.place, g.handle, g.value, CASE g.handle
    WHEN 'id' THEN (SELECT c.id FROM customers_customer c
        WHERE g.value ~ '^[0-9]{1,18}$' AND c.erased_at IS NULL AND c.id = CASE
            WHEN g.value ~ '^[0-9]{1,18}$' THEN g.value::bigint END)
    WHEN 'external_id' THEN (SELECT i.customer_id FROM customers_identity i
        WHERE i.source = %(source)s AND i.kind = 'external' AND i.value = g.value)
    WHEN 'email' THEN coalesce(
        (SELECT c.id FROM customers_customer c WHERE lower(c.email) = lower(g.value)),
        (SELECT i.customer_id FROM customers_identity i
            WHERE i.source = '' AND i.kind = 'email' AND i.value = lower(g.value)))
    WHEN 'phone' THEN (SELECT min(i.customer_id) FROM customers_identity i
        WHERE i.source = '' AND i.kind = 'phone' AND i.value = g.value)
END AS customer_id
FROM (
    SELECT place,
        CASE WHEN btrim(id) <> '' THEN 'id' WHEN btrim(external_id) <> '' THEN 'external_id'
            WHEN btrim(email) <> '' THEN 'email' WHEN btrim(phone) <> '' THEN 'phone' END AS handle,
        coalesce(nullif(btrim(id), ''), nullif(btrim(external_id), ''), nullif(btrim(email), ''),
            nullif(btrim(phone), '')) AS value
    FROM list_given
) g"""
ADD = """INSERT INTO segments_listmember (list_id, customer_id, added_at)
SELECT %(list)s, c.id, %(now)s FROM customers_customer c
WHERE c.id = ANY(%(ids)s::bigint[]) AND c.erased_at IS NULL ORDER BY c.id
ON CONFLICT DO NOTHING RETURNING customer_id"""


class ListRefused(DomainError):
    """A list that cannot be kept as it was given."""

    code = "list_refused"


@dataclass(frozen=True)
class Unknown:
    """A row that names nobody, by its index in the call."""

    row: int
    field: str
    value: str
    reason: str


@dataclass(frozen=True)
class Changed:
    """What one call did to a list."""

    changed: int  # came or went
    unchanged: int  # were there already, or were not there
    unknown: list[Unknown] = field(default_factory=list)


@dataclass(frozen=True)
class Imported:
    """What a file did to a list, in rows of the file but for ``removed``."""

    read: int
    added: int
    unchanged: int
    rejected: int
    removed: int


def create(
    *,
    name: str,
    user: Any,
    now: datetime,
    key: str | None = None,
    description: str = "",
    kind: str = CustomerList.Kind.STATIC,
) -> CustomerList:
    """Make an empty list.  Without ``key`` one is made from the name; a taken one is a Conflict."""
    name = _checked_name(name)
    with transaction.atomic():
        if key is not None and CustomerList.objects.filter(key=key).exists():
            raise Conflict(f"There is already a list with the key {key!r}.")
        found = CustomerList.objects.create(
            key=key or _free_key(name),
            name=name,
            description=description,
            kind=CustomerList.Kind(kind),
            created_by=user,
            created_at=now,
            changed_at=now,
        )
        access.audit(user, "list.created", f"list:{found.key}")
    return found


def edit(
    found: CustomerList,
    *,
    user: Any,
    now: datetime,
    name: str | None = None,
    description: str | None = None,
) -> CustomerList:
    """Change the words of a list."""
    row = found
    if name is not None:
        row.name = _checked_name(name)
    if description is not None:
        row.description = description
    row.changed_at = now
    row.save(update_fields=["name", "description", "changed_at"])
    access.audit(user, "list.edited", f"list:{row.key}")
    return row


def delete(found: CustomerList, *, user: Any, now: datetime) -> None:
    """Remove a list for good.  Refused while the rule of a segment in use names it."""
    with transaction.atomic():
        row = _locked(found)
        using = used_by(row)
        if using:
            names = ", ".join(one.key for one in using)
            raise Conflict(f"List {row.key!r} is named in the rules of {names}.")
        members = row.members_count
        row.delete()
        access.audit(user, "list.deleted", f"list:{row.key}", members=members)


def used_by(found: CustomerList) -> list[Segment]:
    """Segments in use whose rules name this list, by key."""
    users = []
    for segment in Segment.objects.exclude(state=Segment.State.ARCHIVED).order_by("key"):
        with contextlib.suppress(language.RuleError):
            nodes = language.walk(parse.parse(segment.rule).where)
            if any(isinstance(n, language.List) and n.key == found.key for n in nodes):
                users.append(segment)
    return users


def members(found: CustomerList) -> QuerySet[ListMember]:
    """Who is on the list, with their customers, the last to come first."""
    places = ListMember.objects.filter(list=found).select_related("customer")
    return places.order_by("-added_at", "-id")


def add(
    found: CustomerList,
    people: Sequence[dict[str, Any]],
    *,
    user: Any,
    now: datetime,
    source: str = "",
) -> Changed:
    """Put people on the list, each named by id, external_id, email or phone.

    Safe to repeat.  Rows that name nobody are told; the others land.
    """
    return _change(found, people, user=user, now=now, source=source, is_coming=True)


def remove(
    found: CustomerList,
    people: Sequence[dict[str, Any]],
    *,
    user: Any,
    now: datetime,
    source: str = "",
) -> Changed:
    """Take people off the list; named as in `add`."""
    return _change(found, people, user=user, now=now, source=source, is_coming=False)


def start_import(found: CustomerList, upload: Upload, *, user: Any) -> Run:
    """Queue the import of an uploaded file; the run tells its progress."""
    from segments import tasks

    title = f"Import list {found.name} from {upload.name}"[:200]
    params = {"list": found.pk, "file": upload.name, "source": upload.source}
    with transaction.atomic():
        run = runs.create("list", title, params={**params, "upload": upload.token}, user=user)
        bells.enqueue(tasks.import_list, run.pk)
    return run


def import_upload(run: Run, *, now: datetime) -> None:
    """Do the work of a run of `start_import`; what is wrong with the file ends the run in words."""
    try:
        with runs.running(run) as progress:
            found = CustomerList.objects.filter(pk=run.params["list"]).first()
            upload = uploads.find(run.params["upload"])
            if found is None or upload is None:
                raise NotFound("The list or the uploaded file is gone; upload it again.")
            done = import_file(
                found,
                upload.path,
                source=upload.source,
                now=now,
                progress=progress,
                reject_path=upload.reject_path,
                user=run.started_by,
                name=upload.name,
            )
            progress.result(**vars(done))
    except DomainError:
        pass  # the run has failed with these words: told to whoever uploaded the file


def import_file(
    found: CustomerList,
    path: Path,
    *,
    source: str,
    now: datetime,
    progress: runs.Progress,
    reject_path: Path,
    user: Any = None,
    name: str = "",
) -> Imported:
    """Bring a CSV file in: a static list gains its people, an imported one has them alone then.

    One transaction: a file that cannot be read, or a crash, leaves the list as it was.  Rows that
    name nobody go to the reject file with their reason.
    """
    lines = Lines(path)
    lines.name = name or path.name
    with contextlib.closing(lines), transaction.atomic():
        row = _locked(found)
        rows = CsvRows(lines)
        columns = _columns(lines.name, rows.columns)
        progress.stage("read")
        faults = _copy(rows, columns, progress)
        with connection.cursor() as db:
            progress.stage("find customers")
            db.execute("ANALYZE list_given")
            db.execute(MATCH, {"source": source})
            db.execute("SELECT count(*) FROM list_found")
            read = db.fetchone()[0]
        ids, unmatched = _matched({fault.row for fault in faults}, first_place=rows.first_place)
        faults += unmatched
        if row.kind == CustomerList.Kind.IMPORTED and read and not ids:
            raise FileRefused(
                f"{lines.name} names nobody we know, so the list would be emptied; it was left as "
                "it is.  Check the source and the column."
            )
        progress.stage("write")
        added = _add(row, ids, now=now)
        replaces = row.kind == CustomerList.Kind.IMPORTED
        removed = _remove_others(row, ids) if replaces else []
        _settle(row, added, removed, cause="import", now=now)
        done = Imported(
            read, len(added), read - len(faults) - len(added), len(faults), len(removed)
        )
        access.audit(user, "list.imported", f"list:{row.key}", **vars(done))
    if faults:
        rejects.write(reject_path, sorted(faults, key=lambda fault: fault.row))
    return done


def _change(
    found: CustomerList,
    people: Sequence[dict[str, Any]],
    *,
    user: Any,
    now: datetime,
    source: str,
    is_coming: bool,
) -> Changed:
    if len(people) > ROWS_MOST:
        raise ListRefused(f"{len(people)} people in one call; at most {ROWS_MOST}.")
    with transaction.atomic():
        row = _locked(found)
        if row.kind == CustomerList.Kind.IMPORTED:
            raise Conflict(f"List {row.key!r} is imported: a file replaces it as a whole.")
        ids, unknown = _named(people, source=source)
        if is_coming:
            came, went = _add(row, ids, now=now), []
        else:
            came, went = [], _remove(row, ids)
        _settle(row, came, went, cause="edit", now=now)
        changed = len(came) + len(went)
        if changed:
            word = "added" if is_coming else "removed"
            access.audit(user, f"list.members_{word}", f"list:{row.key}", customers=changed)
    found.refresh_from_db()
    return Changed(changed, len(people) - len(unknown) - changed, unknown)


def _named(people: Sequence[dict[str, Any]], *, source: str) -> tuple[list[int], list[Unknown]]:
    """Customers of these rows, and the rows that name nobody."""
    rows = [
        (index, *(str(one.get(handle) or "") for handle in HANDLES))
        for index, one in enumerate(people)
    ]
    columns = [list(column) for column in zip(*rows, strict=True)] or [[], [], [], [], []]
    with connection.cursor() as db:
        db.execute("DROP TABLE IF EXISTS list_given, list_found")
        db.execute(GIVEN)
        db.execute(
            "INSERT INTO list_given SELECT * FROM unnest"
            "(%s::bigint[], %s::text[], %s::text[], %s::text[], %s::text[])",
            columns,
        )
        db.execute(MATCH, {"source": source})
    ids, faults = _matched(set(), first_place=0)
    return ids, [Unknown(f.row, f.column, f.value, f.reason) for f in faults]


def _matched(broken: set[int], *, first_place: int) -> tuple[list[int], list[Fault]]:
    """Ids that were found, and a fault for each row that names nobody and is not broken already."""
    with connection.cursor() as db:
        db.execute(
            "SELECT DISTINCT customer_id FROM list_found WHERE customer_id IS NOT NULL ORDER BY 1"
        )
        ids = [pk for (pk,) in db.fetchall()]
        db.execute(
            "SELECT place, coalesce(handle, ''), coalesce(value, '') FROM list_found"
            " WHERE customer_id IS NULL ORDER BY place"
        )
        faults = [
            Fault(place, handle, shown(value), WORDS.get(handle, "names nobody: it is empty"))
            for place, handle, value in db.fetchall()
            if place not in broken
        ]
    return ids, faults


def _columns(name: str, columns: list[str]) -> list[str | None]:
    """What each column of the file is to us; None for those that name nobody."""
    meant: list[str | None] = []
    for column in columns:
        word = column.strip().lower().replace(" ", "_").replace("-", "_")
        handle = next((h for h, words in HANDLES.items() if word in words), None)
        meant.append(None if handle in meant else handle)
    if not any(meant):
        expected = ", ".join(words[0] for words in HANDLES.values())
        raise FileRefused(
            f"{name} has the columns {', '.join(columns)}; expected one of {expected} to say who."
        )
    return meant


def _copy(rows: CsvRows, columns: list[str | None], progress: runs.Progress) -> list[Fault]:
    """COPY the file into the table of given rows, numbered as the file counts them."""
    names = [handle or f"other_{place}" for place, handle in enumerate(columns)]
    others = "".join(f", {name} text" for name, h in zip(names, columns, strict=True) if not h)
    faults: list[Fault] = []
    with connection.cursor() as db:
        db.execute("DROP TABLE IF EXISTS list_given, list_found")
        db.execute(GIVEN.replace("phone text", f"phone text{others}"))
        db.execute(
            "SELECT setval(pg_get_serial_sequence('list_given', 'place'), %s, false)",
            [rows.first_place],
        )
        copy = (
            f"COPY list_given ({', '.join(names)}) FROM STDIN"
            f" (FORMAT csv, DELIMITER '{rows.delimiter}')"
        )
        for piece in rows.pieces():
            faults += piece.faults
            db.copy_expert(copy, _Bytes(piece.data))
            progress.advance(piece.rows)
    return faults


class _Bytes:
    """What psycopg2 reads a COPY from."""

    def __init__(self, data: bytes) -> None:
        self._parts: Iterator[bytes] = iter([data])

    def read(self, _size: int) -> bytes:
        return next(self._parts, b"")


def _add(row: CustomerList, ids: Collection[int], *, now: datetime) -> list[int]:
    with connection.cursor() as db:
        db.execute(ADD, {"list": row.pk, "ids": list(ids), "now": now})
        return [pk for (pk,) in db.fetchall()]


def _remove(row: CustomerList, ids: Collection[int]) -> list[int]:
    with connection.cursor() as db:
        db.execute(
            "DELETE FROM segments_listmember WHERE list_id = %s AND customer_id = ANY(%s::bigint[])"
            " RETURNING customer_id",
            [row.pk, list(ids)],
        )
        return [pk for (pk,) in db.fetchall()]


def _remove_others(row: CustomerList, ids: Collection[int]) -> list[int]:
    with connection.cursor() as db:
        db.execute(
            "DELETE FROM segments_listmember m WHERE list_id = %s AND NOT EXISTS ("
            "SELECT FROM unnest(%s::bigint[]) kept WHERE kept = m.customer_id)"
            " RETURNING customer_id",
            [row.pk, list(ids)],
        )
        return [pk for (pk,) in db.fetchall()]


def _settle(
    row: CustomerList, came: list[int], went: list[int], *, cause: str, now: datetime
) -> None:
    """Count, and say whose facts changed; ``row`` is held."""
    if not came and not went:
        return
    CustomerList.objects.filter(pk=row.pk).update(
        members_count=F("members_count") + len(came) - len(went), changed_at=now
    )
    counts = Counts()
    counts.touch([*came, *went])
    ring(counts, cause=cause, now=now)


def _locked(found: CustomerList) -> CustomerList:
    return CustomerList.objects.select_for_update(no_key=True).get(pk=found.pk)


def _checked_name(name: str) -> str:
    name = name.strip()
    if not 1 <= len(name) <= 120:
        raise ListRefused(f"The name has {len(name)} characters, expected 1 to 120.")
    return name


def _free_key(name: str) -> str:
    """The name as a slug, numbered when taken."""
    stem = slugify(name)[:70] or "list"
    taken = set(CustomerList.objects.filter(key__startswith=stem).values_list("key", flat=True))
    key, number = stem, 2
    while key in taken:
        key, number = f"{stem}-{number}", number + 1
    return key


def of_customer(customer: Customer) -> QuerySet[ListMember]:
    """The lists a customer is on, by name."""
    return (
        ListMember.objects.filter(customer=customer).select_related("list").order_by("list__name")
    )
