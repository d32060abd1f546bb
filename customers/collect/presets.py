"""What a preset is: the columns of a known export, and how each of ours is read from them."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Preset:
    """One known export.  In ``expressions`` and ``extra``, ``{Column}`` is a column of the file."""

    name: str
    kind: str
    columns: tuple[str, ...]  # all of them must be there
    expressions: dict[str, str]  # our column → SQL
    extra: dict[str, str] = field(default_factory=dict)  # kept under this name ← SQL
