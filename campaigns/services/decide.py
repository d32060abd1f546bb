"""Decide what a visitor of the shop's site is shown.  Reads rows, writes none.

One query answers who the visitor is and where she belongs; the slots with their compiled templates
are kept in each web process, and that same query says whether they are still the present ones.

Who may ask about whom is decided here too.  A write key is public: it stands in every page.  So
with it alone one can ask only as the browser that one is, by an id nobody can guess, and only for
what that browser told us itself.  As soon as the browser is said to be a known customer, the word
of the shop's server is needed (`sign`): anybody could tell us so about anybody else.
"""

import hashlib
import hmac
import json
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from time import monotonic
from typing import Any

from django.conf import settings
from django.core import signing
from django.db import InterfaceError, OperationalError, connection

from campaigns.experiments import assignment
from campaigns.messages import pieces
from campaigns.messages.pieces import Piece, Shown
from campaigns.messages.render import RenderError, TemplateError
from campaigns.models import SlotContent
from campaigns.services import composing, slots
from customers.models import WriteKey
from customers.services import identity
from customers.services.tracking.telling import ANONYMOUS_ID_LEAST
from rapport.errors import DomainError, NotFound

log = logging.getLogger(__name__)

ID_MOST = 254
KEPT_SECONDS = 10.0  # a segment's new key may lag so much; slots, contents and offers never
COMPILED_MOST = 2_000
PASS_DAYS = 365
PASS_SALT = "rapport.decide.pass:"
SLOTS_MOST = 20  # of one question

# The visitor, her segments and scores, and the present state of the slots; always one row.
WHO = """
    SELECT state.slots, state.contents, state.offers,
        c.id, c.first_name, c.last_name, c.language, c.country, c.traits::text,
        c.email IS NOT NULL OR c.phone IS NOT NULL OR EXISTS (
            SELECT FROM customers_identity k WHERE k.customer_id = c.id AND k.kind <> 'anonymous'
        ),
        ARRAY(
            SELECT s.key FROM segments_membership m
            JOIN segments_segment s ON s.id = m.segment_id
            WHERE m.customer_id = c.id AND s.state = 'live' ORDER BY s.key
        ),
        (
            SELECT coalesce(jsonb_agg(jsonb_build_array(r.name, r.band, r.value) ORDER BY r.name),
                '[]')
            FROM segments_score r WHERE r.customer_id = c.id
        )::text
    FROM (
        SELECT (SELECT {state} FROM campaigns_slot) AS slots,
            (SELECT {state} FROM campaigns_slotcontent) AS contents,
            (SELECT {state} FROM campaigns_offer) AS offers
    ) state
    LEFT JOIN customers_customer c ON c.erased_at IS NULL AND c.id = {who}"""
# Rows are few, and the transaction that wrote a row last is another after every change.
STATE = "count(*) || ' ' || coalesce(sum(xmin::text::bigint), 0)"
BY_ID = WHO.format(state=STATE, who="%(customer_id)s")
BY_IDENTITY = WHO.format(
    state=STATE,
    who="""(
        SELECT i.customer_id FROM customers_identity i
        WHERE i.kind = %(kind)s AND i.value = %(value)s
            AND (%(source)s IS NULL OR i.source IN (%(source)s, ''))
        ORDER BY i.source DESC LIMIT 1
    )""",
)
SOURCES = "SELECT array_agg(source) FROM customers_identity WHERE kind = %s AND value = %s"


class WrongQuestion(DomainError):
    code = "wrong_question"


class NotProven(DomainError):
    """Somebody asked about a customer without being allowed to."""

    status = 403
    code = "not_proven"


@dataclass(frozen=True)
class Question:
    """Who asks about whom.  ``key`` is the write key of a browser, None of a trusted program."""

    key: WriteKey | None
    anonymous_id: str = ""
    user_id: str = ""
    signature: str = ""
    passed: str = ""  # the pass that an earlier answer gave this browser
    customer_id: int | None = None
    source: str = ""
    slots: tuple[str, ...] = ()  # empty: all


