"""The operators' tables of segments: open to look into, closed to writing."""

import pytest
from django.contrib.auth.models import User

from segments.models import Score
from tests.makers import NOW, make_customer, make_segment
from tests.segments.learnt import make_clusters, make_run

pytestmark = pytest.mark.django_db
TABLES = ("segment", "membership", "membershipchange", "modelrun", "cluster", "score")


@pytest.fixture
def superuser(client):
    client.force_login(User.objects.create_superuser("root", password="secret-word-7"))
    return client


@pytest.mark.parametrize("table", TABLES)
def test_tables_open_are_searched_and_read_only(superuser, table, django_assert_max_num_queries):
    ada = make_customer()
    make_segment("everybody", [ada])
    make_clusters()
    Score.objects.create(name="churn_90d", customer=ada, run=make_run(), value=0.5, as_of=NOW)
    address = f"/admin/segments/{table}/"

    with django_assert_max_num_queries(15):
        assert superuser.get(address).status_code == 200
    assert superuser.get(address, {"q": str(ada.pk)}).status_code == 200
    assert superuser.get(f"{address}add/").status_code == 403
