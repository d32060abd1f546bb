"""The short way of reading a message says what the long one says, or nothing."""

import copy
import json
import random
from datetime import UTC, datetime

from msgspec import Raw
from msgspec.structs import replace

from customers.collect import bodies, plain, tracking
from customers.collect.commerce import LIST_EVENTS, PRODUCT_EVENTS

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
MESSAGES = 4_000
ODD = [None, "", " ", 0, 1, 1.0, True, "1", "1.50", "1,5", [], ["x"], {}, {"x": 1}, " u 1 ", "ü"]
EVENTS = [*sorted(PRODUCT_EVENTS), *sorted(LIST_EVENTS), "Song Played", "Viewed Product", " x ", ""]
MOMENTS = ["2026-06-01T10:00:00Z", "2026-06-01T10:00:00.5+00:00", "2026-06-01T12:00:00+02:00"]
MOMENTS += ["2026-06-01T23:00:00Z", "2026-06-01", "1850-01-01T00:00:00Z", "0001-01-01T00:00:00Z"]
WORDS = ["product_id", "sku", "name", "category", "brand", "url", "price", "quantity", "variant"]
WORDS += ["currency", "revenue", "x", "utm_source"]
CONTEXTS = [{"library": {"name": "x"}}, {"campaign": {"name": "spring"}}, {"page": {"url": "/"}}]
CONTEXTS += [{"traits": {"email": "ada@example.com"}}, {"locale": "fr"}]


def odd(dice: random.Random, usual: object, *, share: float = 0.05) -> object:
    return copy.deepcopy(dice.choice(ODD)) if dice.random() < share else usual


def message(dice: random.Random, nth: int) -> dict:
    """One message, mostly as clients spell it, with something odd here and there."""
    said = {word: odd(dice, dice.choice(["a", "EUR", 5, 2.5]), share=0.1) for word in WORDS}
    properties = {word: said[word] for word in dice.sample(WORDS, dice.randrange(len(WORDS)))}
    if dice.random() < 0.1:
        properties["products"] = [{"product_id": "p", "price": 1}, odd(dice, {"sku": "s"})]
    found = {
        "type": odd(dice, dice.choice(["track", "track", "page", "screen", "identify", "group"])),
        "messageId": odd(dice, f"m{nth}"),
        "timestamp": odd(dice, dice.choice(MOMENTS), share=0.02),
        "userId": odd(dice, f"u{dice.randrange(5)}"),
        "anonymousId": odd(dice, f"a{dice.randrange(5)}"),
        "event": odd(dice, dice.choice(EVENTS)),
        "properties": odd(dice, properties, share=0.02),
        "context": odd(dice, dice.choice(CONTEXTS) if dice.random() < 0.3 else {}),
        "name": odd(dice, "Home"),
        "category": odd(dice, None),
        "sentAt": odd(dice, None, share=0.02),
        "groupId": "g1",
    }
    return {word: value for word, value in found.items() if dice.random() < 0.97}


def test_a_plain_message_is_read_as_a_careful_reader_reads_it():
    dice = random.Random(7)
    read = 0
    for start in range(0, MESSAGES, 100):
        body = {"batch": [], "sentAt": dice.choice([None, *MOMENTS[:4]])}
        long = tracking._Reader(body, NOW, "EUR")
        for nth in range(start, start + 100):
            item = message(dice, nth)

            found = plain.read(
                Raw(json.dumps(item).encode()), nth, shift=long.shift, received_at=NOW
            )

            if found is not None:
                read += 1
                assert replace(found, raw=item) == long.read(item, nth, "batch")

    assert MESSAGES / 20 < read < MESSAGES / 2  # both ways were gone


def test_a_batch_is_read_by_both_ways_in_one_order():
    items = [
        {"type": "track", "event": "Song Played", "messageId": f"m{n}", "timestamp": MOMENTS[0]}
        | ({"userId": "u", "properties": {}} if n % 2 else {"userId": 5})
        for n in range(6)
    ]

    body = bodies.parse(json.dumps({"batch": items}).encode())
    found, rejected = tracking.read_request(body, kind="batch", received_at=NOW, currency="EUR")

    assert not rejected
    assert [one.message_id for one in found] == [f"m{n}" for n in range(6)]
    assert [one.user_id for one in found] == ["5", "u"] * 3
