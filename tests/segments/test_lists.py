"""Lists: who comes and goes by hand or by file, and segments that follow."""

import pytest

from customers.models import Touch
from customers.services import privacy
from customers.signals import customers_changed
from rapport import runs
from rapport.errors import Conflict
from segments.models import CustomerList, ListMember
from segments.services import lists, membership
from segments.services.lists import ListRefused
from tests.makers import NOW, ago, make_cast, make_customer, make_segment

pytestmark = pytest.mark.django_db
ON_LIST = {"version": 1, "where": {"type": "list", "key": "vips"}}


@pytest.fixture
def cast():
    return make_cast()


@pytest.fixture
def vips():
    return lists.create(name="VIPs", user=None, now=NOW)


def names(found):
    return sorted(lists.members(found).values_list("customer__first_name", flat=True))


def add(found, *people, **more):
    return lists.add(found, people, user=None, now=NOW, source="shop", **more)


def bring(found, text, tmp_path, name="people.csv"):
    path = tmp_path / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    rejected = tmp_path / "rejected.csv"
    with runs.running(runs.create("list", "Import")) as progress:
        done = lists.import_file(
            found, path, source="shop", now=NOW, progress=progress, reject_path=rejected
        )
    return done, rejected.read_text() if rejected.exists() else ""


def test_people_come_by_any_handle_and_leave_again(cast, vips):
    done = add(
        vips,
        {"id": cast["ada"].pk},
        {"external_id": "bob"},
        {"email": "EVE@example.com"},
        {"external_id": "bob"},
    )

    assert (done.changed, done.unchanged, done.unknown) == (3, 1, [])
    assert names(vips) == ["Ada", "Bob", "Eve"]
    assert vips.members_count == 3
    gone = lists.remove(
        vips,
        [{"external_id": "bob"}, {"id": cast["mallory"].pk}],
        user=None,
        now=NOW,
        source="shop",
    )
    assert (gone.changed, gone.unchanged) == (1, 1)
    assert names(vips) == ["Ada", "Eve"]
    assert vips.members_count == 2


def test_rows_that_name_nobody_are_told_and_the_others_land(cast, vips):
    done = add(
        vips,
        {"external_id": "ada"},
        {"external_id": "nobody"},
        {"id": "x1"},
        {},
        {"id": 10**30},
        {"email": "a'b\0"[:3]},
    )

    assert names(vips) == ["Ada"]
    assert [(one.row, one.field) for one in done.unknown] == [
        (1, "external_id"),
        (2, "id"),
        (3, ""),
        (4, "id"),
        (5, "email"),
    ]
    assert done.unknown[0].reason == "no customer of this source has this number"


def test_another_source_has_other_numbers(cast, vips):
    done = lists.add(vips, [{"external_id": "ada"}], user=None, now=NOW, source="elsewhere")

    assert (done.changed, len(done.unknown)) == (0, 1)


def test_a_row_never_falls_back_to_a_second_handle(cast, vips):
    done = add(vips, {"external_id": "nobody", "email": "ada@example.com"})

    assert (done.changed, done.unknown[0].field) == (0, "external_id")


def test_at_most_a_thousand_a_call(vips):
    with pytest.raises(ListRefused, match="at most 1000"):
        add(vips, *[{"id": 1}] * 1_001)


def test_a_segment_that_names_the_list_follows(cast, vips, django_capture_on_commit_callbacks):
    heard = []

    def hear(customer_ids, cause, **_):
        heard.append((customer_ids, cause))

    customers_changed.connect(hear)
    segment = make_segment("on-list", rule=ON_LIST, refreshed_at=ago(0))
    try:
        with django_capture_on_commit_callbacks() as callbacks:
            add(vips, {"external_id": "ada"})
        for callback in callbacks:
            callback()
    finally:
        customers_changed.disconnect(hear)

    ada = cast["ada"].pk
    assert heard == [([ada], "edit")]
    assert Touch.objects.filter(customer_id=ada).exists()  # so that a lost bell loses nothing
    membership.refresh([ada], cause="edit", now=NOW)
    assert list(segment.memberships.values_list("customer_id", flat=True)) == [ada]
    lists.remove(vips, [{"id": ada}], user=None, now=NOW)
    membership.refresh([ada], cause="edit", now=NOW)
    assert not segment.memberships.exists()


