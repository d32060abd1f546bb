"""Compile a campaign's texts once, then only fill them in for each person.

Order: Liquid is taken out and its places marked, MJML becomes HTML, CSS is inlined, links are
rewritten, the plain text is drawn from the HTML, and Liquid is put back.  Because MJML never sees
Liquid, any Liquid may stand anywhere in it, ``{% if a < 3 %}`` and quotes in attributes included.
"""

import html
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from liquid import BoundTemplate
from liquid.ast import Node
from liquid.builtin.content import ContentNode
from liquid.builtin.expressions import FilteredExpression, Path, StringLiteral
from liquid.builtin.output import OutputNode
from liquid.exceptions import LiquidError, LiquidInterrupt, StopRender
from liquid.stringify import to_liquid_string

from campaigns.messages import markup, sandbox
from campaigns.messages.sandbox import Link, Sandbox, Scope

SUBJECT_MOST = 400  # characters of a finished subject; mail programs show some 60
SOURCE_MOST = 150_000  # characters of a body as written; Gmail clips a page at 102 kB

# Everything a template may name.  None: any name below it.
VARIABLES: dict[str, frozenset[str] | None] = {
    "customer": frozenset(("first_name", "last_name", "email", "language", "country", "traits")),
    "scores": None,
    "offer": frozenset(
        ("name", "kind", "percent", "amount", "currency", "code", "expires_at")
        + ("gift", "points", "order_least", "words")
    ),
    "shop": frozenset(("name", "url", "address")),
    "picks": frozenset(("bought_with", "favourite")),  # products chosen for her
    "event": None,  # what set it off: an event's properties, a transactional call's values
    "unsubscribe_url": frozenset(),
    "open_url": frozenset(),  # of the pixel, which is put in by itself
    "now": frozenset(),
    "today": frozenset(),
}
_WITHIN = frozenset(("traits", "scores", "event"))  # a name below these may be anything

_HTML = Sandbox(autoescape=True)
_PLAIN = Sandbox(autoescape=False)
_LINE_BREAKS = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]+")


class TemplateError(ValueError):
    """A text that cannot be compiled; ``faults`` has a sentence for each thing wrong with it."""

    def __init__(self, faults: list[str]) -> None:
        self.faults = tuple(faults)
        super().__init__(" ".join(faults))


class RenderError(ValueError):
    """A compiled text that cannot be filled in for one person."""


@dataclass(frozen=True)
class Rendered:
    subject: str
    html: str
    text: str


Place = Callable[[Scope, Mapping[str, Any]], str]


class Slots:
    """A text of fixed parts with places between them that differ from person to person.

    Most places hold one value or one link; these are filled in without the interpreter, which
    would take five times as long.

    Attributes
    ----------
    fixed : tuple of str
        One more than there are places.
    names : frozenset of str
        The variables that it reads, such as ``customer``.
    """

    def __init__(self, template: BoundTemplate) -> None:
        self.template = template
        self.fixed: tuple[str, ...]
        fixed, groups = [""], []  # type: ignore[var-annotated]
        for node in template.nodes:
            if isinstance(node, ContentNode):
                fixed[-1] += node.text
            elif fixed[-1] or not groups:
                groups.append([node])
                fixed.append("")
            else:
                groups[-1].append(node)
        self.fixed = tuple(fixed)
        found = template.analyze(include_partials=False)
        own_names, self.names = set(found.locals), frozenset(found.globals)
        self._places = [_place(nodes, template.env.autoescape, own_names) for nodes in groups]

    def fill(self, values: Mapping[str, Any], link: Link | None) -> list[str]:
        """What stands in each place for one person.

        Raises
        ------
        RenderError
            When the template fails on these values or goes over a limit.
        """
        scope = sandbox.scope(self.template, values, link)
        try:
            filled = [place(scope, values) for place in self._places]
        except (LiquidError, LiquidInterrupt) as error:
            raise RenderError(_words(error)) from error
        except (ValueError, TypeError, ArithmeticError, LookupError, RecursionError) as error:
            raise RenderError(f"{type(error).__name__}: {error}"[:200]) from error
        if sum(map(len, filled)) > Sandbox.output_stream_limit:
            raise RenderError("the message is longer than its limit")
        return filled

    def join(self, filled: list[str]) -> str:
        parts = [self.fixed[0]]
        for value, fixed in zip(filled, self.fixed[1:], strict=True):
            parts += (value, fixed)
        return "".join(parts)


@dataclass(frozen=True)
class Compiled:
    """The texts of one campaign, ready to be filled in.

    Attributes
    ----------
    subject, html, text : Slots
    links : tuple of str
        The addresses of tracked links as written; the first has number 1.
    """

    subject: Slots
    html: Slots
    text: Slots
    links: tuple[str, ...]

    def fields(self) -> set[str]:
        """What its texts read of a person: ``customer.first_name``, ``customer.traits.size``."""
        parts = (self.subject, self.html, self.text)
        return set().union(*(fields(part.template) for part in parts))

    def render(self, values: Mapping[str, Any], link: Link | None = None) -> Rendered:
        """The message of one person.

        Parameters
        ----------
        values : dict
            Of plain values; see `VARIABLES`.
        link : callable, optional
            Makes the tracked link of a number and an address; without it links lead straight on.

        Raises
        ------
        RenderError
        """
        return Rendered(
            self.subject_line(values),
            self.html.join(self.html.fill(values, link)),
            self.text.join(self.text.fill(values, link)),
        )

    def subject_line(self, values: Mapping[str, Any]) -> str:
        """The subject of one person, on one line: a line break would start another header."""
        subject = self.subject.join(self.subject.fill(values, None))
        return _LINE_BREAKS.sub(" ", subject).strip()[:SUBJECT_MOST]


