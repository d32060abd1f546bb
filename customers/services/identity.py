"""Who is who: find or create the customers whom messages speak of, and join what is one person.

Identity rows are born here and in `customers.services.importing`; they move here and in
`customers.services.identities.merging`.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar

from django.conf import settings
from django.db import IntegrityError, connection, transaction

from customers.collect import identity_rules
from customers.collect.identity_rules import (
    ANONYMOUS,
    EMAIL,
    EXTERNAL,
    PHONE,
    Claim,
    Decisions,
    Handle,
    Limits,
    Profile,
    Refusal,
)
from customers.services import touches
from customers.services.identities import refusals, strangers
from customers.services.identities.merging import (
    Pair,
    is_later,
    join,
    merge,
    register_mover,
    surviving,
    surviving_ids,
    undo,
)
from customers.services.identities.strangers import Disturbed
from customers.services.importing.among import is_disturbance
from customers.services.importing.counts import Counts, tell
from customers.services.tracking.statements import Statement
from rapport import access

__all__ = [
    "Claim",
    "Disturbed",
    "alias",
    "merge",
    "register_mover",
    "resolve",
    "surviving",
    "surviving_ids",
    "undo",
]

log = logging.getLogger(__name__)
Done = TypeVar("Done")

# Of one resolution.  Each that is in vain means that somebody else who decides about the same
# handles has come to an end; on a slow machine eight in a row were seen.
ATTEMPTS = 40

# Row by row over the unique index, also where the plan is from when the table was small.
FOUND = """
    SELECT g.nth, i.customer_id
    FROM unnest(%s::text[], %s::text[], %s::text[]) WITH ORDINALITY g(source, kind, value, nth)
    CROSS JOIN LATERAL (
        SELECT customer_id FROM customers_identity
        WHERE source = g.source AND kind = g.kind AND value = g.value LIMIT 1
    ) i
"""
LOOK_UP = Statement(FOUND)
BY_ADDRESS = "SELECT lower(email), id FROM customers_customer WHERE lower(email) = ANY(%s::text[])"
# Until we commit, nobody merges these away; rows are held in one order, so that nobody waits in a
# circle.  Deciding keeps other deciders away; reading keeps only merges away.
HOLD = {
    strength: Statement(f"""
        SELECT c.id FROM unnest(%s::bigint[]) g(id) CROSS JOIN LATERAL (
            SELECT id FROM customers_customer
            WHERE id = g.id AND erased_at IS NULL LIMIT 1 FOR {strength}
        ) c
    """)
    for strength in ("KEY SHARE", "NO KEY UPDATE")
}
# Both at once, for reading: with one look most calls know who everybody is.
LOOK_UP_AND_HOLD = Statement(f"""
    WITH found AS MATERIALIZED ({FOUND}), held AS MATERIALIZED (
        SELECT c.id FROM (SELECT DISTINCT customer_id FROM found ORDER BY 1) g(id)
        CROSS JOIN LATERAL (
            SELECT id FROM customers_customer
            WHERE id = g.id AND erased_at IS NULL LIMIT 1 FOR KEY SHARE
        ) c
    )
    SELECT found.nth, found.customer_id, held.id IS NOT NULL
    FROM found LEFT JOIN held ON held.id = found.customer_id
""")
PROFILES = """
    SELECT c.id, c.happened_at, coalesce(lower(c.email), ''), coalesce(c.phone, ''),
        (SELECT count(*) FROM customers_merge m
         WHERE m.survivor_id = c.id AND m.merged_at > %s AND m.undone_at IS NULL),
        ARRAY(SELECT m.merged_id FROM customers_merge m
         WHERE m.survivor_id = c.id AND m.undone_at IS NOT NULL)
    FROM customers_customer c WHERE c.id = ANY(%s::bigint[])
"""
HELD = """
    SELECT customer_id, kind, source, value FROM customers_identity
    WHERE customer_id = ANY(%s::bigint[])
"""
NEW_IDS = Statement("SELECT nextval('customers_customer_id_seq') FROM generate_series(1, %s::int)")
# The key to customers is checked at commit, so handles can come first: they say who was faster.
ADD_HANDLES = Statement("""
    INSERT INTO customers_identity (customer_id, kind, source, value, recorded_at)
    SELECT g.customer_id, g.kind, g.source, g.value, %s::timestamptz
    FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::text[])
        WITH ORDINALITY g(customer_id, kind, source, value, nth)
    ORDER BY g.nth
    ON CONFLICT (source, kind, value) DO NOTHING
