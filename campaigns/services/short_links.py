"""Keep the addresses behind short links, make their codes and read them.

The only writer of ``ShortLink``.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection

from campaigns.messages import short
from campaigns.messages.sandbox import Link, is_tracked
from rapport.errors import NotFound

LIVES = timedelta(days=730)  # from the day its message was planned
ADDRESS_MOST = 2_000  # characters; a longer one is written out
SAMPLE = "x" * 15  # as long as a code is, for previews

KEEP = """
    WITH made AS (
        INSERT INTO campaigns_shortlink (address, address_sha256, message_id, created_at)
        VALUES (%s, %s, %s, %s)
        ON CONFLICT (address_sha256, message_id) DO NOTHING
        RETURNING id
    )
    SELECT id FROM made
    UNION ALL
    SELECT id FROM campaigns_shortlink
    WHERE address_sha256 = %s AND message_id IS NOT DISTINCT FROM %s
    LIMIT 1"""


@dataclass(frozen=True)
class Found:
    """Where a short link leads, and from which message."""

    address: str
    link_id: int
    message_id: int


class Shortener:
    """Short links for the messages of one text (`campaigns.messages.sms.Text`).

    ``fixed`` are the addresses that are the same for everybody (`Text.fixed`): each is kept once.
    Any other is kept for its message alone, exported and erased with it.
    """

    def __init__(self, fixed: Iterable[str], *, now: datetime) -> None:
        self.fixed = frozenset(fixed) | {settings.SHOP_URL}
        self.now = now
        self._ids: dict[str, int] = {}
        self._key = _key()

    def link(self, message_id: int) -> Link:
        """What `Text.write` calls for each link of this message."""

        def shorten(_number: int, address: str) -> str:
            if not is_tracked(address) or len(address) > ADDRESS_MOST:
                return address  # followed, though not counted
            return url(short.write(self._key, self._id(address, message_id), message_id))

        return shorten

    def _id(self, address: str, message_id: int) -> int:
        if address not in self.fixed:
            return _keep(address, message_id, now=self.now)
        if address not in self._ids:
            self._ids[address] = _keep(address, None, now=self.now)
        return self._ids[address]


def sample(_number: int, address: str) -> str:
    """A link as long as a real one, for previews: nothing is kept for it."""
    return url(SAMPLE) if is_tracked(address) else address


def url(code: str) -> str:
    return f"{settings.SITE_URL}/m/s/{code}"


def find(code: str, *, now: datetime) -> Found:
    """Where a code leads.

    Raises `NotFound` for one that we did not make, of a message that is gone or older than `LIVES`,
    or of an address that was written for another message.
    """
    try:
        link_id, message_id = short.read(_key(), code)
    except short.BadCode:
        raise NotFound("There is no such link.") from None
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT s.address FROM campaigns_shortlink s, campaigns_message m
            WHERE s.id = %s AND m.id = %s AND (s.message_id IS NULL OR s.message_id = m.id)
                AND m.planned_at > %s""",
            [link_id, message_id, now - LIVES],
        )
        row = cursor.fetchone()
    if row is None:
        raise NotFound("There is no such link.")
    return Found(row[0], link_id, message_id)


def _key() -> bytes:
    return settings.SECRET_KEY.encode()


def _keep(address: str, message_id: int | None, *, now: datetime) -> int:
    """The number of an address; safe at once in several senders."""
    sha256 = hashlib.sha256(address.encode("utf-8", "replace")).hexdigest()
    given = [address, sha256, message_id, now, sha256, message_id]
    with connection.cursor() as cursor:
        cursor.execute(KEEP, given)
        row = cursor.fetchone()
        if row is None:  # another sender kept it since this statement began
            cursor.execute(KEEP, given)
            row = cursor.fetchone()
    return row[0]
