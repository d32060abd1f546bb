"""The served script is the small form of its source, under 3 KB, and kept by caches."""

import doctest
import hashlib

import pytest

from customers.snippet import minify

BYTES_MOST = 3_000  # as served, before any compression


def test_the_small_form_belongs_to_the_source():
    made = minify.small(minify.SOURCE.read_text(encoding="utf-8"))

    assert minify.SMALL.read_text(encoding="utf-8") == made, (
        "run python -m customers.snippet.minify"
    )


def test_it_is_under_three_kilobytes_as_served(client):
    answer = client.get("/v1/rapport.js")

    assert answer.status_code == 200
    assert 2_000 < len(answer.content) < BYTES_MOST
    assert answer["Content-Type"] == "text/javascript; charset=utf-8"


def test_caches_keep_it_and_ask_whether_it_changed(client):
    answer = client.get("/v1/rapport.js")

    assert answer["Cache-Control"].startswith("public, max-age=3600")
    assert answer["Access-Control-Allow-Origin"] == "*"
    assert "Cookie" not in answer.get("Vary", "")
    assert not answer.cookies
    again = client.get("/v1/rapport.js", headers={"If-None-Match": answer["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    other = client.get("/v1/rapport.js", headers={"If-None-Match": '"other"'})
    assert hashlib.sha256(other.content).hexdigest()[:32] == answer["ETag"].strip('"')


def test_the_examples_in_the_docstrings_hold():
    found = doctest.testmod(minify)
    assert found.attempted and not found.failed


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("const a = `text`;", "line 1"),
        ("const a = 1;\nconst b = 'x';", "line 2"),
        ("const name = 1;\nconst b = { name };", "shorthand"),
    ],
)
def test_what_it_does_not_understand_is_refused(source, words):
    with pytest.raises(ValueError, match=words):
        minify.small(source)


@pytest.mark.parametrize(
    ("source", "small"),
    [
        ("let one = 1;\nconst two = 2;", "let a=1,b=2;"),
        ("let one = f(a, b);\nlet two = 2;", "let c=f(a,b),d=2;"),
        ("if (x) { const one = 1; }\nconst two = true;", "if(x){let a=1}let b=!0;"),
        ("const o = { one: 1, two: two.one };", "let a={one:1,two:two.one};"),
        ("const one = () => { return 1; };\nlet two;", "let a=()=>{return 1},b;"),
        ('const one = "a // b";', 'let a="a // b";'),
    ],
)
def test_programs_keep_their_meaning(source, small):
    assert minify.small(source) == small
