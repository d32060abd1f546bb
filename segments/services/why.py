"""Say why a customer is in a segment or not.  Writes nothing."""

from dataclasses import dataclass
from datetime import datetime

from rapport.errors import NotFound
from segments.models import Membership, Segment
from segments.rules import evaluate, explain, language, parse
from segments.services import definitions, people


@dataclass(frozen=True)
class Why:
    """The rule in words, whether it holds now, and each clause with what was found."""

    sentence: str
    is_member: bool  # by the rule, as of now
    entered_at: datetime | None  # of the stored stay; None when not stored as a member
    clauses: tuple[explain.Clause, ...]
    as_of: datetime
    error: str = ""  # of a rule that cannot be read


def why(segment: Segment, customer_id: int, *, now: datetime) -> Why:
    """Evaluate the segment's rule for one customer as of ``now``, clause by clause.

    The stored membership may be a moment older than the answer: ``is_member`` is what the rule
    says now.
    """
    stay = Membership.objects.filter(segment=segment, customer_id=customer_id).first()
    entered_at = stay.entered_at if stay else None
    found = people.load([customer_id])
    if not found:
        raise NotFound(f"There is no customer {customer_id}.")
    try:
        rule = definitions.check(segment.rule, key=segment.key)
    except definitions.RuleRefused as error:
        return Why("Nobody: the rule cannot be read.", False, entered_at, (), now, str(error))
    is_member = segment.state == Segment.State.LIVE and evaluate.evaluate(rule, found[0], now)
    clauses = tuple(explain.why(rule, found[0], now))
    return Why(sentence(segment), is_member, entered_at, clauses, now, segment.error)


def sentence(segment: Segment) -> str:
    """The segment's rule as a marketer reads it; of an unreadable one, what is wrong with it."""
    try:
        return explain.sentence(parse.parse(segment.rule))
    except language.RuleError as error:
        return f"Nobody: the rule cannot be read ({error})."
