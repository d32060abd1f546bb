"""A real receiver of webhooks, which checks signatures with a library that is not ours."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from standardwebhooks import Webhook, WebhookVerificationError


class Receiver:
    """Answers with ``status`` (a number, or a function of the number of calls), and remembers."""

    def __init__(self, secret=None):
        self.secret, self.status, self.headers = secret, 200, {}
        self.calls = []  # (webhook-id, body as data, whether the signature held)
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.calls.append(
                    (self.headers["webhook-id"], json.loads(body), outer.holds(self.headers, body))
                )
                status = outer.status(len(outer.calls)) if callable(outer.status) else outer.status
                self.send_response(status)
                for name, value in outer.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "5")
                self.end_headers()
                self.wfile.write(b"heard")

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server.server_address[1]}/hook"

    def holds(self, headers, body):
        if self.secret is None:
            return None
        try:
            Webhook(self.secret).verify(body, {k.lower(): v for k, v in headers.items()})
        except WebhookVerificationError:
            return False
        return True

    @property
    def ids(self):
        return [message_id for message_id, _body, _holds in self.calls]

    def told(self):
        """Ids of all changes, each message counted once, as a receiver should."""
        bodies = {message_id: body for message_id, body, _holds in self.calls}
        return [change["id"] for body in bodies.values() for change in body["data"]["changes"]]

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
