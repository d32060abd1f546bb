"""A stateful double of Twilio's Messages API, after its public description.

Each message has a SID of its own and goes queued → sent → delivered, or undelivered where the
number says so; each step is a callback that Twilio's own library signs.  It knows who sent STOP
(error 21610), asks for patience (429 with Retry-After) and checks account and token.
"""

import base64
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any
from urllib.parse import parse_qs, urlsplit

from django.test import Client
from twilio.request_validator import RequestValidator

ACCOUNT, TOKEN = "AC" + "0" * 32, "the-token-of-the-account"
NUMBER = "+15005550006"
OPTED_OUT = {"code": 21610, "message": "Attempt to send to unsubscribed recipient", "status": 400}
NO_NUMBER = {"code": 21211, "message": "Invalid 'To' Phone Number", "status": 400}
TOO_MANY = {"code": 20429, "message": "Too Many Requests", "status": 429}
NOBODY = {"code": 20003, "message": "Authenticate", "status": 401}


@dataclass
class FakeTwilio:
    """``with FakeTwilio() as twilio`` listens on a free port until the end of the block."""

    stopped: set[str] = field(default_factory=set)  # numbers that sent STOP
    unreachable: dict[str, str] = field(default_factory=dict)  # number: error of its failure
    refusals: int = 0  # so many requests get 429 first
    hangs_up: set[str] = field(default_factory=set)  # numbers at which the line breaks unanswered
    sent: list[dict[str, str]] = field(default_factory=list)

    def __enter__(self) -> "FakeTwilio":
        self._numbers, self._lock = count(1), threading.Lock()
        handler = type("Handler", (_Handler,), {"twilio": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        host, port = self._server.server_address[:2]
        self.api = f"http://{host!s}:{port}"
        self.url = f"twilio://{ACCOUNT}:{TOKEN}@{NUMBER}?api={self.api}"
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    def answer(self, path: str, login: str, form: dict[str, str]) -> tuple[int, dict, dict]:
        """Status, body and headers of one request."""
        expected = base64.b64encode(f"{ACCOUNT}:{TOKEN}".encode()).decode()
        if login != f"Basic {expected}":
            return 401, NOBODY, {}
        if path != f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json":
            return 404, {"code": 20404, "status": 404}, {}
        with self._lock:
            if self.refusals:
                self.refusals -= 1
                return 429, TOO_MANY, {"Retry-After": "1"}
            to = form.get("To", "")
            if to in self.stopped:
                return 400, OPTED_OUT, {}
            if not to.startswith("+") or not form.get("Body"):
                return 400, NO_NUMBER, {}
            sid = f"SM{next(self._numbers):032x}"
            self.sent.append({**form, "sid": sid})
        shown = {"sid": sid, "status": "queued", "to": to, "from": form.get("From"), "price": None}
        return 201, shown, {}

    def callbacks(self) -> Iterator[tuple[str, dict[str, str]]]:
        """Address and parameters of everything it has to tell, in order."""
        for message in self.sent:
            error = self.unreachable.get(message["To"], "")
            for status in ("sent", "undelivered" if error else "delivered"):
                said = {
                    "MessageSid": message["sid"], "SmsSid": message["sid"], "MessageStatus": status,
                    "To": message["To"], "From": message["From"], "AccountSid": ACCOUNT,
                }  # fmt: skip
                if status == "undelivered":
                    said["ErrorCode"] = error
                if "StatusCallback" in message:
                    yield message["StatusCallback"], said

    def tell(self, client: Client, url: str, said: dict[str, str], token: str = TOKEN) -> Any:
        """Post to us as Twilio does, signed by its own library."""
        signature = RequestValidator(token).compute_signature(url, said)
        path = urlsplit(url)
        where = path.path + (f"?{path.query}" if path.query else "")
        return client.post(where, said, headers={"X-Twilio-Signature": signature})

    def tell_all(self, client: Client) -> list[int]:
        return [self.tell(client, url, said).status_code for url, said in self.callbacks()]

    def inbound(self, client: Client, url: str, sender: str, text: str, sid: str) -> Any:
        """Somebody texts to our number; STOP and START count here as well."""
        if text.strip().upper() == "STOP":
            self.stopped.add(sender)
        elif text.strip().upper() == "START":
            self.stopped.discard(sender)
        said = {"MessageSid": sid, "From": sender, "To": NUMBER, "Body": text, "NumMedia": "0"}
        return self.tell(client, url, said)


class _Handler(BaseHTTPRequestHandler):
    twilio: FakeTwilio
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._send(404, {}, {})

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        raw = parse_qs(self.rfile.read(length).decode(), keep_blank_values=True)
        form = {name: values[0] for name, values in raw.items()}
        if form.get("To") in self.twilio.hangs_up:
            self.close_connection = True
            self.connection.close()
            return
        self._send(*self.twilio.answer(self.path, self.headers.get("Authorization", ""), form))

    def _send(self, status: int, body: dict, headers: dict[str, str]) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(data))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass
