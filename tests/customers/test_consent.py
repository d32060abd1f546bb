"""Consent is a ledger whose latest word counts; a suppressed address is never written to."""

from datetime import timedelta

import pytest
from django.db import connection

from customers.models import Consent, Customer, Suppression
from customers.services import consent
from customers.signals import customers_changed
from rapport.errors import NotFound
from tests.makers import NOW, ago, make_cast, make_consent, make_customer

pytestmark = pytest.mark.django_db
EMAIL = {"channel": "email", "topic": "marketing"}


def say(customer, is_granted, **given):
    fields = {**EMAIL, "source": "preferences", "now": NOW, **given}
    return consent.record(customer.pk, is_granted=is_granted, **fields)


def everybody_allowed(**where):
    text, params = consent.allowed_sql(**{**EMAIL, **where})
    with connection.cursor() as cursor:
        cursor.execute(text, params)
        return {customer_id for (customer_id,) in cursor}


def test_no_word_means_no():
    cast = make_cast()

    assert consent.allows(cast["ada"].pk, "email", "marketing")
    assert not consent.allows(cast["mallory"].pk, "email", "marketing")


def test_the_latest_word_wins_and_nothing_is_overwritten():
    ada = make_cast()["ada"]

    say(ada, False, happened_at=ago(2))
    assert not consent.allows(ada.pk, "email", "marketing")

    say(ada, True, happened_at=ago(1))
    assert consent.allows(ada.pk, "email", "marketing")
    assert Consent.objects.filter(customer=ada).count() == 3


def test_an_old_yes_that_arrives_late_does_not_undo_a_withdrawal():
    ada = make_cast()["ada"]
    say(ada, False, happened_at=ago(2), now=ago(2))

    say(ada, True, happened_at=ago(5), source="old system")

    assert not consent.allows(ada.pk, "email", "marketing")


def test_of_two_words_of_one_moment_the_one_recorded_last_wins():
    ada = make_cast()["ada"]
    say(ada, True, happened_at=ago(1), now=ago(0.5))
    say(ada, False, happened_at=ago(1), now=NOW)

    assert not consent.allows(ada.pk, "email", "marketing")


def test_a_word_dated_in_the_future_counts_from_now_and_can_be_withdrawn():
    ada = make_cast()["ada"]
    wrong_clock = say(ada, True, happened_at=NOW + timedelta(days=900))

    say(ada, False, now=NOW + timedelta(days=1))

    assert wrong_clock.happened_at == NOW
    assert not consent.allows(ada.pk, "email", "marketing")


@pytest.mark.parametrize("other", [{"channel": "sms"}, {"topic": "surveys"}])
def test_a_yes_holds_for_its_channel_and_topic_alone(other):
    mallory = make_cast()["mallory"]

    say(mallory, True, **other)

    assert not consent.allows(mallory.pk, "email", "marketing")
    assert consent.allows(mallory.pk, **{**EMAIL, **other})


def test_the_set_and_the_single_question_agree():
    cast = make_cast()
    say(cast["bob"], False)
    say(cast["mallory"], True, topic="surveys")

    for where in (EMAIL, {"channel": "email", "topic": "surveys"}):
        single = {c.pk for c in cast.values() if consent.allows(c.pk, **where)}
        assert everybody_allowed(**where) == single
        assert consent.allowed_ids([c.pk for c in cast.values()], **where) == single
    assert consent.allowed_ids([], **EMAIL) == set()


def test_repeating_a_word_adds_nothing():
    ada = make_cast()["ada"]

    assert say(ada, False).pk == say(ada, False).pk


def test_the_proof_is_kept():
    word = say(
        make_cast()["ada"], True, proof_text="Yes please", proof_url="/join", proof_ip="192.0.2.7"
    )
    word.refresh_from_db()

    assert (word.proof_text, word.proof_url, word.proof_ip) == ("Yes please", "/join", "192.0.2.7")
    assert word.recorded_at == NOW


def test_a_word_rings_the_bell_of_its_customer(django_capture_on_commit_callbacks):
    ada = make_cast()["ada"]
    heard = []

    def listen(customer_ids, cause, **_):
        heard.append((customer_ids, cause))

    customers_changed.connect(listen)
    try:
        with django_capture_on_commit_callbacks() as callbacks:
            say(ada, False)
        assert heard == []  # not before the commit
        callbacks[0]()
    finally:
        customers_changed.disconnect(listen)

    assert heard == [([ada.pk], "consent")]


def test_a_word_that_cannot_be_kept_names_all_its_faults():
    ada = make_cast()["ada"]

    with pytest.raises(consent.ConsentRefused, match="channel is 'fax'.*topic needs.*source needs"):
        say(ada, True, channel="fax", topic="", source=" ")


def test_nobody_and_the_erased_can_say_nothing():
    ada = make_cast()["ada"]
    Customer.objects.filter(pk=ada.pk).update(erased_at=NOW)

    for customer in (ada, Customer(pk=0)):
        with pytest.raises(NotFound, match="no customer"):
            say(customer, True)


def test_an_address_is_suppressed_once_whatever_its_case():
    suppress = {"channel": "email", "source": "smtp", "now": NOW}
    consent.suppress("Ada@Example.com", reason="hard_bounce", **suppress)
    consent.suppress(" ada@example.com", reason="manual", **suppress)

    only = Suppression.objects.get()
    assert (only.reason, only.hint) == ("hard_bounce", "a***@example.com")
    assert "ada" not in only.address_sha256
    asked = ["ADA@example.com", "bob@example.com"]
    assert consent.suppressed(asked, channel="email") == {"ADA@example.com"}
    assert consent.suppressed(asked, channel="sms") == set()


def test_erasure_keeps_the_suppression_and_takes_the_hint():
    suppress = {"channel": "email", "source": "staff", "now": NOW}
    consent.suppress("ada@example.com", reason="complaint", **suppress)
    consent.suppress("ada@example.com", reason="erased", **suppress)

    only = Suppression.objects.get()
    assert (only.reason, only.hint) == ("complaint", "")


@pytest.mark.parametrize("email", ["ada@example.com", "Zoë.ÅNGSTRÖM@EXAMPLE.com", "ПЁТР@пример.рф"])
def test_postgresql_and_python_fingerprint_an_address_alike(email):
    make_customer(email=email)
    consent.suppress(email.lower(), channel="email", reason="manual", source="staff", now=NOW)
    condition, params = consent.suppressed_sql("email", "c.email")

    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM customers_customer c WHERE {condition}", params)
        assert cursor.fetchone() == (1,)


def test_asking_for_a_few_reads_the_index():
    ada = make_cast()["ada"]
    make_consent(ada, happened_at=ago(200))
    text, params = consent.allowed_sql(**EMAIL, customer_ids=[ada.pk])

    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"EXPLAIN {text}", params)
        plan = "\n".join(line for (line,) in cursor)
    assert "one_consent_per_moment" in plan