def compile(subject: str, preheader: str, body: str, *, footer: str = "") -> Compiled:
    """The compiled texts of a campaign.

    Parameters
    ----------
    subject, preheader : str
        Liquid.
    body : str
        MJML with Liquid, up to `SOURCE_MOST` characters.
    footer : str
        The sender's postal address.  With a link to unsubscribe it is put at the end of a body that
        has no ``{{ unsubscribe_url }}`` of its own: the law asks for both.

    Raises
    ------
    TemplateError
        With all faults at once: unknown variables, filters and MJML tags by name, links that lead
        nowhere a message may lead.

    Notes
    -----
    Takes some milliseconds; filling in takes a microsecond for a plain place, some ten for others.
    """
    # A browser's form sends CRLF, which the MJML parser refuses between blocks.
    body = body.replace("\r\n", "\n").replace("\r", "\n")
    if len(body) > SOURCE_MOST:
        raise TemplateError([f"The body has {len(body):,} characters; at most {SOURCE_MOST:,}."])
    faults = liquid_faults("subject", subject) + liquid_faults("preheader", preheader)
    faults += liquid_faults("body", body)
    if not sandbox.unclosed(body):
        faults += markup.tag_faults(body)
    if faults:
        raise TemplateError(faults)
    if "unsubscribe_url" not in body:
        body = markup.with_footer(body, footer)
    try:
        page = markup.compile(markup.with_preheader(body, preheader))
        html_template, text_template = _HTML.from_string(page.html), _PLAIN.from_string(page.text)
    except (markup.MarkupError, LiquidError) as error:
        words = _words(error) if isinstance(error, LiquidError) else str(error)
        raise TemplateError([f"The body cannot be read: {words}"]) from error
    if page.faults:
        raise TemplateError(list(page.faults))
    return Compiled(
        Slots(_PLAIN.from_string(subject)), Slots(html_template), Slots(text_template), page.links
    )


def fields(template: BoundTemplate) -> set[str]:
    """The values that a template reads, by their paths; one more name below traits."""
    found = set()
    for variables in template.analyze(include_partials=False).globals.values():
        for variable in variables:
            names = [one for one in variable.segments if isinstance(one, str)]
            found.add(".".join(names[: 3 if names[1:2] == ["traits"] else 2]))
    return found


def liquid_faults(
    part: str, source: str, known: Mapping[str, frozenset[str] | None] = VARIABLES
) -> list[str]:
    """Everything wrong with a piece of Liquid, a sentence each; ``part`` names it."""
    if rest := sandbox.unclosed(source):
        return [f"The {part} cannot be read: “{rest}” does not end."]
    try:
        found = _PLAIN.from_string(source).analyze(include_partials=False)
    except LiquidError as error:
        return [f"The {part} cannot be read: {_words(error)}"]
    faults = [
        f"Unknown filter “{name}” in the {part}."
        for name in found.filters
        if name not in _PLAIN.filters
    ]
    names = {
        ".".join(str(segment) for segment in variable.segments[:2])
        for variables in found.globals.values()
        for variable in variables
        if not _is_known(variable.segments, known)
    }
    return faults + [f"Unknown variable “{name}” in the {part}." for name in sorted(names)]


def _is_known(segments: list[Any], known: Mapping[str, frozenset[str] | None]) -> bool:
    if segments[0] not in known:
        return False
    below = known[segments[0]]
    return below is None or len(segments) == 1 or segments[1] in below


def _place(nodes: list[Node], autoescape: bool, own_names: set[str]) -> Place:
    """What fills a place; ``own_names`` are those that the template itself assigns."""
    expression = (
        nodes[0].expression if len(nodes) == 1 and isinstance(nodes[0], OutputNode) else None
    )
    if isinstance(expression, FilteredExpression):
        left, filters = expression.left, expression.filters or []
        if isinstance(left, Path) and not filters and _is_plain(left.path, own_names):
            return _value_place([str(segment) for segment in left.path], autoescape)
        if isinstance(left, StringLiteral) and [one.name for one in filters] == ["tracked"]:
            number = int(str(filters[0].args[0].value))
            return _link_place(sandbox.safe_address(str(left.value)), number, autoescape)
    return lambda scope, _values: _interpreted(nodes, scope)


def _is_plain(path: list[Any], own_names: set[str]) -> bool:
    """Whether a path is names alone, none of which the interpreter treats in a way of its own."""
    return path[0] not in own_names and all(
        isinstance(segment, str) and segment not in ("size", "first", "last") for segment in path
    )


def _value_place(path: list[str], autoescape: bool) -> Place:
    def place(_scope: Scope, values: Mapping[str, Any]) -> str:
        value: Any = values
        for name in path:
            if not isinstance(value, dict) or name not in value:
                return ""
            value = value[name]
        if not isinstance(value, str):
            return to_liquid_string(value, autoescape)
        return html.escape(value) if autoescape else value

    return place


def _link_place(address: str, number: int, autoescape: bool) -> Place:
    is_tracked = sandbox.is_tracked(address)

    def place(scope: Scope, _values: Mapping[str, Any]) -> str:
        leads = scope.link(number, address) if is_tracked and scope.link else address
        return html.escape(leads) if autoescape else leads

    return place


def _interpreted(nodes: list[Node], scope: Scope) -> str:
    buffer = scope.get_buffer()
    for node in nodes:
        try:
            node.render(scope, buffer)
        except StopRender:
            break
    return buffer.getvalue()


def _words(error: Exception) -> str:
    return html.unescape(str(error)).splitlines()[0][:200] if str(error) else type(error).__name__
