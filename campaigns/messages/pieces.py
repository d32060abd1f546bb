"""Compile a piece of a web page once, then fill it in for each visitor, so that nothing in it acts.

It will stand in the shop's own page, with all that page's rights.  So what was written, and what
customers wrote about themselves, is cleaned after filling in: whatever a value turned into, no
script, frame, form or foreign position is left in it.
"""

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import nh3
from liquid.exceptions import LiquidError

from campaigns.messages import render
from campaigns.messages.render import RenderError, Slots, TemplateError
from campaigns.messages.sandbox import Sandbox

SOURCE_MOST = 20_000  # characters of a body as written
HTML_MOST = 50_000  # characters of a piece as filled in: it is asked for with every page
TITLE_MOST = 200

# What a piece may name: of messages' variables those that make sense on a page.  No address of
# the person is among them, so that no page can print one by mistake.
VARIABLES: dict[str, frozenset[str] | None] = {
    "customer": frozenset(("first_name", "last_name", "language", "country", "traits")),
    "scores": None,
    "offer": frozenset(("name", "kind", "percent", "amount", "currency", "words")),
    "shop": frozenset(("name", "url", "address")),
    "now": frozenset(),
    "today": frozenset(),
}

_TAGS = """
    a abbr b blockquote br caption cite code col colgroup dd del div dl dt em figcaption figure h2
    h3 h4 h5 h6 hr i img ins li mark ol p pre q s section small span strong sub sup table tbody td
    tfoot th thead time tr u ul"""
TAGS = set(_TAGS.split())
# No `id`, `name` or `for`: with them a piece could stand in for the page's own elements.
ATTRIBUTES = {
    "*": {"class", "style", "title", "lang", "dir", "role", "aria-label", "aria-hidden"}
    | {"data-rapport-product"},
    "a": {"href"},
    "img": {"src", "alt", "width", "height", "loading"},
    "td": {"colspan", "rowspan"},
    "th": {"colspan", "rowspan", "scope"},
    "time": {"datetime"},
}
# No `position`, `z-index` or `background`: a piece stays in its place, and loads by `img` alone.
_STYLES = """
    align-items background-color border border-bottom border-color border-left border-radius
    border-right border-top color column-gap display flex flex-direction flex-wrap font-size
    font-style font-weight gap height justify-content letter-spacing line-height margin
    margin-bottom margin-left margin-right margin-top max-height max-width min-height min-width
    padding padding-bottom padding-left padding-right padding-top row-gap text-align
    text-decoration text-transform vertical-align white-space width"""
STYLES = set(_STYLES.split())
SCHEMES = {"http", "https", "mailto", "tel"}

_CLEANER = nh3.Cleaner(
    tags=TAGS,
    attributes=ATTRIBUTES,
    url_schemes=SCHEMES,
    filter_style_properties=STYLES,
    link_rel="noopener",
)
_TAG = re.compile(r"<([a-zA-Z][a-zA-Z0-9-]*)")
_HTML = Sandbox(autoescape=True)
_PLAIN = Sandbox(autoescape=False)


@dataclass(frozen=True)
class Shown:
    """A piece as one visitor sees it."""

    title: str  # plain text
    html: str  # title and body, clean


@dataclass(frozen=True)
class Piece:
    """A title and a body, ready to be filled in."""

    title: Slots
    body: Slots

    def render(self, values: Mapping[str, Any]) -> Shown:
        """What one visitor sees.

        Parameters
        ----------
        values : dict
            Of plain values; see `VARIABLES`.

        Raises
        ------
        RenderError
            When the template fails on these values, or makes more than `HTML_MOST` characters.
        """
        title = " ".join(self.title.join(self.title.fill(values, None)).split())[:TITLE_MOST]
        body = self.body.join(self.body.fill(values, None))
        if len(body) > HTML_MOST:
            raise RenderError(f"the piece has {len(body):,} characters; at most {HTML_MOST:,}")
        heading = f'<p class="rapport-title">{html.escape(title)}</p>' if title else ""
        return Shown(title, heading + clean(body))


def compile(title: str, body: str) -> Piece:
    """The compiled piece of a Liquid title and a body of HTML with Liquid.

    Raises
    ------
    TemplateError
        With all faults at once, unknown variables and filters by name.
    """
    faults = []
    for part, source, most in (("title", title, TITLE_MOST), ("body", body, SOURCE_MOST)):
        if len(source) > most:
            faults.append(f"The {part} has {len(source):,} characters; at most {most:,}.")
        else:
            faults += render.liquid_faults(part, source, VARIABLES)
    if faults:
        raise TemplateError(faults)
    try:
        return Piece(Slots(_PLAIN.from_string(title)), Slots(_HTML.from_string(body)))
    except LiquidError as error:
        raise TemplateError([f"The piece cannot be read: {error}"[:200]]) from error


def clean(text: str) -> str:
    """HTML with everything taken out that could act, load a program or leave its place.

    >>> clean('<b onclick="x()">Hi</b><script>x()</script><a href="javascript:x()">go</a>')
    '<b>Hi</b><a rel="noopener">go</a>'
    >>> clean('<p style="position:fixed;color:red" id="cart">Hi</p>')
    '<p style="color:red">Hi</p>'
    """
    return _CLEANER.clean(text)


def lost(body: str) -> list[str]:
    """The tags of a body, as written, that visitors will not get; for a word beside the form.

    >>> lost("<p>Hi</p><iframe src='x'></iframe><script>x()</script>")
    ['iframe', 'script']
    """
    opened = _TAG.findall(body)
    return sorted({tag.lower() for tag in opened} - TAGS)