""")
ADD_CUSTOMERS = Statement("""
    INSERT INTO customers_customer (id, source, email, phone, first_name, last_name, language,
        time_zone, country, traits, happened_at, recorded_at, changed_at)
    SELECT g.id, %s::text, nullif(g.email, ''), nullif(g.phone, ''), '', '', '', '', '', '{}',
        g.since, %s::timestamptz, %s::timestamptz
    FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::timestamptz[])
        g(id, email, phone, since)
    ORDER BY g.email
""")
ADDRESS = """
    UPDATE customers_customer c SET phone = nullif(g.phone, ''), changed_at = %(now)s,
        email = CASE WHEN lower(c.email) = g.email THEN c.email ELSE nullif(g.email, '') END
    FROM unnest(%(id)s::bigint[], %(email)s::text[], %(phone)s::text[]) g(id, email, phone)
    WHERE c.id = g.id
"""
DROP_HANDLES = """
    DELETE FROM customers_identity i
    USING unnest(%(kind)s::text[], %(value)s::text[], %(customer_id)s::bigint[])
        g(kind, value, customer_id)
    WHERE i.source = '' AND i.kind = g.kind AND i.value = g.value AND i.customer_id = g.customer_id
"""
MOVE_ON = """
    UPDATE customers_identity i SET customer_id = g.customer_id
    FROM unnest(%(source)s::text[], %(kind)s::text[], %(value)s::text[], %(was)s::bigint[],
        %(customer_id)s::bigint[]) g(source, kind, value, was, customer_id)
    WHERE i.source = g.source AND i.kind = g.kind AND i.value = g.value AND i.customer_id = g.was
"""
CLAIM_EVENTS = Statement("""
    UPDATE customers_event e SET customer_id = g.customer_id
    FROM unnest(%s::text[], %s::text[], %s::bigint[]) g(source, value, customer_id)
    WHERE e.customer_id IS NULL AND e.source = g.source AND e.anonymous_id = g.value
    RETURNING e.customer_id
