"""Which words a message says: of its variant or its campaign, in the reader's language or the base.

Reads rows, writes none.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from campaigns.models import Campaign, Offer, Variant

# The texts of a campaign, a variant or a translation of either.  A body and blocks are one text:
# blocks make the body.
TEXTS = ("subject", "preheader", "text")

_LANGUAGE = re.compile(r"[A-Za-z]{2,8}([_-][A-Za-z0-9]{1,8})*")


@dataclass(frozen=True)
class Content:
    """What one step says in one variant and language; Liquid, nothing compiled."""

    subject: str
    preheader: str
    body: str  # MJML; empty where blocks make it
    blocks: dict[str, Any] | None
    text: str  # of every channel but e-mail
    offer: Offer | None


class Contents:
    """The texts of one campaign, its variants read once."""

    def __init__(self, campaign: Campaign) -> None:
        self.campaign = campaign
        found = campaign.variants.select_related("offer") if campaign.pk else ()
        self.variants: dict[int, Variant] = {one.pk: one for one in found}

    def of(self, *, step: int = 0, variant_id: int | None = None, language: str = "") -> Content:
        """What is said in this step and variant to a reader of this language.

        Each text is looked for where it is most particular: the variant in the language ("fr-CA",
        then "fr"), the variant, the campaign in the language, the campaign.  So what tells two
        variants apart reaches every reader.  A flow's step that has one variant needs no id.
        """
        variant = self.variant(step, variant_id)
        places = list(_places(self.campaign, variant, language))
        texts = {name: next(filter(None, (place.get(name) for place in places)), "")
                 for name in TEXTS}  # fmt: skip
        body, blocks = next(filter(any, (_body(place) for place in places)), ("", None))
        offer = variant.offer if variant and variant.offer_id else self.campaign.offer
        return Content(**texts, body=body, blocks=blocks, offer=offer)

    def variant(self, step: int, variant_id: int | None) -> Variant | None:
        """The variant of this id, or else the first of the step."""
        if variant_id in self.variants:
            return self.variants[variant_id]  # type: ignore[index]
        return next((one for one in self.variants.values() if one.step == step and step), None)

    def languages(self) -> set[str]:
        """The languages in which anything is said, beside the base."""
        spoken = set(self.campaign.translations)
        return spoken.union(*(one.translations for one in self.variants.values()))

    def spoken(self, language: str) -> str:
        """The key under which a reader's language is said, or nothing: the base.

        Readers of "de", "de-AT" and "tlh" share one compiled text where nothing is translated.
        """
        spoken = {_plain(one) for one in self.languages()}
        return next((one for one in _keys(language) if one in spoken), "")

    def all(self) -> Iterator[tuple[int, int | None, str, Content]]:
        """Every text there is: step, variant, language and content."""
        pairs: list[tuple[int, int | None]] = [(one.step, one.pk) for one in self.variants.values()]
        if not any(step == 0 for step, _variant in pairs) and self.campaign.kind != "flow":
            pairs.insert(0, (0, None))
        for step, variant_id in pairs:
            for language in ("", *sorted(self.languages())):
                yield (
                    step,
                    variant_id,
                    language,
                    self.of(step=step, variant_id=variant_id, language=language),
                )


def content_of(
    campaign: Campaign, *, step: int = 0, variant_id: int | None = None, language: str = ""
) -> Content:
    """What a campaign says in one step, variant and language; see `Contents.of`."""
    return Contents(campaign).of(step=step, variant_id=variant_id, language=language)


def _places(campaign: Campaign, variant: Variant | None, language: str) -> Iterator[Mapping]:
    """Where a text may stand, the most particular first."""
    one: Variant | Campaign
    for one in (variant, campaign) if variant else (campaign,):
        translations = {_plain(key): said for key, said in (one.translations or {}).items()}
        for key in _keys(language):
            if isinstance(translations.get(key), Mapping):
                yield translations[key]
        yield {name: getattr(one, name) for name in (*TEXTS, "body", "blocks")}


def _body(place: Mapping[str, Any]) -> tuple[str, dict[str, Any] | None]:
    """The blocks of a place, or the body written by hand."""
    return ("", place["blocks"]) if place.get("blocks") else (place.get("body") or "", None)


def _keys(language: str) -> list[str]:
    """The names a language goes by, the most particular first.

    >>> _keys("fr_CA"), _keys(""), _keys("../x")
    (['fr-ca', 'fr'], [], [])
    """
    if not _LANGUAGE.fullmatch(language or ""):
        return []
    parts = _plain(language).split("-")
    return ["-".join(parts[:length]) for length in range(len(parts), 0, -1)]


def _plain(language: str) -> str:
    return language.strip().lower().replace("_", "-")