@dataclass(frozen=True)
class Visitor:
    """What is known of somebody as far as the asker may know it."""

    customer_id: int | None = None
    fields: dict[str, Any] = field(default_factory=dict)
    segments: tuple[str, ...] = ()
    scores: tuple[tuple[str, str, float], ...] = ()  # name, band, value
    is_recognised: bool = False  # a customer is behind the id, whether or not it is proven


@dataclass(frozen=True)
class _Content:
    pk: int
    version: int
    segment: str | None
    starts_at: datetime | None
    ends_at: datetime | None
    piece: Piece
    offer: dict[str, Any]


@dataclass(frozen=True)
class _Slot:
    key: str
    salt: str
    holdout_share: float
    contents: tuple[_Content, ...]  # the first that fits is shown


State = tuple[Any, ...]

_kept: tuple[float, State, dict[str, _Slot]] = (0.0, (), {})
_compiled: dict[tuple[str, str], Piece] = {}


def answer(question: Question, *, now: datetime) -> dict[str, Any]:
    """What this visitor belongs to and should see, ready to be sent as JSON.

    A program that we trust learns the values of scores and the customer's number; a browser learns
    bands.  A visitor we do not know, or not surely, gets what everybody gets.
    """
    _check(question)
    visitor, present = _look_up(question)
    wanted = question.slots or tuple(present)
    return _told(question, visitor) | {
        "slots": {
            key: _shown(present[key], visitor, now=now) if key in present else None
            for key in wanted
        },
        "as_of": now.isoformat().replace("+00:00", "Z"),
    }


def visitor(question: Question) -> int | None:
    """The customer behind a visitor, where it is proven; raises as `answer` does."""
    _check(question)
    return _look_up(question)[0].customer_id


def preview(content: SlotContent, customer_id: int | None, *, now: datetime) -> Shown:
    """What a content, saved or not, says to one customer, or to a visitor nobody knows.

    Raises `TemplateError` with every fault, `RenderError` when it fails for this customer.
    """
    visitor = Visitor()
    if customer_id is not None:
        visitor, _present = _read(BY_ID, {"customer_id": customer_id})
        if visitor.customer_id is None:
            raise NotFound(f"There is no customer {customer_id}.")
    piece = pieces.compile(*slots.template(content))
    return piece.render(_values(visitor, composing.offer_values(content.offer), now=now))


def signing_secret(key: WriteKey) -> str:
    """The secret with which the shop's server vouches for its customers; never for a page."""
    return hmac.new(
        settings.SECRET_KEY.encode(), f"rapport.decide:{key.key}".encode(), hashlib.sha256
    ).hexdigest()


def sign(key: WriteKey, user_id: str) -> str:
    """What the shop's server writes into the page of a customer who is logged in."""
    return hmac.new(signing_secret(key).encode(), user_id.encode(), hashlib.sha256).hexdigest()


def _check(question: Question) -> None:
    for name, value in (
        ("anonymousId", question.anonymous_id),
        ("userId", question.user_id),
        ("source", question.source),
    ):
        if len(value) > ID_MOST or "\x00" in value:
            raise WrongQuestion(f"{name} is not an id of up to {ID_MOST} characters.")
    if len(question.slots) > SLOTS_MOST:
        raise WrongQuestion(f"Asked for {len(question.slots)} slots; at most {SLOTS_MOST}.")
    if question.key is None:
        given = [question.anonymous_id, question.user_id, question.customer_id]
        if sum(bool(value) for value in given) != 1:
            raise WrongQuestion("Expected one of customerId, userId and anonymousId.")
        return
    if question.customer_id is not None:
        raise NotProven("A write key cannot ask by customerId; that takes an API key.")
    if question.user_id:
        if not question.signature:
            raise NotProven(
                "A write key is public, so userId needs a signature of the shop's server; "
                "an API key needs none."
            )
        if not hmac.compare_digest(
            sign(question.key, question.user_id).encode(), question.signature.encode()
        ):
            raise NotProven("The signature does not belong to this userId and write key.")
    elif len(question.anonymous_id) < ANONYMOUS_ID_LEAST:
        raise WrongQuestion(
            f"anonymousId has {len(question.anonymous_id)} characters; expected at least "
            f"{ANONYMOUS_ID_LEAST} that nobody can guess, such as a random UUID."
        )