""")


def resolve(
    claims: Sequence[Claim],
    *,
    source: str,
    now: datetime,
    touched: set[int] | None = None,
    tries_again: bool = False,
) -> list[int | None]:
    """Say which customer each claim is about, in their order; create and join as the rules say.

    None stands for a claim without a handle that identifies.  A constant number of statements for
    any number of claims.  Safe to repeat, and beside itself: of two that meet the same new person
    one creates her and the other finds her.  Until the surrounding transaction ends the customers
    returned cannot be merged away, so what it writes for them stays theirs.

    Whose facts change here is noted (`touches`); where events or profiles came together the bell
    is rung as well.  For customers who are only created the caller rings, with their first facts.
    A caller who gives ``touched`` notes them itself: they are added to it.  One who ``tries_again``
    with its whole transaction, where `Disturbed` or the like ends it, saves the savepoint, and
    gets no more than who is known and who is a stranger: anything else is `Disturbed`.
    """
    limits = _limits()
    read = [identity_rules.handles(claim, source, limits) for claim in claims]
    found = [handles for handles, _refused in read]
    with transaction.atomic(savepoint=False):
        unreadable = [refusal for _handles, refused in read for refusal in refused]
        _note(unreadable, now=now)
        if not any(found):
            return [None] * len(claims)
        # Who holds for reading must not decide: two that do would wait for each other to merge.
        held: set[int] | None = set() if tries_again else None
        owners = _owners({handle for handles in found for handle in handles}, held)
        known, strangers = _known(found, owners)
        whose: dict[int, int | None] = dict(known)

        def decide(places: Sequence[int], owners: dict[Handle, int] | None) -> set[int]:
            some = [(claims[place], found[place]) for place in places]
            decided, concerned = _decide(some, owners, source=source, limits=limits, now=now)
            whose.update(zip(places, decided, strict=True))
            return concerned

        concerned: set[int] = set()
        everybody = range(len(claims))
        if len(known) + len(strangers) < len(claims):
            if tries_again:
                raise Disturbed
            concerned = _repeatedly(lambda nth: decide(everybody, owners if nth == 1 else None))
        else:
            # Nobody has a handle of strangers: what is decided of them changes nobody else.
            if strangers and tries_again:
                concerned = decide(strangers, {})
            elif strangers:
                concerned = _repeatedly(lambda nth: decide(strangers, {} if nth == 1 else None))
            ids = sorted({pk for pk in known.values() if pk is not None} - (held or set()))
            if len(_hold(ids, "KEY SHARE")) < len(ids):
                if tries_again:
                    raise Disturbed
                concerned |= _repeatedly(lambda _nth: decide(everybody, None))
        if touched is None:
            touches.record(concerned, now)
        else:
            touched |= concerned
        return [whose[place] for place in everybody]


def alias(
    previous_id: str, user_id: str, *, source: str, now: datetime, may_join_known: bool = True
) -> int | None:
    """Join what a shop says is one: a former id, of a visitor or of a user, and the id from now on.

    Safe to repeat.  Of two users the older profile survives; a visitor's browser is treated as when
    she signs in.  Without ``may_join_known``, as for a page that anybody can imitate, two customers
    who are both known stay two, and the claim is kept as refused.  Returns the customer, or None
    where neither id can identify anybody.
    """
    limits = _limits()
    claim = Claim(user_id, previous_id, happened_at=now)
    former, _ = identity_rules.handles(Claim(previous_id, happened_at=now), source, limits)
    named, unusable = identity_rules.handles(Claim(user_id, happened_at=now), source, limits)

    def write() -> int | None:
        owners = _owners({*former, *named})
        old = owners.get(former[0]) if former else None
        new = owners.get(named[0]) if named else None
        if old is None or former == named:
            return resolve([claim], source=source, now=now)[0]
        if not named:
            _note(unusable, now=now)
            return old
        if new is None:
            if not _hold([old], "NO KEY UPDATE"):
                raise Disturbed
            _add_handles([(named[0], old)], now=now)
            touches.record([old], now)
            return old
        if old == new:
            return old
        merged, survivor = (new, old) if is_later(new, old) else (old, new)
        reason = _reason_against(merged, survivor, limits, may_join_known=may_join_known, now=now)
        if reason:
            refused = Refusal(former[0], reason, Profile(new, now), Profile(old, now))
            _note([refused], now=now)
            return new
        merge(survivor, merged, rule="alias", now=now, reason=f"{previous_id} is {user_id}")
        return survivor

    with transaction.atomic(savepoint=False):
        return _repeatedly(lambda _nth: write())


def _reason_against(
    merged: int, survivor: int, limits: Limits, *, may_join_known: bool, now: datetime
) -> str:
    """Why these two must not become one after all; empty where they may."""
    profiles = _profiles([merged, survivor], now=now)
    if not may_join_known and profiles[merged].is_known and profiles[survivor].is_known:
        return "public"
    if merged in profiles[survivor].apart or survivor in profiles[merged].apart:
        return "apart"
    return "too_many" if profiles[survivor].merges_lately >= limits.merges_an_hour else ""


# --- steps of a resolution --------------------------------------------------------------------


def _limits() -> Limits:
    return Limits(
        most={
            EXTERNAL: settings.IDENTITY_MAX_USER_IDS,
            EMAIL: settings.IDENTITY_MAX_EMAILS,
            PHONE: settings.IDENTITY_MAX_PHONES,
            ANONYMOUS: settings.IDENTITY_MAX_BROWSERS,
        },
        blocked=identity_rules.blocked_pattern(tuple(settings.IDENTITY_BLOCKED)),
        merges_an_hour=settings.IDENTITY_MERGES_AN_HOUR,
        merges_same_email=settings.IDENTITY_MERGE_SAME_EMAIL,
        has_anonymous_profiles=settings.IDENTITY_ANONYMOUS_PROFILES,
    )


def _known(
    found: Sequence[Sequence[Handle]], owners: dict[Handle, int]
) -> tuple[dict[int, int | None], list[int]]:
    """By place, whom the claims mean whose handles are all one customer's; and which places name
    only handles that nobody has.  All others have to be decided."""
    known: dict[int, int | None] = {}
    strangers: list[int] = []
    for place, handles in enumerate(found):
        claimed = {owners.get(handle) for handle in handles}
        if not claimed:
            known[place] = None
        elif claimed == {None}:
            strangers.append(place)
        elif len(claimed) == 1:
            known[place] = claimed.pop()
    return known, strangers


def _repeatedly(write: Callable[[int], Done]) -> Done:
    """Run it in a savepoint, with the number of the attempt; again where another was faster."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with transaction.atomic():
                return write(attempt)
        except Exception as error:
            if attempt == ATTEMPTS or not (
                isinstance(error, (Disturbed, IntegrityError)) or is_disturbance(error)
            ):
                raise
    raise AssertionError("unreachable")


