"""MJML to the HTML and the plain text of a message, with Liquid standing where it stood."""

import html
import re
from collections.abc import Callable
from dataclasses import dataclass

import css_inline
import mjml
from inscriptis import get_text

from campaigns.messages import sandbox

# https://documentation.mjml.io; without mj-include, which reads files.
TAGS = frozenset(
    (
        "mjml",
        "mj-head",
        "mj-body",
        "mj-attributes",
        "mj-all",
        "mj-class",
        "mj-breakpoint",
        "mj-font",
        "mj-html-attributes",
        "mj-selector",
        "mj-html-attribute",
        "mj-preview",
        "mj-style",
        "mj-title",
        "mj-accordion",
        "mj-accordion-element",
        "mj-accordion-title",
        "mj-accordion-text",
        "mj-button",
        "mj-carousel",
        "mj-carousel-image",
        "mj-column",
        "mj-divider",
        "mj-group",
        "mj-hero",
        "mj-image",
        "mj-navbar",
        "mj-navbar-link",
        "mj-raw",
        "mj-section",
        "mj-social",
        "mj-social-element",
        "mj-spacer",
        "mj-table",
        "mj-text",
        "mj-wrapper",
    )
)
TAGS_MOST = 4_000
FOOTER = (
    '<mj-section><mj-column><mj-text align="center" font-size="12px" color="#666666">{footer}<br />'
    '<a href="{{{{ unsubscribe_url }}}}">Unsubscribe</a></mj-text></mj-column></mj-section>'
)
PIXEL = (
    '{% if open_url %}<img src="{{ open_url }}" alt="" width="1" height="1" '
    'style="display:block;border:0">{% endif %}'
)

_LIQUID = re.compile(
    r"\{%-?\s*(raw|comment)\b.*?\{%-?\s*end\1\s*-?%\}|\{\{.*?\}\}|\{%.*?%\}", re.DOTALL
)
# As the inliner writes a tag: every attribute has a value in double quotes.
_ATTRIBUTES = r'(?:\s[^\s"<>=]+="[^"]*")*'
_HREF = re.compile(rf'(<(?:a|area){_ATTRIBUTES}?\shref=")([^"]*)(")')
_ANCHOR = re.compile(rf'<a{_ATTRIBUTES}?\shref="([^"]*)"{_ATTRIBUTES}>(.*?)</a>', re.DOTALL)
_TAG = re.compile(r"<\s*([a-z][a-z0-9-]*)", re.IGNORECASE)
_HIDDEN_PLACES = re.compile(r"<!--.*?-->|<(title|style)\b.*?</\1>|<[^>]*>", re.DOTALL | re.I)
_SCRIPT = re.compile(
    r"<\s*(?:script|iframe|object|embed|form|base|meta|link)\b|<[^<>]*\son[a-z]+\s*=", re.IGNORECASE
)
_ROW = re.compile(r"<(/?)(?:table|thead|tbody|tfoot|tr)\b[^>]*>", re.IGNORECASE)
_CELL = re.compile(r"<(/?)t[dh]\b[^>]*>", re.IGNORECASE)
# No stylesheet is ever fetched: a campaign must not make this server ask other servers.
_INLINER = css_inline.CSSInliner(load_remote_stylesheets=False, keep_style_tags=True)


class MarkupError(ValueError):
    """MJML that cannot be read; the message says where."""


@dataclass(frozen=True)
class Page:
    """HTML and plain text, both with Liquid in them; the tracked links; what is wrong with it."""

    html: str
    text: str
    links: tuple[str, ...]
    faults: tuple[str, ...]


class Places:
    """Liquid taken out of a text, a word of letters and digits standing for each piece."""

    def __init__(self, source: str) -> None:
        self.pieces: list[str] = []
        self.mark = "lq"
        while self.mark in source:
            self.mark += "q"
        self.found = re.compile(rf"{self.mark}(\d+)z")
        self.source = _LIQUID.sub(self._take, source)

    def _take(self, match: re.Match[str]) -> str:
        return self.add(match.group())

    def add(self, liquid: str) -> str:
        """The word that stands for ``liquid`` until it is put back."""
        self.pieces.append(liquid)
        return f"{self.mark}{len(self.pieces) - 1}z"

    def put_back(self, text: str) -> str:
        return self.found.sub(lambda match: self.pieces[int(match.group(1))], text)

    def is_tag(self, match: re.Match[str]) -> bool:
        return self.pieces[int(match.group(1))].startswith("{%")


def tag_faults(body: str) -> list[str]:
    """What is wrong with the tags of ``body``, before anything is compiled.

    The compiler drops MJML tags that do not exist without a word, and some ten thousand tags within
    each other overflow its stack, which ends the process.
    """
    names = [name.lower() for name in _TAG.findall(_LIQUID.sub("", body))]
    unknown = {name for name in names if name.startswith("mj") and name not in TAGS}
    faults = [f"Unknown tag <{name}> in the body." for name in sorted(unknown)]
    if len(names) > TAGS_MOST:
        faults.append(f"The body has {len(names):,} tags; at most {TAGS_MOST:,}.")
    return faults


