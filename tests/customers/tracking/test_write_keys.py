"""Write keys, and what is kept of messages that could not be stored."""

from datetime import timedelta

import pytest

from customers.models import Identity, RejectedMessage
from customers.services import privacy, write_keys
from customers.services.tracking import pulse
from customers.services.write_keys import WrongSource
from tests.customers.tracking.calls import make_key, send, track
from tests.makers import NOW

pytestmark = pytest.mark.django_db


def test_a_key_is_found_by_its_spelling_alone():
    key = make_key()

    assert write_keys.find(key.key) == key
    for wrong in ("", key.key[:-1], key.key + "x", key.key.swapcase(), "\0", "x" * 41):
        assert write_keys.find(wrong) is None


def test_a_source_is_a_word():
    with pytest.raises(WrongSource, match="'the shop' is not a name"):
        make_key("the shop")


def test_use_is_noted_once_a_minute():
    key = make_key()

    for seconds in (0, 59, 61):
        write_keys.use(key, now=NOW + timedelta(seconds=seconds))

    key.refresh_from_db()
    assert key.last_used_at == NOW + timedelta(seconds=61)


def test_rejected_messages_are_forgotten_in_time_and_where_there_are_too_many(monkeypatch):
    key, other = make_key(), make_key("blog")
    for one, days in ((key, 31), (key, 3), (key, 2), (key, 1), (other, 1)):
        write_keys.keep_rejected(
            [
                RejectedMessage(
                    write_key=one, reason=str(days), recorded_at=NOW - timedelta(days=days)
                )
            ]
        )
    monkeypatch.setattr(write_keys, "REJECTED_KEPT_MOST", 2)

    removed = write_keys.forget_rejected(now=NOW)

    assert removed == 2
    left = RejectedMessage.objects.order_by("id").values_list("write_key", "reason")
    assert list(left) == [(key.pk, "2"), (key.pk, "1"), (other.pk, "1")]


def test_rejected_messages_of_a_customer_are_handed_out_and_erased(
    django_capture_on_commit_callbacks,
):
    key = make_key()
    track(key, "e", userId="ada", anonymousId="a1")
    for handles in ({"userId": "ada"}, {"anonymousId": "a1"}, {"userId": "bob"}):
        send(key, "track", {**handles, "properties": {"secret": "sauce"}})
    ada = Identity.objects.get(value="ada").customer_id

    found = privacy.export(ada)["rejected messages"]
    with django_capture_on_commit_callbacks(execute=True):
        certificate = privacy.erase(ada, user=None, now=NOW)

    assert len(found) == 2
    assert "sauce" in found[0]["payload"]
    assert certificate.rows["rejected messages"] == 2
    assert RejectedMessage.objects.get().user_id == "bob"
    assert pulse.live([key]) == []