def _decide(
    some: Sequence[tuple[Claim, Sequence[Handle]]],
    owners: dict[Handle, int] | None,
    *,
    source: str,
    limits: Limits,
    now: datetime,
) -> tuple[list[int | None], set[int]]:
    """Decide who these claims are about; ``owners`` is None where that has to be looked up.

    Returns that, and the customers whose facts it changed.
    """
    if owners is None:
        owners = _owners({handle for _claim, handles in some for handle in handles})
    ids = sorted(set(owners.values()))
    if len(_hold(ids, "NO KEY UPDATE")) < len(ids):
        raise Disturbed
    profiles = _profiles(ids, now=now)
    if any(handle not in profiles[pk].held for handle, pk in owners.items()):
        raise Disturbed
    known = {handle: profiles[pk] for handle, pk in owners.items()}
    decisions = Decisions(known, limits)
    placed = [decisions.place(claim, handles) for claim, handles in some]
    concerned = _carry_out(decisions, source=source, now=now)
    return [profile.last.id if profile else None for profile in placed], concerned


def _owners(handles: Iterable[Handle], held: set[int] | None = None) -> dict[Handle, int]:
    """Whose each handle is; an address also where only the customer's own row has it.

    Where ``held`` is given, customers who are still there are held for reading and added to it.
    """
    asked = sorted(handles)
    if not asked:
        return {}
    columns = [list(column) for column in zip(*asked, strict=True)]
    kinds, sources, values = columns
    with connection.cursor() as cursor:
        statement = LOOK_UP if held is None else LOOK_UP_AND_HOLD
        statement.run(cursor, [sources, kinds, values])
        rows = cursor.fetchall()
        owners = {asked[row[0] - 1]: row[1] for row in rows}
        if held is not None:
            held.update(row[1] for row in rows if row[2])
        addresses = [h.value for h in asked if h.kind == EMAIL and h not in owners]
        if addresses:
            cursor.execute(BY_ADDRESS, [addresses])
            owners |= {Handle(EMAIL, "", email): pk for email, pk in cursor.fetchall()}
    return owners


def _hold(ids: Sequence[int], strength: str) -> list[int]:
    """Lock these customers; returns those who are still there."""
    if not ids:
        return []
    with connection.cursor() as cursor:
        HOLD[strength].run(cursor, [list(ids)])
        return [pk for (pk,) in cursor.fetchall()]


def _profiles(ids: Sequence[int], *, now: datetime) -> dict[int, Profile]:
    if not ids:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(PROFILES, [now - timedelta(hours=1), list(ids)])
        profiles = {
            pk: Profile(pk, since, set(), email, phone, merges, frozenset(apart))
            for pk, since, email, phone, merges, apart in cursor.fetchall()
        }
        cursor.execute(HELD, [list(ids)])
        held = identity_rules.held_by(cursor.fetchall())
    for pk, profile in profiles.items():
        profile.held = held.get(pk, set())
        for kind, value in ((EMAIL, profile.email), (PHONE, profile.phone)):
            if value:
                profile.held.add(Handle(kind, "", value))
    return profiles


def _carry_out(decisions: Decisions, *, source: str, now: datetime) -> set[int]:
    """Write what was decided: a constant number of statements, each in one order for all.

    Returns whom it concerns; where events came to somebody, that is said on commit.
    """
    if _is_only_new(decisions):
        filled = strangers.create(decisions.created, decisions.added(), source=source, now=now)
        _note(decisions.refused, now=now)
        _tell(filled)
        return {_id(profile) for profile in decisions.created}
    _create_ids(decisions.created)
    _drop_handles(decisions.replaced)
    added = [(handle, _id(profile)) for handle, profile in decisions.added()]
    _add_handles(added, now=now)
    _move_on(decisions.moved_on())
    created = set(decisions.created)
    changed = [p for p in decisions.addressed if p not in created and p.into is None]
    _write_addresses(changed, now=now)
    _create(decisions.created, source=source, now=now)
    filled = _claim_events(added)
    pairs = [
        Pair(_id(merged, last=False), _id(survivor, last=False), rule)
        for merged, survivor, rule in decisions.merges
    ]
    join(pairs, now=now)
    _note(decisions.refused, now=now)
    _tell(filled)
    return {pk for _handle, pk in added} | {_id(profile) for profile in changed} | filled


