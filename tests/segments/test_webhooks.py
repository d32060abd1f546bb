"""Webhooks: every change once, signed, tried for a day, and nothing lost on the way."""

from datetime import UTC, datetime, timedelta

import pytest
from standardwebhooks import Webhook

from customers.services import privacy
from rapport.errors import Conflict
from rapport.models import AuditEntry
from segments.models import MembershipChange, WebhookAttempt, WebhookDelivery, WebhookEndpoint
from segments.services import webhooks
from segments.services.webhooks import EndpointRefused
from tests.makers import make_customer, make_segment
from tests.segments.committed import transactional_db  # noqa: F401
from tests.segments.receiver import Receiver

pytestmark = pytest.mark.usefixtures("transactional_db")
NOW = datetime.now(UTC)


@pytest.fixture
def receiver(settings):
    settings.OUTGOING_ALLOWED_HOSTS = ["127.0.0.1"]
    found = Receiver()
    yield found
    found.stop()


@pytest.fixture
def endpoint(receiver):
    found = webhooks.create(name="Shop", url=receiver.url, user=None, now=NOW)
    receiver.secret = webhooks.secret_of(found)
    return found


@pytest.fixture
def segment():
    return make_segment("loyal")


def change(segment, *customers, kind="entered"):
    rows = [
        MembershipChange(
            segment=segment,
            customer=one,
            kind=kind,
            cause="event",
            happened_at=NOW,
            rule_version=1,
        )
        for one in customers
    ]
    return [row.pk for row in MembershipChange.objects.bulk_create(rows)]


@pytest.fixture(autouse=True)
def now_is_the_present(monkeypatch):
    """The receiver's library compares timestamps with its own clock, five minutes either way."""
    monkeypatch.setitem(globals(), "NOW", datetime.now(UTC))


def tell(now=None):
    now = now or NOW
    planned = webhooks.plan(now=now)
    while webhooks.deliver(now=now):
        pass
    return planned


def states():
    return list(WebhookDelivery.objects.order_by("id").values_list("state", flat=True))


def test_an_entry_arrives_signed_with_all_that_is_needed(endpoint, receiver, segment):
    ada = make_customer()
    (change_id,) = change(segment, ada)

    tell()

    (message_id, body, holds) = receiver.calls[0]
    assert holds
    assert message_id == WebhookDelivery.objects.get().message_id
    assert body["type"] == "segments.changed"
    assert body["data"]["changes"] == [
        {
            "id": change_id,
            "kind": "entered",
            "segment": "loyal",
            "customer": {"id": ada.pk, "external_ids": [{"source": "shop", "value": "ada"}]},
            "cause": "event",
            "happened_at": NOW.isoformat().replace("+00:00", "Z"),
            "rule_version": 1,
        }
    ]
    delivery = WebhookDelivery.objects.get()
    assert (delivery.state, delivery.last_status, delivery.attempts) == ("delivered", 200, 1)
    assert WebhookAttempt.objects.get().answer == "heard"


def test_another_secret_does_not_verify(endpoint, receiver, segment):
    receiver.secret = webhooks.secret_of(WebhookEndpoint(secret_salt="0" * 32))
    change(segment, make_customer())
    tell()

    assert [holds for _id, _body, holds in receiver.calls] == [False]


def test_the_secret_is_in_no_table(endpoint):
    secret = webhooks.secret_of(endpoint).removeprefix("whsec_")

    assert secret not in str(list(WebhookEndpoint.objects.values()))
    assert secret not in str(list(AuditEntry.objects.values()))
    assert len(Webhook(f"whsec_{secret}")._whsecret) == 32


def test_for_a_day_after_rotation_both_secrets_sign(endpoint, receiver, segment):
    ada, old = make_customer(), webhooks.secret_of(endpoint)
    endpoint = webhooks.rotate(endpoint, user=None, now=NOW)
    new = webhooks.secret_of(endpoint)

    for secret in (old, new):
        receiver.secret = secret
        change(segment, ada)
        tell()
    assert [holds for _id, _body, holds in receiver.calls] == [True, True]

    delivery = WebhookDelivery.objects.select_related("endpoint").first()
    _body, headers = webhooks.signed(delivery, now=NOW + timedelta(hours=24))
    assert old != new
    assert headers["webhook-signature"].count("v1,") == 1


