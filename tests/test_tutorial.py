"""The tutorial's own commands, run as a reader would run them."""

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


@pytest.mark.slow
@pytest.mark.shared_data
def test_the_tutorial_runs_as_it_is_written(shared_data, short_home):
    given = {name: os.environ[name] for name in ("LANG", "HOME") if name in os.environ}
    done = subprocess.run(
        ["bash", "-c", script()],
        cwd=ROOT,
        env={
            **given,
            "PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin",
            "FILE": str(shared_data / "online_retail" / "online_retail.csv.gz"),
            "RAPPORT_HOME": str(short_home),
        },
        capture_output=True,
        text=True,
        timeout=SECONDS_MOST,
    )

    said = done.stdout
    assert done.returncode == 0, f"{said}\n{done.stderr[-3000:]}"
    assert "541,909 rows read: 541,909 new" in said
    assert "4372 customers" in said
    assert re.search(r"churn_90d: live\..*AUC of 0\.7[34]", said)
    sent = int(re.search(r"([\d,]+) planned, ([\d,]+) sent", said).group(2).replace(",", ""))
    assert sent > 100
    assert f"\n{sent}\n" in said  # as many arrived as were sent
    assert "Finished" in said
    assert "not sent: no_consent" in said
