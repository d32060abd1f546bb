"""Who enters, who leaves, and what is written of it."""

import pytest

from segments.models import Membership, MembershipChange, Segment
from segments.services import membership, segments
from tests import makers
from tests.makers import NOW, ago

pytestmark = pytest.mark.django_db


def make_segment(name="Two orders", **where):
    where = where or {"type": "orders", "measure": "count", "op": ">=", "value": 2}
    return segments.create(name=name, rule={"version": 1, "where": where}, user=None, now=NOW)


def members(segment):
    return set(Membership.objects.filter(segment=segment).values_list("customer_id", flat=True))


def test_refresh_all_fills_ready_made_segments_with_the_cast():
    cast = makers.make_cast()

    membership.refresh_all(now=NOW)

    def of(key):
        return members(Segment.objects.get(key=key))

    assert of("rfm-champions") == {cast["ada"].pk}
    assert of("rfm-recent") == {cast["bob"].pk, cast["mallory"].pk}
    assert of("rfm-at-risk") == {cast["eve"].pk}
    assert of("lapsed") == {cast["eve"].pk}
