"""The tutorial's own commands, run as a reader would run them."""

import csv
import gzip
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TUTORIAL = ROOT / "docs" / "tutorial-online-retail.md"
SECONDS_MOST = 300
END = "\nkill $(jobs -p) 2>/dev/null; wait\n"


def script() -> str:
    blocks = re.findall(r"```sh\n(.*?)```", TUTORIAL.read_text(encoding="utf-8"), re.DOTALL)
    # The tutorial's ports may be taken where tests run side by side.
    text = "set -euo pipefail\n" + "\n".join(blocks) + END
    return text.replace("127.0.0.1:2525", f"127.0.0.1:{free_port()}")


def free_port() -> int:
    with socket.socket() as link:
        link.bind(("127.0.0.1", 0))
        return link.getsockname()[1]


def some_of(file: Path, target: Path) -> tuple[Path, int, int]:
    """Every fifth customer of the file and no guest: the file, its rows and its customers."""
    with gzip.open(file, "rt", encoding="utf-8", newline="") as read, target.open("w") as written:
        rows = csv.DictReader(read)
        kept = csv.DictWriter(written, rows.fieldnames or ())
        kept.writeheader()
        ids, count = set(), 0
        for row in rows:
            number = row["CustomerID"].split(".")[0]
            if number and not int(number) % 5:
                kept.writerow(row)
                ids.add(number)
                count += 1
    return target, count, len(ids)


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.shared_data
def test_the_tutorial_runs_as_it_is_written(shared_data, short_home, tmp_path):
    file, rows, customers = shared_data / "online_retail" / "online_retail.csv.gz", 541_909, 4_372
    if not os.environ.get("RAPPORT_LONG"):
        file, rows, customers = some_of(file, tmp_path / "some.csv")
    given = {name: os.environ[name] for name in ("LANG", "HOME") if name in os.environ}
    done = subprocess.run(
        ["bash", "-c", script()],
        cwd=ROOT,
        env={
            **given,
            "PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin",
            "FILE": str(file),
            "RAPPORT_HOME": str(short_home),
        },
        capture_output=True,
        text=True,
        timeout=SECONDS_MOST,
    )

    said = done.stdout
    assert done.returncode == 0, f"{said}\n{done.stderr[-3000:]}"
    assert f"{rows:,} rows read: {rows:,} new" in said
    assert f"{customers} customers" in said
    assert re.search(r"churn_90d: live\..*AUC of 0\.7", said)
    sent = int(re.search(r"([\d,]+) planned, ([\d,]+) sent", said).group(2).replace(",", ""))
    assert sent > customers / 50
    assert f"\n{sent}\n" in said  # as many arrived as were sent
    assert "Finished" in said
    assert "not sent: no_consent" in said
