"""Who would hear of a campaign, who would not, and why."""

import pytest
from django.db import connection

from campaigns import querysets
from campaigns.experiments import assignment
from campaigns.models import Assignment, Message
from campaigns.services import audience
from customers.models import Customer
from customers.services import consent
from tests.makers import NOW, make_campaign, make_cast, make_crowd, make_segment

pytestmark = pytest.mark.django_db


@pytest.fixture
def cast():
    return make_cast()


def reasons(campaign) -> dict[int, str]:
    return {row["customer_id"]: row["reason"] for row in querysets.rows(querysets.judged(campaign))}


def test_a_dry_run_counts_everybody_once_and_writes_nothing(cast):
    everybody = make_segment(members=cast.values())
    campaign = make_campaign(
        everybody,
        make_segment("buyers", [cast["ada"]]),
        excluded=[make_segment("x", [cast["eve"]])],
    )

    report = audience.dry_run(campaign, now=NOW)

    assert (report.included, report.excluded, report.audience) == (4, 1, 3)
    assert (report.planned, report.holdout) == (2, 0)  # Ada and Bob; Mallory never said yes
    assert {reason: n for reason, n in report.skipped.items() if n} == {"no_consent": 1}
    assert set(report.skipped) == {*audience.REASONS} - {"holdout"}
    assert report.as_of == NOW
    assert not Message.objects.exists() and not Assignment.objects.exists()


def test_who_is_included_and_excluded_is_left_out_altogether(cast):
    everybody = make_segment(members=cast.values())

    assert reasons(make_campaign(everybody, excluded=[everybody])) == {}


def test_a_campaign_without_segments_reaches_nobody(cast):
    assert audience.dry_run(make_campaign(), now=NOW).audience == 0


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        ({"email": None}, "unreachable"),
        ({"email": ""}, "unreachable"),
        ({"email": " "}, "unreachable"),
        ({"erased_at": NOW}, "erased"),
    ],
)
def test_what_stands_in_the_way_is_named(cast, spoil, reason):
    campaign = make_campaign(make_segment(members=cast.values()))
    assert reasons(campaign)[cast["ada"].pk] == ""

    Customer.objects.filter(pk=cast["ada"].pk).update(**spoil)

    assert reasons(campaign)[cast["ada"].pk] == reason
    assert reasons(campaign)[cast["bob"].pk] == ""


def test_a_suppressed_address_is_left_out_in_any_spelling(cast):
    campaign = make_campaign(make_segment(members=cast.values()))
    Customer.objects.filter(pk=cast["ada"].pk).update(email="Ada@Example.COM")

    consent.suppress("ada@example.com", channel="email", reason="manual", source="x", now=NOW)

    assert reasons(campaign)[cast["ada"].pk] == "suppressed"


def test_consent_is_asked_for_the_campaigns_own_topic(cast):
    everybody = make_segment(members=cast.values())

    assert reasons(make_campaign(everybody))[cast["ada"].pk] == ""
    assert reasons(make_campaign(everybody, topic="surveys"))[cast["ada"].pk] == "no_consent"


def test_the_first_reason_that_holds_is_named(cast):
    """Erased before unreachable, suppressed, no consent; the draw is named last."""
    mallory = cast["mallory"]
    campaign = make_campaign(make_segment(members=cast.values()), holdout_share=0.9)
    steps = []

    steps.append(reasons(campaign)[mallory.pk])
    consent.suppress(mallory.email, channel="email", reason="manual", source="x", now=NOW)
    steps.append(reasons(campaign)[mallory.pk])
    Customer.objects.filter(pk=mallory.pk).update(email=None)
    steps.append(reasons(campaign)[mallory.pk])
    Customer.objects.filter(pk=mallory.pk).update(erased_at=NOW)
    steps.append(reasons(campaign)[mallory.pk])

    assert steps == ["no_consent", "suppressed", "unreachable", "erased"]


def test_postgresql_and_python_draw_the_same_number():
    salts = ["", "spring", "ü:'%s", "a" * 32]
    ids = [0, 1, 7, 10**6, 2**62]
    draw = querysets.DRAW_SQL.format(customer="customer_id")

    with connection.cursor() as cursor:
        for salt in salts:
            cursor.execute(
                f"SELECT customer_id, {draw} FROM unnest(%s::bigint[]) customer_id", [salt, ids]
            )
            assert dict(cursor.fetchall()) == {n: assignment.draw(salt, n) for n in ids}


def test_the_arm_is_drawn_for_everybody_by_the_id_alone():
    crowd = [*make_crowd(150), *make_crowd(150, first=150, consent=False)]
    campaign = make_campaign(make_segment(members=crowd), holdout_share=0.2)

    found = {row["customer_id"]: row for row in querysets.rows(querysets.judged(campaign))}

    for one in crowd:
        is_holdout = assignment.is_holdout(campaign.salt, one.pk, holdout_share=0.2)
        assert found[one.pk]["arm"] == ("holdout" if is_holdout else "treated")
    without_consent = [found[one.pk] for one in crowd[150:]]
    assert {row["arm"] for row in without_consent} == {"treated", "holdout"}
    assert {row["reason"] for row in without_consent} == {"no_consent"}


def test_people_are_shown_by_what_would_happen_to_them(cast):
    campaign = make_campaign(make_segment(members=cast.values()))

    written_to = audience.people(campaign)
    left_out = audience.people(campaign, reason="no_consent")

    assert [one.name for one in written_to] == ["Ada", "Bob", "Eve"]
    assert [(one.email, one.reason) for one in left_out] == [("mallory@example.com", "no_consent")]
    assert len(audience.people(campaign, limit=1)) == 1