def test_many_changes_travel_together_and_none_twice(endpoint, receiver, segment):
    people = [make_customer(f"c{n}") for n in range(7)]
    ids = change(segment, *people)
    many = change(segment, *people * 30)

    assert tell() == 3
    assert tell() == 0

    assert sorted(receiver.told()) == sorted(ids + many)
    assert len(set(receiver.ids)) == len(receiver.ids) == 3
    assert all(len(body["data"]["changes"]) <= 100 for _id, body, _holds in receiver.calls)


def test_an_endpoint_hears_only_what_it_wants(receiver, segment):
    other, ada = make_segment("other"), make_customer()
    webhooks.create(
        name="x", url=receiver.url, user=None, now=NOW, wants_entered=False, segments=[other]
    )
    change(segment, ada, kind="exited")
    change(other, ada)
    (wanted,) = change(other, ada, kind="exited")

    tell()

    assert receiver.told() == [wanted]


def test_what_was_before_the_endpoint_is_not_told(receiver, segment):
    change(segment, make_customer())
    webhooks.create(name="x", url=receiver.url, user=None, now=NOW)

    assert tell() == 0


def test_a_failure_is_tried_again_under_the_same_id_until_it_arrives(endpoint, receiver, segment):
    receiver.status = lambda calls: 500 if calls < 3 else 204
    change(segment, make_customer())

    tell()
    first = WebhookDelivery.objects.get()
    assert (first.state, first.last_error) == ("planned", "Answered 500 Internal Server Error.")
    assert NOW < first.next_attempt_at < NOW + timedelta(seconds=10)
    tell(first.next_attempt_at - timedelta(seconds=1))
    assert len(receiver.calls) == 1
    tell(first.next_attempt_at)
    tell(WebhookDelivery.objects.get().next_attempt_at)

    assert len(receiver.calls) == 3
    assert len(set(receiver.ids)) == 1
    assert states() == ["delivered"]
    assert WebhookAttempt.objects.count() == 3
    endpoint.refresh_from_db()
    assert endpoint.failing_since is None


def test_waiting_grows_and_is_spread():
    waits = [[webhooks.wait_seconds(f"msg_{n}", tries) for n in range(50)] for tries in range(1, 9)]

    for tries, found in enumerate(waits, start=1):
        middle = min(5 * 4 ** (tries - 1), 3_600)
        assert all(0.5 * middle <= wait <= 1.5 * middle for wait in found)
        assert max(found) - min(found) > 0.5 * middle
    assert webhooks.wait_seconds("m", 3) == webhooks.wait_seconds("m", 3)


def test_after_a_day_a_message_is_given_up_and_can_be_replayed(endpoint, receiver, segment):
    receiver.status = 500
    change(segment, make_customer())
    now = NOW
    tell(now)
    while states() == ["planned"]:
        now = WebhookDelivery.objects.get().next_attempt_at
        tell(now)

    assert states() == ["failed"]
    assert now == NOW + timedelta(hours=24)
    assert 20 < len(receiver.calls) < 60

    receiver.status = 200
    before = receiver.ids[-1]
    assert webhooks.replay(endpoint, user=None, now=now) == 1
    tell(now)
    assert states() == ["delivered"]
    assert receiver.ids[-1] == before


def test_one_message_is_replayed_alone(endpoint, receiver, segment):
    change(segment, make_customer())
    tell()
    delivery = WebhookDelivery.objects.get()

    webhooks.replay(endpoint, user=None, now=NOW, delivery_id=delivery.pk)
    with pytest.raises(Conflict, match="on its way"):
        webhooks.replay(endpoint, user=None, now=NOW, delivery_id=delivery.pk)
    tell()

    assert receiver.ids == [delivery.message_id] * 2


def test_the_other_side_may_ask_to_wait(endpoint, receiver, segment):
    receiver.status, receiver.headers = 429, {"Retry-After": "900"}
    change(segment, make_customer())
    tell()

    assert WebhookDelivery.objects.get().next_attempt_at >= NOW + timedelta(seconds=900)


