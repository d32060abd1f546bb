"""What a message is made of: the frozen nodes of the block editor's document.

`campaigns.messages.block_reader` makes them of what is stored, naming every fault;
`campaigns.messages.drawing` makes MJML with Liquid of them.  Texts, addresses and labels are
Liquid; nothing here fills anything in.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

VERSION = 1
BLOCKS_MOST = 200
DEPTH_MOST = 6  # of blocks within blocks
TEXT_MOST = 20_000  # characters of one text
LINE_MOST = 2_000  # of an address, a label, a note
PRODUCTS_MOST = 12
COLUMNS_MOST = 4
TESTS_MOST = 10

ALIGNS = ("left", "center", "right")
FONTS = {
    "sans": "Helvetica, Arial, sans-serif",
    "serif": "Georgia, 'Times New Roman', serif",
    "mono": "Menlo, Consolas, monospace",
}
COLOURS = {
    "background": "#f3f4f6",
    "card": "#ffffff",
    "text": "#1f2933",
    "accent": "#0b6e4f",
    "button_text": "#ffffff",
}
# Where the products of a block come from, and the list that a template sees of them.
SOURCES = {
    "fixed": "",
    "bought_with": "picks.bought_with",  # with what she bought last
    "favourite": "picks.favourite",  # most bought in her favourite category
    "event": "event.products",  # what set the message off: the cart
}
OPS = ("is", "is_not", "contains", "more_than", "less_than", "exists", "not_exists")


@dataclass(frozen=True)
class Fault:
    """One thing wrong with a document, and where: ``blocks[2].columns[0].blocks[1].href``."""

    path: str
    words: str

    def __str__(self) -> str:
        return f"{self.path}: {self.words}"


class BlocksError(ValueError):
    """A document that cannot be used; ``faults`` has every reason."""

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__(" ".join(map(str, faults)))
        self.faults = tuple(faults)


@dataclass(frozen=True)
class Text:
    html: str
    align: str = "left"
    is_small: bool = False  # a footer: outside the card


@dataclass(frozen=True)
class Image:
    src: str
    alt: str = ""
    href: str = ""
    width: int = 100  # percent of what there is


@dataclass(frozen=True)
class Button:
    label: str
    href: str
    align: str = "center"


@dataclass(frozen=True)
class Divider:
    pass


@dataclass(frozen=True)
class Spacer:
    height: int = 24  # pixels


@dataclass(frozen=True)
class Products:
    source: str
    ids: tuple[int, ...] = ()
    most: int = 3
    per_row: int = 3
    button: str = ""
    has_prices: bool = True


@dataclass(frozen=True)
class Coupon:
    title: str = ""
    note: str = ""


@dataclass(frozen=True)
class Snippet:
    snippet: int


@dataclass(frozen=True)
class Mjml:
    mjml: str


@dataclass(frozen=True)
class Test:
    field: str
    op: str
    value: str = ""


@dataclass(frozen=True)
class If:
    """Blocks that are shown where tests hold, and others where they do not."""

    match: str  # all | any
    tests: tuple[Test, ...]
    then: "tuple[Block, ...]"
    otherwise: "tuple[Block, ...]" = ()


@dataclass(frozen=True)
class Column:
    width: int  # percent
    blocks: "tuple[Block, ...]"


@dataclass(frozen=True)
class Columns:
    columns: tuple[Column, ...]


Block = Text | Image | Button | Divider | Spacer | Products | Coupon | Snippet | Mjml | If | Columns
WIDE = (Products, Columns)  # need the whole width


@dataclass(frozen=True)
class Document:
    blocks: tuple[Block, ...]
    style: Mapping[str, str] = field(default_factory=lambda: {**COLOURS, "font": "sans"})


def walk(blocks: tuple[Block, ...]) -> Iterator[Block]:
    """Every block, those within others too."""
    for block in blocks:
        yield block
        if isinstance(block, If):
            yield from walk(block.then + block.otherwise)
        elif isinstance(block, Columns):
            for column in block.columns:
                yield from walk(column.blocks)


def references(document: Document) -> tuple[set[int], set[int]]:
    """The snippets and the products that a document names."""
    found = list(walk(document.blocks))
    snippets = {one.snippet for one in found if isinstance(one, Snippet)}
    products = {pk for one in found if isinstance(one, Products) for pk in one.ids}
    return snippets, products