def _is_only_new(decisions: Decisions) -> bool:
    """Whether all there is to do is to create customers with their handles."""
    created = set(decisions.created)
    others = decisions.merges or decisions.replaced or decisions.moved_on()
    return bool(created) and not (
        others
        or decisions.addressed - created
        or any(profile not in created for _handle, profile in decisions.added())
    )


def _id(profile: Profile, *, last: bool = True) -> int:
    found = (profile.last if last else profile).id
    assert found is not None, "not created"
    return found


def _create_ids(created: Sequence[Profile]) -> None:
    if created:
        with connection.cursor() as cursor:
            NEW_IDS.run(cursor, [len(created)])
            for profile, (pk,) in zip(created, cursor.fetchall(), strict=True):
                profile.id = pk


def _create(created: Sequence[Profile], *, source: str, now: datetime) -> None:
    if created:
        columns: list[list[Any]] = [
            [profile.id for profile in created],
            [profile.email for profile in created],
            [profile.phone for profile in created],
            [min(profile.since, now) for profile in created],
        ]
        with connection.cursor() as cursor:
            ADD_CUSTOMERS.run(cursor, [source, now, now, *columns])


def _columns(handles: Sequence[Handle]) -> dict[str, list[Any]]:
    return {
        "kind": [handle.kind for handle in handles],
        "source": [handle.source for handle in handles],
        "value": [handle.value for handle in handles],
    }


def _add_handles(added: Sequence[tuple[Handle, int]], *, now: datetime) -> None:
    if added:
        whose = [pk for _handle, pk in added]
        columns = _columns([handle for handle, _pk in added])
        with connection.cursor() as cursor:
            ADD_HANDLES.run(cursor, [now, whose, *columns.values()])
            if cursor.rowcount < len(added):
                raise Disturbed


def _drop_handles(replaced: Sequence[tuple[Handle, Profile]]) -> None:
    if replaced:
        given: dict[str, Any] = {
            **_columns([handle for handle, _profile in replaced]),
            "customer_id": [_id(profile, last=False) for _handle, profile in replaced],
        }
        with connection.cursor() as cursor:
            cursor.execute(DROP_HANDLES, given)


def _move_on(moved: Sequence[tuple[Handle, Profile, Profile]]) -> None:
    if moved:
        given: dict[str, Any] = {
            **_columns([handle for handle, _was, _to in moved]),
            "was": [_id(was, last=False) for _handle, was, _to in moved],
            "customer_id": [_id(to) for _handle, _was, to in moved],
        }
        with connection.cursor() as cursor:
            cursor.execute(MOVE_ON, given)
            if cursor.rowcount < len(moved):
                raise Disturbed


def _write_addresses(changed: Sequence[Profile], *, now: datetime) -> None:
    if changed:
        given: dict[str, Any] = {
            "id": [profile.id for profile in changed],
            "email": [profile.email for profile in changed],
            "phone": [profile.phone for profile in changed],
            "now": now,
        }
        with connection.cursor() as cursor:
            cursor.execute(ADDRESS, given)


def _claim_events(added: Sequence[tuple[Handle, int]]) -> set[int]:
    """Give what new browsers did while they were nobody's to their customers; returns these."""
    browsers = [(handle, pk) for handle, pk in added if handle.kind == ANONYMOUS]
    if not browsers:
        return set()
    given: list[list[Any]] = [
        [handle.source for handle, _pk in browsers],
        [handle.value for handle, _pk in browsers],
        [pk for _handle, pk in browsers],
    ]
    with connection.cursor() as cursor:
        CLAIM_EVENTS.run(cursor, given)
        return {pk for (pk,) in cursor.fetchall()}


def _tell(customer_ids: Iterable[int]) -> None:
    counts = Counts()
    counts.touch(customer_ids)
    tell(counts, cause="event")


def _note(refused: Sequence[Refusal], *, now: datetime) -> None:
    rows = [
        refusals.Refused(
            *one.handle,
            one.reason,
            _id(one.claimant) if one.claimant else None,
            _id(one.holder) if one.holder else None,
        )
        for one in refused
    ]
    for pk in refusals.note(rows, now=now):
        most = settings.IDENTITY_MERGES_AN_HOUR
        log.warning("customer %s: more than %d profiles in an hour, merging stopped", pk, most)
        access.audit(None, "identity.merging_stopped", f"customer {pk}", within_an_hour=most)
