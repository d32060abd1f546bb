"""Give codes to the people of a plan.  The only writer of a coupon that is being given.

It works inside the transaction of `campaigns.services.planning`, on its table ``campaign_plan``:
who is to be written to and gets nothing, because a budget is spent or no offer fits, is given the
reason there.  The offers' rows are locked in the order of their ids, so that however many plan at
once no limit is passed.
"""

from datetime import datetime
from typing import Any

from campaigns.models import Campaign, Message, Offer
from campaigns.offers import codes, limits
from campaigns.querysets import DRAW_SQL
from campaigns.services import offer_choice, offer_rows
from rapport.errors import DomainError

CODE_ROUNDS_MOST = 50  # of drawing again for those whose code was taken

TABLE = """
    CREATE TEMP TABLE campaign_code (
        customer_id bigint, occasion bigint, step int, coupon_id bigint
    ) ON COMMIT DROP"""
_KEY = "customer_id, occasion, step"
# The message's own offer, else its variant's, else the campaign's.  Who was given a code for this
# occasion before keeps it.
NAME_OFFERS = """
    UPDATE campaign_plan p
    SET offer_id = coalesce(
        p.offer_id, (SELECT v.offer_id FROM campaigns_variant v WHERE v.id = p.variant_id), %s)
    WHERE p.reason = ''"""
# So does who has an open one of the same offer from an earlier step of the same journey.
KEEP = """
    INSERT INTO campaign_code
    SELECT DISTINCT ON (p.customer_id, p.occasion, p.step) p.customer_id, p.occasion, p.step, c.id
    FROM campaign_plan p JOIN campaigns_coupon c USING (customer_id, occasion)
    WHERE c.campaign_id = %s AND p.reason = '' AND (
        c.step = p.step OR (p.occasion <> 0 AND c.offer_id = p.offer_id
            AND c.redeemed_at IS NULL AND c.expires_at > %s))
    ORDER BY p.customer_id, p.occasion, p.step, c.step = p.step DESC, c.id DESC"""
WITHOUT = """
    p.reason = '' AND p.offer_id = %s
    AND NOT EXISTS (
        SELECT FROM campaign_code k WHERE (k.customer_id, k.occasion, k.step)
            = (p.customer_id, p.occasion, p.step))"""
REFUSE_ALL = f"UPDATE campaign_plan p SET reason = %s WHERE {WITHOUT}"
# Another open offer, whichever of the two says that it does not stand beside others.
REFUSE_STACKED = f"""
    UPDATE campaign_plan p SET reason = '{Message.Reason.NO_OFFER_FITS}'
    WHERE {WITHOUT} AND EXISTS (
        SELECT FROM campaigns_coupon c JOIN campaigns_offer o ON o.id = c.offer_id
        WHERE c.customer_id = p.customer_id AND c.redeemed_at IS NULL AND c.expires_at > %s
            AND c.offer_id <> p.offer_id AND NOT (o.is_stackable AND %s))"""
# By lot, so that neither age nor spelling decides who goes without.
REFUSE_BEYOND = f"""
    UPDATE campaign_plan p SET reason = '{Message.Reason.OFFER_EXHAUSTED}'
    FROM (
        SELECT {_KEY}, row_number() OVER (ORDER BY {DRAW_SQL.format(customer="customer_id")},
            {_KEY}) AS place
        FROM campaign_plan p WHERE {WITHOUT}
    ) lot
    WHERE lot.place > %s AND p.reason = '' AND p.offer_id = %s
        AND (p.customer_id, p.occasion, p.step) = (lot.customer_id, lot.occasion, lot.step)"""
COUNT = f"SELECT count(*) FROM campaign_plan p WHERE {WITHOUT}"
# Version 4 UUIDs are PostgreSQL's strong random source; their first 48 bits are random.
GIVE_UNIQUE = f"""
    WITH given AS (
        INSERT INTO campaigns_coupon
            (offer_id, campaign_id, {_KEY}, code, is_shared, created_at, given_at, expires_at)
        SELECT offer_id, %s, {_KEY}, {{spelled}}, false, %s, %s, %s
        FROM (
            SELECT p.offer_id, p.customer_id, p.occasion, p.step,
                ('x' || left(replace(gen_random_uuid()::text, '-', ''), 12))::bit(48)::bigint
                    AS number
            FROM campaign_plan p WHERE {WITHOUT}
        ) drawn
        ON CONFLICT (code) WHERE NOT is_shared DO NOTHING
        RETURNING {_KEY}, id
    )
    INSERT INTO campaign_code SELECT {_KEY}, id FROM given"""
GIVE_SHARED = f"""
    WITH given AS (
        INSERT INTO campaigns_coupon
            (offer_id, campaign_id, {_KEY}, code, is_shared, created_at, given_at, expires_at)
        SELECT offer_id, %s, {_KEY}, %s, true, %s, %s, %s FROM campaign_plan p WHERE {WITHOUT}
        RETURNING {_KEY}, id
    )
    INSERT INTO campaign_code SELECT {_KEY}, id FROM given"""
