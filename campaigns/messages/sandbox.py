"""Liquid for text that strangers wrote: limits on time and space, and nothing to reach but dicts.

The library stops loops, output, variables and nesting by itself.  What it leaves open is closed
here: filters may not build what the limits forbid, and all work of one rendering is metered, so
that many small steps cannot take for ever.  Work is counted, not timed: the same template with the
same values always ends the same way.
"""

import functools
import html
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

from liquid import BoundTemplate, Environment, RenderContext
from liquid.exceptions import FilterError, ResourceLimitError
from liquid.filter import with_context
from liquid.undefined import Undefined
from markupsafe import Markup

TEXT_MOST = 1_000_000  # characters that one filter may make
ITEMS_MOST = 10_000  # of a list or a range
NUMBER_BITS_MOST = 4_096
WORK_MOST = 20_000_000  # characters read or made, in one rendering
LOOP_STEP_WORK = 200  # what one step of a loop costs, beside what it does

TRACKED_SCHEMES = ("http", "https")
PLAIN_SCHEMES = ("mailto", "tel", "sms")
NO_LINK = "#"  # what an address becomes that must not be followed

# Beyond the text itself: partial templates read files, `safe` switches escaping off.
FORBIDDEN_TAGS = ("include", "render")
FORBIDDEN_FILTERS = ("safe", "escapejs")

Link = Callable[[int, str], str]  # number and address of a link -> what the message carries

_OPEN = re.compile(r"\{\{|\{%-?\s*(raw|comment|doc)?\b|\{%")
_CONTROL = re.compile(r"[\x00-\x20\x7f]")


class Scope(RenderContext):
    """What one rendering sees and has spent."""

    __slots__ = ("link", "spent")

    def __init__(self, *given: Any, **more: Any) -> None:
        super().__init__(*given, **more)
        self.spent = 0
        self.link: Link | None = None

    def spend(self, work: int) -> None:
        self.spent += work
        if self.spent > WORK_MOST:
            raise ResourceLimitError("the template does too much work", token=None)

    def raise_for_loop_limit(self, length: int = 1) -> None:
        super().raise_for_loop_limit(length)
        self.spend(length * LOOP_STEP_WORK)


class Template(BoundTemplate):
    context_class = Scope


class Sandbox(Environment):
    """The Liquid in which all texts of a campaign are written."""

    template_class = Template
    loop_iteration_limit = 10_000
    output_stream_limit = 1_000_000
    local_namespace_limit = 100_000
    context_depth_limit = 20
    block_nesting_limit = 20

    def __init__(self, *, autoescape: bool) -> None:
        super().__init__(autoescape=autoescape, strict_filters=True)
        for tag in FORBIDDEN_TAGS:
            del self.tags[tag]
        for name in FORBIDDEN_FILTERS:
            del self.filters[name]
        self.add_filter("holds", holds)
        self.filters = {name: _metered(name, run) for name, run in self.filters.items()}
        self.add_filter("tracked", _tracked)


def scope(template: BoundTemplate, values: Mapping[str, Any], link: Link | None) -> Scope:
    """A fresh scope for one person's ``values``.

    ``now`` and ``today`` are values like any other: left to the library they would be this
    machine's clock.
    """
    made = Scope(template, globals={"now": None, "today": None, **values})
    made.link = link
    return made


def unclosed(source: str) -> str:
    """The first piece of Liquid that does not end, or nothing.

    The library looks for each missing end through the whole text, which takes minutes where
    thousands are missing; this looks once.
    """
    at = 0
    while opened := _OPEN.search(source, at):
        is_output, block = opened.group() == "{{", opened.group(1)
        at = source.find("}}" if is_output else "%}", opened.end())
        if at >= 0 and block:
            ended = re.compile(rf"\{{%-?\s*end{block}\s*-?%\}}").search(source, at)
            at = ended.end() if ended else -1
        if at < 0:
            return source[opened.start() : opened.start() + 40]
    return ""