def test_after_days_without_success_the_endpoint_is_stopped_with_a_notice(
    endpoint, receiver, segment
):
    receiver.status = 503
    ada = make_customer()
    change(segment, ada)
    tell()
    later = NOW + timedelta(days=3)
    change(segment, ada)
    tell(later)

    endpoint.refresh_from_db()
    assert endpoint.state == "failing"
    assert "3 days" in endpoint.notice and "503" in endpoint.notice
    assert AuditEntry.objects.filter(action="webhook.failing").exists()
    calls = len(receiver.calls)
    (missed,) = change(segment, ada)
    tell(later + timedelta(hours=1))
    assert len(receiver.calls) == calls

    receiver.status = 200
    webhooks.resume(endpoint, user=None, now=later)
    tell(later)
    assert missed in receiver.told()
    endpoint.refresh_from_db()
    assert (endpoint.state, endpoint.notice) == ("active", "")


def test_gone_stops_at_once(endpoint, receiver, segment):
    receiver.status = 410
    change(segment, make_customer())
    tell()

    endpoint.refresh_from_db()
    assert (endpoint.state, endpoint.notice) == (
        "failing",
        "It answered 410 Gone: it wants no more messages.",
    )


def test_a_pause_loses_nothing_unless_told_to_skip(endpoint, receiver, segment):
    ada = make_customer()
    webhooks.pause(endpoint, user=None, now=NOW)
    (during,) = change(segment, ada)
    assert tell() == 0
    webhooks.resume(endpoint, user=None, now=NOW)
    tell()
    assert receiver.told() == [during]

    webhooks.pause(endpoint, user=None, now=NOW)
    change(segment, ada)
    webhooks.resume(endpoint, user=None, now=NOW, skips=True)
    (after,) = change(segment, ada)
    tell()
    assert receiver.told() == [during, after]


def test_one_bad_message_does_not_hold_up_the_others(endpoint, receiver, segment):
    people = [make_customer(f"c{n}") for n in range(3)]
    (bad,) = change(segment, people[0])
    webhooks.plan(now=NOW)
    poison = WebhookDelivery.objects.get().message_id
    receiver.status = lambda calls: 500 if receiver.ids[-1] == poison else 200
    tell()
    for one in people[1:]:
        change(segment, one)
        webhooks.plan(now=NOW)
    now = NOW + timedelta(minutes=1)
    for _ in range(4):
        tell(now)
        now += timedelta(minutes=1)

    assert sorted(states()) == ["delivered", "delivered", "planned"]
    assert WebhookDelivery.objects.get(state="planned").message_id == poison


def test_in_trouble_the_least_tried_message_goes_first(endpoint, receiver, segment):
    tried, new = (webhooks.test(endpoint, user=None, now=NOW) for _ in range(2))
    WebhookDelivery.objects.filter(pk=tried.pk).update(
        attempts=4, next_attempt_at=NOW - timedelta(hours=1)
    )
    WebhookEndpoint.objects.update(failing_since=NOW - timedelta(hours=2))

    assert webhooks.deliver(now=NOW) == 1
    assert receiver.ids == [new.message_id]


def test_a_dead_endpoint_is_asked_for_one_message_at_a_time(endpoint, receiver, segment):
    receiver.status = 500
    ada = make_customer()
    change(segment, ada)
    tell()
    for _ in range(5):
        change(segment, ada)
        webhooks.plan(now=NOW)
    later = NOW + timedelta(minutes=5)

    assert webhooks.deliver(now=later) == 1
    assert webhooks.deliver(now=later) == 0
    assert not WebhookDelivery.objects.filter(state="planned", next_attempt_at__lte=later).exists()


def test_a_crash_between_birth_and_cursor_leaves_neither(endpoint, segment, monkeypatch):
    change(segment, make_customer())

    def fall(*_given, **_more):
        raise KeyboardInterrupt

    monkeypatch.setattr(webhooks.history.Cursor, "as_json", fall)
    with pytest.raises(KeyboardInterrupt):
        webhooks.plan(now=NOW)
    monkeypatch.undo()

    assert not WebhookDelivery.objects.exists()
    assert webhooks.plan(now=NOW) == 1