def test_nothing_is_rung_for_when_nothing_changes(cast, vips, django_capture_on_commit_callbacks):
    add(vips, {"external_id": "ada"})
    Touch.objects.all().delete()
    with django_capture_on_commit_callbacks() as callbacks:
        add(vips, {"external_id": "ada"})

    assert not callbacks
    assert not Touch.objects.exists()


def test_a_list_in_use_is_not_deleted(cast, vips):
    segment = make_segment("on-list", rule=ON_LIST)
    with pytest.raises(Conflict, match="on-list"):
        lists.delete(vips, user=None, now=NOW)

    segment.state = "archived"
    segment.save()
    lists.delete(vips, user=None, now=NOW)
    assert not CustomerList.objects.exists()


def test_keys_are_made_and_taken_ones_refused(vips):
    assert lists.create(name="VIPs", user=None, now=NOW).key == "vips-2"
    with pytest.raises(Conflict, match="'vips'"):
        lists.create(name="Other", key="vips", user=None, now=NOW)
    with pytest.raises(ListRefused, match="0 characters"):
        lists.create(name="  ", user=None, now=NOW)


def test_a_file_adds_to_a_static_list_and_names_its_bad_rows(cast, vips, tmp_path):
    add(vips, {"external_id": "eve"})
    text = 'note;Customer ID\nx;ada\n"a;b";bob\ny;nobody\nz;=SUM(1)\n;\nonly one\nx;ada\n'

    done, rejected = bring(vips, text, tmp_path)

    assert names(vips) == ["Ada", "Bob", "Eve"]
    assert (done.read, done.added, done.rejected, done.removed) == (7, 2, 4, 0)
    assert done.unchanged == 1
    assert rejected.splitlines()[1:] == [
        "4,external_id,nobody,no customer of this source has this number",
        "5,external_id,'=SUM(1),no customer of this source has this number",
        "6,,,names nobody: it is empty",
        '7,,only one,"has 1 columns, expected 2"',
    ]


def test_a_file_replaces_an_imported_list_as_a_whole(cast, tmp_path):
    found = lists.create(name="From CRM", kind="imported", user=None, now=NOW)
    bring(found, "email\nada@example.com\nbob@example.com\n", tmp_path)
    before = ListMember.objects.get(customer=cast["bob"]).added_at
    done, _ = bring(found, "email\nbob@example.com\neve@example.com\n", tmp_path)

    assert names(found) == ["Bob", "Eve"]
    assert (done.added, done.removed, done.unchanged) == (1, 1, 1)
    assert ListMember.objects.get(customer=cast["bob"]).added_at == before
    found.refresh_from_db()
    assert found.members_count == 2
    with pytest.raises(Conflict, match="as a whole"):
        add(found, {"external_id": "ada"})


def test_a_file_of_strangers_does_not_empty_an_imported_list(cast, tmp_path):
    found = lists.create(name="From CRM", kind="imported", user=None, now=NOW)
    bring(found, "email\nada@example.com\n", tmp_path)
    with pytest.raises(Exception, match="left as it is"):
        bring(found, "email\nx@example.com\n", tmp_path)

    assert names(found) == ["Ada"]


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("first,last\na,b\n", "expected one of"),
        ("", "empty"),
        (b"\x50\x4b\x03\x04x", "expected"),
        ("id,id\n1,2\n", "twice"),
    ],
)
def test_a_file_that_cannot_be_one_is_refused_in_words(vips, tmp_path, text, word):
    with pytest.raises(Exception, match=word):
        bring(vips, text, tmp_path)


def test_erasing_a_person_takes_her_off(cast, vips):
    add(vips, {"external_id": "ada"}, {"external_id": "bob"})
    privacy.erase(cast["ada"].pk, user=None, now=NOW)

    assert names(vips) == ["Bob"]
    assert add(vips, {"id": cast["ada"].pk}).unknown


def test_many_come_in_few_statements(vips, django_assert_max_num_queries, tmp_path):
    for number in range(30):
        make_customer(f"c{number}")
    text = "customer_id\n" + "".join(f"c{number}\n" for number in range(30))
    with django_assert_max_num_queries(45):
        done, _ = bring(vips, text, tmp_path)

    assert done.added == 30
