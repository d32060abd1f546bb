"""The mirror answers as PostgreSQL does, whatever is committed while it is made and after."""

import threading
from contextlib import contextmanager

import numpy as np
import pytest
from django.db import connection, transaction

from customers.models import Consent, Customer, TouchReader
from customers.services import events, privacy, records, touches
from customers.services.events import NewEvent
from segments.rules import parse
from segments.rules.evaluate import evaluate
from segments.services import generations, mirror, packing, people
from tests.conftest import wait_until
from tests.makers import NOW, ago, make_cast, make_customer, make_event, make_order

pytestmark = pytest.mark.django_db(transaction=True)


def rule(where):
    return parse.parse({"version": 1, "where": where})


ORDERS = {"type": "orders", "op": ">=", "value": 2}
RULES = {
    1: rule({**ORDERS, "measure": "count", "window_days": 90}),
    2: rule({**ORDERS, "measure": "average", "value": 45}),
    3: rule({"type": "events", "names": ["Seen"], "op": ">=", "value": 1, "window_days": 30}),
    4: rule({"type": "field", "field": "country", "op": "=", "value": "FR"}),
    5: rule(
        {
            "type": "and",
            "of": [
                {"type": "consent", "channel": "email"},
                {"type": "not", "of": {**ORDERS, "measure": "items", "value": 3}},
                {"type": "rfm", "groups": ["champions", "recent", "at_risk"]},
            ],
        }
    ),
    6: rule(
        {
            "type": "events",
            "names": ["Seen"],
            "op": ">=",
            "value": 1,
            "properties": [{"name": "page", "op": "=", "value": "/x"}],
        }
    ),
}


@pytest.fixture(autouse=True)
def large(settings, tmp_path):
    """A base counts as large, and its mirror is this test's own."""
    settings.MIRROR_FROM_CUSTOMERS = 1
    settings.RAPPORT_HOME = tmp_path
    make_cast()
    yield
    mirror._views.clear()


def seen(customer, message_id, **properties):
    moment = ago(1)
    return NewEvent("web", message_id, customer.pk, "", "Seen", properties, happened_at=moment)


def order(number, customer):
    line = {"product_id": "mug", "quantity": 1, "unit_price": 60}
    return {
        "order_id": f"new{number}",
        "customer_id": customer.first_name.lower(),
        "happened_at": ago(2),
        "currency": "EUR",
        "lines": [line],
    }


def check(generation=None):
    """All rules select whom the Python reader selects, from the mirror; which generation it is."""
    found = mirror.verdicts(RULES, NOW)
    everyone = people.load(list(Customer.objects.values_list("pk", flat=True)))
    for key, one in RULES.items():
        assert found.members[key].tolist() == sorted(
            p.id for p in everyone if evaluate(one, p, NOW)
        )
    name = generations.current().name
    assert generation in (None, name)
    return name


@contextmanager
def elsewhere():
    """Run functions in another thread, on a connection of its own, one after the other."""
    wanted, done = [], []
    has_work, is_done = threading.Semaphore(0), threading.Semaphore(0)

    def work():
        while True:
            has_work.acquire()
            one = wanted.pop()
            if one is None:
                connection.close()
                return
            try:
                done.append((one(), None))
            except Exception as error:
                done.append((None, error))
            is_done.release()

    thread = threading.Thread(target=work)
    thread.start()

    def run(one):
        wanted.append(one)
        has_work.release()
        is_done.acquire()
        found, error = done.pop()
        if error:
            raise error
        return found

    yield run
    wanted.append(None)
    has_work.release()
    thread.join()


def test_what_is_written_after_a_generation_is_answered_from_above_it():
    name = check()
    ada, bob = Customer.objects.get(first_name="Ada"), Customer.objects.get(first_name="Bob")

    events.record([seen(bob, "e1", page="/x")], now=NOW)
    check(name)
    records.upsert("orders", [order(1, bob), order(2, bob)], source="shop", now=NOW)
    check(name)
    zoe = make_customer("zoe")  # whom the generation does not know, without facts
    check(name)
    records.upsert("orders", [order(3, zoe), order(4, zoe)], source="shop", now=NOW)
    check(name)
    assert zoe.pk in mirror.verdicts(RULES, NOW).members[1]
    privacy.erase(ada.pk, user=None, now=NOW)
    check(name)


