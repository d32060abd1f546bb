"""One simulated shop of 20,000 customers, drawn once for all tests of this folder."""

import csv
import io
import json
from datetime import UTC, datetime

import pytest

from customers.simulation.plan import Plan
from customers.simulation.rows import HEADERS
from customers.simulation.shop import Chunk, Shop

UNTIL = datetime(2026, 3, 1, tzinfo=UTC)
# Every statistic is compared with its expectation in standard errors: |z| > 4.5 has a chance of
# 7 in a million, and the seed is fixed.
Z_LIMIT = 4.5


def plan_of(customers: int = 20_000, **given) -> Plan:
    return Plan(**{"customers": customers, "seed": 7, "until": UNTIL, **given})


def texts_of(shop: Shop, chunk: Chunk) -> dict[str, str]:
    texts: dict[str, str] = {"products": shop.products()}
    for kind, text in shop.texts(chunk):
        texts[kind] = texts.get(kind, "") + text
    return texts


def parsed(kind: str, text: str) -> list[dict]:
    rows: list[dict] = list(csv.DictReader(io.StringIO(f"{HEADERS[kind]}\n{text}"), strict=True))
    if kind == "events":
        for row in rows:
            row["properties"] = json.loads(row["properties"])
    return rows


@pytest.fixture(scope="session")
def shop() -> Shop:
    return Shop(plan_of())


@pytest.fixture(scope="session")
def chunk(shop: Shop) -> Chunk:
    return shop.chunk(0)


@pytest.fixture(scope="session")
def facts(shop: Shop, chunk: Chunk) -> dict[str, list[dict]]:
    """The files' rows, as a reader of CSV finds them."""
    return {kind: parsed(kind, text) for kind, text in texts_of(shop, chunk).items()}
