"""Draw a document of blocks as MJML with Liquid, dark mode included.

Snippets are put in where they are named, products that were chosen by hand are written out, and
those chosen for each person become a loop over a list that the template sees.
"""

import html
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from campaigns.messages.block_reader import spelled
from campaigns.messages.blocks import (
    FONTS,
    SOURCES,
    Block,
    BlocksError,
    Button,
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
    Text,
)
from campaigns.messages.markup import Places

SNIPPET_DEPTH_MOST = 3
WIDTH = 600  # pixels
PADDING = "10px 24px"
SECTIONS = ("<mj-section", "<mj-wrapper", "<mj-hero")

# Apple's and most others ask the media query; Outlook's marks its own pages.  Inlined colours give
# way to `!important` alone.
DARK = """
    :root { color-scheme: light dark; supported-color-schemes: light dark; }
    @media (prefers-color-scheme: dark) {
      body, .r-page { background-color: #111827 !important; }
      .r-card, .r-card > table { background: #1f2937 !important; }
      .r-box > table { background-color: #374151 !important; }
      .r-text div, .r-text h1, .r-text h2, .r-text h3, .r-text p { color: #f3f4f6 !important; }
      .r-small div, .r-small p, .r-small a { color: #9ca3af !important; }
      .r-text a { color: #93c5fd !important; }
      .r-code div { color: #6ee7b7 !important; }
    }
    [data-ogsc] .r-text div, [data-ogsc] .r-text p { color: #f3f4f6 !important; }
    [data-ogsc] .r-code div { color: #6ee7b7 !important; }
"""


@dataclass(frozen=True)
class Item:
    """One product as a message shows it; no Liquid in its name is ever read."""

    name: str
    price: str = ""  # with its currency, as people write it
    image_url: str = ""
    url: str = ""

    def inert(self) -> "Item":
        words = (one.replace("{{", "{ {").replace("{%", "{ %") for one in (self.name, self.price))
        urls = (one.replace("{", "%7B") for one in (self.image_url, self.url))
        return Item(*words, *urls)


Inside = Callable[[tuple[Block, ...], "_Pen", str, tuple[int, ...]], str]


@dataclass
class _Pen:
    """What is being drawn, and what it may draw on."""

    style: Mapping[str, str]
    snippets: Mapping[int, Document]
    products: Mapping[int, Item]
    faults: list[Fault] = field(default_factory=list)
    tests: int = 0


def draw(
    document: Document,
    *,
    snippets: Mapping[int, Document] | None = None,
    products: Mapping[int, Item] | None = None,
) -> str:
    """The MJML of a document.

    Parameters
    ----------
    snippets, products : mapping
        What the document and its snippets name, by number.

    Raises
    ------
    BlocksError
        For snippets that are unknown, hold themselves, or stand too deep within each other.  A
        product that is not for sale any more is left out.
    """
    pen = _Pen(document.style, snippets or {}, products or {})
    sections = _sections(document.blocks, pen, "blocks", ())
    if pen.faults:
        raise BlocksError(pen.faults)
    style = document.style
    return f"""<mjml>
<mj-head>
<mj-attributes>
<mj-all font-family="{FONTS[style["font"]]}" />
<mj-text font-size="16px" line-height="1.6" color="{style["text"]}" padding="{PADDING}" />
<mj-section padding="0" />
<mj-column padding="0" />
<mj-button background-color="{style["accent"]}" color="{style["button_text"]}" font-size="16px" \
font-weight="700" border-radius="6px" inner-padding="14px 28px" padding="{PADDING}" />
<mj-image padding="{PADDING}" />
<mj-divider border-width="1px" border-color="#d9dee5" padding="{PADDING}" />
</mj-attributes>
<mj-style>{DARK}h1,h2,h3{{line-height:1.25;margin:0}}p{{margin:0 0 12px}}p:last-child{{margin:0}}\
a{{color:{style["accent"]}}}</mj-style>
</mj-head>
<mj-body background-color="{style["background"]}" width="{WIDTH}px" css-class="r-page">
{sections}
</mj-body>
</mjml>
"""


