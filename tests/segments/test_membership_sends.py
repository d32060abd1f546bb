"""A rebuild never holds up a campaign: neither while everybody is asked, nor at the swap."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from campaigns.models import Message
from campaigns.services import delivery, planning
from segments.models import Membership
from segments.services import membership, rebuilding, segments
from tests.campaigns.ledger import BODY, SUBJECT
from tests.makers import NOW, ago, make_campaign, make_crowd

pytestmark = pytest.mark.django_db(transaction=True)
EVERYBODY = {"version": 1, "where": {"type": "everybody"}}
NOBODY = {"version": 1, "where": {"type": "not", "of": {"type": "everybody"}}}


def aside(work, *given):
    """Do it on a connection of its own; fail when it has to wait."""

    def alone():
        try:
            with connection.cursor() as cursor:
                cursor.execute("SET statement_timeout = '30s'")
            return work(*given)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(alone).result()


def send(segment):
    """Plan and send a campaign to the members; how many messages left."""
    campaign = make_campaign(segment, subject=SUBJECT, body=BODY)
    planning.launch(campaign, user=None, now=NOW)
    planning.plan(campaign.pk, now=NOW)
    delivery.deliver(campaign.pk, now=NOW)
    return Message.objects.filter(campaign=campaign, state="sent").count()


@pytest.mark.parametrize("place", ["asking", "swapping"])
def test_a_campaign_leaves_while_its_segment_is_rebuilt(place, monkeypatch, settings):
    settings.EMAIL_URL = ""
    crowd = make_crowd(5)
    segment = segments.create(name="All", rule=EVERYBODY, user=None, now=ago(1))
    membership.refresh_all(now=ago(1), cause="import")
    segments.edit(segment, rule=NOBODY, user=None, now=NOW)
    sent = []
    name = {"asking": "_answers", "swapping": "_ring"}[place]
    inner = getattr(rebuilding, name)

    def meanwhile(*given, **more):
        found = inner(*given, **more)
        sent.append(aside(send, segment))
        return found

    monkeypatch.setattr(rebuilding, name, meanwhile)

    membership.refresh_segment(segment, cause="edit", now=NOW, run=segment.run)

    assert sent == [len(crowd)]
    assert not Membership.objects.filter(segment=segment).exists()
