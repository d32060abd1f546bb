"""Make and change the subjects that people may choose among.  The only writer of ConsentTopic.

The ledger of consent keeps keys, not rows: a topic that is deleted takes no word with it.
"""

import re
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction

from campaigns.models import ConsentTopic
from customers.models.consent import Channel
from rapport.access import audit
from rapport.errors import DomainError

KEY = re.compile(r"[a-z0-9]+(?:[-_][a-z0-9]+)*")
OFFERED = (Channel.EMAIL, Channel.SMS, Channel.PUSH)
FIELDS = (
    "key",
    "name",
    "description",
    "translations",
    "channels",
    "is_default",
    "is_offered",
    "position",
)
# What is asked for while nobody has made a topic: the one that campaigns use by default.
FIRST = ConsentTopic(
    key="marketing",
    name="News and offers",
    description="What is new in the shop, and what costs less.",
    translations={
        "fr": {
            "name": "Nouveautés et offres",
            "description": "Ce qui est nouveau dans la boutique, et les promotions.",
        },
        "de": {
            "name": "Neues und Angebote",
            "description": "Was neu im Shop ist und was weniger kostet.",
        },
    },
    channels=[Channel.EMAIL.value, Channel.SMS.value],
    is_default=True,
    position=0,
)


class TopicRefused(DomainError):
    code = "topic_refused"


def offered() -> list[ConsentTopic]:
    """The topics that people are offered, in their order."""
    if not ConsentTopic.objects.exists():
        return [FIRST]
    return list(ConsentTopic.objects.filter(is_offered=True))


def named(keys: list[str]) -> dict[str, ConsentTopic]:
    """The topics of these keys, by key; without those that were never made."""
    found = {one.key: one for one in ConsentTopic.objects.filter(key__in=keys)}
    if FIRST.key in keys and FIRST.key not in found and not ConsentTopic.objects.exists():
        found[FIRST.key] = FIRST
    return found


def words_of(topic: ConsentTopic, language: str) -> tuple[str, str]:
    """Its name and description in a language, as far as they are translated."""
    own = topic.translations.get(language[:2], {})
    return own.get("name") or topic.name, own.get("description") or topic.description


def create(*, user: Any, now: datetime, **given: Any) -> ConsentTopic:
    _check(given)
    try:
        with transaction.atomic():
            topic = ConsentTopic.objects.create(created_at=now, changed_at=now, **given)
            audit(user, "topic.created", f"topic {topic.key}")
    except IntegrityError:
        raise TopicRefused(f"There is a topic {given['key']!r} already.") from None
    return topic


@transaction.atomic
def edit(topic: ConsentTopic, *, user: Any, now: datetime, **given: Any) -> None:
    """Change what is said of a topic; its key is what people agreed to and stays."""
    if given.get("key", topic.key) != topic.key:
        raise TopicRefused("The key of a topic stays: what people agreed to goes by it.")
    _check({field: getattr(topic, field) for field in FIELDS} | given)
    ConsentTopic.objects.filter(pk=topic.pk).update(**given, changed_at=now)
    topic.refresh_from_db()
    audit(user, "topic.changed", f"topic {topic.key}", fields=sorted(given))


@transaction.atomic
def delete(topic: ConsentTopic, *, user: Any) -> None:
    """Take a topic from the preference centre; what people said of it stays on record."""
    ConsentTopic.objects.filter(pk=topic.pk).delete()
    audit(user, "topic.deleted", f"topic {topic.key}")


def _check(given: dict[str, Any]) -> None:
    faults = []
    key = given.get("key", "")
    if not KEY.fullmatch(key) or len(key) > 40:
        faults.append(f"The key is {key!r}, expected 1 to 40 of a-z, 0-9, - and _.")
    if not str(given.get("name", "")).strip():
        faults.append("The name is empty.")
    channels = given.get("channels") or []
    unknown = [one for one in channels if one not in OFFERED]
    if unknown or not channels:
        faults.append(f"The channels are {channels}, expected some of {', '.join(OFFERED)}.")
    for language, words in (given.get("translations") or {}).items():
        if not re.fullmatch(r"[a-z]{2}", language) or not isinstance(words, dict):
            faults.append(f"The language is {language!r}, expected two letters, as in fr.")
    if faults:
        raise TopicRefused(" ".join(faults))
