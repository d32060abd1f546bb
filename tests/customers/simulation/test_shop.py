"""The same plan gives the same shop, chunk by chunk, in bounded memory, without Django."""

import subprocess
import sys
import tracemalloc
from datetime import datetime
from pathlib import Path

import pytest

from customers.simulation.plan import BEHAVIOURS, Plan
from customers.simulation.shop import Shop
from tests.customers.simulation.conftest import UNTIL, plan_of, texts_of

ROOT = Path(__file__).resolve().parents[3]


def test_the_same_seed_gives_the_same_text_and_another_seed_does_not():
    once, again, other = (
        texts_of(shop, shop.chunk(0))
        for shop in (Shop(plan_of(300)), Shop(plan_of(300)), Shop(plan_of(300, seed=8)))
    )

    assert once == again
    assert all(once[kind] != other[kind] for kind in once)


def test_chunks_do_not_depend_on_their_order_or_on_each_other():
    plan = plan_of(900, chunk_customers=300)
    shop = Shop(plan)
    forwards = [texts_of(shop, shop.chunk(index)) for index in range(3)]

    alone = Shop(plan)
    backwards = [texts_of(alone, alone.chunk(index)) for index in (2, 1, 0)]

    assert forwards == backwards[::-1]
    assert (shop.chunk(0).crowd.arrived != shop.chunk(1).crowd.arrived).all()


def test_a_larger_shop_begins_with_the_same_chunks():
    small, large = (Shop(plan_of(size, chunk_customers=300)) for size in (600, 900))

    assert texts_of(small, small.chunk(1)) == texts_of(large, large.chunk(1))


def test_the_last_chunk_holds_the_rest():
    plan = plan_of(700, chunk_customers=300)

    assert [plan.numbers(index).size for index in range(plan.chunks)] == [300, 300, 100]
    with pytest.raises(ValueError, match="expected 0 to 2"):
        plan.numbers(3)


@pytest.mark.long
def test_memory_does_not_grow_from_chunk_to_chunk():
    shop = Shop(plan_of(8_000, chunk_customers=1_000))

    def peak_and_rest(index):
        tracemalloc.reset_peak()
        chunk = shop.chunk(index)
        size = sum(len(text) for _, text in shop.texts(chunk))
        assert size > 1_000_000
        del chunk
        return tracemalloc.get_traced_memory()[::-1]

    tracemalloc.start()
    try:
        peak_and_rest(0)  # fills caches
        found = [peak_and_rest(index) for index in range(1, 8)]
    finally:
        tracemalloc.stop()
    peaks, rests = zip(*found, strict=True)

    # Chunks differ by chance by a few per cent; what stays behind is next to nothing.
    assert max(peaks) < 1.3 * min(peaks)
    assert rests[-1] - rests[0] < 0.01 * min(peaks)


def test_the_demo_shop_has_the_size_it_promises(facts):
    orders = {row["order_id"] for row in facts["orders"]}

    assert len(facts["customers"]) == 20_000
    assert 80_000 <= len(orders) <= 120_000
    assert 150_000 <= len(facts["events"]) <= 250_000
    assert 5_000 <= len(facts["reviews"]) <= 8_000
    assert 290 <= len(facts["products"]) <= 310


def test_a_tiny_shop_works():
    shop = Shop(plan_of(1, days=30, tracked_days=0))

    texts = texts_of(shop, shop.chunk(0))

    assert texts["customers"].count("\n") == 1
    assert texts.get("events", "") == ""


def test_a_plan_names_all_its_faults_at_once():
    with pytest.raises(ValueError, match=r"customers is 0.*seed is -1.*days is 3.*time zone"):
        Plan(customers=0, seed=-1, days=3, tracked_days=0, until=datetime(2026, 1, 1))  # noqa: DTZ001


def test_a_plan_survives_its_parameters():
    plan = plan_of(50, pace=2.0, days=400)

    assert Plan.of(plan.params()) == plan
    assert [each["name"] for each in plan.params()["behaviours"]] == [b.name for b in BEHAVIOURS]
    assert plan.until == UNTIL


def test_the_simulation_knows_no_django():
    program = (
        "import sys, customers.simulation.shop, customers.simulation.reactions\n"
        "roots = {name.split('.')[0] for name in sys.modules}\n"
        "sys.exit(', '.join(roots & {'django', 'celery', 'rapport', 'pandas', 'scipy'}) or None)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, env={}
    )

    assert (done.returncode, done.stderr) == (0, "")