def with_preheader(body: str, preheader: str) -> str:
    """``body`` with the line that mail programs show beside the subject."""
    if not preheader or "<mj-preview" in body:
        return body
    places = Places(preheader)
    line = f"<mj-preview>{places.put_back(html.escape(places.source))}</mj-preview>"
    if "<mj-head>" in body:
        return body.replace("<mj-head>", f"<mj-head>{line}", 1)
    return re.sub(
        r"(<mjml[^>]*>)", lambda m: f"{m.group()}<mj-head>{line}</mj-head>", body, count=1
    )


def with_footer(body: str, footer: str) -> str:
    """``body`` with the sender's address and a way out at its end."""
    section = FOOTER.format(footer=html.escape(footer).replace("{", "&#123;"))
    return body.replace("</mj-body>", f"{section}</mj-body>", 1)


def compile(body: str) -> Page:
    """The HTML and text of ``body``, which is MJML with Liquid.

    Raises
    ------
    MarkupError
    """
    places = Places(body)
    faults = [
        f"“{found.group().strip()}” in the body: messages carry no programs and no frames."
        for found in _SCRIPT.finditer(places.source)
    ]
    try:
        page = mjml.mjml2html(places.source, fonts={}, include_loader=_no_files)
    except ValueError as error:
        raise MarkupError(str(error)) from None
    page = _INLINER.inline(_tags_as_comments(page, places))
    page = re.sub(rf"<!--({places.mark}\d+z)-->", r"\1", page)
    links: list[str] = []
    page = _HREF.sub(_rewriting(places, links, faults), page)
    text = _plain(page, places)
    page = page.replace("</body>", f"{PIXEL}</body>", 1)
    return Page(places.put_back(page), places.put_back(text), tuple(links), tuple(faults))


def _no_files(path: str) -> str:
    raise ValueError(f"mj-include of {path!r} is not allowed")


def _tags_as_comments(page: str, places: Places) -> str:
    """``page`` with the places of ``{% … %}`` as comments.

    An HTML parser moves text that stands between table rows to before the table, and a loop around
    rows would lose them; comments stay where they are.
    """

    def mark(text: str) -> str:
        return places.found.sub(
            lambda match: f"<!--{match.group()}-->" if places.is_tag(match) else match.group(), text
        )

    made: list[str] = []
    end = 0
    for hidden in _HIDDEN_PLACES.finditer(page):
        made += (mark(page[end : hidden.start()]), hidden.group())
        end = hidden.end()
    return "".join([*made, mark(page[end:])])


def _rewriting(
    places: Places, links: list[str], faults: list[str]
) -> Callable[[re.Match[str]], str]:
    """What puts a tracked link in place of each address, and collects them in ``links``."""

    def rewrite(match: re.Match[str]) -> str:
        before, written, after = match.groups()
        address = places.put_back(html.unescape(written))
        if re.fullmatch(r"\{\{-?\s*unsubscribe_url\s*-?\}\}", address.strip()):
            return match.group()
        if not places.found.search(written):
            safe = sandbox.safe_address(address)
            if safe == sandbox.NO_LINK and address.strip() != sandbox.NO_LINK:
                faults.append(f"The link “{address[:80]}” leads nowhere a message may lead.")
            if not sandbox.is_tracked(safe):
                return f"{before}{html.escape(safe)}{after}"
            links.append(safe)
            quoted = safe.replace("'", "%27").replace("{", "%7B").replace("}", "%7D")
            link = places.add(f"{{{{ '{quoted}' | tracked: {len(links)} }}}}")
            return f"{before}{link}{after}"
        links.append(address)
        name = f"_link_{len(links)}"
        link = places.add(
            f"{{% capture {name} %}}{address}{{% endcapture %}}"
            f"{{{{ {name} | tracked: {len(links)} }}}}"
        )
        return f"{before}{link}{after}"

    return rewrite


def _plain(page: str, places: Places) -> str:
    """The plain text of ``page``, each link followed by its address in brackets."""
    written: list[str] = []

    def spell(match: re.Match[str]) -> str:
        address, inside = match.groups()
        written.append(address)
        shown = re.sub(r'<img\b[^>]*?\balt="([^"]*)"[^>]*>', r"\1", inside)
        return f"{shown} (hrefx{len(written) - 1}z)"

    body = re.sub(r"<!--.*?-->", "", page, flags=re.DOTALL)
    # Tables only lay messages out; as plain blocks the loops between their rows survive.
    body = _CELL.sub(r" <\1span> ", _ROW.sub(r"<\1div>", body))
    lines = [
        re.sub(r"[ \t\xa0]+", " ", line).strip()
        for line in get_text(_ANCHOR.sub(spell, body)).splitlines()
    ]
    text = "\n".join(lines)
    # A line of nothing but {% … %} would leave an empty one behind.
    text = re.sub(rf"(?m)^((?:{places.mark}\d+z ?)+)\n", _tags_alone(places), text)
    text = re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"
    return re.sub(r"hrefx(\d+)z", lambda match: html.unescape(written[int(match.group(1))]), text)


def _tags_alone(places: Places) -> Callable[[re.Match[str]], str]:
    def join(match: re.Match[str]) -> str:
        is_all_tags = all(places.is_tag(found) for found in places.found.finditer(match.group()))
        return match.group(1) if is_all_tags else match.group()

    return join