def _sections(blocks: tuple[Block, ...], pen: _Pen, path: str, within: tuple[int, ...]) -> str:
    """Blocks that stand one under the other, each over the whole width."""
    return "\n".join(
        _section(block, pen, f"{path}[{at}]", within) for at, block in enumerate(blocks)
    )


def _section(block: Block, pen: _Pen, path: str, within: tuple[int, ...]) -> str:
    match block:
        case If():
            return _if(block, pen, path, within, _sections)
        case Snippet():
            return _snippet(block, pen, path, within, _sections)
        case Columns():
            columns = "".join(
                f'<mj-column width="{column.width}%">'
                f"{_parts(column.blocks, pen, f'{path}.columns[{at}].blocks', within)}</mj-column>"
                for at, column in enumerate(block.columns)
            )
            return _on_card(columns, pen)
        case Products():
            return _products(block, pen)
        case Mjml() if block.mjml.lstrip().startswith(SECTIONS):
            return block.mjml
        case Text(is_small=True):
            return f"<mj-section><mj-column>{_text(block)}</mj-column></mj-section>"
        case Coupon():
            box = f'css-class="r-box" background-color="#f0f4f8">{_coupon(block)}'
            card = _on_card(f"<mj-column {box}</mj-column>", pen, padding=PADDING)
            return f"{{% if offer.code %}}{card}{{% endif %}}"
    return _on_card(f"<mj-column>{_part(block, pen, path, within)}</mj-column>", pen)


def _parts(blocks: tuple[Block, ...], pen: _Pen, path: str, within: tuple[int, ...]) -> str:
    """Blocks within a column."""
    return "".join(_part(block, pen, f"{path}[{at}]", within) for at, block in enumerate(blocks))


def _part(block: Block, pen: _Pen, path: str, within: tuple[int, ...]) -> str:
    match block:
        case Text():
            return _text(block)
        case Image():
            return _image(block)
        case Button():
            return (
                f'<mj-button align="{block.align}" href={_attribute(block.href or "#")}>'
                f"{_words(block.label)}</mj-button>"
            )
        case Divider():
            return "<mj-divider />"
        case Spacer():
            return f'<mj-spacer height="{block.height}px" />'
        case Coupon():
            return "{% if offer.code %}" + _coupon(block) + "{% endif %}"
        case Mjml():
            return block.mjml
        case If():
            return _if(block, pen, path, within, _parts)
        case Snippet():
            return _snippet(block, pen, path, within, _parts)
    pen.faults.append(Fault(path, "Products and columns need the whole width."))
    return ""


def _if(block: If, pen: _Pen, path: str, within: tuple[int, ...], inside: Inside) -> str:
    """Each test into a name of its own: Liquid knows no brackets, and reads *and* after *or*."""
    names, asked = [], ""
    for test in block.tests:
        pen.tests += 1
        names.append(f"_t{pen.tests}")
        value = f'"{test.value}"' if "'" in test.value else f"'{test.value}'"
        asked += (
            f"{{% assign _t{pen.tests} = {spelled(test.field)} | holds: '{test.op}', {value} %}}"
        )
    joined = (" and " if block.match == "all" else " or ").join(names)
    then = inside(block.then, pen, f"{path}.then", within)
    otherwise = inside(block.otherwise, pen, f"{path}.otherwise", within)
    middle = f"{{% else %}}{otherwise}" if otherwise else ""
    return f"{asked}{{% if {joined} %}}{then}{middle}{{% endif %}}"


def _snippet(block: Snippet, pen: _Pen, path: str, within: tuple[int, ...], inside: Inside) -> str:
    found = pen.snippets.get(block.snippet)
    if found is None:
        pen.faults.append(Fault(path, f"There is no snippet {block.snippet}."))
    elif block.snippet in within:
        pen.faults.append(Fault(path, f"The snippet {block.snippet} holds itself."))
    elif len(within) >= SNIPPET_DEPTH_MOST:
        pen.faults.append(Fault(path, f"Snippets stand more than {SNIPPET_DEPTH_MOST} deep."))
    else:
        return inside(found.blocks, pen, f"{path}.blocks", (*within, block.snippet))
    return ""


def _on_card(columns: str, pen: _Pen, *, padding: str = "0") -> str:
    colour = pen.style["card"]
    return (
        f'<mj-section css-class="r-card" background-color="{colour}" padding="{padding}">'
        f"{columns}</mj-section>"
    )


