"""Read the block editor's document once, and name everything that is wrong with it.

``{"version": 1, "style": {…}, "blocks": [{"kind": "text", "html": "<p>Hello</p>"}, …]}``.
"""

import re
from collections.abc import Callable
from typing import Any

import nh3

from campaigns.messages import sandbox
from campaigns.messages.blocks import (
    ALIGNS,
    BLOCKS_MOST,
    COLOURS,
    COLUMNS_MOST,
    DEPTH_MOST,
    FONTS,
    LINE_MOST,
    OPS,
    PRODUCTS_MOST,
    SOURCES,
    TESTS_MOST,
    TEXT_MOST,
    VERSION,
    WIDE,
    Block,
    BlocksError,
    Button,
    Column,
    Columns,
    Coupon,
    Divider,
    Document,
    Fault,
    If,
    Image,
    Mjml,
    Products,
    Snippet,
    Spacer,
    Test,
    Text,
    walk,
)
from campaigns.messages.markup import Places

_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")
_NAME = re.compile(r"[^'\"\[\]{}%.]{1,80}")
_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NUMBER = re.compile(r"-?\d{1,15}(\.\d{1,6})?")
_TAGS = "a b blockquote br em h1 h2 h3 i li ol p s strong u ul"
_CLEANER = nh3.Cleaner(
    tags=set(_TAGS.split()),
    attributes={"a": {"href"}},
    url_schemes={"http", "https", "mailto", "tel", "sms"},
    link_rel=None,
)


def parse(given: Any) -> Document:
    """The nodes of a document as stored.

    Raises
    ------
    BlocksError
        With every fault and its path.

    Examples
    --------
    >>> parse({"version": 1, "blocks": [{"kind": "text", "html": "<p onclick='x'>Hi</p>"}]}).blocks
    (Text(html='<p>Hi</p>', align='left', is_small=False),)
    >>> parse({"version": 1, "blocks": [{"kind": "poem"}]})
    Traceback (most recent call last):
    campaigns.messages.blocks.BlocksError: blocks[0].kind: There is no block “poem”.
    """
    reader = _Reader()
    if not isinstance(given, dict):
        raise BlocksError([Fault("", f"Expected an object, found {type(given).__name__}.")])
    if given.get("version") != VERSION:
        reader.fault("version", f"Expected {VERSION}, found {given.get('version')!r}.")
    document = Document(
        reader.blocks(given.get("blocks", []), "blocks", depth=1), reader.style(given.get("style"))
    )
    if reader.faults:
        raise BlocksError(reader.faults)
    return document


def clean(html: str) -> str:
    """Rich text with nothing in it but what a message may say; Liquid stays where it is.

    >>> clean('<p style="x">Hi <script>x</script>{{ customer.first_name }}<br></p>')
    '<p>Hi {{ customer.first_name }}<br /></p>'
    """
    places = Places(html)
    return places.put_back(_CLEANER.clean(places.source).replace("<br>", "<br />"))


def spelled(path: str) -> str:
    """A field as Liquid names it; empty for one that cannot be named.

    >>> spelled("customer.traits.shoe size"), spelled("customer.country"), spelled("a'b")
    ("customer.traits['shoe size']", 'customer.country', '')
    """
    names = path.split(".")
    if not all(_NAME.fullmatch(name) for name in names) or not _PLAIN_NAME.fullmatch(names[0]):
        return ""
    return names[0] + "".join(
        f".{name}" if _PLAIN_NAME.fullmatch(name) else f"['{name}']" for name in names[1:]
    )