def _look_up(question: Question) -> tuple[Visitor, dict[str, _Slot]]:
    if question.customer_id is not None:
        customer_id = identity.surviving(question.customer_id)
        return _read(BY_ID, {"customer_id": customer_id})
    kind = "external" if question.user_id else "anonymous"
    value = question.user_id or question.anonymous_id
    source = question.key.source if question.key else question.source or None
    if source is None:
        _check_one_owner(kind, value)
    found, present = _read(BY_IDENTITY, {"kind": kind, "value": value, "source": source})
    if question.key is None or question.user_id or found.customer_id is None:
        return found, present
    if not found.is_recognised or _has_passed(question, found.customer_id):
        return found, present
    return Visitor(is_recognised=True), present


def _check_one_owner(kind: str, value: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(SOURCES, [kind, value])
        found = sorted(cursor.fetchone()[0] or ())
    if len(found) > 1:
        raise WrongQuestion(f"Several sources know this id: name one of {', '.join(found)}.")


def _read(text: str, params: dict[str, Any]) -> tuple[Visitor, dict[str, _Slot]]:
    row = _row(text, params)
    present = _slots(row[:3])
    pk, first_name, last_name, language, country, traits, is_recognised, segments, scores = row[3:]
    if pk is None:
        return Visitor(), present
    fields = {
        "first_name": first_name,
        "last_name": last_name,
        "language": language,
        "country": country,
        "traits": json.loads(traits),
    }
    known = tuple((name, band, value) for name, band, value in json.loads(scores))
    return Visitor(pk, fields, tuple(segments), known, is_recognised), present


def _row(text: str, params: dict[str, Any]) -> tuple[Any, ...]:
    """The one row of a question, asked without first trying whether the connection still lives.

    That would be a second trip to the server for every page view.  Nothing is written, so a
    question that met a dead connection is put again on a new one.
    """
    connection.health_check_done = True  # type: ignore[attr-defined]
    try:
        with connection.cursor() as cursor:
            cursor.execute(text, params)
            return cursor.fetchone()
    except (OperationalError, InterfaceError):
        if connection.in_atomic_block:
            raise
        connection.close()
        with connection.cursor() as cursor:
            cursor.execute(text, params)
            return cursor.fetchone()


def _has_passed(question: Question, customer_id: int) -> bool:
    """Whether the shop's server has vouched for this browser and this very customer before."""
    signer = signing.TimestampSigner(salt=PASS_SALT + question.anonymous_id)
    try:
        seen = signer.unsign(question.passed, max_age=PASS_DAYS * 86_400)
    except signing.BadSignature:
        return False
    return seen == str(customer_id)


def _told(question: Question, visitor: Visitor) -> dict[str, Any]:
    """Who the visitor is, in the words that the asker may hear."""
    is_trusted = question.key is None
    customer: dict[str, Any] = {
        "known": visitor.customer_id is not None,
        "recognised": visitor.is_recognised,
    }
    if is_trusted:
        customer["id"] = visitor.customer_id
    told: dict[str, Any] = {
        "customer": customer,
        "segments": list(visitor.segments),
        "scores": [
            {"name": name, "band": band, **({"value": value} if is_trusted else {})}
            for name, band, value in visitor.scores
        ],
    }
    is_vouched_for = bool(question.key and question.user_id)  # `_check` saw the signature
    is_browser = len(question.anonymous_id) >= ANONYMOUS_ID_LEAST
    if is_vouched_for and is_browser and visitor.customer_id is not None:
        signer = signing.TimestampSigner(salt=PASS_SALT + question.anonymous_id)
        told["pass"] = signer.sign(str(visitor.customer_id))
    return told


def _shown(slot: _Slot, visitor: Visitor, *, now: datetime) -> dict[str, Any] | None:
    """What a slot shows, why, and whether chance had a hand in it.

    ``matched`` is the content of a segment that fits, shown or held back: comparing the visitors of
    the two arms with the same ``matched`` says what the content changed.
    """
    fitting = [one for one in slot.contents if _is_on(one, now)]
    fitting = [one for one in fitting if one.segment is None or one.segment in visitor.segments]
    matched = next(iter(fitting[:1]), None)
    arm = because = None
    if matched is not None and matched.segment is None:
        matched = None
    if matched is not None and visitor.customer_id is not None and slot.holdout_share:
        arm = "treated"
        if assignment.is_holdout(slot.salt, visitor.customer_id, holdout_share=slot.holdout_share):
            arm = "holdout"
            fitting = [one for one in fitting if one.segment is None]
            because = {"kind": "holdout", "segment": matched.segment}
    for content in fitting:
        try:
            shown = content.piece.render(_values(visitor, content.offer, now=now))
        except RenderError as error:
            log.warning("content %s of slot %s: %s", content.pk, slot.key, error)
            continue
        kind = "everybody" if content.segment is None else "segment"
        return {
            "content": content.pk,
            "version": content.version,
            "title": shown.title,
            "html": shown.html,
            "offer": content.offer or None,
            "because": because or {"kind": kind, "segment": content.segment},
            "arm": arm,
            "matched": matched.pk if matched else None,
        }
    if arm is None:
        return None
    # Held back, and there is nothing for everybody: the page keeps its own, and records it.
    return {
        "content": None,
        "version": None,
        "title": "",
        "html": None,
        "offer": None,
        "because": because,
        "arm": arm,
        "matched": matched.pk if matched else None,
    }


def _is_on(content: _Content, now: datetime) -> bool:
    return (content.starts_at is None or content.starts_at <= now) and (
        content.ends_at is None or now < content.ends_at
    )


def _values(visitor: Visitor, offer: dict[str, Any], *, now: datetime) -> dict[str, Any]:
    return {
        "customer": visitor.fields,
        "scores": {name: value for name, _band, value in visitor.scores},
        "offer": offer,
        "shop": composing.shop_values(settings.SENDER_NAME),
        "now": now,
        "today": now.date(),
    }


def _slots(state: State) -> dict[str, _Slot]:
    """The live slots by key, read anew when any has changed."""
    global _kept
    at, kept_state, kept = _kept
    if state != kept_state or monotonic() - at > KEPT_SECONDS:
        kept = _load()
        _kept = (monotonic(), state, kept)
    return kept


def _load() -> dict[str, _Slot]:
    rows = (
        SlotContent.objects.filter(state=SlotContent.State.LIVE, slot__state="live")
        .select_related("slot", "segment", "offer")
        .order_by("slot__key", "priority", "id")
    )
    found: dict[str, list[SlotContent]] = {}
    for content in rows:
        found.setdefault(content.slot.key, []).append(content)
    return {key: _slot(contents) for key, contents in found.items()}


def _slot(contents: Sequence[SlotContent]) -> _Slot:
    slot = contents[0].slot
    # Of two with one priority, the one for a segment comes first.
    ordered = sorted(contents, key=lambda one: (one.priority, one.segment_id is None, one.pk))
    return _Slot(slot.key, slot.salt, slot.holdout_share, tuple(_usable(ordered)))


def _usable(contents: Iterable[SlotContent]) -> Iterable[_Content]:
    for content in contents:
        words = slots.template(content)
        try:
            if words not in _compiled:
                if len(_compiled) >= COMPILED_MOST:
                    _compiled.clear()
                _compiled[words] = pieces.compile(*words)
        except TemplateError as error:
            log.warning("content %s of slot %s: %s", content.pk, content.slot.key, error)
            continue
        yield _Content(
            content.pk,
            content.version,
            content.segment.key if content.segment else None,
            content.starts_at,
            content.ends_at,
            _compiled[words],
            composing.offer_values(content.offer),
        )
