"""Segments as files: the same bytes each time, all faults at once, all or nothing."""

import io

import pytest
from django.core.management import CommandError, call_command

from segments.models import Cluster, ModelRun, Segment
from segments.rules import ready_made
from segments.services import as_code, lists, segments
from segments.services.as_code import FilesRefused
from tests.makers import NOW, ago

pytestmark = pytest.mark.django_db
LOYAL = """\
key: loyal
name: Loyal
description: |
  Bought twice.
  "Often", we say: yes, no & more.
rule:
  version: 1
  where:
    type: and
    of:
      - type: orders
        measure: count
        op: '>='
        value: 2
        window_days: 90
      - type: field
        field: country
        op: in
        value:
          - 'NO'
          - FR
"""
HERE = ago(0)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "segments"


def rule(**node):
    return {"version": 1, "where": node or {"type": "everybody"}}


def make(key, where=None, **more):
    return segments.create(
        name=key.title(), key=key, rule=where or rule(), user=None, now=HERE, **more
    )


def put(folder, **files):
    folder.mkdir(exist_ok=True)
    for key, content in files.items():
        (folder / f"{key.replace('_', '-')}.yaml").write_text(content, encoding="utf-8")


def file(key, where="type: everybody", name="X"):
    return f"key: {key}\nname: {name}\nrule:\n  version: 1\n  where:\n    {where}\n"


def run(*words):
    out = io.StringIO()
    call_command("segments", *map(str, words), stdout=out)
    return out.getvalue()


def test_files_come_back_byte_for_byte(folder):
    node = {
        "type": "and",
        "of": [
            {"type": "orders", "measure": "revenue", "op": ">", "value": 200.5, "window_days": 90},
            {"type": "field", "field": "country", "op": "in", "value": ["NO", "FR", "on"]},
            {"type": "not", "of": {"type": "field", "field": "phone", "op": "exists"}},
        ],
    }
    node["of"][2]["of"]["field"] = "traits.since: 2020-01-01"
    texts = ("", "one line", "two\nlines\n", "ends with a space \nand: more", "'quoted' # é ☂")
    for number, words in enumerate(texts):
        make(f"s{number}", rule(**node), description=words)
    as_code.write(folder)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    Segment.objects.all().delete()
    as_code.apply(folder, now=NOW)
    written, removed = as_code.write(folder)

    assert (written, removed) == ([], [])
    assert before == {path.name: path.read_bytes() for path in folder.iterdir()}
    assert Segment.objects.get(key="s3").description == texts[3]
    assert Segment.objects.get(key="s3").rule["where"] == node


def test_a_file_reads_as_a_person_writes_it(folder):
    put(folder, loyal=LOYAL)
    as_code.apply(folder, now=NOW)

    loyal = Segment.objects.get(key="loyal")
    assert loyal.rule["where"]["of"][1]["value"] == ["NO", "FR"]
    assert as_code.export()["loyal.yaml"].startswith("key: loyal\nname: Loyal\ndescription: |\n")
    assert as_code.compare(folder) == []


def test_a_country_called_no_and_a_date_stay_text(folder):
    where = "type: field\n    field: country\n    op: =\n    value: NO"
    put(folder, norway=file("norway", where))
    as_code.apply(folder, now=NOW)

    assert Segment.objects.get(key="norway").rule["where"]["value"] == "NO"


def test_all_faults_of_all_files_come_at_once_and_nothing_is_written(folder):
    put(
        folder,
        good=file("good"),
        broken="key: [",
        other_name=file("something"),
        twice="key: twice\nname: A\nname: B\n",
        words=file("words").replace("name: X", "name: ''").replace("key:", "kye:"),
        node=file("node", "type: and\n    of:\n      - type: nonsense\n      - type: orders"),
        reference=file("reference", "type: segment\n    key: nobody"),
        listed=file("listed", "type: list\n    key: vips"),
        alias="key: alias\nname: &a x\ndescription: *a\n",
    )
    with pytest.raises(FilesRefused) as refused:
        as_code.apply(folder, now=NOW)

    found = [str(fault) for fault in refused.value.faults]
    for start in (
        "broken.yaml: ",
        "other-name.yaml: key: is 'something'",
        "twice.yaml: line 1: name is given twice",
        "words.yaml: kye: is not known here",
        "words.yaml: name: expected text of 1 to 120",
        "node.yaml: rule.where.of[0].type: ",
        "node.yaml: rule.where.of[1].",
        "reference.yaml: rule.where",
        "listed.yaml: rule: there is no list 'vips' here",
        "alias.yaml: line 3: a reference",
    ):
        assert any(one.startswith(start) for one in found), (start, found)
    assert not any(one.startswith("good") for one in found)
    assert not Segment.objects.filter(key="good").exists()


def test_files_that_name_each_other_are_applied_in_order(folder):
    put(
        folder,
        a_last=file("a-last", "type: segment\n    key: b-middle"),
        b_middle=file("b-middle", "type: not\n    of:\n      type: segment\n      key: c-first"),
        c_first=file("c-first"),
    )
    done = as_code.apply(folder, now=NOW)

    assert done.created == ["c-first", "b-middle", "a-last"]


def test_a_circle_is_refused_in_every_file_of_it(folder):
    put(folder, a=file("a", "type: segment\n    key: b"), b=file("b", "type: segment\n    key: a"))
    with pytest.raises(FilesRefused) as refused:
        as_code.apply(folder, now=NOW)

    assert {fault.file for fault in refused.value.faults} == {"a.yaml", "b.yaml"}


