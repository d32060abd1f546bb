"""Documents of blocks as forms carry them."""

import json
from typing import Any


def with_blocks(translations: dict[str, Any], blocks: dict[str, Any] | None) -> dict[str, Any]:
    """What is said in each language, with the blocks that the editor has for it.

    >>> with_blocks({"fr": {"subject": "Oui", "blocks": {"a": 1}}}, {"de": {"b": 2}})
    {'fr': {'subject': 'Oui'}, 'de': {'blocks': {'b': 2}}}
    """
    if blocks is None:
        return translations
    made = {
        language: {name: text for name, text in said.items() if name != "blocks"}
        for language, said in translations.items()
        if isinstance(said, dict)
    }
    for language, document in blocks.items():
        made.setdefault(language, {})["blocks"] = document
    return {language: said for language, said in made.items() if said}


def blocks_of(translations: dict[str, Any]) -> dict[str, Any]:
    """The documents of each language, for the editor."""
    return {
        language: said["blocks"]
        for language, said in translations.items()
        if isinstance(said, dict) and said.get("blocks")
    }


def read_json(text: str) -> Any:
    """An object as the editor writes it into a form; nothing for an empty field."""
    if not text.strip() or text.strip() == "null":
        return None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError("The blocks cannot be read; reload the page.") from None
    if not isinstance(found, dict):
        raise ValueError("The blocks cannot be read; reload the page.")
    return found