def test_layers_above_are_joined_when_they_are_many():
    name = check()
    bob, eve = Customer.objects.get(first_name="Bob"), Customer.objects.get(first_name="Eve")

    for number in range(mirror.LAYERS_MOST + 3):
        events.record([seen((bob, eve)[number % 2], f"e{number}")], now=NOW)
        check(name)

    (view,) = mirror._views.values()
    assert len(view.layers) <= mirror.LAYERS_MOST + 1
    assert view.stale == 2


def test_a_transaction_open_while_a_generation_is_made_is_not_lost():
    """Its number is older than the generation's snapshot, its facts are newer."""
    bob = Customer.objects.get(first_name="Bob")
    with elsewhere() as run:
        run(lambda: transaction.set_autocommit(False))
        run(lambda: events.record([seen(bob, "e1")], now=NOW))
        later = make_customer("later")  # a younger transaction, which the generation does see
        name = check()
        assert bob.pk not in mirror.verdicts(RULES, NOW).members[3]
        run(transaction.commit)
        run(lambda: transaction.set_autocommit(True))

    check(name)
    assert bob.pk in mirror.verdicts(RULES, NOW).members[3]
    assert later.pk in mirror.verdicts(RULES, NOW).members[4]


def test_facts_committed_while_a_generation_is_read_are_not_lost(monkeypatch):
    bob, read = Customer.objects.get(first_name="Bob"), packing.customer_ids
    with elsewhere() as run:

        def read_later():
            run(lambda: events.record([seen(bob, "e1")], now=NOW))
            return read()

        monkeypatch.setattr(packing, "customer_ids", read_later)
        generations.build(now=NOW)

    assert generations.current().facts.event_at.size == 0
    check(generations.current().name)
    assert bob.pk in mirror.verdicts(RULES, NOW).members[3]


def test_a_change_of_anybody_makes_a_new_generation():
    name = check()
    with transaction.atomic():
        make_order(Customer.objects.get(first_name="Bob"))
        touches.record_everybody(NOW)

    assert check() != name


def test_many_changes_make_a_new_generation(monkeypatch):
    name = check()
    monkeypatch.setattr(mirror, "_stale_most", lambda generation: 1)
    for number, customer in enumerate(Customer.objects.all()[:2]):
        events.record([seen(customer, f"e{number}")], now=NOW)

    assert mirror.is_stale()
    assert check() != name


def test_touches_that_were_not_kept_make_a_new_generation():
    name = check()
    TouchReader.objects.all().delete()

    assert check() != name


def test_only_touches_that_somebody_needs_are_kept():
    check()
    events.record([seen(Customer.objects.first(), "e1")], now=NOW)
    assert touches.trim(now=NOW) == 0

    generations.build(now=NOW)
    # not before older transactions have ended, those of other tests too
    wait_until(lambda: touches.trim(now=NOW) == 1, seconds=60)
    check()


def test_a_broken_or_foreign_folder_is_made_anew():
    name = check()
    for break_it in (
        lambda folder: (folder / "order_at.npy").unlink(),
        lambda folder: flip(folder / "order_total.npy"),
        lambda folder: (folder / "event_at.npy").write_bytes(b""),
        lambda folder: (folder / "manifest.json").write_text("{}"),
        lambda folder: (folder / "manifest.json").write_text("{"),
        lambda folder: folder.chmod(0o755),
        lambda folder: foreign(folder / "manifest.json"),
    ):
        break_it(generations.home() / name)
        generations._opened.clear()
        before, name = name, check()
        assert name != before
        assert [one.name for one in generations.home().iterdir() if one.is_dir()] == [name]


def flip(file):
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)


def foreign(manifest):
    text = manifest.read_text()
    manifest.write_text(text.replace('"identity": "', '"identity": "1'))


def test_a_copied_folder_is_taken_by_its_sums(tmp_path):
    import shutil

    name = check()
    shutil.copytree(generations.home() / name, tmp_path / "copy")
    shutil.rmtree(generations.home() / name)
    shutil.move(tmp_path / "copy", generations.home() / name)
    generations._opened.clear()

    check(name)