class _Reader:
    """Reads a document and collects what is wrong with it."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []
        self.count = 0
        self.kinds: dict[str, Callable[[dict, str, int], Block]] = {
            "text": self._text,
            "image": self._image,
            "button": self._button,
            "divider": lambda _given, _path, _depth: Divider(),
            "spacer": lambda given, path, _depth: Spacer(
                self.number(given, "height", path, 4, 200, 24)
            ),
            "products": self._products,
            "coupon": self._coupon,
            "snippet": self._snippet,
            "mjml": lambda given, path, _depth: Mjml(self.line(given, "mjml", path, TEXT_MOST)),
            "if": self._if,
            "columns": self._columns,
        }

    def fault(self, path: str, words: str) -> None:
        self.faults.append(Fault(path, words))

    def blocks(self, given: Any, path: str, *, depth: int) -> tuple[Block, ...]:
        if not isinstance(given, list):
            self.fault(path, f"Expected a list, found {type(given).__name__}.")
            return ()
        if depth > DEPTH_MOST:
            self.fault(path, f"Blocks stand within each other more than {DEPTH_MOST} deep.")
            return ()
        self.count += len(given)
        if self.count > BLOCKS_MOST:
            self.fault(path, f"A message has at most {BLOCKS_MOST} blocks.")
            return ()
        read = (self._block(one, f"{path}[{at}]", depth) for at, one in enumerate(given))
        return tuple(one for one in read if one is not None)

    def style(self, given: Any) -> dict[str, str]:
        style = {**COLOURS, "font": "sans"}
        if given is None:
            return style
        if not isinstance(given, dict):
            self.fault("style", f"Expected an object, found {type(given).__name__}.")
            return style
        for name, value in given.items():
            if name not in style:
                self.fault(f"style.{name}", "There is no such style.")
            elif name == "font":
                style[name] = self.choice(given, name, "style", tuple(FONTS), "sans")
            elif not isinstance(value, str) or not _COLOUR.fullmatch(value):
                self.fault(f"style.{name}", f"Expected a colour such as #0b6e4f, found {value!r}.")
            else:
                style[name] = value
        return style

    def line(self, given: dict, name: str, path: str, most: int = LINE_MOST) -> str:
        value = given.get(name, "")
        if not isinstance(value, str):
            self.fault(f"{path}.{name}", f"Expected text, found {type(value).__name__}.")
            return ""
        if len(value) > most:
            self.fault(f"{path}.{name}", f"It has {len(value):,} characters; at most {most:,}.")
        if rest := sandbox.unclosed(value):
            self.fault(f"{path}.{name}", f"“{rest}” does not end.")
        return value

    def address(self, given: dict, name: str, path: str) -> str:
        value = self.line(given, name, path).strip()
        is_plain = "{{" not in value and "{%" not in value
        if is_plain and value and sandbox.safe_address(value) == sandbox.NO_LINK != value:
            self.fault(f"{path}.{name}", f"“{value[:80]}” leads nowhere a message may lead.")
        return value

    def number(self, given: dict, name: str, path: str, least: int, most: int, plain: int) -> int:
        value = given.get(name, plain)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            self.fault(f"{path}.{name}", f"Expected {least} to {most}, found {value!r}.")
            return plain
        return value

    def choice(self, given: dict, name: str, path: str, known: tuple[str, ...], plain: str) -> str:
        value = given.get(name, plain)
        if value not in known:
            self.fault(f"{path}.{name}", f"Expected {', '.join(known)}; found {value!r}.")
            return plain
        return value

    def _block(self, given: Any, path: str, depth: int) -> Block | None:
        if not isinstance(given, dict):
            self.fault(path, f"Expected an object, found {type(given).__name__}.")
            return None
        kind = given.get("kind")
        if not isinstance(kind, str) or kind not in self.kinds:
            self.fault(f"{path}.kind", f"There is no block “{kind}”.")
            return None
        return self.kinds[kind](given, path, depth)

    def _text(self, given: dict, path: str, _depth: int) -> Text:
        html = self.line(given, "html", path, TEXT_MOST)
        align = self.choice(given, "align", path, ALIGNS, "left")
        return Text(clean(html), align, given.get("is_small") is True)

    def _image(self, given: dict, path: str, _depth: int) -> Image:
        src = self.address(given, "src", path)
        return Image(
            src,
            self.line(given, "alt", path),
            self.address(given, "href", path),
            self.number(given, "width", path, 10, 100, 100),
        )

    def _button(self, given: dict, path: str, _depth: int) -> Button:
        return Button(
            self.line(given, "label", path),
            self.address(given, "href", path),
            self.choice(given, "align", path, ALIGNS, "center"),
        )

    def _products(self, given: dict, path: str, _depth: int) -> Products:
        ids = given.get("ids", [])
        if not isinstance(ids, list) or any(type(one) is not int or one < 1 for one in ids):
            self.fault(f"{path}.ids", "Expected the numbers of products.")
            ids = []
        if len(ids) > PRODUCTS_MOST:
            self.fault(f"{path}.ids", f"At most {PRODUCTS_MOST} products, found {len(ids)}.")
        return Products(
            self.choice(given, "source", path, tuple(SOURCES), "fixed"),
            tuple(ids),
            self.number(given, "most", path, 1, PRODUCTS_MOST, 3),
            self.number(given, "per_row", path, 1, COLUMNS_MOST, 3),
            self.line(given, "button", path),
            given.get("has_prices", True) is True,
        )

    def _coupon(self, given: dict, path: str, _depth: int) -> Coupon:
        return Coupon(self.line(given, "title", path), self.line(given, "note", path))

    def _snippet(self, given: dict, path: str, _depth: int) -> Snippet:
        return Snippet(self.number(given, "snippet", path, 1, 2**53, 1))

    def _if(self, given: dict, path: str, depth: int) -> If:
        tests = given.get("tests")
        if not isinstance(tests, list) or not 1 <= len(tests) <= TESTS_MOST:
            self.fault(f"{path}.tests", f"Expected 1 to {TESTS_MOST} tests.")
            tests = []
        return If(
            self.choice(given, "match", path, ("all", "any"), "all"),
            tuple(self._read_test(one, f"{path}.tests[{at}]") for at, one in enumerate(tests)),
            self.blocks(given.get("then", []), f"{path}.then", depth=depth + 1),
            self.blocks(given.get("otherwise", []), f"{path}.otherwise", depth=depth + 1),
        )

    def _read_test(self, given: Any, path: str) -> Test:
        given = given if isinstance(given, dict) else {}
        name, op = self.line(given, "field", path), given.get("op", "is")
        value = given.get("value", "")
        value = str(value) if isinstance(value, int | float) else self.line(given, "value", path)
        if not spelled(name):
            self.fault(f"{path}.field", f"“{name[:80]}” is no field.")
        if op not in OPS:
            self.fault(f"{path}.op", f"Expected {', '.join(OPS)}; found {op!r}.")
        elif op in ("more_than", "less_than") and not _NUMBER.fullmatch(value):
            self.fault(f"{path}.value", f"Expected a number, found “{value[:80]}”.")
        elif ("'" in value and '"' in value) or "%}" in value or "{%" in value or "{{" in value:
            self.fault(f"{path}.value", "It holds both kinds of quotes, or Liquid.")
        return Test(name, op, value)

    def _columns(self, given: dict, path: str, depth: int) -> Columns:
        columns = given.get("columns")
        if not isinstance(columns, list) or not 1 <= len(columns) <= COLUMNS_MOST:
            self.fault(f"{path}.columns", f"Expected 1 to {COLUMNS_MOST} columns.")
            return Columns(())
        made = []
        for at, one in enumerate(columns):
            own = f"{path}.columns[{at}]"
            one = one if isinstance(one, dict) else {}
            width = self.number(one, "width", own, 10, 100, 100 // len(columns))
            within = self.blocks(one.get("blocks", []), f"{own}.blocks", depth=depth + 1)
            if any(isinstance(block, WIDE) for block in walk(within)):
                self.fault(own, "Products and columns need the whole width.")
            made.append(Column(width, within))
        if sum(column.width for column in made) > 100:
            self.fault(f"{path}.columns", "The widths add up to more than 100.")
        return Columns(tuple(made))
