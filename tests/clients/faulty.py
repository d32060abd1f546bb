"""The real application behind a network that fails as told: for gunicorn, in the conformance test.

``/faults/NAME/500,late500,429/v1/batch``: the first call of NAME is answered 500 and never reaches
the application, the second reaches it and is answered 500 all the same, the third is told to wait,
and all others pass.  ``/calls/NAME`` says how many there were.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from threading import Lock
from typing import Any

from rapport.wsgi import application as rapport

_calls: Counter[str] = Counter()
_lock = Lock()


def application(environ: dict[str, Any], start_response: Callable) -> Iterable[bytes]:
    path: str = environ["PATH_INFO"]
    if path.startswith("/calls/"):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [str(_calls[path.split("/")[2]]).encode()]
    if not path.startswith("/faults/"):
        return rapport(environ, start_response)
    _, _, name, faults, rest = path.split("/", 4)
    with _lock:
        number = _calls[name]
        _calls[name] += 1
    environ["PATH_INFO"] = f"/{rest}"
    given = faults.split(",")
    fault = given[number] if number < len(given) else ""
    if not fault:
        return rapport(environ, start_response)
    if fault.startswith("late"):  # it was stored, and nobody hears of it
        b"".join(rapport(environ, lambda *_: None))
        fault = fault.removeprefix("late")
    environ["wsgi.input"].read()
    headers = [("Content-Type", "text/plain")]
    if fault == "429":
        headers += [("Retry-After", "1"), ("X-RateLimit-Reset", "1")]
    start_response(f"{fault} Fault", headers)
    return [b"a fault of the test"]
