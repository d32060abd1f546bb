"""From a file to facts: upload, mapping, check, import, rejected rows."""

import gzip
import stat

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from customers import tasks
from customers.collect import uploads
from customers.models import Customer, Order
from rapport import runs
from rapport.models import AuditEntry, Run
from tests.makers import make_staff

pytestmark = pytest.mark.django_db
HEADER = "Invoice,Date,Customer,SKU,Qty,Unit price,currency,colour\n"
ROWS = (
    "1001,2026-05-01,K-1,mug,2,4.50,EUR,blue\n"
    "1001,2026-05-01,K-1,lamp,1,30.00,EUR,red\n"
    "1002,2026-05-02,K-2,mug,many,4.50,EUR,\n"
)


@pytest.fixture(autouse=True)
def home(settings, tmp_path):
    settings.RAPPORT_HOME = tmp_path
    return tmp_path


@pytest.fixture
def analyst(client):
    client.force_login(make_staff("analyst"))
    return client


@pytest.fixture
def queued(monkeypatch):
    """The runs that were handed to the queue."""
    handed: list[int] = []
    monkeypatch.setattr(tasks.import_upload, "apply_async", lambda ids, **_: handed.extend(ids))
    return handed


def text(answer) -> str:
    return answer.content.decode()


def upload(client, content: str | bytes = HEADER + ROWS, name: str = "may.csv", **given):
    content = content.encode() if isinstance(content, str) else content
    file = SimpleUploadedFile(name, content)
    return client.post(
        reverse("import_new"), {"kind": "orders", "source": "shop", "file": file, **given}
    )


def mapped(client, answer, **columns) -> dict[str, str]:
    """What the mapping page would post: its guesses, changed by ``columns`` (name -> field)."""
    page = client.get(answer["Location"])
    return {
        f"column_{place}": columns.get(column.name, chosen)
        for place, column, chosen in page.context["columns"]
    }


def test_a_new_installation_is_told_where_to_begin(analyst):
    assert "A file of orders is the best start" in text(analyst.get("/imports/"))


def test_columns_are_guessed_and_shown_with_their_values(analyst, django_assert_max_num_queries):
    answer = upload(analyst)

    with django_assert_max_num_queries(15):
        page = analyst.get(answer["Location"])

    guessed = {column.name: chosen for _place, column, chosen in page.context["columns"]}
    assert guessed == {
        "Invoice": "order_id",
        "Date": "happened_at",
        "Customer": "customer_id",
        "SKU": "product_id",
        "Qty": "quantity",
        "Unit price": "unit_price",
        "currency": "currency",
        "colour": "",
    }
    assert "1001 · 1001 · 1002" in text(page)
    assert not page.context["missing"]


def test_the_file_is_private(analyst, home):
    upload(analyst)

    kept = [home / "uploads", *(home / "uploads").rglob("*")]
    assert {stat.S_IMODE(path.stat().st_mode) for path in kept if path.is_dir()} == {0o700}
    assert {stat.S_IMODE(path.stat().st_mode) for path in kept if path.is_file()} == {0o600}


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (HEADER.replace(",", ";") + ROWS.replace(",", ";"), "semicolons.csv"),
        (gzip.compress((HEADER + ROWS).encode(), mtime=0), "packed.csv.gz"),
        ('{"order": "1", "lines": [{"product_id": "mug"}]}\n', "nested.jsonl"),
    ],
)
def test_other_shapes_of_files_are_read_too(analyst, content, name):
    page = analyst.get(upload(analyst, content, name)["Location"])

    chosen = [chosen for _place, _column, chosen in page.context["columns"]]
    assert chosen[0] == "order_id"


@pytest.mark.parametrize(
    ("content", "name", "reason"),
    [
        ("", "empty.csv", "The submitted file is empty"),
        ("\n\n", "blank.csv", "is empty"),
        (HEADER, "orders.pdf", "is neither CSV nor JSON lines"),
        (b"PK\x03\x04rest", "sheet.csv", "a zip archive or a spreadsheet"),
        ("a,A\n1,2\n", "twice.csv", "twice: a"),
        ("[1, 2]\n", "list.jsonl", "not a JSON object"),
    ],
)
def test_what_cannot_be_meant_is_refused_at_the_door_and_not_kept(
    analyst, home, content, name, reason
):
    answer = upload(analyst, content, name)

    assert answer.status_code == 200
    assert reason in text(answer)
    assert not list((home / "uploads").glob("*")) if (home / "uploads").exists() else True


def test_a_file_over_the_limit_is_refused_while_it_is_written(home, monkeypatch):
    monkeypatch.setattr(uploads, "MOST_BYTES", 10)

    with pytest.raises(uploads.UploadRefused, match="larger than"):
        uploads.keep([b"a,b\n1,", b"2\n3,4\n5,6"], name="x.csv", kind="orders", source="s", now=0)

    assert not list((home / "uploads").iterdir())


def test_a_missing_required_field_keeps_what_was_chosen_and_names_it(analyst, queued):
    answer = upload(analyst)
    posted = mapped(analyst, answer, Qty="", colour="title")

    refused = analyst.post(answer["Location"], {**posted, "import": ""})

    assert refused.status_code == 400
    assert "quantity (how many) needs a column" in text(refused)
    assert 'value="title" selected' in text(refused)
    assert not Run.objects.exists()
    assert not queued


