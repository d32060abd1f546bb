"""Variables are typed, and nonsense is refused by name."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from rapport import env

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(("text", "meant"), [("1", True), ("Yes", True), ("off", False)])
def test_a_boolean_has_known_spellings(monkeypatch, text, meant):
    monkeypatch.setenv("FLAG", text)
    assert env.boolean("FLAG", not meant) is meant


@pytest.mark.parametrize(
    ("read", "text", "word"),
    [
        (lambda: env.boolean("X", False), "maybe", "X='maybe'"),
        (lambda: env.integer("X", 1, least=1, most=9), "ten", "whole number"),
        (lambda: env.integer("X", 1, least=1, most=9), "10", "between 1 and 9"),
        (lambda: env.choice("X", "a", ("a", "b")), "c", "one of a, b"),
        (lambda: env.url("X", "", ("redis",)), "mysql://me:secret@h/db", "mysql"),
    ],
)
def test_nonsense_is_refused_by_name(monkeypatch, read, text, word):
    monkeypatch.setenv("X", text)
    with pytest.raises(ImproperlyConfigured, match="X") as refusal:
        read()
    assert word in str(refusal.value)
    assert "secret" not in str(refusal.value)


def test_a_secret_may_come_from_a_file(monkeypatch, tmp_path):
    (tmp_path / "key").write_text("from-a-file\n")
    monkeypatch.setenv("KEY_FILE", str(tmp_path / "key"))
    assert env.text("KEY") == "from-a-file"


def test_a_socket_folder_survives_the_address():
    found = env.database("postgres://rapport@%2Ftmp%2Fa%20b%2Frun/shop")
    assert (found["HOST"], found["NAME"], found["USER"]) == ("/tmp/a b/run", "shop", "rapport")


def test_a_pattern_that_cannot_be_read_is_refused_by_name(monkeypatch):
    monkeypatch.setenv("IDENTITY_BLOCKED", r"kiosk-\d+, x+")
    assert env.patterns("IDENTITY_BLOCKED") == [r"kiosk-\d+", "x+"]

    monkeypatch.setenv("IDENTITY_BLOCKED", "ok, (open")
    with pytest.raises(ImproperlyConfigured, match="IDENTITY_BLOCKED: '.open'"):
        env.patterns("IDENTITY_BLOCKED")


@pytest.mark.parametrize(
    ("variables", "word"),
    [
        ({}, "SECRET_KEY"),
        ({"SECRET_KEY": "x" * 60, "DEBUG": "1"}, "DEBUG"),
        ({"SECRET_KEY": "x" * 60}, "ALLOWED_HOSTS"),
        ({"SECRET_KEY": "x" * 60, "ALLOWED_HOSTS": "shop.example.com"}, "DATABASE_URL"),
    ],
)
def test_production_refuses_what_is_unsafe(variables, word):
    kept = {name: os.environ[name] for name in ("PATH",) if name in os.environ}
    done = subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=ROOT,
        env={**kept, "ENVIRONMENT": "production", **variables},
        capture_output=True,
        text=True,
    )
    assert done.returncode != 0
    assert word in done.stderr
