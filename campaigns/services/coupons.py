"""Give codes to the people of a plan.  The only writer of a coupon that is being given.

It works inside the transaction of `campaigns.services.planning`, on its table ``campaign_plan``.
"""

from datetime import datetime, timedelta
from typing import Any

from campaigns.models import Campaign
from campaigns.offers import codes
from rapport.errors import DomainError

CODE_ROUNDS_MOST = 50  # of drawing again for those whose code was taken

TABLE = """
    CREATE TEMP TABLE campaign_code (
        customer_id bigint, occasion bigint, step int, coupon_id bigint
    ) ON COMMIT DROP"""
# Version 4 UUIDs are PostgreSQL's strong random source; their first 48 bits are random.
GIVE_CODES = """
    WITH given AS (
        INSERT INTO campaigns_coupon
            (offer_id, campaign_id, customer_id, occasion, step, code, is_shared, created_at,
             given_at, expires_at)
        SELECT %s, %s, customer_id, occasion, step, {spelled}, false, %s, %s, %s
        FROM (
            SELECT p.customer_id, p.occasion, p.step,
                ('x' || left(replace(gen_random_uuid()::text, '-', ''), 12))::bit(48)::bigint
                    AS number
            FROM campaign_plan p
            WHERE p.reason = ''
                AND NOT EXISTS (
                    SELECT FROM campaign_code k WHERE k.customer_id = p.customer_id
                        AND k.occasion = p.occasion AND k.step = p.step)
        ) drawn
        ON CONFLICT (code) WHERE NOT is_shared DO NOTHING
        RETURNING customer_id, occasion, step, id
    )
    INSERT INTO campaign_code SELECT customer_id, occasion, step, id FROM given"""


class CodesExhausted(DomainError):
    """So many codes of this length are given out that no free ones were found."""


def give(cursor: Any, campaign: Campaign, *, now: datetime) -> None:
    """One code for each message to be written; whose code was taken draws again."""
    offer = campaign.offer
    if offer is None:
        return
    cursor.execute("SELECT count(*) FROM campaign_plan WHERE reason = ''")
    (wanted,) = cursor.fetchone()
    spelled = spelled_sql("number", prefix=offer.code_prefix, length=codes.LENGTH)
    expires_at = now + timedelta(days=offer.valid_days)
    statement = GIVE_CODES.format(spelled=spelled)
    given = 0
    for _round in range(CODE_ROUNDS_MOST):
        cursor.execute(statement, [offer.pk, campaign.pk, now, now, expires_at])
        given += cursor.rowcount
        cursor.execute("ANALYZE campaign_code")
        if given == wanted:
            return
    raise CodesExhausted(
        f"No free codes were found in {CODE_ROUNDS_MOST} rounds: give the offer {offer} another "
        "prefix."
    )


def spelled_sql(number: str, *, prefix: str, length: int) -> str:
    """The same code as `campaigns.offers.codes.spell`, of the lowest bits of an SQL bigint.

    ``prefix`` is quoted here and may hold only what `codes.PREFIX` allows.
    """
    assert codes.PREFIX.fullmatch(prefix)
    signs = " || ".join(
        f"substr('{codes.ALPHABET}', 1 + (({number} >> {codes.BITS * place}) & "
        f"{len(codes.ALPHABET) - 1})::int, 1)"
        for place in reversed(range(length))
    )
    return f"'{prefix}-' || {signs}" if prefix else signs
