"""Match what a file holds to a kind of facts, or say in one sentence why it cannot be."""

import re
from pathlib import Path

from customers.collect import online_retail
from customers.collect.csv_rows import CsvRows
from customers.collect.files import FileRefused, Lines
from customers.collect.json_rows import LINE_FIELDS, JsonRows, Layout
from customers.collect.presets import Preset
from customers.services.importing.shapes import KINDS, Kind
from customers.services.importing.staging import Shape

PRESETS = {preset.name: preset for preset in (online_retail.PRESET,)}
Rows = CsvRows | JsonRows


def opened(
    kind_name: str, path: str | Path, *, preset: str | None, mapping: dict[str, str] | None
) -> tuple[Rows, Shape]:
    """Open a file and match its columns; `FileRefused` before anything is written."""
    kind = known_kind(kind_name)
    chosen = _known_preset(preset, kind) if preset else None
    mapping = mapping or {}
    unknown = sorted(set(mapping.values()) - {""} - set(kind.names))  # "": none of ours
    if unknown:
        raise FileRefused(
            f"{kind.name} have no {', '.join(unknown)}; expected one of {', '.join(kind.names)}."
        )
    lines = Lines(path)
    first = lines.first_line()
    lines.put_back(first)
    if first.lstrip()[:1] in (b"{", b"[") and chosen is None:
        layout = Layout(kind.names, more=kind.more, mapping=mapping)
        rows = JsonRows(lines, layout)
        lines_given = kind.name == "orders" and "lines" in rows.keys
        _check(lines.name, kind, [*rows.keys, *(LINE_FIELDS if lines_given else ())])
        return rows, shape_of_records(kind, layout)
    table = CsvRows(lines)
    if chosen:
        return table, _shape_of_preset(table, kind, chosen)
    return table, _shape_of_table(table, kind, mapping)


def known_kind(name: str) -> Kind:
    if name not in KINDS:
        raise FileRefused(f"{name!r} is no kind of facts; expected one of {', '.join(KINDS)}.")
    return KINDS[name]


def shape_of_records(kind: Kind, layout: Layout) -> Shape:
    columns = {name: f"c{n}" for n, name in enumerate(kind.names, start=1)}
    return Shape(kind, list(kind.names), columns, ignored=layout.ignored)


def _known_preset(name: str, kind: Kind) -> Preset:
    if name not in PRESETS:
        raise FileRefused(f"There is no preset {name!r}; expected one of {', '.join(PRESETS)}.")
    preset = PRESETS[name]
    if preset.kind != kind.name:
        raise FileRefused(f"The preset {name} reads {preset.kind}, not {kind.name}.")
    return preset


def _check(name: str, kind: Kind, found: list[str]) -> None:
    missing = kind.missing(found)
    if missing:
        raise FileRefused(
            f"{name} lacks {', '.join(missing)}; found {', '.join(found)};"
            f" {kind.name} expect {', '.join(kind.names)}."
        )


def _shape_of_table(table: CsvRows, kind: Kind, mapping: dict[str, str]) -> Shape:
    given = {column.lower(): target for column, target in mapping.items()}
    absent = sorted(given.keys() - {column.lower() for column in table.columns})
    if absent:
        raise FileRefused(
            f"{table.lines.name} has no {', '.join(absent)}; found {', '.join(table.columns)}."
        )
    shape = Shape(kind, table.columns, {})
    for number, column in enumerate(table.columns, start=1):
        target = given.get(column.lower(), column.lower())
        if target not in kind.names:
            shape.extra.append((column, f"c{number}"))
        elif shape.has(target):
            raise FileRefused(f"{table.lines.name} gives {target} twice: once by --map, once so.")
        else:
            shape.expressions[target] = f"c{number}"
            shape.labels[target] = column
    _check(table.lines.name, kind, [given.get(c.lower(), c.lower()) for c in table.columns])
    if not kind.more:
        shape.ignored, shape.extra = {name for name, _ in shape.extra}, []
    return shape


def _shape_of_preset(table: CsvRows, kind: Kind, preset: Preset) -> Shape:
    places = {column.lower(): f"c{n}" for n, column in enumerate(table.columns, start=1)}
    missing = [column for column in preset.columns if column.lower() not in places]
    if missing:
        raise FileRefused(
            f"{table.lines.name} lacks {', '.join(missing)}; found {', '.join(table.columns)};"
            f" the preset {preset.name} expects {', '.join(preset.columns)}."
        )

    def read(sql: str) -> str:
        return re.sub(r"\{(\w+)\}", lambda found: places[found[1].lower()], sql)

    known = {column.lower() for column in preset.columns}
    more = [(c, f"c{n}") for n, c in enumerate(table.columns, start=1) if c.lower() not in known]
    return Shape(
        kind,
        table.columns,
        {name: read(sql) for name, sql in preset.expressions.items()},
        {
            name: sql.strip("{}")
            for name, sql in preset.expressions.items()
            if re.fullmatch(r"\{\w+\}", sql)
        },
        [*((name, read(sql)) for name, sql in preset.extra.items()), *more],
    )