def test_while_somebody_else_makes_a_generation_postgresql_answers():
    bob = Customer.objects.get(first_name="Bob")
    with elsewhere() as run:
        held = generations._alone()
        assert run(held.__enter__) is True
        assert generations.build(now=NOW) is None
        assert bob.pk in mirror.verdicts(RULES, NOW).members[4]
        assert generations.current() is None
        run(lambda: held.__exit__(None, None, None))

    check()


def test_inside_a_transaction_postgresql_answers():
    name = check()
    with transaction.atomic():
        bob = Customer.objects.get(first_name="Bob")
        make_event(bob, "Seen")  # nobody but this transaction knows of it

        assert bob.pk in mirror.verdicts(RULES, NOW).members[3]
        transaction.set_rollback(True)
    check(name)


def test_an_erased_customers_numbers_are_blanked_at_once():
    ada = Customer.objects.get(first_name="Ada")
    name = check()
    place = int(np.searchsorted(generations.current().facts.ids, ada.pk))

    privacy.erase(ada.pk, user=None, now=NOW)

    generations._opened.clear()
    facts = generations.current().facts.part(place, place + 1)
    assert facts.order_at.size == 5
    assert not facts.order_at.any()
    assert not facts.order_total.any()
    assert not facts.line_amount.any()
    check(name)


def test_a_tick_makes_a_generation_where_one_is_due_and_every_night(settings):
    assert mirror.tick(now=NOW) is not None
    assert mirror.tick(now=NOW) is None
    assert mirror.tick(now=NOW, is_night=True) is not None
    check()

    settings.MIRROR_FROM_CUSTOMERS = 1_000
    assert mirror.tick(now=NOW, is_night=True) is None


def test_files_are_private():
    name = check()

    folder = generations.home() / name
    assert (generations.home().stat().st_mode & 0o777, folder.stat().st_mode & 0o777) == (
        0o700,
        0o700,
    )
    assert {file.stat().st_mode & 0o077 for file in folder.iterdir()} == {0}


def test_properties_of_events_that_rules_ask_about_are_kept(monkeypatch):
    """Whoever saw a page is found without PostgreSQL; a property of too many values is left out."""
    bob, eve = Customer.objects.get(first_name="Bob"), Customer.objects.get(first_name="Eve")
    events.record([seen(bob, "k1", page="/x", more=1), seen(eve, "k2", page="/y")], now=NOW)
    generations.build(now=NOW, asked={"page"})
    kept = generations.current().facts
    assert kept.properties == ("page",)
    assert ("Seen", '"/x"') in kept.event_names
    assert not mirror.light_nodes([RULES[6].where], kept.properties)
    check()
    events.record([seen(eve, "k3", page="/x")], now=NOW)
    check(generations.current().name)

    monkeypatch.setattr(packing, "CODES_MOST", 1)
    generations.build(now=NOW, asked={"page"})
    assert generations.current().facts.properties == ()
    check()


def test_the_latest_word_of_consent_is_found_whatever_else_was_said():
    """Ties of both clocks go to the row written last; words to come are not heard yet."""
    people_there = list(Customer.objects.filter(erased_at=None).order_by("pk"))
    for number, customer in enumerate(people_there):
        said = [(ago(3), ago(2), True), (ago(3), ago(2), number % 2 == 0), (ago(4), ago(1), True)]
        said += [(ago(-1 - number), ago(5), number % 2 == 1)]
        for place, (happened, recorded, is_granted) in enumerate(said):
            Consent.objects.create(
                customer=customer,
                channel="email",
                topic="news",
                is_granted=is_granted,
                source=f"s{place}",
                happened_at=happened,
                recorded_at=recorded,
            )
    yes = {"type": "consent", "channel": "email", "topic": "news"}
    asked = {1: rule(yes), 2: rule({"type": "not", "of": yes})}
    asked[3] = rule({"type": "and", "of": [yes, {**ORDERS, "measure": "count", "value": 0}]})
    found, expected = mirror.verdicts(asked, NOW), mirror._by_sql(asked, NOW)
    assert 0 < found.members[1].size < found.customer_ids.size
    for key in asked:
        assert found.members[key].tolist() == expected.members[key].tolist()
    assert found.due.tolist() == expected.due.tolist()
