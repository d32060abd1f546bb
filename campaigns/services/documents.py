"""Make a message's body of its blocks: with the snippets they name and the products they show.

Reads rows, writes none.
"""

from collections.abc import Mapping
from typing import Any

from campaigns.messages import block_reader, blocks, drawing
from campaigns.messages.blocks import BlocksError, Document, Fault
from campaigns.messages.render import TemplateError
from campaigns.models import Template
from customers.models import Product
from rapport.web import words


def mjml(given: Mapping[str, Any], *, language: str = "") -> str:
    """The MJML with Liquid of a document as stored.

    A snippet says what it says in the ``language`` if it says anything there.  Raises
    `campaigns.messages.render.TemplateError` with every fault and its path.
    """
    try:
        document = block_reader.parse(given)
        snippets = _snippets(document, language)
        wanted = set().union(*(blocks.references(one)[1] for one in (document, *snippets.values())))
        return drawing.draw(document, snippets=snippets, products=items(wanted))
    except BlocksError as error:
        raise TemplateError([str(fault) for fault in error.faults]) from error


def items(ids: set[int]) -> dict[int, drawing.Item]:
    """What is for sale of these products."""
    if not ids:
        return {}
    found = Product.objects.filter(pk__in=ids, is_available=True)
    return {one.pk: drawing.Item(**item(one)) for one in found}


def item(product: Product) -> dict[str, str]:
    """One product as templates see it."""
    price = product.price is not None
    return {
        "name": str(product),
        "price": words.money(product.price, product.currency) if price else "",
        "image_url": product.image_url,
        "url": product.url,
    }


def _snippets(document: Document, language: str) -> dict[int, Document]:
    """The snippets of a document, and theirs, as deep as they may stand."""
    found: dict[int, Document] = {}
    wanted = blocks.references(document)[0]
    for _depth in range(drawing.SNIPPET_DEPTH_MOST + 1):
        rows = Template.objects.filter(pk__in=wanted - found.keys(), kind=Template.Kind.SNIPPET)
        new = {row.pk: _snippet(row, language) for row in rows}
        found |= new
        wanted = set().union(*(blocks.references(one)[0] for one in new.values()))
        if not wanted - found.keys():
            break
    return found


def _snippet(row: Template, language: str) -> Document:
    for key in (language, language.partition("-")[0]):
        said = row.translations.get(key) if key else None
        if isinstance(said, Mapping) and said.get("blocks"):
            return _read(row, said["blocks"])
    if row.blocks:
        return _read(row, row.blocks)
    return Document((blocks.Mjml(row.body),))


def _read(row: Template, given: Any) -> Document:
    try:
        return block_reader.parse(given)
    except BlocksError as error:
        raise BlocksError(
            [Fault(f"snippet “{row.name}”, {one.path}", one.words) for one in error.faults]
        ) from error
