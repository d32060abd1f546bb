"""The command line says in a sentence what happened, and fails where it must."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from customers.models import Customer
from tests.customers.importing import csv_file

pytestmark = pytest.mark.django_db


def run(*words) -> str:
    out = StringIO()
    call_command("import_data", *map(str, words), stdout=out)
    return out.getvalue()


def test_it_says_what_it_did_and_what_it_did_not(tmp_path):
    path = csv_file(tmp_path, "external_id,email\n1,a@b.example\n2,nope\n")
    bad = tmp_path / "bad.csv"

    first = run("customers", path, "--source", "shop", "--rejects", bad)
    second = run("customers", path, "--source", "shop", "--rejects", bad)

    assert "2 rows read: 1 new, 0 changed, 0 unchanged, 1 rejected." in first
    assert f"The rejected rows are in {bad}." in first
    assert "rows per second." in first
    assert "2 rows read: 0 new, 0 changed, 1 unchanged, 1 rejected." in second
    assert "0 rows changed: all of it was here already." in second
    assert bad.read_text() == "row,column,value,reason\n3,email,nope,is not an e-mail address\n"


def test_a_rehearsal_says_that_nothing_was_written(tmp_path):
    path = csv_file(tmp_path, "external_id\n1\n")

    assert "1 rows read: 1 right, 0 rejected. Nothing was written." in run(
        "customers", path, "--source", "shop", "--dry-run"
    )
    assert not Customer.objects.exists()


def test_columns_are_mapped_by_pairs(tmp_path):
    path = csv_file(tmp_path, "No,a=b\n1,Ada\n")

    run("customers", path, "--source", "shop", "--map", "No=external_id", "a=b=first_name")

    assert Customer.objects.get().first_name == "Ada"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["customers", "none.csv", "--source", "s"], "none.csv cannot be opened: No such file"),
        (["customers", "-", "--source", ""], "The source '' is not a name"),
        (["people", "x.csv", "--source", "s"], "invalid choice: 'people'"),
        (["customers", "x.csv"], "--source"),
        (["customers", "x.csv", "--source", "s", "--map", "oops"], "'oops' is not column=field"),
    ],
)
def test_a_fault_is_one_sentence(words, sentence):
    with pytest.raises(CommandError, match=sentence):
        run(*words)
