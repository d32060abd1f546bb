"""A shop's own site, on a port of its own, with the script in its pages."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Mugs</title>
<script>window.rapport = window.rapport || []; {early}</script>
<script async src="{host}/v1/rapport.js"></script></head><body>
<div data-rapport-slot="hero"><p>Own words</p></div>
<p id="below">Below</p>
<a href="/mugs/blue" data-rapport-product="mug-blue"><b id="blue">Blue mug</b></a>
{body}</body></html>"""


class Shop:
    """Serves ``pages``, and one page for every other address."""

    def __init__(self) -> None:
        self.pages: dict[str, str] = {}
        self.page = ""
        shop = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                text = shop.pages.get(self.path.partition("?")[0], shop.page).encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def shop() -> Iterator[Shop]:
    made = Shop()
    yield made
    made.stop()
