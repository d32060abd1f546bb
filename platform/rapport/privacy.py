"""The registry of personal-data exporters and erasers: each app registers its own in `apps.py`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Exporter = Callable[[int], Any]  # customer id -> what JSON can hold
Eraser = Callable[[int], int]  # customer id -> rows removed or made anonymous


@dataclass(frozen=True)
class PersonalData:
    """One kind of personal data: the models it covers, how to hand it out and remove it."""

    name: str
    models: tuple[str, ...]  # "app.Model", for the test that no model is forgotten
    export: Exporter
    erase: Eraser


_kinds: dict[str, PersonalData] = {}


def register(kind: PersonalData) -> None:
    """Add one kind; registering the same name again replaces it (app reloads)."""
    _kinds[kind.name] = kind


def kinds() -> list[PersonalData]:
    """All kinds, the downstream ones last, as the apps were loaded."""
    return list(_kinds.values())


def covered_models() -> set[str]:
    return {model for kind in _kinds.values() for model in kind.models}
