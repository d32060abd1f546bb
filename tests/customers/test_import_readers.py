"""CSV and JSON lines become rows for COPY, block by block, and broken rows are named."""

import csv
import gzip
import io

import numpy as np
import pytest

from customers.collect import csv_rows, files
from customers.collect.csv_rows import CsvRows
from customers.collect.files import FileRefused, Lines
from customers.collect.json_rows import JsonRows, Layout, RecordFault, as_text
from tests.customers.importing import csv_file, json_file

HEADER = "id,name,note\n"


def read(path):
    """All rows as Python's own reader sees what COPY would be given, and the faults."""
    rows = CsvRows(Lines(path))
    pieces = list(rows.pieces())
    text = b"".join(piece.data for piece in pieces).decode()
    found = list(csv.reader(io.StringIO(text, newline="")))
    assert len(found) == sum(piece.rows for piece in pieces)
    return found, [fault for piece in pieces for fault in piece.faults]


def test_plain_lines_go_on_as_they_came(tmp_path):
    path = csv_file(tmp_path, HEADER + "1,Ada,\n2,Bob,x")

    assert read(path) == ([["1", "Ada", ""], ["2", "Bob", "x"]], [])


def test_windows_line_ends_and_a_byte_order_mark_are_taken_off(tmp_path):
    path = csv_file(tmp_path, b"\xef\xbb\xbfid,name\r\n1,Ada\r\n")

    assert CsvRows(Lines(path)).columns == ["id", "name"]
    assert read(path) == ([["1", "Ada"]], [])


@pytest.mark.parametrize("mark", [";", "\t", "|"])
def test_the_delimiter_is_read_from_the_header(tmp_path, mark):
    path = csv_file(tmp_path, f"id{mark}name\n1{mark}Ada, the first\n")
    rows = CsvRows(Lines(path))

    assert rows.columns == ["id", "name"]
    assert b"Ada, the first" in next(rows.pieces()).data


def test_quoted_fields_may_hold_delimiters_quotes_and_line_ends(tmp_path):
    path = csv_file(tmp_path, HEADER + '1,"A, ""B""\nC",\n2,5" nail,x\n')

    assert read(path) == ([["1", 'A, "B"\nC', ""], ["2", '5" nail', "x"]], [])


def test_a_quote_that_stays_open_costs_only_its_own_row(tmp_path):
    lines = ['1,"open,x', "2,Bob,x", '3,"Eve, Sr.",y', "4,Mallory,"]
    found, faults = read(csv_file(tmp_path, HEADER + "\n".join(lines) + "\n"))

    assert found[1:] == [["2", "Bob", "x"], ["3", "Eve, Sr.", "y"], ["4", "Mallory", ""]]
    assert [(fault.row, fault.reason) for fault in faults] == [
        (2, "opens a quote and does not close it")
    ]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"1,Ada", "has 2 columns, expected 3"),
        (b"1,Ada,x,y", "has 4 columns, expected 3"),
        (b"1,A\x00da,x", "holds a NUL byte"),
        (b"1,A\xffda,x", "is not UTF-8"),
        (b'1,"A"da,x', "is not CSV: text follows a closing quote, or a field is too long"),
    ],
)
def test_a_broken_line_is_named_and_keeps_its_place(tmp_path, line, reason):
    path = csv_file(tmp_path, HEADER.encode() + b"0,Zoe,\n" + line + b"\n2,Bob,\n")

    found, faults = read(path)

    assert found == [["0", "Zoe", ""], ["", "", ""], ["2", "Bob", ""]]
    assert [(fault.row, fault.reason) for fault in faults] == [(3, reason)]


def test_a_blank_line_is_an_empty_row_and_no_fault(tmp_path):
    assert read(csv_file(tmp_path, HEADER + "1,a,b\n\n2,c,d\n")) == (
        [["1", "a", "b"], ["", "", ""], ["2", "c", "d"]],
        [],
    )


def test_a_column_alone_cannot_end_the_copy(tmp_path):
    found, faults = read(csv_file(tmp_path, "id\n\\.\n2\n"))

    assert found == [["\\."], ["2"]]
    assert not faults
    data = next(CsvRows(Lines(csv_file(tmp_path, "id\n\\.\n"))).pieces()).data
    assert data == b'"\\."\n'


