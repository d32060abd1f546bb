"""The operators' tables of campaigns: open to look into, closed to writing."""

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import User

from campaigns.models import Outcome, Slot, SlotContent
from campaigns.services import offers, planning
from tests.makers import NOW, make_campaign, make_cast, make_segment

pytestmark = pytest.mark.django_db
TABLES = sorted(model._meta.model_name for model in apps.get_app_config("campaigns").get_models())


@pytest.fixture
def superuser(client):
    client.force_login(User.objects.create_superuser("root", password="secret-word-7"))
    return client


@pytest.fixture
def ada():
    """Of a campaign with an offer that has been planned, and a slot."""
    cast = make_cast()
    segment = make_segment("everybody", list(cast.values()))
    offer = offers.create(user=None, now=NOW, name="Gift", kind="free_shipping")
    campaign = make_campaign(segment, offer=offer)
    planning.launch(campaign, user=None, now=NOW)
    planning.plan(campaign.pk, now=NOW)
    message = campaign.messages.get(customer=cast["ada"])
    Outcome.objects.create(message=message, kind="open", happened_at=NOW, recorded_at=NOW)
    slot = Slot.objects.create(key="hero", name="Hero", salt="s", created_at=NOW, changed_at=NOW)
    SlotContent.objects.create(
        slot=slot, name="Hello", segment=segment, offer=offer, created_at=NOW, changed_at=NOW
    )
    return cast["ada"]


def test_every_table_of_the_app_is_there():
    missing = [
        model.__name__
        for model in apps.get_app_config("campaigns").get_models()
        if not admin.site.is_registered(model)
    ]

    assert not missing


@pytest.mark.parametrize("table", TABLES)
def test_tables_open_are_searched_and_read_only(
    superuser, ada, table, django_assert_max_num_queries
):
    address = f"/admin/campaigns/{table}/"

    with django_assert_max_num_queries(15):
        assert superuser.get(address).status_code == 200
    assert superuser.get(address, {"q": str(ada.pk)}).status_code == 200
    assert superuser.get(f"{address}add/").status_code == 403
