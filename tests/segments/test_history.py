"""Past membership, and a feed of changes that misses none, whatever commits late."""

import random
from datetime import timedelta

import pytest
from django.db import connection, connections

from segments.models import MembershipChange
from segments.services import history
from segments.services.history import Cursor, CursorRefused
from tests.makers import NOW, make_customer, make_segment
from tests.segments.committed import transactional_db  # noqa: F401

pytestmark = pytest.mark.usefixtures("transactional_db")


def change(segment, customer, kind="entered", *, at=NOW, cause="event"):
    return MembershipChange.objects.create(
        segment=segment,
        customer_id=getattr(customer, "pk", customer),
        kind=kind,
        cause=cause,
        happened_at=at,
        rule_version=1,
    )


def read_all(cursor=None, *, most=2, **narrowed):
    """Everything from the cursor on, page by page, through its words; and the last cursor."""
    cursor, found, has_more = cursor or Cursor(), [], True
    while has_more:
        page = history.read(cursor, most=most, **narrowed)
        cursor, has_more = Cursor.decode(page.cursor.encode()), page.has_more
        found += [one.id for one in page.changes]
    return found, cursor


class Other:
    """A second connection with its own transaction, as another worker has."""

    def __init__(self):
        self.db = connections["default"].copy("other")

    def __enter__(self):
        self.db.set_autocommit(False)
        return self

    def change(self, segment, customer, kind="entered"):
        with self.db.cursor() as cursor:
            cursor.execute(
                "INSERT INTO segments_membershipchange (segment_id, customer_id, kind, cause,"
                " happened_at, rule_version) VALUES (%s, %s, %s, 'event', %s, 1) RETURNING id",
                [segment.pk, customer.pk, kind, NOW],
            )
            return cursor.fetchone()[0]

    def commit(self):
        self.db.commit()

    def __exit__(self, *_):
        self.db.rollback()
        self.db.close()


def test_what_commits_late_under_an_earlier_id_is_read_later():
    segment, ada = make_segment(), make_customer()
    with Other() as late:
        early_id = late.change(segment, ada)
        later = change(segment, ada, "exited")
        assert early_id < later.pk

        first, cursor = read_all()
        late.commit()
        second, cursor = read_all(cursor)
        third, _ = read_all(cursor)

    assert (first, second, third) == ([later.pk], [early_id], [])


def test_a_page_that_was_begun_is_ended_before_newer_changes_come():
    segment, ada = make_segment(), make_customer()
    with Other() as late:
        late_id = late.change(segment, ada)
        ids = [change(segment, ada).pk for _ in range(3)]
        page = history.read(Cursor(), most=1)
        late.commit()
        newest = change(segment, ada).pk
        rest, cursor = read_all(page.cursor)
        then, _ = read_all(cursor)

    assert [one.id for one in page.changes] == ids[:1]
    assert rest == ids[1:]
    assert then == [late_id, newest]


def test_many_writers_in_any_order_lose_and_double_nothing():
    segment, ada = make_segment(), make_customer()
    rng = random.Random(3)
    open_ones, written, found, cursor = [], [], [], Cursor()
    try:
        for _ in range(60):
            action = rng.random()
            if action < 0.4 and len(open_ones) < 6:
                other = Other().__enter__()
                written += [other.change(segment, ada) for _ in range(rng.randint(1, 3))]
                open_ones.append(other)
            elif action < 0.7 and open_ones:
                other = open_ones.pop(rng.randrange(len(open_ones)))
                other.commit()
                other.__exit__()
            else:
                page = history.read(cursor, most=rng.randint(1, 3))
                cursor = Cursor.decode(page.cursor.encode())
                found += [one.id for one in page.changes]
    finally:
        for other in open_ones:
            other.commit()
            other.__exit__()
    rest, _ = read_all(cursor)
    found += rest
    found += read_all(_)[0]

    assert len(written) > 20
    assert sorted(found) == sorted(written)


def test_a_rolled_back_change_is_never_told():
    segment, ada = make_segment(), make_customer()
    with Other() as other:
        other.change(segment, ada)
        _, cursor = read_all()
    kept = change(segment, ada)

    assert read_all(cursor)[0] == [kept.pk]