def test_a_claimed_message_of_a_dead_worker_goes_again_under_its_id(endpoint, receiver, segment):
    change(segment, make_customer())
    webhooks.plan(now=NOW)
    stuck = NOW - timedelta(seconds=webhooks.STUCK_SECONDS + 1)
    WebhookDelivery.objects.update(state="sending", claimed_at=stuck)

    assert webhooks.deliver(now=NOW) == 0
    assert webhooks.sweep(now=NOW) == 1
    tell()
    assert (states(), len(receiver.calls)) == (["delivered"], 1)


def test_a_worker_that_was_taken_over_changes_nothing_any_more(endpoint, segment):
    change(segment, make_customer())
    webhooks.plan(now=NOW)
    WebhookDelivery.objects.update(state="sending", claimed_at=NOW)
    slow = WebhookDelivery.objects.select_related("endpoint").get()
    WebhookDelivery.objects.update(claimed_at=NOW + timedelta(minutes=5))

    answer = webhooks.outgoing.Answer(None, "late", "", 1.0)
    webhooks._record(slow, answer, now=NOW)

    assert states() == ["sending"]
    assert WebhookAttempt.objects.count() == 1


def test_a_test_message_goes_even_to_a_paused_endpoint_once(endpoint, receiver):
    webhooks.pause(endpoint, user=None, now=NOW)
    receiver.status = 500
    webhooks.test(endpoint, user=None, now=NOW)
    tell()

    assert receiver.calls[0][1]["type"] == "test"
    assert receiver.calls[0][2]
    assert states() == ["failed"]
    endpoint.refresh_from_db()
    assert (endpoint.state, endpoint.failing_since) == ("paused", None)


def test_an_address_that_turned_private_is_refused_when_sending(endpoint, segment, settings):
    settings.OUTGOING_ALLOWED_HOSTS = []
    change(segment, make_customer())
    tell()

    assert "https" in WebhookDelivery.objects.get().last_error


@pytest.mark.parametrize(
    ("given", "word"),
    [
        ({"url": "http://127.0.0.1/x"}, "https"),
        ({"url": "https://10.0.0.1/x"}, "open internet"),
        ({"name": " "}, "name"),
        ({"wants_entered": False, "wants_exited": False}, "neither"),
        ({"segments": []}, "none is chosen"),
    ],
)
def test_an_endpoint_that_cannot_work_is_refused(given, word):
    fields = {"name": "x", "url": "https://8.8.8.8/hook"} | given
    with pytest.raises(EndpointRefused, match=word):
        webhooks.create(**fields, user=None, now=NOW)


def test_erasing_a_person_takes_her_out_of_what_was_told_and_will_be(endpoint, receiver, segment):
    ada, bob = make_customer("ada"), make_customer("bob")
    change(segment, ada, bob)
    change(segment, ada)
    webhooks.plan(now=NOW)

    known = privacy.export(ada.pk)["webhooks"]
    privacy.erase(ada.pk, user=None, now=NOW)
    tell()

    assert [len(one["changes"]) for one in known] == [2]
    told = [c["customer"]["id"] for _i, body, _h in receiver.calls for c in body["data"]["changes"]]
    assert set(told) == {bob.pk}
    assert str(ada.pk) not in str([d.customer_ids for d in WebhookDelivery.objects.all()])


def test_a_message_of_erased_people_alone_is_not_sent(endpoint, receiver, segment):
    ada = make_customer("ada")
    change(segment, ada)
    webhooks.plan(now=NOW)
    privacy.erase(ada.pk, user=None, now=NOW)
    tell()

    assert not receiver.calls
    assert "erased" in WebhookDelivery.objects.get().last_error


def test_old_messages_are_forgotten_after_a_month(endpoint, receiver, segment):
    change(segment, make_customer())
    tell()

    assert webhooks.forget_old(now=NOW + timedelta(days=30)) == 0
    assert webhooks.forget_old(now=NOW + timedelta(days=30, seconds=1)) == 1
    assert not WebhookAttempt.objects.exists()
