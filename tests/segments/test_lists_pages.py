"""The pages of lists: made, filled by hand and by file, and removed."""

import io

import pytest
from django.utils import timezone

from rapport.models import Run
from segments.models import CustomerList
from segments.services import lists
from segments.tasks import import_list
from tests.makers import NOW, make_cast, make_segment, make_staff

pytestmark = pytest.mark.django_db


@pytest.fixture
def cast():
    return make_cast()


@pytest.fixture
def marketer(client):
    client.force_login(make_staff("marketer"))
    return client


@pytest.fixture
def vips():
    return lists.create(name="VIPs", user=None, now=NOW)


def text(answer):
    return answer.content.decode()


def test_the_empty_page_says_what_a_list_is_for(marketer):
    assert "There is no list" in text(marketer.get("/lists/"))


def test_a_list_is_made_filled_by_hand_and_emptied(marketer, cast):
    page = marketer.post("/lists/new/", {"name": "VIPs", "kind": "static"}, follow=True)
    found = CustomerList.objects.get()
    assert "Nobody is on it yet" in text(page)

    people = "ada@example.com\n\n  bob \nnobody\n"
    given = {"people": people, "source": "shop"}
    page = text(marketer.post(f"/lists/{found.pk}/add/", given, follow=True))
    assert "2 customers came on the list. Nobody is known as nobody." in page
    assert "ada@example.com" in page

    ada = {"customer": cast["ada"].pk}
    page = text(marketer.post(f"/lists/{found.pk}/remove/", ada, follow=True))
    assert "ada@example.com" not in page
    assert "1 customer on a list" in page


def test_a_file_is_brought_in_and_its_bad_rows_can_be_had(marketer, cast, vips, settings, tmp_path):
    settings.RAPPORT_HOME = tmp_path
    file = io.BytesIO(b"email\nada@example.com\nx@example.com\n")
    file.name = "guests.csv"
    given = {"file-source": "shop", "file-file": file}
    page = text(marketer.post(f"/lists/{vips.pk}/import/", given, follow=True))
    assert "waiting for a worker" in page
    run = Run.objects.get()
    import_list(run.pk)

    page = text(marketer.get(f"/lists/{vips.pk}/"))
    assert "1 row named nobody" in page
    rejected = b"".join(marketer.get(f"/lists/rejected/{run.pk}/").streaming_content)
    assert b"x@example.com,no customer has this e-mail address" in rejected


def test_another_kind_of_file_is_refused_beside_its_field(marketer, vips):
    file = io.BytesIO(b"x")
    file.name = "guests.xlsx"
    page = marketer.post(f"/lists/{vips.pk}/import/", {"file-source": "s", "file-file": file})

    assert page.status_code == 400
    assert "guests.xlsx is no CSV" in text(page)


def test_a_list_in_use_says_so_and_stays(marketer, vips):
    rule = {"version": 1, "where": {"type": "list", "key": "vips"}}
    make_segment("on-list", rule=rule)
    page = text(marketer.get(f"/lists/{vips.pk}/"))
    assert "on-list" in page and "Remove this list" not in page

    page = text(marketer.post(f"/lists/{vips.pk}/delete/", follow=True))
    assert "is named in the rules of on-list" in page


def test_a_list_is_removed(marketer, vips):
    marketer.post(f"/lists/{vips.pk}/delete/")

    assert not CustomerList.objects.exists()


def test_who_may_only_look_may_not_act(client, cast, vips):
    lists.add(vips, [{"external_id": "ada"}], source="shop", user=None, now=timezone.now())
    client.force_login(make_staff("viewer"))
    page = text(client.get(f"/lists/{vips.pk}/"))

    assert "Ada" in page and "Add them" not in page and "Take off" not in page
    assert client.post(f"/lists/{vips.pk}/add/").status_code == 403


def test_pages_cost_the_same_for_many(marketer, cast, vips, django_assert_max_num_queries):
    people = [{"external_id": name} for name in cast]
    lists.add(vips, people, source="shop", user=None, now=timezone.now())
    with django_assert_max_num_queries(15):
        marketer.get("/lists/")
    with django_assert_max_num_queries(16):
        marketer.get(f"/lists/{vips.pk}/")
