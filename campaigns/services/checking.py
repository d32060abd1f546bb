"""Look over a campaign before it is launched: what is said, and to whom it cannot be said.

Reads rows, writes none.  `campaigns.services.readiness` refuses a launch; this tells a person what
to look at, and says *stop* for the same reasons.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from django.conf import settings

from campaigns.messages import faults, sms
from campaigns.messages.render import Compiled, TemplateError
from campaigns.messages.sandbox import is_tracked
from campaigns.models import Campaign, Image, Variant
from campaigns.querysets import Query
from campaigns.services import composing, documents, fields
from campaigns.services.contents import Content, Contents
from customers.models.consent import Channel
from rapport import outgoing
from rapport.web import words

LINKS_MOST = 40
LINK_SECONDS = 8.0
LANGUAGE_SHARE_LEAST = 0.02  # of the audience; who are fewer are not worth a translation
OK, WARN, STOP = "ok", "warn", "stop"


@dataclass(frozen=True)
class Check:
    """One thing that was looked at, in a sentence."""

    key: str
    level: str  # ok | warn | stop
    sentence: str
    n: int | None = None  # people concerned


@dataclass
class _Looked:
    """A campaign with its texts compiled, each once."""

    campaign: Campaign
    contents: Contents
    people: Query | None
    compiled: list[tuple[str, Content, Compiled, str]] = field(default_factory=list)
    texts: list[tuple[str, Content, sms.Text]] = field(default_factory=list)
    broken: list[Check] = field(default_factory=list)

    @cached_property
    def sources(self) -> str:
        """Everything that is said, as written."""
        mail = [f"{one.subject} {one.preheader} {body}" for _, one, _, body in self.compiled]
        return "\n".join([*mail, *(one.text for _, one, _ in self.texts)])


def check(campaign: Campaign, now: datetime, *, with_links: bool = False) -> list[Check]:
    """Everything worth a look, what would stop a launch first.

    ``with_links`` follows the links: requests leave this machine, to public addresses alone.
    """
    looked = _look(campaign)
    found = [*looked.broken]
    for part in (_missing, _languages, _subject, _unsubscribe, _offer, _pictures, _size, _spam):
        found += part(looked)
    found += _phones(looked)
    if with_links:
        found += _links(looked)
    order = {STOP: 0, WARN: 1, OK: 2}
    return sorted(found, key=lambda one: order[one.level])


def word_faults(campaign: Campaign) -> list[str]:
    """What keeps the words of a campaign from being sent, in any step, version and language."""
    return [one.sentence for one in _look(campaign).broken if one.level == STOP]


def _look(campaign: Campaign) -> _Looked:
    contents = Contents(campaign)
    looked = _Looked(campaign, contents, fields.audience(campaign))
    seen = set()
    for step, variant_id, language, content in contents.all():
        variant = contents.variants.get(variant_id or 0)
        where = _where(step, variant.name if variant else "", language)
        key = (content.subject, content.preheader, content.body, str(content.blocks), content.text)
        for channel in _channels(campaign, variant):
            if (channel, key) not in seen:
                seen.add((channel, key))
                _read(looked, channel, where, content, language)
    if not looked.broken:
        looked.broken.append(Check("words", OK, "Every text can be read, in all its languages."))
    return looked


def _channels(campaign: Campaign, variant: Variant | None) -> list[str]:
    """Those through which a text may go, one of each that reads the same words."""
    if variant is not None and variant.channel:
        found = {variant.channel}
    elif campaign.channel_choice == Campaign.ChannelChoice.PREFERRED:
        found = {campaign.channel, *campaign.other_channels}
    else:
        found = {campaign.channel}
    alike = {Channel.PUSH.value: Channel.SMS.value, Channel.IN_APP.value: Channel.SMS.value}
    return sorted({alike.get(str(one), str(one)) for one in found})


def _read(looked: _Looked, channel: str, where: str, content: Content, language: str) -> None:
    """Compile one text, or keep what is wrong with it."""
    wrong: list[str] = []
    try:
        if channel == Channel.EMAIL:
            if not content.subject.strip():
                wrong.append("The subject is empty.")
            if not content.blocks and not content.body.strip():
                wrong.append("The body is empty.")
            if not wrong:
                blocks = content.blocks
                body = documents.mjml(blocks, language=language) if blocks else content.body
                made = composing.compiled(content, language)
                looked.compiled.append((where, content, made, body))
        elif not content.text.strip() and channel != Channel.WEBHOOK:
            wrong.append("The text is empty.")
        else:
            looked.texts.append((where, content, sms.compile(content.text)))
    except TemplateError as error:
        wrong += error.faults
    looked.broken += [Check("words", STOP, f"{where}{one}") for one in wrong]


def _where(step: int, variant: str, language: str) -> str:
    parts = [f"Step {step}"] if step else []
    parts += [f"version {variant}"] if variant else []
    parts += [language] if language else []
    return f"{', '.join(parts)}: " if parts else ""


def _missing(looked: _Looked) -> Iterator[Check]:
    """Values that some of the audience do not have, counted in one statement."""
    used = set().union(*(made.fields() for _, _, made, _ in looked.compiled), *(
        text.fields() for _, _, text in looked.texts
    ))  # fmt: skip
    n, missing = fields.count_missing(sorted(used), looked.people)
    if not any(missing.values()):
        yield Check("missing", OK, f"Each of {words.plural(n, 'person', 'people')} has a value "
                    "for everything that is said.", n)  # fmt: skip
    for path, lacking in sorted(missing.items(), key=lambda pair: -pair[1]):
        if not lacking:
            continue
        who = f"{words.number(lacking)} of {words.number(n)} people have no value for {path}"
        if faults.handles_absence(looked.sources, path):
            yield Check(f"missing:{path}", OK, f"{who}; the text says what they read.", lacking)
        else:
            yield Check(f"missing:{path}", WARN, f"{who}: they would read a gap.", lacking)


def _languages(looked: _Looked) -> Iterator[Check]:
    spoken = looked.contents.languages()
    if not spoken:
        return
    counts = fields.languages(looked.people)
    total = sum(counts.values())
    unspoken = {
        language: n
        for language, n in counts.items()
        if language and not looked.contents.spoken(language) and n >= LANGUAGE_SHARE_LEAST * total
    }
    if not unspoken:
        yield Check("languages", OK, f"Beside the base it is said in {', '.join(sorted(spoken))}.")
    for language, n in unspoken.items():
        yield Check(f"language:{language}", WARN, f"{words.plural(n, 'person', 'people')} whose "
                    f"language is {language} read the base text.", n)  # fmt: skip


def _subject(looked: _Looked) -> Iterator[Check]:
    for where, content, _made, _body in looked.compiled:
        plain = "{" not in content.subject
        length = len(content.subject)
        if plain and not faults.SUBJECT_LEAST <= length <= faults.SUBJECT_MOST:
            wanted = f"{faults.SUBJECT_LEAST} to {faults.SUBJECT_MOST} are read whole"
            yield Check("subject", WARN, f"{where}The subject has {length} characters; {wanted}.")
        if not content.preheader.strip():
            yield Check("preheader", WARN, f"{where}There is no line after the subject: mail "
                        "programs show the first words of the message.")  # fmt: skip


def _unsubscribe(looked: _Looked) -> Iterator[Check]:
    if looked.campaign.kind == Campaign.Kind.TRANSACTIONAL or not looked.compiled:
        return
    without = [where for where, _, made, _ in looked.compiled
               if "unsubscribe_url" not in made.html.names]  # fmt: skip
    if without:
        yield Check("unsubscribe", STOP, f"{without[0]}There is no link to unsubscribe.")
    else:
        yield Check("unsubscribe", OK, "Every message has a link to unsubscribe.")
    if not settings.SENDER_ADDRESS_LINE:
        yield Check("address", WARN, "The shop's postal address is not set, and the law of many "
                    "countries asks for it: set SENDER_ADDRESS_LINE.")  # fmt: skip


def _offer(looked: _Looked) -> Iterator[Check]:
    """A code that nobody sees helps nobody; one that is not given is a gap."""
    said = [(where, one, f"{one.subject} {one.preheader} {body}")
            for where, one, _, body in looked.compiled]  # fmt: skip
    said += [(where, content, content.text) for where, content, _ in looked.texts]
    for where, content, words_said in said:
        shows, gives = "offer." in words_said, content.offer is not None
        if gives and "offer.code" not in words_said and content.offer.codes != "none":  # type: ignore[union-attr]
            yield Check("offer", WARN, f"{where}Everybody gets a code of {content.offer}, and the "
                        "message does not show it.")  # fmt: skip
        elif shows and not gives and not faults.handles_absence(words_said, "offer.code"):
            yield Check("offer", WARN, f"{where}The message speaks of an offer, and there is none.")


def _pictures(looked: _Looked) -> Iterator[Check]:
    sizes = {}
    for where, _content, made, _body in looked.compiled:
        page = made.html.join([""] * (len(made.html.fixed) - 1))
        found = faults.pictures(page)
        bare = sum(not one.alt and bool(one.src) for one in found)
        if bare:
            yield Check("alt", WARN, f"{where}{words.plural(bare, 'image')} without words for "
                        "those who see none.")  # fmt: skip
        for one in found:
            sha256 = one.src.rpartition("/")[2].partition(".")[0]
            if "/m/i/" in one.src:
                sizes[sha256] = 0
        if found and len(" ".join(_plain(made).split())) < faults.TEXT_LEAST:
            yield Check("pictures", WARN, f"{where}There are few words beside the images: where "
                        "images are off, nothing is said.")  # fmt: skip
    weight = sum(Image.objects.filter(sha256__in=sizes).values_list("size", flat=True))
    if weight > faults.IMAGE_BYTES_MOST:
        yield Check("weight", WARN, f"The images weigh {weight / 1e6:.1f} MB together: phones on "
                    "the road wait for them.")  # fmt: skip


def _size(looked: _Looked) -> Iterator[Check]:
    for where, _content, made, _body in looked.compiled:
        size = sum(len(part.encode()) for part in made.html.fixed)
        if size > faults.HTML_BYTES_MOST:
            yield Check("size", WARN, f"{where}The message has {size / 1000:.0f} kB; Gmail cuts "
                        f"what is beyond {faults.HTML_BYTES_MOST // 1000} kB.")  # fmt: skip
        if not _plain(made).strip():
            yield Check("text", WARN, f"{where}The plain-text part is empty.")


def _spam(looked: _Looked) -> Iterator[Check]:
    said = sorted({
        one for _, content, made, _ in looked.compiled
        for one in faults.shouts(content.subject, _plain(made))
    })  # fmt: skip
    if said:
        yield Check("spam", WARN, f"Filters dislike: {'; '.join(said)}.")
    hidden = sorted({one for one in _addresses(looked) if faults.is_shortened(one)})
    if hidden:
        yield Check("shorteners", WARN, f"Public shorteners look like spam: {', '.join(hidden)}.")
    sender = looked.campaign.sender_email or settings.DEFAULT_FROM_EMAIL
    if looked.compiled and faults.is_free_mail(sender):
        yield Check("sender", STOP, f"Nobody but its owner may send in the name of {sender}: "
                    "receivers refuse it. Use an address of your own domain.")  # fmt: skip


def _phones(looked: _Looked) -> Iterator[Check]:
    if looked.campaign.channel != Channel.SMS:
        return
    for where, content, _text in looked.texts:
        size = sms.size(content.text)
        if size.foreign:
            yield Check("letters", WARN, f"{where}{' '.join(size.foreign[:8])} halves what fits "
                        "into a segment: only 70 letters instead of 160.")  # fmt: skip


def _links(looked: _Looked) -> Iterator[Check]:
    """Follow the links that are the same for everybody."""
    found = [one for one in _addresses(looked) if "{" not in one and is_tracked(one)]
    addresses = list(dict.fromkeys(found))[:LINKS_MOST]
    requests = [outgoing.Request(one, method="GET") for one in addresses]
    answers = outgoing.post_all(requests, seconds=LINK_SECONDS)
    bad = [(address, one.error or f"Answered {one.status}.")
           for address, one in zip(addresses, answers, strict=True)
           if one.status is None or one.status >= 400]  # fmt: skip
    if not bad:
        yield Check("links", OK, f"{words.plural(len(addresses), 'link')} followed; all work.")
    for address, why in bad:
        yield Check("links", WARN, f"The link {address} does not work: {why}")


def _addresses(looked: _Looked) -> list[str]:
    found = [one for _, _, made, _ in looked.compiled for one in made.links]
    return found + [one for _, _, text in looked.texts for one in text.links]


def _plain(made: Compiled) -> str:
    """What the text part says to everybody."""
    return " ".join(made.text.fixed)