def test_turning_a_reference_round_needs_no_second_step(folder):
    make("b")
    make("a", rule(type="segment", key="b"))
    put(folder, b=file("b", "type: segment\n    key: a"), a=file("a"))

    assert as_code.apply(folder, now=NOW).changed == ["a", "b"]


def test_applying_twice_changes_nothing(folder):
    put(folder, loyal=LOYAL)
    as_code.apply(folder, now=NOW)
    version = Segment.objects.get(key="loyal").rule_version
    done = as_code.apply(folder, now=NOW)

    assert done.unchanged == ["loyal"]
    assert Segment.objects.get(key="loyal").rule_version == version


def test_a_dry_run_says_the_same_and_writes_nothing(folder):
    make("old")
    put(folder, loyal=LOYAL)
    dry = as_code.apply(folder, now=NOW, prunes=True, is_dry=True)

    assert (dry.created, dry.archived) == (["loyal"], ["old"])
    assert not Segment.objects.filter(key="loyal").exists()
    assert Segment.objects.get(key="old").state == "live"


def test_pruning_archives_what_has_no_file_those_that_name_others_first(folder):
    make("base")
    make("on-top", rule(type="segment", key="base"))
    put(folder, loyal=LOYAL)
    assert as_code.apply(folder, now=NOW).archived == []

    assert as_code.apply(folder, now=NOW, prunes=True).archived == ["on-top", "base"]
    shipped = ready_made.SEGMENTS[0].key
    assert Segment.objects.get(key=shipped).state == "live"


def test_a_file_may_not_name_what_is_pruned(folder):
    make("base")
    put(folder, top=file("top", "type: segment\n    key: base"))
    as_code.apply(folder, now=NOW, is_dry=True)
    with pytest.raises(FilesRefused, match="top.yaml"):
        as_code.apply(folder, now=NOW, prunes=True)


def test_an_archived_key_is_refused(folder):
    segments.archive(make("loyal"), user=None, now=NOW)
    put(folder, loyal=LOYAL)
    with pytest.raises(FilesRefused, match="archived here"):
        as_code.apply(folder, now=NOW)
    assert "loyal.yaml" not in as_code.export()


def test_what_belongs_to_this_installation_is_left_out(folder):
    model = ModelRun.objects.create(kind="clusters", as_of=NOW, created_at=NOW)
    cluster = Cluster.objects.create(run=model, key=0, proposed_name="c", size=1)
    make("from-cluster", cluster=cluster)
    edited, shipped = (Segment.objects.get(key=one.key) for one in ready_made.SEGMENTS[:2])
    segments.edit(edited, name="Ours now", user=None, now=NOW)

    assert set(as_code.export()) == {f"{edited.key}.yaml"}
    left = {one.key for one in as_code.left_out()}
    assert {"from-cluster", shipped.key} <= left
    put(folder)
    as_code.apply(folder, now=NOW, prunes=True)
    assert Segment.objects.get(key="from-cluster").state == "live"


def test_the_difference_reads_in_review_and_ends_with_one(folder):
    make("mine")
    make("loyal")
    as_code.write(folder)
    assert run("diff", folder) == "No difference.\n"

    (folder / "mine.yaml").unlink()
    put(folder, loyal=LOYAL, new=file("new"))
    out = io.StringIO()
    with pytest.raises(CommandError, match="1 new, 1 changed, 1 only here") as stopped:
        call_command("segments", "diff", str(folder), stdout=out)

    assert stopped.value.returncode == 1
    assert "--- here/loyal.yaml\n+++ files/loyal.yaml\n" in out.getvalue()
    assert "+        measure: count\n" in out.getvalue()
    assert "--- /dev/null\n+++ files/new.yaml\n" in out.getvalue()
    assert "--- here/mine.yaml\n+++ /dev/null\n" in out.getvalue()


def test_layout_and_comments_are_no_difference(folder):
    make("loyal")
    put(folder, loyal="# why\nrule: {where: {type: everybody}, version: 1}\nname: 'Loyal'\n")

    assert as_code.compare(folder) == []


def test_the_command_exports_applies_and_refuses(folder):
    make("mine")
    assert "wrote   mine.yaml" in run("export", folder)
    (folder / "docker-compose.yaml").write_text("services: {}\n")
    segments.archive(Segment.objects.get(key="mine"), user=None, now=NOW)
    assert "removed mine.yaml" in run("export", folder)
    assert (folder / "docker-compose.yaml").exists()
    (folder / "docker-compose.yaml").unlink()

    put(folder, loyal=LOYAL)
    assert "created  loyal" in run("apply", folder, "--dry-run")
    assert "1 created" in run("apply", folder)
    put(folder, broken="[")
    with pytest.raises(CommandError, match="broken.yaml") as stopped:
        run("apply", folder)
    assert stopped.value.returncode == 2


def test_a_missing_folder_is_named(folder):
    with pytest.raises(FilesRefused, match="no such folder"):
        as_code.apply(folder, now=NOW)


def test_judging_names_every_fault_and_unknown_lists():
    wrong = as_code.judge({"version": 1, "where": {"type": "and", "of": [{"type": "x"}, {}]}})
    fine = as_code.judge(rule(type="list", key="vips"))
    lists.create(name="VIPs", user=None, now=NOW)

    assert not wrong.is_valid
    assert [fault.path for fault in wrong.faults] == ["where.of[0].type", "where.of[1].type"]
    assert fine.is_valid and fine.sentence
    assert fine.warnings == ("There is no list 'vips'.",)
    assert as_code.judge(rule(type="list", key="vips")).warnings == ()
