"""Texts for phones: how many segments they take, and their links in few letters.

A text is Liquid.  `compile` it once; `Text.write` it for each person with a function that makes the
short link of an address (`campaigns.services.short_links.Shortener.link`), and `size` the result.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from liquid.exceptions import LiquidError

from campaigns.messages import render, sandbox
from campaigns.messages.markup import Places
from campaigns.messages.sandbox import Link, Sandbox

SOURCE_MOST = 2_000  # characters of a text as written
GSM_ONE, GSM_EACH = 160, 153  # septets of a text alone, and of each part of a longer one
UCS_ONE, UCS_EACH = 70, 67  # UTF-16 code units

# 3GPP TS 23.038, table 6.2.1 and its extension (6.2.1.1), each of whose characters takes two.
GSM = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡"
    "ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
GSM_EXTENSION = frozenset("\f^{}\\[~]|€")
# What word processors write, and how it is said within GSM: one such letter halves what fits.
_SIMPLER = str.maketrans(
    {"“": '"', "”": '"', "„": '"', "«": '"', "»": '"', "‘": "'", "’": "'", "‚": "'", "–": "-",
     "—": "-", "…": "...", "•": "-", "\u00a0": " ", "\u2009": " ", "\u202f": " ", "\t": " ",
     "\u200b": "", "\ufeff": "", "ç": "Ç", "`": "'", "´": "'"}
)  # fmt: skip

_ADDRESS = re.compile(r"https?://[^\s<>\"“”]+", re.IGNORECASE)
_TRAILING = ".,;:!?)]}'"
_SHOP_URL = re.compile(r"\{\{-?\s*shop\.url\s*-?\}\}")
_HOST = re.compile(r"https?://[^/?#\s]+[/?#]", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]")
_PLAIN = Sandbox(autoescape=False)


@dataclass(frozen=True)
class Size:
    """What a text takes on the air.

    Attributes
    ----------
    encoding : str
        "GSM-7" or "UCS-2".
    units : int
        Septets or UTF-16 code units, without what a split wastes.
    segments : int
        Messages that are sent and paid; 0 for nothing.
    left : int
        Units that still fit into the last one.
    foreign : tuple of str
        The characters that GSM does not have, each once, in order.
    """

    encoding: str
    units: int
    segments: int
    left: int
    foreign: tuple[str, ...]


@dataclass(frozen=True)
class Text:
    """A text ready to be filled in.

    Attributes
    ----------
    slots : Slots
    links : tuple of str
        The addresses of its links as written; the first has number 1.
    fixed : frozenset of str
        Those of them that are the same for everybody.
    """

    slots: render.Slots
    links: tuple[str, ...]
    fixed: frozenset[str]

    def fields(self) -> set[str]:
        """What it reads of a person; see `campaigns.messages.render.Compiled.fields`."""
        return render.fields(self.slots.template)

    def write(self, values: Mapping[str, Any], link: Link | None = None) -> str:
        """The text of one person; raises `campaigns.messages.render.RenderError`.

        ``link`` makes the short link of a number and an address; without it they stay as written.
        """
        text = self.slots.join(self.slots.fill(values, link))
        return _CONTROL.sub(" ", text.replace("\r\n", "\n").replace("\r", "\n")).strip()


def compile(source: str) -> Text:
    """The compiled text of a campaign.

    Parameters
    ----------
    source : str
        Liquid, up to `SOURCE_MOST` characters.

    Raises
    ------
    campaigns.messages.render.TemplateError
        With all faults at once.

    Notes
    -----
    Links are those that the author wrote: ``https://…`` whose host is written out, and
    ``{{ shop.url }}``.  An address that came with a customer's name or an event is left as it is:
    under our own domain it would be trusted.
    """
    if len(source) > SOURCE_MOST:
        words = f"The text has {len(source):,} characters; at most {SOURCE_MOST:,}."
        raise render.TemplateError([words])
    if faults := render.liquid_faults("text", source):
        raise render.TemplateError(faults)
    places = Places(source)
    links: list[str] = []
    fixed: set[str] = set()
    written = _ADDRESS.sub(
        lambda found: _linked(found.group(), places, links, fixed), places.source
    )
    written = places.found.sub(lambda found: _shop_linked(found.group(), places, links), written)
    try:
        template = _PLAIN.from_string(places.put_back(written))
    except LiquidError as error:
        raise render.TemplateError([f"The text cannot be read: {error}"[:200]]) from error
    return Text(render.Slots(template), tuple(links), frozenset(fixed))


def size(text: str) -> Size:
    """How many segments a finished text takes.

    Neither a character of the extension table nor a surrogate pair is split between two segments.

    References
    ----------
    3GPP TS 23.038 (alphabets), TS 23.040 clause 9.2.3.24.1 (concatenation).

    Examples
    --------
    >>> size("a" * 160).segments, size("a" * 161).segments, size("é").encoding
    (1, 2, 'GSM-7')
    >>> size("😀" * 35).segments, size("😀" * 36).segments, size("Zoë").foreign
    (1, 2, ('ë',))
    """
    foreign = tuple(dict.fromkeys(one for one in text if one not in GSM | GSM_EXTENSION))
    if foreign:
        widths = [2 if ord(one) > 0xFFFF else 1 for one in text]
        return _size("UCS-2", widths, UCS_ONE, UCS_EACH, foreign)
    widths = [2 if one in GSM_EXTENSION else 1 for one in text]
    return _size("GSM-7", widths, GSM_ONE, GSM_EACH, ())


def simpler(text: str) -> str:
    """The text with typographic signs as GSM has them; other letters stay.

    >>> simpler("“It’s on” – now…")
    '"It\\'s on" - now...'
    """
    return text.translate(_SIMPLER)


def _size(
    encoding: str, widths: Iterable[int], one: int, each: int, foreign: tuple[str, ...]
) -> Size:
    widths = list(widths)
    units = sum(widths)
    if units <= one:
        return Size(encoding, units, 1 if units else 0, one - units, foreign)
    segments, used = 1, 0
    for width in widths:
        if used + width > each:
            segments, used = segments + 1, 0
        used += width
    return Size(encoding, units, segments, each - used, foreign)


def _linked(written: str, places: Places, links: list[str], fixed: set[str]) -> str:
    """What stands in place of an address: Liquid that makes its short link."""
    address = written.rstrip(_TRAILING)
    rest = written[len(address) :]
    if not places.found.search(address):
        safe = sandbox.safe_address(address)
        if not sandbox.is_tracked(safe):
            return written
        links.append(safe)
        fixed.add(safe)
        quoted = safe.replace("'", "%27").replace("{", "%7B").replace("}", "%7D")
        return places.add(f"{{{{ '{quoted}' | tracked: {len(links)} }}}}") + rest
    host = _HOST.match(address)
    if host is None or places.found.search(host.group()):
        return written
    whole = places.put_back(address)
    links.append(whole)
    name = f"_link_{len(links)}"
    captured = f"{{% capture {name} %}}{whole}{{% endcapture %}}"
    return places.add(f"{captured}{{{{ {name} | tracked: {len(links)} }}}}") + rest


def _shop_linked(place: str, places: Places, links: list[str]) -> str:
    if not _SHOP_URL.fullmatch(places.put_back(place)):
        return place
    links.append("{{ shop.url }}")
    return places.add(f"{{{{ shop.url | tracked: {len(links)} }}}}")
