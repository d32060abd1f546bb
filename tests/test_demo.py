"""The demo builds everything with one command, and says what it built."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
CUSTOMERS = 600


def run_demo(home: Path, *words: str) -> subprocess.CompletedProcess:
    given = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run(
        [sys.executable, "manage.py", "demo", *words],
        cwd=ROOT,
        env={**given, "RAPPORT_HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=240,
    )


@pytest.mark.slow
def test_the_demo_builds_a_shop_and_measures_a_campaign(short_home):
    done = run_demo(short_home, "--once", "--customers", str(CUSTOMERS), "-v", "0")

    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.strip().splitlines()[-1])
    messages, arms = found["messages"], found["arms"]
    assert found["customers"] == CUSTOMERS
    assert found["orders"] > CUSTOMERS
    assert found["events"] > found["orders"]
    assert found["segments"] >= 12
    assert messages["sent"] > 50
    assert sum(messages.values()) == sum(arms.values())
    assert messages["skipped holdout"] <= arms["holdout"]
    assert not {state for state in messages if state.startswith(("failed", "unknown", "planned"))}
    assert found["conclusion"]
    assert set(found["seconds"]) == {"simulate", "train", "segment", "send", "react", "refresh"}

    again = run_demo(short_home, "--once", "--customers", str(CUSTOMERS), "-v", "0")

    assert json.loads(again.stdout.strip().splitlines()[-1])["messages"] == messages


@pytest.mark.parametrize(
    ("words", "answer"), [(["--customers", "3"], "between"), (["--customers", "x"], "invalid int")]
)
def test_nonsense_is_refused_in_a_sentence(short_home, words, answer):
    done = run_demo(short_home, "--once", *words)

    assert done.returncode != 0
    assert answer in done.stderr
    assert "Traceback" not in done.stderr
