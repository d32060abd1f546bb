"""What texts may say of a customer, and how many people have no value for it.  Writes nothing."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection

from campaigns import querysets
from campaigns.models import Campaign
from campaigns.querysets import Query
from segments.services import suggest

# Path in a template, name in words, and how the column reads.
COLUMNS = {
    "customer.first_name": ("First name", "c.first_name"),
    "customer.last_name": ("Last name", "c.last_name"),
    "customer.email": ("E-mail address", "c.email"),
    "customer.language": ("Language", "c.language"),
    "customer.country": ("Country", "c.country"),
}
OTHERS = {
    "offer.name": "The offer's name",
    "offer.code": "Her code",
    "offer.percent": "Percent off",
    "offer.amount": "Amount off",
    "offer.expires_at": "Until when the code is valid",
    "shop.name": "The shop's name",
    "shop.url": "The shop's address on the web",
    "shop.address": "The shop's postal address",
    "unsubscribe_url": "Address to unsubscribe",
    "event.products": "Products of the cart that set it off",
}
TRAIT, SCORE = "customer.traits.", "scores."
EVERYBODY = "SELECT id AS customer_id FROM customers_customer WHERE erased_at IS NULL"


@dataclass(frozen=True)
class Field:
    """One value that a text may say."""

    path: str
    label: str
    missing: int | None = None  # people without a value; None: not one of a person's own


def known() -> list[Field]:
    """Everything that a text may say, not counted yet."""
    found = [Field(path, label) for path, (label, _column) in COLUMNS.items()]
    found += [Field(f"{TRAIT}{one.value}", one.value) for one in suggest.values("trait")]
    found += [Field(f"{SCORE}{name}", name.replace("_", " ")) for name in suggest.score_names()]
    return found + [Field(path, label) for path, label in OTHERS.items()]


def counted(fields: Sequence[Field], people: Query | None = None) -> tuple[int, list[Field]]:
    """How many people there are, and each field with how many of them have no value for it."""
    n, missing = count_missing([one.path for one in fields], people)
    return n, [Field(one.path, one.label, missing.get(one.path)) for one in fields]


def count_missing(paths: Iterable[str], people: Query | None = None) -> tuple[int, dict[str, int]]:
    """How many people, and how many of them have no value for each of these paths.

    One statement, whatever the number of paths; those that are nobody's own are left out.
    ``people`` is a query with a column ``customer_id``; without it all customers.
    """
    text, params = people or (EVERYBODY, [])
    asked, counts, given = [], [], []
    for path in paths:
        expression, more = _value(path)
        if expression:
            asked.append(path)
            counts.append(f"count(*) FILTER (WHERE coalesce(btrim(({expression})::text), '') = '')")
            given += more
    columns = ", ".join(["count(*)", *counts])
    statement = (
        f"SELECT {columns} FROM ({text}) p JOIN customers_customer c ON c.id = p.customer_id"
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, [*given, *params])
        n, *missing = cursor.fetchone()
    return n, dict(zip(asked, missing, strict=True))


def languages(people: Query | None = None) -> dict[str, int]:
    """How many people read each language; empty: not known."""
    text, params = people or (EVERYBODY, [])
    rows = querysets.rows(
        (
            f"SELECT lower(c.language) AS language, count(*) AS n FROM ({text}) p "
            "JOIN customers_customer c ON c.id = p.customer_id GROUP BY 1 ORDER BY 2 DESC",
            params,
        )
    )
    return {row["language"]: row["n"] for row in rows}


def audience(campaign: Campaign | None) -> Query | None:
    """Those whom a campaign would write to now; None: everybody, where nobody is named."""
    if campaign is None or not campaign.pk or not campaign.included.exists():
        return None
    text, params = querysets.judged(campaign)
    return f"SELECT customer_id FROM ({text}) j WHERE reason = ''", params


def _value(path: str) -> tuple[str, list[Any]]:
    if path in COLUMNS:
        return COLUMNS[path][1], []
    if path.startswith(TRAIT):
        return "c.traits ->> %s", [path.removeprefix(TRAIT)]
    if path.startswith(SCORE):
        score = "SELECT s.value FROM segments_score s WHERE s.customer_id = c.id AND s.name = %s"
        return score, [path.removeprefix(SCORE)]
    return "", []