GIVE_POOL = f"""
    WITH person AS (
        SELECT {_KEY}, row_number() OVER (ORDER BY {_KEY}) AS place
        FROM campaign_plan p WHERE {WITHOUT}
    ), free AS (
        SELECT id, row_number() OVER (ORDER BY id) AS place FROM (
            SELECT id FROM campaigns_coupon WHERE offer_id = %s AND given_at IS NULL
            ORDER BY id LIMIT %s
        ) first
    ), given AS (
        UPDATE campaigns_coupon c
        SET campaign_id = %s, given_at = %s, expires_at = %s, customer_id = person.customer_id,
            occasion = person.occasion, step = person.step
        FROM person JOIN free USING (place) WHERE c.id = free.id
        RETURNING c.customer_id, c.occasion, c.step, c.id
    )
    INSERT INTO campaign_code SELECT {_KEY}, id FROM given"""
POOL_LEFT = """
    SELECT count(*) FROM (
        SELECT FROM campaigns_coupon WHERE offer_id = %s AND given_at IS NULL LIMIT %s) free"""


class CodesExhausted(DomainError):
    """So many codes of this length are given out that no free ones were found."""


def give(cursor: Any, campaign: Campaign, *, now: datetime) -> None:
    """One code for each message that carries an offer, within every offer's limits."""
    cursor.execute(NAME_OFFERS, [campaign.offer_id])
    if campaign.offer_id is None:
        offer_choice.fill(cursor, campaign, now=now)
    cursor.execute(
        "SELECT DISTINCT offer_id FROM campaign_plan WHERE reason = '' AND offer_id IS NOT NULL"
    )
    ids = [pk for (pk,) in cursor.fetchall()]
    if not ids:
        return
    cursor.execute(KEEP, [campaign.pk, now])
    # Without this the planner takes the offers just named for rare, and looks for codes in a loop.
    cursor.execute("ANALYZE campaign_plan")
    for offer in Offer.objects.select_for_update().filter(pk__in=ids).order_by("pk"):
        _give_one(cursor, campaign, offer, now=now)


def _give_one(cursor: Any, campaign: Campaign, offer: Offer, *, now: datetime) -> None:
    bounds = offer_rows.limits_of(offer)
    is_over = bounds.ends_at is not None and bounds.ends_at <= now
    if is_over or (bounds.starts_at is not None and bounds.starts_at > now):
        cursor.execute(REFUSE_ALL, [Message.Reason.OFFER_EXHAUSTED.value, offer.pk])
        return
    cursor.execute(REFUSE_STACKED, [offer.pk, now, offer.is_stackable])
    offer_choice.refuse_thin(cursor, offer, now=now)
    wanted = _count(cursor, offer)
    room = _room(cursor, offer, wanted, now=now)
    if room < wanted:
        cursor.execute(REFUSE_BEYOND, [campaign.salt, offer.pk, room, offer.pk])
    expires_at = limits.expires_at(offer_rows.terms_of(offer), bounds, now=now)
    _write(cursor, campaign, offer, min(room, wanted), now=now, expires_at=expires_at)
    cursor.execute("ANALYZE campaign_code")


def _count(cursor: Any, offer: Offer) -> int:
    cursor.execute(COUNT, [offer.pk])
    return cursor.fetchone()[0]


def _room(cursor: Any, offer: Offer, wanted: int, *, now: datetime) -> int:
    """How many of those who want it may have it."""
    left = offer_rows.left(offer, now=now)
    room = wanted if left is None else min(left, wanted)
    if offer.codes == Offer.Codes.POOL:
        cursor.execute(POOL_LEFT, [offer.pk, room])
        room = cursor.fetchone()[0]
    return room


def _write(
    cursor: Any,
    campaign: Campaign,
    offer: Offer,
    count: int,
    *,
    now: datetime,
    expires_at: datetime,
) -> None:
    if not count:
        return
    if offer.codes == Offer.Codes.POOL:
        cursor.execute(GIVE_POOL, [offer.pk, offer.pk, count, campaign.pk, now, expires_at])
    elif offer.codes in (Offer.Codes.STATIC, Offer.Codes.NONE):
        given = [campaign.pk, offer.static_code, now, now, expires_at, offer.pk]
        cursor.execute(GIVE_SHARED, given)
    else:
        _give_unique(cursor, campaign, offer, count, now=now, expires_at=expires_at)


def _give_unique(
    cursor: Any,
    campaign: Campaign,
    offer: Offer,
    count: int,
    *,
    now: datetime,
    expires_at: datetime,
) -> None:
    """Whose code was taken draws again."""
    spelled = spelled_sql("number", prefix=offer.code_prefix, length=codes.LENGTH)
    statement = GIVE_UNIQUE.format(spelled=spelled)
    for _round in range(CODE_ROUNDS_MOST):
        cursor.execute(statement, [campaign.pk, now, now, expires_at, offer.pk])
        count -= cursor.rowcount
        if not count:
            return
        cursor.execute("ANALYZE campaign_code")
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