def safe_address(address: str) -> str:
    """The address if a message may link to it, else `NO_LINK`.

    >>> safe_address("https://shop.example/a b")
    'https://shop.example/a%20b'
    >>> safe_address("java\\nscript:alert(1)"), safe_address("//evil.example")
    ('#', '#')
    """
    address = address.strip()
    if address.startswith("#"):
        return address
    # Mail programs drop control characters inside a scheme, so they are looked at without them.
    bare = _CONTROL.sub("", address)
    try:
        parts = urlsplit(bare)
    except ValueError:
        return NO_LINK
    scheme = parts.scheme.lower()
    if scheme in PLAIN_SCHEMES or (scheme in TRACKED_SCHEMES and parts.netloc):
        return _CONTROL.sub(lambda found: f"%{ord(found.group()):02X}", address)
    return NO_LINK


def is_tracked(address: str) -> bool:
    return address.split(":", 1)[0].lower() in TRACKED_SCHEMES


def holds(value: Any, op: str, expected: Any = "") -> bool:
    """Whether a value fits, whatever kind of value it is: one that is absent fits no test.

    As in segments, what says *not* is the opposite of its twin, and case does not matter.

    >>> holds("12", "more_than", 3), holds("red", "is", "Red"), holds(["a", "b"], "contains", "b")
    (True, True, True)
    >>> holds(None, "less_than", 3), holds(None, "is_not", "x"), holds("x", "more_than", 3)
    (False, True, False)
    """
    if op in ("is_not", "not_exists"):
        return not holds(value, "is" if op == "is_not" else "exists", expected)
    if value is None or isinstance(value, Undefined) or value in ("", [], {}):
        return False
    if op == "exists":
        return True
    wanted = _plain(expected)
    if op == "contains":
        items = value if isinstance(value, list | tuple) else None
        return wanted in _plain(value) if items is None else wanted in map(_plain, items)
    if op in ("more_than", "less_than"):
        try:
            left, right = Decimal(_plain(value)), Decimal(wanted)
            return left > right if op == "more_than" else left < right
        except ArithmeticError:
            return False
    return op == "is" and _plain(value) == wanted


def _plain(value: Any) -> str:
    return str(value).strip().lower()


@with_context
def _tracked(address: object, number: int, *, context: Scope) -> str:
    """The link that a message carries in place of ``address``."""
    plain = str(address)
    if isinstance(address, Markup):
        plain = html.unescape(plain)
    plain = safe_address(plain)
    if context.link is not None and is_tracked(plain):
        plain = context.link(number, plain)
    return Markup(html.escape(plain)) if context.autoescape else plain


def _metered(name: str, run: Callable[..., Any]) -> Callable[..., Any]:
    """``run`` within the limits of one rendering."""
    wants_context = getattr(run, "with_context", False)

    @functools.wraps(run)
    def limited(value: Any, *arguments: Any, context: Scope, **more: Any) -> Any:
        for given in (value, *arguments):
            _check_size(name, given)
        if name in ("replace", "join"):
            _check_product(name, value, arguments)
        if name == "date" and value in ("now", "today"):
            value = context.get([value], token=None)
        if name == "date" and value is None:
            return ""
        if wants_context:
            more["context"] = context
        made = run(value, *arguments, **more)
        _check_size(name, made)
        context.spend(_size(value) + _size(made))
        return made

    return with_context(limited)


def _size(value: Any) -> int:
    if isinstance(value, str | list | tuple | range):
        return len(value)
    if isinstance(value, int):
        return value.bit_length() // 8 + 1
    return 1


def _check_size(name: str, value: Any) -> None:
    most = TEXT_MOST if isinstance(value, str) else ITEMS_MOST
    if isinstance(value, int):
        most = NUMBER_BITS_MOST // 8
    if _size(value) > most:
        raise ResourceLimitError(f"{name}: more than {most:,} are not allowed", token=None)


def _check_product(name: str, value: Any, arguments: tuple[Any, ...]) -> None:
    """Refuse a result too large *before* it is made."""
    if name == "replace" and len(arguments) > 1:
        text, old, new = str(value), str(arguments[0]), str(arguments[1])
        made = len(text) + text.count(old) * len(new)
    elif name == "join" and isinstance(value, list | tuple | range):
        separator = str(arguments[0]) if arguments else " "
        made = sum(_size(item) for item in value) + len(value) * len(separator)
    else:
        return
    if made > TEXT_MOST:
        raise FilterError(f"{name}: more than {TEXT_MOST:,} characters", token=None)