@pytest.mark.parametrize("block_bytes", [7, 64, 1000])
def test_blocks_may_end_anywhere(tmp_path, monkeypatch, block_bytes):
    rng = np.random.default_rng(7)
    rows = [
        [str(n), "".join(rng.choice(list('ab",\né'), 6)), "x" * int(rng.integers(0, 9))]
        for n in range(300)
    ]
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows([["id", "name", "note"], *rows])
    path = csv_file(tmp_path, text.getvalue(), "facts.csv.gz")
    monkeypatch.setattr(files, "BLOCK_BYTES", block_bytes)

    assert read(path) == (rows, [])


def test_an_open_quote_is_given_up_after_a_stated_number_of_lines(tmp_path, monkeypatch):
    monkeypatch.setattr(csv_rows, "RECORD_LINES_MAX", 3)
    lines = ['1,"open', "2,b,c", "3,b,c", "4,b,c", '5,"x",y"']

    found, faults = read(csv_file(tmp_path, HEADER + "\n".join(lines) + "\n"))

    assert [row[0] for row in found] == ["", "2", "3", "4", "5"]
    assert [fault.row for fault in faults] == [2]


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"", "is empty"),
        (b"\n\n", "is empty"),
        ("id,name\n1,x\n".encode("utf-16"), "UTF-16"),
        (b"PK\x03\x04rest", "zip"),
        (b"\x00\x01\x02\x03", "binary"),
        (gzip.compress(b"id,name\n" + b"1,x\n" * 90, mtime=0)[:-9], "damaged gzip"),
        (gzip.compress(b"id,name\n1,x\n", mtime=0)[:-4] + b"\0\0\0\0", "damaged gzip"),
    ],
)
def test_what_is_no_text_is_refused(tmp_path, content, word):
    with pytest.raises(FileRefused, match=word):
        read(csv_file(tmp_path, content))


def test_a_line_without_end_is_refused_before_it_fills_the_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "LINE_BYTES_MAX", 1 << 16)
    monkeypatch.setattr(files, "BLOCK_BYTES", 1 << 12)

    with pytest.raises(FileRefused, match="no line end"):
        read(csv_file(tmp_path, b"a" * (1 << 18)))


def test_a_header_that_names_a_column_twice_is_refused(tmp_path):
    with pytest.raises(FileRefused, match="twice: name"):
        CsvRows(Lines(csv_file(tmp_path, "id,name,Name\n")))


# --- JSON lines -------------------------------------------------------------------------------

LAYOUT = Layout(("id", "product_id", "properties"), more="properties", mapping={})


def json_rows(path):
    pieces = list(JsonRows(Lines(path), LAYOUT).pieces())
    text = b"".join(piece.data for piece in pieces).decode()
    return list(csv.reader(io.StringIO(text))), [f for piece in pieces for f in piece.faults]


def test_unknown_keys_are_gathered(tmp_path):
    path = json_file(tmp_path, {"id": 1, "colour": "red", "properties": {"size": 4}, "gone": None})

    assert json_rows(path) == ([["1", "1", "", '{"size": 4, "colour": "red"}']], [])


def test_lines_inside_a_record_become_rows_with_its_number(tmp_path):
    path = json_file(tmp_path, {"id": 0, "product_id": "z"}, {"id": 7, "lines": [
        {"product_id": "a"}, {"product_id": "b"}]})  # fmt: skip

    assert [row[:3] for row in json_rows(path)[0]] == [
        ["1", "0", "z"],
        ["2", "7", "a"],
        ["2", "7", "b"],
    ]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "is not JSON"),
        ("[1]", "is not an object"),
        ('{"id": NaN}', "NaN"),
        ('{"id": "\\u0000"}', "NUL"),
        ('{"id": "\\ud800"}', "surrogate"),
        ('{"id": 1, "lines": []}', "at least one line"),
        ('{"id": 1, "lines": [{"sku": "a"}]}', "line 1 has sku"),
        ('{"id": ' + "[" * 5000 + "}", "is nested too deeply"),
    ],
)
def test_a_broken_record_is_named_by_its_line(tmp_path, line, reason):
    path = tmp_path / "facts.jsonl"
    path.write_text('{"id": 1}\n\n' + line + '\n{"id": 4}\n', encoding="utf-8")

    found, faults = json_rows(path)

    assert [row[:2] for row in found] == [["1", "1"], ["3", ""], ["4", "4"]]
    assert len(faults) == 1
    assert reason in faults[0].reason


def test_values_are_spelled_as_in_a_csv_file():
    assert [as_text(value) for value in (True, 6.0, 2.5, None, "", {"a": 1})] == [
        "true",
        "6",
        "2.5",
        None,
        None,
        '{"a": 1}',
    ]
    with pytest.raises(RecordFault):
        as_text("a\0b")