def _text(block: Text) -> str:
    look = ' css-class="r-text"'
    if block.is_small:
        look = ' css-class="r-small" font-size="12px" line-height="1.5" color="#616e7c"'
    return f'<mj-text align="{block.align}"{look}>{block.html}</mj-text>'


def _image(block: Image) -> str:
    if not block.src:
        return ""
    link = f" href={_attribute(block.href)}" if block.href else ""
    width = f' width="{WIDTH * block.width // 100 - 48}px"' if block.width < 100 else ""
    return f"<mj-image src={_attribute(block.src)} alt={_attribute(block.alt)}{link}{width} />"


def _coupon(block: Coupon) -> str:
    title = _words(block.title) or "{{ offer.name }}"
    note = _words(block.note)
    until = (
        '{% if offer.expires_at %}Valid until {{ offer.expires_at | date: "%-d %B %Y" }}{% endif %}'
    )
    return (
        f'<mj-text css-class="r-text" align="center" font-weight="700">{title}</mj-text>'
        '<mj-text css-class="r-code" align="center" font-size="26px" font-weight="700" '
        f'letter-spacing="2px" font-family="{FONTS["mono"]}" color="#0b6e4f">'
        "{{ offer.code }}</mj-text>"
        f'<mj-text css-class="r-text" align="center" font-size="13px">{note or until}</mj-text>'
    )


def _products(block: Products, pen: _Pen) -> str:
    if SOURCES[block.source]:
        return _looped(block, pen)
    chosen = [pen.products[pk].inert() for pk in block.ids if pk in pen.products]
    items = chosen[: block.most]
    rows = [items[at : at + block.per_row] for at in range(0, len(items), block.per_row)]
    width = 100 // block.per_row
    return "\n".join(
        _on_card(
            "".join(f'<mj-column width="{width}%">{_item(one, block)}</mj-column>' for one in row),
            pen,
        )
        for row in rows
    )


def _item(item: Item, block: Products) -> str:
    href = f" href={_attribute(item.url)}" if item.url else ""
    made = ""
    if item.image_url:
        made += f"<mj-image src={_attribute(item.image_url)} alt={_attribute(item.name)}{href} />"
    words = f"<strong>{_words(item.name)}</strong>"
    if block.has_prices and item.price:
        words += f"<br />{_words(item.price)}"
    made += f'<mj-text css-class="r-text" align="center" font-size="14px">{words}</mj-text>'
    if block.button and item.url:
        made += f'<mj-button font-size="14px"{href}>{_words(block.button)}</mj-button>'
    return made


def _looped(block: Products, pen: _Pen) -> str:
    """A row for each product of a list that differs from person to person."""
    name = SOURCES[block.source]
    price = (
        "{% if item.price %}<br />{{ item.price }}{% if item.currency %} {{ item.currency }}"
        "{% endif %}{% endif %}"
        if block.has_prices
        else ""
    )
    button = (
        f'<br /><a href="{{{{ item.url }}}}">{_words(block.button)}</a>' if block.button else ""
    )
    row = (
        f"{{% for item in {name} limit: {block.most} %}}<tr>"
        '<td width="112" style="padding:8px 0">{% if item.image_url %}'
        '<img src="{{ item.image_url }}" alt="{{ item.name }}" width="96" '
        'style="display:block;border:0;border-radius:6px">{% endif %}</td>'
        f'<td style="padding:8px 0"><strong>{{{{ item.name }}}}</strong>{price}'
        + (f"{{% if item.url %}}{button}{{% endif %}}" if button else "")
        + "</td></tr>{% endfor %}"
    )
    table = f'<mj-table css-class="r-text" font-size="15px" padding="{PADDING}">{row}</mj-table>'
    section = _on_card(f"<mj-column>{table}</mj-column>", pen)
    return f"{{% if {name}.first %}}{section}{{% endif %}}"


def _words(text: str) -> str:
    """Plain words with Liquid, as MJML shows them."""
    places = Places(text)
    return places.put_back(html.escape(places.source, quote=False))


def _attribute(value: str) -> str:
    """The same in quotes."""
    places = Places(value)
    return f'"{places.put_back(html.escape(places.source))}"'
