"""What a file must be, what is written about rows that are wrong, and what a rehearsal leaves."""

import csv
import gzip
import json

import pytest
from django.db import connection

from customers.collect.files import FileRefused
from customers.models import Customer, Identity, Order, OrderLine, Product
from customers.services.importing import rejects as reject_files
from rapport.models import Run
from tests.customers.importing import csv_file, json_file, load, order_rows, rejects, triple

pytestmark = pytest.mark.django_db


def nothing_is_written() -> bool:
    return not any(model.objects.exists() for model in (Customer, Identity, Order, Product))


def staging_tables() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT relname FROM pg_class WHERE relname ~ '^(import|upsert)_'")
        return [name for (name,) in cursor.fetchall()]


@pytest.mark.parametrize(
    ("kind", "content", "words"),
    [
        ("customers", "email,name\na@b.example,x\n", ["lacks external_id;", "found email, name;"]),
        ("orders", "order_id\n1\n", ["lacks happened_at, currency, product_id, quantity"]),
        ("events", "name,happened_at\nx,2026-05-01\n", ["lacks customer_id or anonymous_id"]),
        ("events", '{"name": "x"}\n', ["lacks happened_at, customer_id or anonymous_id"]),
        ("orders", '{"order_id": 1, "lines": []}\n', ["lacks happened_at, currency; found"]),
        ("customers", '[{"external_id": 1}]', ["one JSON object a line"]),
        ("customers", "{nonsense\n", ["does not begin with a JSON object"]),
        ("customers", "", ["is empty"]),
    ],
)
def test_a_file_of_the_wrong_shape_is_refused_before_anything_is_written(
    tmp_path, kind, content, words
):
    with pytest.raises(FileRefused) as refused:
        load(kind, csv_file(tmp_path, content))

    assert all(word in str(refused.value) for word in words), refused.value
    assert nothing_is_written()
    assert not Run.objects.exists()


@pytest.mark.parametrize(
    ("content", "word"),
    [
        ("external_id,first_name\n1,Zoë\n2,Bob\n".encode("latin-1"), "is not UTF-8: 1 of 2 rows"),
        pytest.param(
            gzip.compress(b"external_id\n" + b"1\n" * 1_200_000, mtime=0)[:-6],
            "damaged gzip",
            marks=pytest.mark.long,
        ),
        (b"external_id,first_name\n1\n2\n", "no readable row"),
    ],
)
def test_what_shows_only_further_on_leaves_nothing_behind_either(tmp_path, content, word):
    with pytest.raises(FileRefused, match=word):
        load("customers", csv_file(tmp_path, content))

    assert nothing_is_written()
    assert not staging_tables()
    run = Run.objects.get()
    assert (run.state, word in run.error) == ("failed", True)


@pytest.mark.parametrize(
    ("given", "word"),
    [
        ({"preset": "online-retail"}, "reads orders, not customers"),
        ({"preset": "nope"}, "no preset 'nope'; expected one of online-retail"),
        ({"mapping": {"external_id": "nme"}}, "customers have no nme; expected one of external_id"),
        ({"mapping": {"nme": "first_name"}}, "has no nme; found external_id, name"),
        ({"mapping": {"name": "external_id"}}, "gives external_id twice"),
        ({"source": ""}, "source '' is not a name"),
        ({"reject_path": "/proc/none/x.csv"}, "cannot be written"),
    ],
)
def test_what_was_asked_for_must_make_sense(tmp_path, given, word):
    with pytest.raises(FileRefused, match=word):
        load("customers", csv_file(tmp_path, "external_id,name\n1,Ada\n"), **given)

    assert nothing_is_written()


def test_columns_are_mapped_whatever_their_case(tmp_path):
    path = csv_file(tmp_path, "Number;Given Name;Extra Words\n1;Ada;x\n")

    load("customers", path, mapping={"number": "external_id", "Given Name": "first_name"})

    ada = Customer.objects.get()
    assert (ada.first_name, ada.traits) == ("Ada", {"Extra Words": "x"})


def test_a_missing_file_is_one_sentence(tmp_path):
    with pytest.raises(FileRefused, match="cannot be opened: No such file"):
        load("customers", tmp_path / "none.csv")


def test_faults_name_the_column_as_the_file_does_and_each_of_them(tmp_path):
    path = csv_file(tmp_path, "Id,E-Mail,country\n1,nope,XX\n,a@b.example,FR\n3,,\n")

    report = load("customers", path, mapping={"Id": "external_id", "E-Mail": "email"})

    assert rejects(report) == [
        (2, "E-Mail", "nope", "is not an e-mail address"),
        (2, "country", "XX", "is not a country code like FR"),
        (3, "Id", "", "is empty"),
    ]
    assert (report.read, report.rejected, triple(report)) == (3, 2, (1, 0, 0))


def test_blank_rows_are_counted_and_nothing_else(tmp_path):
    report = load("customers", csv_file(tmp_path, "external_id,email\n1,\n\n,\n2,x\n"))

    assert (report.read, report.inserted, report.rejected) == (2, 1, 1)
    assert report.figures["blank_rows"] == 2
    assert rejects(report)[0][0] == 5


@pytest.mark.parametrize("text", ["=1+1", "+cmd", "-cmd", "@x", "\tx"])
def test_a_spreadsheet_takes_no_cell_for_a_formula(tmp_path, text):
    path = csv_file(tmp_path, f'external_id,email\n1,"{text}"\n')

    with open(load("customers", path).reject_path, newline="", encoding="utf-8") as file:
        assert list(csv.reader(file))[1][2] == "'" + text
    assert reject_files.safe_cell("-12.5") == "-12.5"


def test_a_rehearsal_judges_all_and_writes_nothing(tmp_path):
    rows = ["o1,2026-05-01,ada,EUR,mug,1,5", "o1,2026-05-01,ada,EUR,mug,one,5"]

    report = load("orders", csv_file(tmp_path, order_rows(*rows)), dry_run=True)

    assert (report.read, report.rejected, triple(report)) == (2, 1, (0, 0, 0))
    assert rejects(report)[0][:2] == (3, "quantity")
    assert nothing_is_written()
    assert not OrderLine.objects.exists()
    assert not Run.objects.exists()
    assert not staging_tables()


def test_a_broken_line_of_json_is_named_by_its_number(tmp_path):
    path = json_file(tmp_path, {"external_id": 1}, {"external_id": 2, "email": 5})
    path.write_text(path.read_text() + "{\n" + json.dumps({"external_id": 3}))

    report = load("customers", path)

    assert [(row, column) for row, column, _, _ in rejects(report)] == [(2, "email"), (3, "")]
    assert report.inserted == 2


@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
def test_every_delimiter_goes_the_whole_way(tmp_path, mark):
    text = mark.join(["external_id", "first_name"]) + "\n" + mark.join(["1", "Ada"]) + "\n"

    assert load("customers", csv_file(tmp_path, text)).inserted == 1
    assert Customer.objects.get().first_name == "Ada"


@pytest.mark.parametrize("kind", ["customers", "products", "orders", "events", "reviews"])
def test_a_header_alone_is_a_file_without_rows(tmp_path, kind):
    header = "external_id,name," + order_rows()

    report = load(kind, csv_file(tmp_path, header))

    assert (report.read, report.rejected, triple(report)) == (0, 0, (0, 0, 0))
