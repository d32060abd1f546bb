"""Hand a segment to an advertising platform as fingerprints of addresses.  Writes nothing.

Who is in it: members whose last word about the topic `TOPIC` is a yes, on whatever channel it was
given, for an advertisement knows no channel; who is not left alone by all marketing; whose address
is not suppressed (each address by itself).  No word means no, as everywhere.

Meta and Google take SHA-256, in hex, of what they call normalised: an e-mail address trimmed and in
lower case, Google's own domains without dots and without what follows a plus; a number with its
country code, with the plus for Google and without it for Meta.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.db import connection

from campaigns import judging, querysets
from campaigns.querysets import DRAW_SQL
from customers.services import consent
from rapport.access import audit
from rapport.errors import DomainError
from segments.models import Segment

TOPIC = "advertising"
AT_ONCE = 5_000
SHA256 = "encode(sha256(convert_to({0}, 'UTF8')), 'hex')"
_LOCAL, _DOMAIN = "split_part({email}, '@', 1)", "split_part({email}, '@', 2)"
GOOGLES = f"""CASE WHEN {_DOMAIN} IN ('gmail.com', 'googlemail.com')
    THEN replace(split_part({_LOCAL}, '+', 1), '.', '') || '@' || {_DOMAIN} ELSE {{email}} END"""


@dataclass(frozen=True)
class Platform:
    """What one platform calls its columns and how it wants the values."""

    name: str
    columns: tuple[str, str]
    email: str  # SQL of {email}, trimmed and in lower case
    phone: str  # SQL of {phone}, as in E.164


PLATFORMS = {
    "meta": Platform("Meta", ("email", "phone"), "{email}", "ltrim({phone}, '+')"),
    "google": Platform("Google", ("Email", "Phone"), GOOGLES, "{phone}"),
}
CHOSEN = """
    SELECT {fields}
    FROM (
        SELECT CASE WHEN s.id IS NULL THEN lower(btrim(c.email)) END AS email,
            CASE WHEN t.id IS NULL THEN btrim(c.phone) END AS phone
        FROM segments_membership p
        JOIN customers_customer c ON c.id = p.customer_id AND c.erased_at IS NULL
        JOIN LATERAL (
            SELECT is_granted FROM customers_consent w
            WHERE w.customer_id = c.id AND w.topic = %s
            ORDER BY happened_at DESC, recorded_at DESC, id DESC LIMIT 1
        ) word ON word.is_granted
        LEFT JOIN customers_suppression s
            ON s.channel = 'email' AND s.address_sha256 = {email_fingerprint}
        LEFT JOIN customers_suppression t
            ON t.channel = 'sms' AND t.address_sha256 = {phone_fingerprint}
        WHERE p.segment_id = %s AND NOT coalesce({draw} < %s, false)
        ORDER BY c.id
    ) who
    WHERE coalesce(email, '') <> '' OR coalesce(phone, '') <> ''"""


class ExportRefused(DomainError):
    code = "export_refused"


@dataclass(frozen=True)
class Size:
    members: int
    chosen: int


def size(segment: Segment) -> Size:
    """How many members there are, and how many of them may be handed out."""
    text, params = _chosen(segment, "count(*) AS n")
    return Size(segment.memberships.count(), querysets.rows((text, params))[0]["n"])


def rows(segment: Segment, *, platform: str, user: Any) -> Iterator[list[str]]:
    """The columns' names and then a row a person, as they are read; audited before the first."""
    if platform not in PLATFORMS:
        raise ExportRefused(f"The platform is {platform!r}, expected {' or '.join(PLATFORMS)}.")
    if segment.state == Segment.State.INVALID:
        raise ExportRefused(f"The segment {segment.name} cannot be read: {segment.error}")
    found = size(segment)
    audit(
        user,
        "segment.exported_for_advertising",
        f"segment {segment.key}",
        platform=platform,
        members=found.members,
        exported=found.chosen,
    )
    return _read(segment, PLATFORMS[platform])


def _read(segment: Segment, platform: Platform) -> Iterator[list[str]]:
    yield list(platform.columns)
    email = SHA256.format(platform.email.format(email="email"))
    phone = SHA256.format(platform.phone.format(phone="phone"))
    fields = f"""CASE WHEN email <> '' THEN {email} ELSE '' END,
        CASE WHEN phone <> '' THEN {phone} ELSE '' END"""
    text, params = _chosen(segment, fields)
    with connection.chunked_cursor() as cursor:
        cursor.execute(text, params)
        while some := cursor.fetchmany(AT_ONCE):
            yield from ([one or "" for one in row] for row in some)


def _chosen(segment: Segment, fields: str) -> querysets.Query:
    policy = judging.policy()
    text = CHOSEN.format(
        fields=fields,
        email_fingerprint=consent.ADDRESS_SHA256_SQL.format(address="c.email"),
        phone_fingerprint=consent.ADDRESS_SHA256_SQL.format(address="c.phone"),
        draw=DRAW_SQL.format(customer="p.customer_id"),
    )
    return text, [TOPIC, segment.pk, policy.holdout_salt, policy.holdout_share or 0.0]