def test_a_column_that_is_called_like_a_field_may_mean_nothing(analyst, queued):
    answer = upload(analyst, HEADER.replace("colour", "title") + ROWS)
    analyst.post(answer["Location"], {**mapped(analyst, answer, title=""), "import": ""})

    tasks.import_upload(Run.objects.get().pk)

    order = Order.objects.get()
    assert set(order.lines.values_list("title", flat=True)) == {""}
    assert "title" in order.properties


def test_one_field_takes_one_column(analyst, queued):
    answer = upload(analyst)
    posted = mapped(analyst, answer, colour="quantity")

    refused = analyst.post(answer["Location"], {**posted, "import": ""})

    assert "quantity is given by 2 columns, expected one" in text(refused)


def test_a_foreign_field_name_is_refused(analyst, queued):
    answer = upload(analyst)
    posted = mapped(analyst, answer, colour="is_superuser")

    refused = analyst.post(answer["Location"], {**posted, "import": ""})

    assert "is_superuser is not a field of orders" in text(refused)


def test_an_import_is_queued_as_a_run_on_record(
    analyst, queued, django_capture_on_commit_callbacks
):
    answer = upload(analyst)
    posted = mapped(analyst, answer)

    with django_capture_on_commit_callbacks(execute=True):
        started = analyst.post(answer["Location"], {**posted, "import": ""})

    run = Run.objects.get()
    assert queued == [run.pk]
    assert (run.kind, run.title, run.params["dry_run"]) == (
        "import",
        "Import orders from may.csv",
        False,
    )
    assert started["Location"] == reverse("import", args=[run.pk])
    assert "every 2s" in text(analyst.get(started["Location"]))
    assert AuditEntry.objects.filter(action="import.started", actor="analyst").exists()


def test_an_upload_too_old_is_gone(analyst, home):
    answer = upload(analyst)
    kept = uploads.find(answer["Location"].strip("/").split("/")[-1])
    later = kept.path.stat().st_mtime + uploads.KEEP_SECONDS + 60

    uploads.keep([b"a\n1\n"], name="y.csv", kind="orders", source="s", now=later)

    assert analyst.get(answer["Location"]).status_code == 404


@pytest.mark.parametrize("token", ["0" * 24, "..", "x" * 24, "%2e%2e%2fetc"])
def test_no_other_folder_is_read(analyst, token):
    assert analyst.get(f"/imports/new/{token}/").status_code == 404


def test_a_run_whose_file_is_gone_fails_with_the_reason():
    run = runs.create(
        "import", "Import", params={"upload": "0" * 24, "dry_run": False, "mapping": {}}
    )

    tasks.import_upload(run.pk)

    run.refresh_from_db()
    assert run.state == Run.State.FAILED
    assert "upload it again" in run.error


def test_a_check_says_what_would_happen_and_the_import_does_it(analyst, queued):
    answer = upload(analyst)
    posted = mapped(analyst, answer)

    checked = analyst.post(answer["Location"], {**posted, "check": ""})
    tasks.import_upload(Run.objects.latest("id").pk)
    page = text(analyst.get(checked["Location"]))

    assert "Nothing was written. Of 3 rows, 1 would be rejected." in page
    assert not Order.objects.exists()

    hidden = dict(analyst.get(checked["Location"]).context["hidden"])
    done = analyst.post(answer["Location"], {**hidden, "import": ""})
    run = Run.objects.latest("id")
    tasks.import_upload(run.pk)
    page = text(analyst.get(done["Location"]))

    assert "3 rows read" in page
    assert Order.objects.get().lines.count() == 2
    assert Customer.objects.filter(identities__value="K-1").exists()
    rejected = analyst.get(reverse("import_rejects", args=[run.pk]))
    assert b"many" in b"".join(rejected.streaming_content)
    assert "may.csv" in text(analyst.get("/imports/"))


def test_a_known_export_needs_no_mapping(analyst, queued):
    header = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n"
    row = "536365,85123A,HOLDER,6,12/1/2010 8:26,2.55,17850,United Kingdom\n"
    answer = upload(analyst, header + row, "retail.csv")

    assert "This is a file we know: online-retail" in text(analyst.get(answer["Location"]))
    analyst.post(answer["Location"], {"preset": "online-retail", "import": ""})

    assert Run.objects.get().params["preset"] == "online-retail"


def test_a_file_refused_by_the_import_ends_the_run_with_the_reason(analyst, queued):
    answer = upload(analyst, HEADER + ROWS)
    analyst.post(answer["Location"], {**mapped(analyst, answer), "import": ""})
    run = Run.objects.get()
    Run.objects.filter(pk=run.pk).update(params={**run.params, "mapping": {"no such": "title"}})

    tasks.import_upload(run.pk)

    run.refresh_from_db()
    assert run.state == Run.State.FAILED
    assert "has no no such" in run.error


def test_a_run_that_is_over_is_not_imported_again(analyst, queued):
    answer = upload(analyst)
    analyst.post(answer["Location"], {**mapped(analyst, answer), "import": ""})
    run = Run.objects.get()
    runs.request_cancel(run)

    tasks.import_upload(run.pk)

    assert not Order.objects.exists()


def test_rejected_rows_are_only_for_who_may_import(client):
    run = runs.create("import", "Import", params={"upload": "0" * 24})
    client.force_login(make_staff("viewer"))

    assert client.get(reverse("import_rejects", args=[run.pk])).status_code == 403
    assert client.get(reverse("import", args=[run.pk])).status_code == 200