def test_the_feed_is_narrowed_by_segment_kind_cause_and_moment():
    one, two, ada = make_segment("one"), make_segment("two"), make_customer()
    early = change(one, ada, at=NOW - timedelta(days=2))
    left = change(one, ada, "exited", cause="clock")
    other = change(two, ada)

    assert read_all(segment_ids=[one.pk])[0] == [early.pk, left.pk]
    assert read_all(segment_ids=[])[0] == []
    assert read_all(kinds=["exited"])[0] == [left.pk]
    assert read_all(causes=["clock", "edit"])[0] == [left.pk]
    assert read_all(since=NOW - timedelta(days=1))[0] == [left.pk, other.pk]
    page = history.read(Cursor(), most=1, kinds=["exited"])
    assert (page.changes[0].segment, page.changes[0].customer_id) == ("one", ada.pk)
    assert not page.has_more


def test_a_reader_from_now_on_hears_nothing_old():
    segment, ada = make_segment(), make_customer()
    change(segment, ada)
    cursor = history.now_cursor()
    new = change(segment, ada, "exited")

    assert read_all(cursor)[0] == [new.pk]


def test_after_a_restore_into_a_younger_server_nothing_is_lost_or_doubled():
    segment, ada = make_segment(), make_customer()
    told = change(segment, ada)
    _, cursor = read_all()
    not_told = change(segment, ada, "exited")
    older = 10**15  # the transactions of the server that was
    MembershipChange.objects.update(xid=older)
    seen = history.Snapshot(older + 5, older + 5)
    found, cursor = read_all(Cursor(seen=seen, last=cursor.last))
    new = change(segment, ada)

    assert told.pk not in found
    assert found + read_all(cursor)[0] == [not_told.pk, new.pk]


def test_a_cursor_from_elsewhere_is_refused():
    cut = Cursor().encode()[:-4]
    for words in ("", "x", "eyJ9", "bm9uc2Vuc2U", "e30x", cut, "é", "W10", "bnVsbA"):
        with pytest.raises(CursorRefused, match="cannot be read"):
            Cursor.decode(words)


def test_a_stay_holds_from_entry_included_to_exit_excluded():
    segment, ada = make_segment(), make_customer()
    second, instant = timedelta(seconds=1), timedelta(microseconds=1)
    change(segment, ada, at=NOW)
    change(segment, ada, "exited", at=NOW + second)

    def is_in(at):
        stay = history.stay_at(segment, ada.pk, at)
        assert (stay is not None) == (ada.pk in [s.customer_id for s in members(segment, at)])
        return stay is not None

    def members(segment, at):
        return history.members_at(segment, at)

    moments = [NOW - instant, NOW, NOW + second - instant, NOW + second]
    assert [is_in(at) for at in moments] == [False, True, True, False]
    assert history.stay_at(segment, ada.pk, NOW).entered_at == NOW


def test_of_several_changes_in_one_moment_the_last_written_counts():
    segment, ada = make_segment(), make_customer()
    for kind in ("entered", "exited", "entered"):
        change(segment, ada, kind)

    assert history.stay_at(segment, ada.pk, NOW) is not None


def test_past_membership_equals_a_replay_of_all_changes():
    """Against brute force: walk all changes in order and keep a set."""
    rng = random.Random(7)
    segments = [make_segment("one"), make_segment("two")]
    customers = [make_customer(f"c{n}") for n in range(6)]
    inside = {segment.pk: set() for segment in segments}
    moments = sorted(NOW + timedelta(seconds=rng.randrange(40)) for _ in range(150))
    rows = []
    for moment in moments:
        segment, customer = rng.choice(segments), rng.choice(customers)
        kind = "exited" if customer.pk in inside[segment.pk] else "entered"
        (inside[segment.pk].discard if kind == "exited" else inside[segment.pk].add)(customer.pk)
        rows.append(change(segment, customer, kind, at=moment))

    asked = {moment + timedelta(microseconds=off) for moment in moments for off in (-1, 0, 1)}
    for at in sorted(asked):
        for segment in segments:
            replayed = set()
            for row in rows:
                if row.segment_id == segment.pk and row.happened_at <= at:
                    (replayed.add if row.kind == "entered" else replayed.discard)(row.customer_id)
            assert {stay.customer_id for stay in history.members_at(segment, at)} == replayed


def test_past_members_come_page_by_page():
    segment = make_segment()
    people = [make_customer(f"c{n}").pk for n in range(5)]
    for pk in people:
        change(segment, pk)

    first = history.members_at(segment, NOW, most=2)
    second = history.members_at(segment, NOW, after=first[-1].customer_id, most=9)

    assert [stay.customer_id for stay in first + second] == people


def test_every_change_says_which_transaction_wrote_it():
    row = change(make_segment(), make_customer())
    row.refresh_from_db()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint")
        assert 0 < row.xid < cursor.fetchone()[0]
