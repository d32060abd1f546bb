"""Whose segments the sender of a call may learn.

The key of a browser stands in every page, so anybody can send with it and name anybody.  With it
one learns only of the browser that one is, by an id nobody can guess, and only while that browser
is nobody's whom we know.  A server keeps its key to itself, and is told of everybody it names.
"""

from collections.abc import Sequence

from django.db import connection

from customers.collect.messages import Message
from customers.models import WriteKey

ANONYMOUS_ID_LEAST = 16  # characters: fewer can be guessed
UNKNOWN = """
    SELECT c.id FROM customers_customer c
    WHERE c.id = ANY(%s::bigint[]) AND c.email IS NULL AND c.phone IS NULL AND NOT EXISTS (
        SELECT FROM customers_identity i WHERE i.customer_id = c.id AND i.kind <> 'anonymous'
    )
"""


def tellable(
    key: WriteKey, messages: Sequence[Message], customers: dict[int, int]
) -> dict[str, int]:
    """The customers of whom this call may learn, by the id the caller knows each by.

    ``customers`` is whom each message, by its place, turned out to be about.
    """
    about = {
        message.user_id or message.anonymous_id: customers[message.place]
        for message in messages
        if message.place in customers
    }
    if key.is_secret or not about:
        return about
    if any(message.user_id or message.email or message.phone for message in messages):
        return {}
    with connection.cursor() as cursor:
        cursor.execute(UNKNOWN, [sorted(set(about.values()))])
        unknown = {pk for (pk,) in cursor.fetchall()}
    return {
        told: pk for told, pk in about.items() if pk in unknown and len(told) >= ANONYMOUS_ID_LEAST
    }
